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
    use crate::sample::{compared, detectors, example, figure, model, results, with_probes, with_static_cost};
    use std::collections::BTreeSet;
    use std::path::Path;

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
            let all = [example(), with_probes(), with_static_cost(), compared(), detectors()];
            for results in all.into_iter().chain(few) {
                for training in [None, Some(figure())] {
                    let text = (format.render)(&results, training.as_ref()).unwrap();
                    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}", format.name);
                    assert_eq!(text, (format.render)(&results, training.as_ref()).unwrap(), "{}", format.name);
                }
            }
        }
    }

    /// A report of before a field was there is read, and rendered again byte for byte. Of the figure only the words are in it.
    #[test]
    fn committed_reports_are_rendered_as_they_are() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reports");
        let reports = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let reports: Vec<_> = reports.filter(|path| path.join("results.json").exists()).collect();
        assert!(!reports.is_empty());
        for report in reports {
            let read = |file: &str| std::fs::read_to_string(report.join(file)).unwrap();
            let results = Results::from_json(&read("results.json")).unwrap();
            let about = |text: &str| {
                let (_, after) = text.split_once(&format!("]({})\n\n", Figure::FILE))?;
                Some(after.split("\n\n## ").next()?.to_owned())
            };
            let training = about(&read("report.md")).map(|about| Figure { svg: String::new(), about });
            for format in FORMATS {
                let Some(file) = format.file else { continue };
                let text = (format.render)(&results, training.as_ref()).unwrap();
                assert!(text == read(file), "{} is not rendered as it is", report.join(file).display());
            }
        }
    }
}
