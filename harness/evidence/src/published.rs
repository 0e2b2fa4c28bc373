//! Numbers that a publication states, which stand beside ours and decide nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a publication states about some models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Where the numbers stand.
    pub source: String,
    /// The models, in the order of the suite; some of them may not be among the results.
    pub models: Vec<PublishedModel>,
}

/// What a publication states about one model. Names are those of the results.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedModel {
    /// The model's name.
    pub name: String,
    /// Clean accuracy, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_accuracy: Option<f64>,
    /// Robust accuracy by the attack's name, from 0 to 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub robust_accuracy: BTreeMap<String, f64>,
    /// The mean of a probe by the probe's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, f64>,
    /// Multiply-accumulates, in the convention of `ModelResult::macs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macs: Option<f64>,
    /// Multiply-accumulates, as torchprofile counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macs_torchprofile: Option<f64>,
    /// Elements of all initializers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<f64>,
    /// Parameters without those of batch normalisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params_without_bn: Option<f64>,
}
