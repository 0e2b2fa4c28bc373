//! One file per format, and one line each in the table.

pub(crate) mod csv;
pub(crate) mod html;
mod json;
pub(crate) mod markdown;
pub(crate) mod terminal;

pub use terminal::leaderboard;

use evidence::{GateVerdict as Verdict, Latency, Results};

use crate::{Error, Figure, Picture, latency};

/// A form that results take.
pub struct Format {
    /// What a user calls it.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its file in the report folder; `None` if it is only printed.
    pub file: Option<&'static str>,
    /// A pure function of the results and of what stands beside them.
    pub render: fn(&Results, Beside<'_>) -> Result<String, Error>,
}

/// What a report shows beside its results, and no result depends on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// How the models were trained.
    pub training: Option<&'a Figure>,
    /// Latencies that were observed.
    pub latency: &'a [Latency],
    /// What the suite's gates say; `None` without any.
    pub verdict: Option<&'a Verdict>,
    /// Rows, and what attacks made of them.
    pub pictures: &'a [Picture],
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
        render: |results, beside| {
            let observed = latency::section(beside.latency).map(|text| format!("\n{text}\n"));
            Ok(markdown::render(results, beside.training, beside.verdict) + &observed.unwrap_or_default())
        },
    },
    Format {
        name: "csv",
        about: "a line for each model, for spreadsheets",
        file: Some("leaderboard.csv"),
        render: |results, _| Ok(csv::render(results)),
    },
    Format {
        name: "html",
        about: "one page that needs nothing but a browser",
        file: Some("report.html"),
        render: html::render,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stored;
    use crate::sample::{
        compared, detectors, example, figure, latency, model, pictures, ranked, results, verdict, with_corruptions,
        with_probes, with_static_cost,
    };
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
            let all =
                [example(), ranked(), with_probes(), with_static_cost(), with_corruptions(), compared(), detectors()];
            for results in all.into_iter().chain(few) {
                let (figure, latency) = (figure(), [latency()]);
                let (verdict, pictures) = (verdict(), pictures());
                let all =
                    Beside { training: Some(&figure), latency: &latency, verdict: Some(&verdict), pictures: &pictures };
                for beside in [Beside::default(), all, Beside { training: None, ..all }] {
                    let text = (format.render)(&results, beside).unwrap();
                    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}", format.name);
                    assert_eq!(text, (format.render)(&results, beside).unwrap(), "{}", format.name);
                }
            }
        }
    }

    /// A report of before a field was there is read, and rendered again byte for byte.
    #[test]
    fn committed_reports_are_rendered_as_they_are() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reports");
        let reports = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let reports: Vec<_> = reports.filter(|path| path.join("results.json").exists()).collect();
        assert!(!reports.is_empty());
        for report in reports {
            let stored = Stored::read(&report).unwrap();
            for format in FORMATS {
                let Some(file) = format.file else { continue };
                let text = (format.render)(&stored.results, stored.beside()).unwrap();
                let kept = std::fs::read_to_string(report.join(file)).unwrap();
                assert!(text == kept, "{} is not rendered as it is", report.join(file).display());
            }
        }
    }

    /// Only the report has latencies, at its end: all else is byte for byte what it is without.
    #[test]
    fn latencies_are_added_to_the_report_and_change_nothing_else() {
        let latency = [latency()];
        for format in FORMATS {
            let without = (format.render)(&example(), Beside::default()).unwrap();
            let with = (format.render)(&example(), Beside { latency: &latency, ..Beside::default() }).unwrap();
            match with.strip_prefix(&without) {
                Some(more) if format.file == Some("report.md") => {
                    assert!(more.starts_with("\n## Observed on one machine\n"), "{more}")
                }
                more => assert_eq!(more, Some(""), "{}", format.name),
            }
        }
    }
}
