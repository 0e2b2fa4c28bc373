use crate::Digest;
use crate::name::{check_name, check_relative_path};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a model came about: everything that its bytes are a function of, and what was measured at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The recipe, and what the training left beside the model: metrics and plots.
    pub files: BTreeMap<String, Digest>,
    /// SHA-256 of the plan that the recipe resolved to.
    pub plan: Digest,
    /// The rows that were learnt from.
    pub data: TrainingData,
    /// The version of the program.
    pub tinyassay: String,
    /// What the numbers of a step depend on besides.
    pub runtime: TrainingRuntime,
    /// The seed of all randomness.
    pub seed: u64,
    /// How often all rows were seen.
    pub epochs: u32,
    /// What was measured after the last epoch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
}

/// The rows that a model learnt from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingData {
    /// The data set.
    pub name: String,
    /// Its split.
    pub split: String,
    /// The digest of everything that decides the rows.
    pub digest: Digest,
    /// How many of them, the first ones.
    pub rows: u64,
}

/// The machine that a model was trained on, as far as its bytes depend on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRuntime {
    /// The execution provider.
    pub provider: String,
    /// The version of ONNX Runtime.
    pub onnxruntime: String,
    /// SHA-256 of its library.
    pub library_sha256: Digest,
    /// The class of instruction sets that its kernels are chosen by.
    pub instruction_set: String,
    /// Threads that shared a step.
    pub threads: u32,
}

impl Training {
    /// The name of the recipe beside a model.
    pub const RECIPE: &str = "recipe.yaml";
    /// The folder of an unfinished training beside a model.
    pub const FOLDER: &str = "training";

    pub(crate) fn check(&self) -> Result<(), String> {
        for name in self.files.keys() {
            check_relative_path(name).map_err(|reason| format!("`files`: `{name}`: {reason}"))?;
        }
        if !self.files.contains_key(Self::RECIPE) {
            return Err(format!("`files` lacks `{}`", Self::RECIPE));
        }
        check_name(&self.data.name).map_err(|reason| format!("`data`: `name`: {reason}"))?;
        check_name(&self.data.split).map_err(|reason| format!("`data`: `split`: {reason}"))?;
        match self.metrics.iter().find(|(_, value)| !value.is_finite()) {
            Some((name, value)) => Err(format!("`metrics`: `{name}` is {value}, and must be finite")),
            None => Ok(()),
        }
    }
}
