//! One file per format, and one line each in the table.

mod json;
mod markdown;
mod terminal;

pub use terminal::leaderboard;

use evidence::Results;

use crate::Error;

/// A form that results take.
pub struct Format {
    /// What a user calls it.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its file in the report folder; `None` if it is only printed.
    pub file: Option<&'static str>,
    /// A pure function of the results.
    pub render: fn(&Results) -> Result<String, Error>,
}

/// All formats.
pub const FORMATS: &[Format] = &[
    Format {
        name: "terminal",
        about: "the leaderboard, for the screen",
        file: None,
        render: |results| Ok(leaderboard(results)),
    },
    Format { name: "json", about: "every number, for machines", file: Some("results.json"), render: json::render },
    Format {
        name: "markdown",
        about: "the whole report, for people",
        file: Some("report.md"),
        render: |results| Ok(markdown::render(results)),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{example, model, results, with_probes};
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
            for results in [example(), with_probes(), results(vec![]), results(vec![model("alone", 7, &[])])] {
                let text = (format.render)(&results).unwrap();
                assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}", format.name);
                assert_eq!(text, (format.render)(&results).unwrap(), "{}", format.name);
            }
        }
    }
}
