//! The results of a report folder, as they are read and before anything is believed.

use anyhow::{Context, Result};
use evidence::Results;
use serde_json::Value;
use std::path::Path;

/// `results.json`.
pub(super) struct Stored {
    /// Its bytes.
    pub(super) text: String,
    pub(super) results: Results,
    /// The plan in it, as JSON.
    pub(super) plan: Value,
}

impl Stored {
    /// Errors: the file is not there or cannot be read.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let text = std::fs::read(folder.join("results.json")).context("failed to read it")?;
        let text = String::from_utf8(text).context("it is not UTF-8")?;
        let results = Results::from_json(&text)?;
        let plan = serde_json::to_value(&results.plan)?;
        Ok(Self { text, results, plan })
    }
}
