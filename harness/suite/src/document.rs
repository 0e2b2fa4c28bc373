//! The keys of a suite, as they are written. Nothing is checked here but names and types.

use crate::attacks::Attacks;
use crate::corruptions::CorruptionsSection;
use crate::cost::Costs;
use crate::entry::Entry;
use crate::gates::GateForm;
use crate::named::Named;
use crate::probes::Probes;
use attack::{Budget, Epsilon, Norm, ThreatModel};
use registry::yaml::{Located, Problem};
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// A suite: which models are attacked with what, on which data.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Suite", extend("$id" = "schema.json"))]
pub struct Document {
    /// The version of this format. It is 1.
    #[schemars(extend("const" = 1))]
    pub version: Located<u64>,
    /// The suite's name. The report goes to `reports/<name>/`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub name: Located<String>,
    /// What the models are for, and what they are not for, in plain words: an audit report quotes it. It decides nothing. Without
    /// it: not stated.
    #[serde(default)]
    pub purpose: Option<Located<String>>,
    /// The inputs that the models are measured on.
    pub dataset: DatasetSection,
    /// Models: names in `models/`, globs over them (`resnet8-*`), or paths of folders with a manifest, relative to this file.
    #[schemars(length(min = 1))]
    pub models: Located<Vec<Located<String>>>,
    /// How far an input may be moved.
    pub threat: ThreatSection,
    /// Robust accuracy at other radii too. Without it: at the radius of `threat` alone.
    #[serde(default)]
    pub curve: Option<Located<CurveSection>>,
    /// The attacks. A short name is an exact published setting; the long form names every number.
    #[schemars(length(min = 1))]
    pub attacks: Located<Vec<Located<Entry<Attacks>>>>,
    /// All randomness comes from this number.
    pub seed: Located<u64>,
    /// What is measured beside the attacks: how sensitive a model is. A short name is an exact setting; the long form names
    /// every number. Without it: nothing.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub probes: Option<Located<Vec<Located<Entry<Probes>>>>>,
    /// Accuracy under common corruptions: noise, blur, weather and compression, in five severities. Without it: none.
    #[serde(default)]
    pub corruptions: Option<Located<CorruptionsSection>>,
    /// Numbers that a publication states about these models. The report shows them beside ours; they decide nothing.
    #[serde(default)]
    pub published: Option<Located<PublishedSection>>,
    /// What the models cost: a static cost, which follows from the file, or how its latency is measured after all checks. No result
    /// of a check depends on it. Without it: no latency.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub cost: Option<Located<Vec<Located<Entry<Costs>>>>>,
    /// What must hold of the results, so that the release passes. Without it: nothing.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub gates: Option<Located<Vec<Located<GateForm>>>>,
    /// A section for a later version.
    #[serde(default)]
    #[schemars(skip)]
    pub certify: Option<Located<Unread>>,
}

/// Radii of a curve.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Curve")]
pub struct CurveSection {
    /// The radii, in any order and in the norm of `threat`, whose own radius is added. They share work: a row that is broken at one is
    /// not attacked at a larger one. Each preset takes its numbers from the radius.
    #[serde(default)]
    pub epsilons: Vec<Located<Epsilon>>,
    /// Whether every attack is also tried where all inputs are in reach: one that then leaves rows unbroken is not to be trusted.
    #[serde(default)]
    pub unconstrained: bool,
}

/// The inputs that the models are measured on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Dataset")]
pub struct DatasetSection {
    /// The data set's name, as `tinyassay data list` shows it.
    pub name: Located<String>,
    /// The split: `train` or `test`, as the data set names it.
    pub split: Located<String>,
    /// How many samples are used.
    #[schemars(range(min = 1))]
    pub samples: Located<u64>,
    /// Which samples these are. Without it: `first`.
    #[serde(default)]
    pub choose: Option<Located<Choice>>,
}

/// Which samples of a split are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// The first ones, by index.
    First,
    /// A random set, drawn from the suite's seed.
    Random,
}

/// What the adversary may do: move the input by at most `epsilon` in `norm`, within the input's bounds.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Threat")]
pub struct ThreatSection {
    /// The norm.
    pub norm: Norm,
    /// The radius, in the units of the canonical input.
    pub epsilon: Epsilon,
    /// `255`: every element of an adversarial input is `k / 255`, as an image of 8 bits holds it, for files with float inputs
    /// too. Without it only files with integer inputs are attacked on the grid of the data.
    #[serde(default)]
    #[schemars(extend("const" = 255))]
    pub grid: Option<Located<u32>>,
    /// What each attack may ask of a model for one row at one radius: `forwards`, `backwards` (a gradient is one of each), or both. A
    /// search that is cut short so is flagged. Without it: as much as the attacks ask for.
    #[serde(default)]
    pub budget: Option<Located<Budget>>,
}

impl ThreatSection {
    /// The budget. Errors: it allows nothing, or everything.
    pub(crate) fn budget(&self) -> Result<Option<Budget>, Problem> {
        let Some(budget) = &self.budget else { return Ok(None) };
        match budget.value.is_senseless() {
            false => Ok(Some(budget.value)),
            true => Err(Problem::new("`budget` caps nothing, or leaves no forward")
                .hint("write `budget: { forwards: 2000 }`, `{ backwards: 100 }`, or both; or leave it out")
                .at(budget.place)),
        }
    }

    /// Norm and radius, as attacks take them.
    pub(crate) fn model(&self) -> ThreatModel {
        ThreatModel { norm: self.norm, epsilon: self.epsilon.clone() }
    }
}

/// Numbers that a publication states.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Published")]
pub struct PublishedSection {
    /// Where they stand: authors, year, table.
    pub source: Located<String>,
    /// The models by name. Ratios in the report are to the first one.
    pub models: Located<Named<PublishedForm>>,
}

/// Numbers that a publication states about one model. Each name is that of the results.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PublishedModel")]
pub struct PublishedForm {
    /// Clean accuracy, from 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub clean_accuracy: Option<Located<f64>>,
    /// Robust accuracy by the name of an attack of this suite, from 0 to 1.
    #[serde(default)]
    pub robust_accuracy: Option<Named<Located<f64>>>,
    /// The mean of a probe by the name of a probe of this suite.
    #[serde(default)]
    pub probes: Option<Named<Located<f64>>>,
    /// Multiply-accumulates of convolutions and dense layers.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub macs: Option<Located<f64>>,
    /// Multiply-accumulates, as torchprofile counts a network without batch normalisation.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub macs_torchprofile: Option<Located<f64>>,
    /// All parameters.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub parameters: Option<Located<f64>>,
    /// Parameters without those of batch normalisation.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub params_without_bn: Option<Located<f64>>,
}

/// A section that is noticed but not read.
#[derive(Clone, Debug)]
pub struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Unread)
    }
}
