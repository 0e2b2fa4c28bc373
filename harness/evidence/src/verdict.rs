use serde::{Deserialize, Serialize};

use crate::{Error, results};

/// `verdict.json`: what the gates of a suite, or of a file of their own, say of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateVerdict {
    /// The version of this file's layout.
    pub schema_version: u32,
    /// The suite's name.
    pub suite: String,
    /// Fail if some gate fails; otherwise inconclusive if some gate is; otherwise pass.
    pub decision: Decision,
    /// Each gate on each model that it is about, in the order of the gates and of the models.
    pub gates: Vec<GateResult>,
}

/// How a gate, or all of them together, ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// What the gate asks for was shown.
    Pass,
    /// Neither was shown: too few samples, or a result that is not to be trusted.
    Inconclusive,
    /// The opposite was shown.
    Fail,
}

/// One gate on one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateResult {
    /// What the gate asks for, in one line, such as `robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %)`. No two gates of a
    /// file ask for the same.
    pub gate: String,
    /// The metric's id, such as `robust_accuracy`.
    pub metric: String,
    /// The model that it is about.
    pub model: String,
    /// How it ends.
    pub decision: Decision,
    /// Why: what was measured, within which limits, against which threshold, and what to do about it.
    pub message: String,
    /// What was measured; `None` where there is no number, as for flags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<f64>,
    /// Its lower confidence limit, at the confidence of the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci_low: Option<f64>,
    /// Its upper confidence limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci_high: Option<f64>,
    /// What it was held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Against a baseline: the p-value of McNemar's exact test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The file that the gate is written in, as it was named.
    pub file: String,
    /// The line that it begins on, from 1.
    pub line: u64,
}

impl GateVerdict {
    /// The current version of the layout.
    pub const SCHEMA_VERSION: u32 = 1;

    /// The verdict of these gates.
    pub fn of(suite: &str, gates: Vec<GateResult>) -> Self {
        let decision = gates.iter().map(|gate| gate.decision).max().unwrap_or(Decision::Pass);
        Self { schema_version: Self::SCHEMA_VERSION, suite: suite.to_owned(), decision, gates }
    }

    /// The file's text. Errors: [`Error::Json`] never, in practice.
    pub fn to_json(&self) -> Result<String, Error> {
        results::pretty("verdict.json", self)
    }

    /// Reads the file's text. Errors: [`Error::Json`] with line and column.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        results::parse("verdict.json", text)
    }
}
