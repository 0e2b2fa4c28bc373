//! The forms that a verdict takes: one file per format, and one line each in the table.

mod annotations;
mod junit;
mod sarif;
mod summary;
mod terminal;

pub use annotations::render as annotations;
pub use summary::{LIMIT as SUMMARY_LIMIT, within as verdict_summary};

use evidence::GateVerdict as Verdict;

use crate::Error;

/// A form that a verdict takes.
pub struct VerdictFormat {
    /// What a user calls it.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// A pure function of the verdict.
    pub render: fn(&Verdict) -> Result<String, Error>,
}

/// All formats.
pub const VERDICT_FORMATS: &[VerdictFormat] = &[
    VerdictFormat {
        name: "terminal",
        about: "a table, and a message for each gate",
        render: |v| Ok(terminal::render(v)),
    },
    VerdictFormat { name: "json", about: "verdict.json, for machines", render: |v| Ok(v.to_json()?) },
    VerdictFormat {
        name: "junit",
        about: "JUnit XML, which CI servers show as tests",
        render: |v| Ok(junit::render(v)),
    },
    VerdictFormat {
        name: "sarif",
        about: "SARIF 2.1.0: what does not pass, at its line of the suite, for code scanning",
        render: |v| Ok(sarif::render(v)),
    },
    VerdictFormat {
        name: "summary",
        about: "Markdown for the summary of a step of GitHub Actions, at most 1 MiB",
        render: |v| Ok(summary::within(v, summary::LIMIT)),
    },
    VerdictFormat {
        name: "annotations",
        about: "workflow commands of GitHub Actions, which put messages at lines of the suite",
        render: |v| Ok(annotations::render(v)),
    },
];

/// The format of this name.
pub fn verdict_format(name: &str) -> Option<&'static VerdictFormat> {
    VERDICT_FORMATS.iter().find(|format| format.name == name)
}

/// A path with forward slashes, whatever the system, that cannot break a line.
fn slashes(path: &str) -> String {
    crate::text::plain(&path.replace('\\', "/"))
}

#[cfg(test)]
mod tests;
