//! One file per format, and one line each in the table.

mod json;
mod markdown;
mod terminal;

pub use terminal::leaderboard;

use evidence::Results;

use crate::{Error, Figure};

/// A form that results take.
pub struct Format {
    /// What a user calls it.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its file in the report folder; `None` if it is only printed.
    pub file: Option<&'static str>,
    /// A pure function of the results and of the figure that stands beside them.
    pub render: fn(&Results, Option<&Figure>) -> Result<String, Error>,
}

/// All formats.
pub const FORMATS: &[Format] = &[
    Format {
        name: "terminal",
        about: "the leaderboard, for the screen",
        file: None,
        render: |results, _| Ok(leaderboard(results)),
    },
    Format {
        name: "json",
        about: "every number, for machines",
        file: Some("results.json"),
        render: |results, _| json::render(results),
    },
    Format {
        name: "markdown",
        about: "the whole report, for people",
        file: Some("report.md"),
        render: |results, training| Ok(markdown::render(results, training)),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{compared, detectors, example, figure, model, results, with_probes};
    use std::collections::BTreeSet;

    #[test]
    fn names_and_files_are_unique() {
        let names: BTreeSet<_> = FORMATS.iter().map(|format| format.name).collect();
        let files: BTreeSet<_> = FORMATS.iter().filter_map(|format| format.file).collect();
        assert_eq!(names.len(), FORMATS.len());
        assert_eq!(files.len(), FORMATS.iter().filter(|format| format.file.is_some()).count());
        assert!(FORMATS.iter().all(|format| !format.about.is_empty()));
    }

    #[test]
    fn every_format_renders_anything_and_ends_its_last_line() {
        for format in FORMATS {
            let few = [results(vec![]), results(vec![model("alone", 7, &[])])];
            for results in [example(), with_probes(), compared(), detectors()].into_iter().chain(few) {
                for training in [None, Some(figure())] {
                    let text = (format.render)(&results, training.as_ref()).unwrap();
                    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}", format.name);
                    assert_eq!(text, (format.render)(&results, training.as_ref()).unwrap(), "{}", format.name);
                }
            }
        }
    }
}
