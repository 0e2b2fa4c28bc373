use serde::{Deserialize, Serialize};

use crate::{Error, Latency, results};

/// `observations.json`: what may differ between two runs of one plan, so that `results.json` need not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observations {
    /// The version of this file's layout.
    pub schema_version: u32,
    /// When the run started, RFC 3339 in UTC.
    pub started_at: String,
    /// Where it ran.
    pub host: Host,
    /// Workers.
    pub jobs: u64,
    /// The whole run, in seconds.
    pub wall_seconds: f64,
    /// Blocks computed by this run.
    pub blocks_computed: u64,
    /// Blocks found in the evidence folder or the cache.
    pub blocks_reused: u64,
    /// Blocks set aside because they were damaged: where they are now, and why.
    pub blocks_damaged: Vec<String>,
    /// Each check on each model.
    pub checks: Vec<CheckObservation>,
    /// How long inferences take, one entry for each that the suite's `cost` asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latency: Vec<Latency>,
}

/// The machine, as far as it explains times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// Logical processors.
    pub cpus: u64,
}

/// One check on one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckObservation {
    /// The model's name.
    pub model: String,
    /// The check's name, or `clean`.
    pub check: String,
    /// From its first block to its last, in seconds.
    pub wall_seconds: f64,
    /// Blocks computed by this run.
    pub blocks_computed: u64,
    /// Blocks found.
    pub blocks_reused: u64,
}

impl Observations {
    /// The current version of the layout.
    pub const SCHEMA_VERSION: u32 = 1;

    /// The file's text. Errors: [`Error::Json`] never, in practice.
    pub fn to_json(&self) -> Result<String, Error> {
        results::pretty("observations.json", self)
    }

    /// Reads the file's text.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        results::parse("observations.json", text)
    }
}
