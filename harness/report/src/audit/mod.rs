//! The audit report: one document for a reviewer who decides whether the evidence is enough. A file for each chapter.
//!
//! Every sentence with a number in it is made from results. This module knows no attack and no probe by name.

mod artifacts;
mod classes;
mod compared;
mod cost;
mod frameworks;
mod gates;
mod indicators;
mod limits;
mod protocol;
mod purpose;
mod quantized;
mod replay;
mod robustness;
mod sensitivity;
mod stability;
mod summary;
mod wording;

use evidence::{Digest, Results};

use crate::document::{Document, Text};
use crate::{Error, Stored};

/// What an audit report is made from.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The report.
    pub stored: &'a Stored,
    /// Its folder, as commands name it.
    pub folder: &'a str,
    /// What the models are for, where that is not what the suite says.
    pub intended_use: Option<&'a str>,
    /// Digests of the files that the document is made from, by name.
    pub files: &'a [(String, Digest)],
    /// What is known of the models beside the report.
    pub lineage: &'a [Lineage],
    /// In which ways the folder differs from its `SHA256SUMS`; `None` where there is no such list to hold it against.
    pub integrity: Option<&'a [String]>,
    /// Names of the signed statements in the folder. Nothing is said of whether they hold.
    pub signatures: &'a [String],
}

/// What a registry knows of a model of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// The model's name.
    pub model: String,
    /// Whether it is the model of the report.
    pub found: Found,
    /// Facts by name, such as `licence`, in the order in which they are told.
    pub facts: Vec<(String, String)>,
    /// The digest of the rows that it was trained on, where that is known.
    pub training_data: Option<Digest>,
}

/// Whether a registered model is that of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Its files have the digests of the report.
    Same,
    /// There is a model of this name, with other files.
    Changed,
    /// There is none.
    Absent,
}

impl Case<'_> {
    fn results(&self) -> &Results {
        &self.stored.results
    }

    /// What the models are for, and who says so.
    fn purpose(&self) -> Option<(&str, &'static str)> {
        let of_suite = || self.results().plan.get("purpose")?.as_str();
        let given =
            self.intended_use.map(|text| (text, "stated when this document was made, and no part of the results"));
        given.or_else(|| Some((of_suite()?, "as the suite says, which the plan's digest covers")))
    }
}

/// The whole document.
///
/// Errors: [`Error::Plot`] for a curve that cannot be drawn.
pub fn audit(case: &Case<'_>) -> Result<Document, Error> {
    let results = case.results();
    Ok(Document {
        title: format!("Audit report: robustness of the models in {}", results.suite),
        about: vec![
            Text::from(format!(
                "Made by Tinyassay {} from results of Tinyassay {}.",
                env!("CARGO_PKG_VERSION"),
                results.tinyassay
            )),
            Text::from("Plan ").code(results.plan_digest.to_string()),
        ],
        sections: vec![
            summary::chapter(case),
            purpose::chapter(case),
            artifacts::chapter(case),
            protocol::chapter(case),
            robustness::chapter(case)?,
            indicators::chapter(case),
            cost::chapter(case),
            gates::chapter(case),
            limits::chapter(case),
            replay::chapter(case),
            frameworks::chapter(),
        ],
    })
}

#[cfg(test)]
mod tests;
