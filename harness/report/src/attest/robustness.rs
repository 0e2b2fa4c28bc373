//! The predicate with everything that the report says.

use serde_json::{Value, json};

use crate::SUMS;
use crate::attest::folder::Report;

/// What the predicate is.
pub const ROBUSTNESS: &str = "https://tinyassay.dev/robustness/v1";

/// The results word for word, the digest of the list of all files, and what the gates say.
pub(super) fn predicate(report: &Report) -> Value {
    let mut predicate = json!({
        "report": { "name": SUMS, "digest": { "sha256": report.sums.to_string() } },
        "results": report.results_value,
    });
    if let Some(verdict) = &report.verdict_value {
        predicate["verdict"] = verdict.clone();
    }
    predicate
}
