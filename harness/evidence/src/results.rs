use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Analysis, Digest, Error, Flag, Published, Ranking, RowSet, StaticCost};

/// The version of the layout of `results.json`.
pub const RESULTS_SCHEMA_VERSION: u32 = 1;

/// `results.json`: a pure function of the plan and the blocks. No time, no machine, no order of execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`RESULTS_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The suite's name.
    pub suite: String,
    /// The version of Tinyassay.
    pub tinyassay: String,
    /// SHA-256 of the plan's canonical JSON.
    pub plan_digest: Digest,
    /// The rows.
    pub dataset: DatasetFacts,
    /// What an attacker may do.
    pub threat: ThreatFacts,
    /// What computed the numbers.
    pub runtime: RuntimeFacts,
    /// The whole plan: every number explicit.
    pub plan: BTreeMap<String, Value>,
    /// One per model, in the plan's order.
    pub models: Vec<ModelResult>,
    /// Who is better than whom on the same rows, and the ranks that follow; left out for a single model, and in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<Ranking>,
    /// How the models' measures go together; left out for fewer than three models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
    /// Numbers that a publication states; left out without any. No other number depends on them but the published
    /// orders in `analysis`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
}

/// The rows that were evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetFacts {
    /// The data set's name.
    pub name: String,
    /// The split.
    pub split: String,
    /// The data set's digest.
    pub digest: Digest,
    /// How many rows.
    pub samples: u64,
    /// How they were chosen, in words.
    pub selection: String,
    /// The data set's licence.
    pub licence: Option<String>,
    /// Names of the classes, in the order of their numbers. Left out in older files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

/// The threat model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreatFacts {
    /// `linf` or `l2`.
    pub norm: String,
    /// The exact text, such as `8/255`.
    pub epsilon: String,
    /// What epsilon is measured in.
    pub units: String,
    /// `k / 255`: the points that every element of an adversarial input is held to, whatever the model takes. Left out where
    /// the threat model has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    /// `2000 forwards and 100 backwards`: what an attack may ask of a model for one row at one radius. Left out where there is
    /// no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
}

/// The runtime identity: equal identities give equal bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeFacts {
    /// The execution provider.
    pub provider: String,
    /// ONNX Runtime's version.
    pub onnxruntime: String,
    /// SHA-256 of its library.
    pub library_sha256: String,
    /// The class of instruction sets.
    pub instruction_set: String,
    /// The optimisation level.
    pub optimisation: String,
}

/// Everything about one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelResult {
    /// The model's name.
    pub name: String,
    /// The digest of its files.
    pub digest: Digest,
    /// `correct / total`, by the judge.
    pub clean_accuracy: f64,
    /// Lower 95 % confidence limit of `clean_accuracy` (Clopper-Pearson).
    pub ci_low: f64,
    /// Upper 95 % confidence limit of `clean_accuracy` (Clopper-Pearson).
    pub ci_high: f64,
    /// Of a detector that scores rows: the area under the ROC curve, the share of pairs of an anomalous and a normal row in
    /// which the anomalous one has the higher score, equal ones counted half. Left out for other models, and without rows
    /// of both kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_auc: Option<f64>,
    /// Rows that the judge classifies correctly.
    pub correct: u64,
    /// Rows.
    pub total: u64,
    /// Which rows these are. Left out in older files.
    #[serde(default, skip_serializing_if = "RowSet::is_empty")]
    pub correct_rows: RowSet,
    /// The rows by the output that is right. Left out in older files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassResult>,
    /// Clean predictions that rest on a tie between outputs.
    pub ties: u64,
    /// Multiply-accumulates of one inference: convolutions and dense layers.
    pub macs: Option<u64>,
    /// The same and one for each element that an average pool or a mean gives, as torchprofile counts a network without
    /// batch normalisation. Left out where it was not counted, as in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macs_torchprofile: Option<u64>,
    /// Elements of all initializers.
    pub parameters: Option<u64>,
    /// The parameters that are left once every BatchNormalization of the file is removed; one that was folded into its
    /// neighbour leaves a bias, which counts. Left out where it was not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params_without_bn: Option<u64>,
    /// Flash and memory. Left out where they were not worked out, as in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<StaticCost>,
    /// What a reader should know, such as that a softmax ending was cut from the gradient graph.
    pub notes: Vec<String>,
    /// How many rows have each flag before any attack. Left out without any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<Flag, u64>,
    /// Those of `flags` that make whatever is measured on the model inconclusive. Left out without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inconclusive: Vec<Flag>,
    /// One per attack, in the plan's order.
    pub attacks: Vec<AttackResult>,
    /// All attacks together; `None` without any.
    pub worst_case: Option<WorstCase>,
    /// One per probe, in the plan's order; left out without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeResult>,
    /// Accuracy under common corruptions; left out where the suite asks for none, as in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corruptions: Option<CorruptionResults>,
}

/// The rows for which one output is right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassResult {
    /// The output of the model, from 0.
    pub output: u32,
    /// The class of the data set for which it is right; several of them with ` / ` between.
    pub name: String,
    /// Rows for which it is right.
    pub total: u64,
    /// Of these, those that the judge classifies correctly.
    pub correct: u64,
    /// Of these, those that withstand every listed attack; an upper bound, as it is of all rows. `None` without attacks.
    pub robust: Option<u64>,
}

/// What a number says about the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// The truth is at most this: found by search, which may miss.
    Upper,
    /// The truth is at least this: proven, or found at a point.
    Lower,
    /// Neither.
    Estimate,
    /// It is the truth, up to rounding.
    Exact,
}

/// One attack on one model. `wrong + attacked + certified + unknown == total`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackResult {
    /// The entry's name.
    pub name: String,
    /// Empirical robust accuracy: `robust / total` over all rows, clean errors counted as not robust.
    pub robust_accuracy: f64,
    /// The model whose gradients and logits guided the attack, where that is another: what was found transferred. Left out
    /// otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What `robust_accuracy` says about the true robust accuracy on these rows.
    pub bound: Bound,
    /// Lower 95 % confidence limit of `robust_accuracy` (Clopper-Pearson).
    pub ci_low: f64,
    /// Upper 95 % confidence limit of `robust_accuracy` (Clopper-Pearson).
    pub ci_high: f64,
    /// Of a detector that scores rows: the area under the ROC curve where each row that the attack broke has the score of its
    /// confirmed witness, and every other row that of its sample. An upper bound on the area that an attacker could leave:
    /// there may be a worse point, and an attack ends where the verdict changes. Left out as `clean_auc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// Rows that are right and stay right: `certified + unknown`.
    pub robust: u64,
    /// Which rows these are. Left out in older files.
    #[serde(default, skip_serializing_if = "RowSet::is_empty")]
    pub robust_rows: RowSet,
    /// Rows.
    pub total: u64,
    /// Rows wrong before any attack.
    pub wrong: u64,
    /// Rows with a confirmed adversarial input.
    pub attacked: u64,
    /// Rows proven robust.
    pub certified: u64,
    /// Rows that are neither.
    pub unknown: u64,
    /// Adversarial inputs proposed to the judge.
    pub found: u64,
    /// Proposals that it confirmed.
    pub confirmed: u64,
    /// Proposals that it rejected.
    pub rejected: u64,
    /// Verdicts that rest on a tie between outputs.
    pub ties: u64,
    /// Of an ensemble: its attacks in their order, and what each added. Left out for a single attack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageResult>,
    /// Robust accuracy at every radius of the suite's curve, rising. Left out without a curve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<CurvePoint>,
    /// Of an attack that looks for the nearest adversarial input: how far away they were. Left out for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distances: Option<Distances>,
    /// How many rows have each flag, or are what the flag is about; absent is none.
    pub flags: BTreeMap<Flag, u64>,
    /// The flags that make `robust_accuracy` inconclusive: the truth may lie far below. Left out without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inconclusive: Vec<Flag>,
    /// Forwards of the gradient graphs.
    pub forwards: u64,
    /// Backwards of the gradient graphs.
    pub backwards: u64,
    /// Forwards of the judge during the attack.
    pub judge_forwards: u64,
    /// The revision of the attack's algorithm.
    pub revision: u32,
    /// Every number of the attack.
    pub parameters: BTreeMap<String, Value>,
}

/// One attack of an ensemble, which ran on the rows that those before it left unbroken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageResult {
    /// The preset's name where it is one, otherwise the attack's.
    pub name: String,
    /// Rows that it broke, and none before it.
    pub attacked: u64,
    /// Rows that are right and withstand it and all before it.
    pub robust: u64,
    /// `robust / total`; as the ensemble's, an upper bound.
    pub robust_accuracy: f64,
}

/// One radius of a curve. Rows that broke at a smaller one count as broken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// The radius, as it was written.
    pub epsilon: String,
    /// Empirical robust accuracy there: `robust / total`, an upper bound.
    pub robust_accuracy: f64,
    /// Lower 95 % confidence limit of `robust_accuracy` (Clopper-Pearson).
    pub ci_low: f64,
    /// Upper 95 % confidence limit of `robust_accuracy` (Clopper-Pearson).
    pub ci_high: f64,
    /// Rows that are right and stay right.
    pub robust: u64,
}

/// Distances of the nearest adversarial inputs found, in the threat model's norm. Each is an upper bound: there may be
/// a nearer one. Quantiles are over the rows that are right before any attack, and a row without one is infinitely far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distances {
    /// Rows that are right before any attack.
    pub rows: u64,
    /// Of these, those for which one was found.
    pub found: u64,
    /// The first quartile (nearest rank, as all of them); `None` if it is infinite.
    pub p25: Option<f64>,
    /// The median.
    pub median: Option<f64>,
    /// The third quartile.
    pub p75: Option<f64>,
}

/// One probe on one model: how its values spread over the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeResult {
    /// The entry's name.
    pub name: String,
    /// The probe's own id.
    pub probe: String,
    /// What it measures, in one line.
    pub about: String,
    /// What the values are measured in.
    pub units: String,
    /// What a value says about the truth: here, about the largest value in the ball.
    pub bound: Bound,
    /// What no value exceeds, whatever the row, but for the float32 rounding of the value itself: a Lipschitz constant of the model
    /// in the same norms, proven in real arithmetic. Left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper: Option<f64>,
    /// The mean over the rows that have a value; `None` without any.
    pub mean: Option<f64>,
    /// The least value that at least 95 % of these rows do not exceed (nearest rank).
    pub p95: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    /// The row that has it, by its absolute index in the data set; the first of equals.
    pub max_row: Option<u64>,
    /// The other end of the values, of a probe whose smallest values are the worst. Left out for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smallest: Option<Smallest>,
    /// The expected calibration error: the part of all rows by which confidence and accuracy differ, summed over bins of
    /// confidence. Left out for a probe that measures no calibration, and without values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ece: Option<f64>,
    /// Rows that have a value.
    pub measured: u64,
    /// Rows.
    pub total: u64,
    /// How many rows have each flag; absent is none.
    pub flags: BTreeMap<Flag, u64>,
    /// Forwards of the gradient graphs.
    pub forwards: u64,
    /// Backwards of the gradient graphs.
    pub backwards: u64,
    /// The revision of the probe's algorithm.
    pub revision: u32,
    /// Every number of the probe.
    pub parameters: BTreeMap<String, Value>,
}

/// The smallest values of a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smallest {
    /// The least value that at least 5 % of the rows do not exceed (nearest rank).
    pub p5: f64,
    /// The smallest value.
    pub min: f64,
    /// The row that has it, by its absolute index in the data set; the first of equals.
    pub row: u64,
}

/// Accuracy under common corruptions, by the judge. It is counted on these rows: no bound on anything, and no worst case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorruptionResults {
    /// The mean accuracy over all corruptions and severities, each weighing the same.
    pub mean_accuracy: f64,
    /// `mean_accuracy` over the clean accuracy; `None` if that is 0.
    pub relative_accuracy: Option<f64>,
    /// One per corruption, in the plan's order.
    pub corruptions: Vec<CorruptionResult>,
}

/// One corruption of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorruptionResult {
    /// The corruption's id.
    pub name: String,
    /// What it does, and where that differs from its model.
    pub about: String,
    /// The revision of its pictures.
    pub revision: u32,
    /// The mean accuracy over its severities.
    pub mean_accuracy: f64,
    /// One per severity, in the plan's order.
    pub severities: Vec<SeverityResult>,
}

/// One corruption at one severity. Clean errors count: a row may become right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityResult {
    /// From 1, the mildest, to 5.
    pub severity: u32,
    /// Every number of the corruption at this severity.
    pub parameters: BTreeMap<String, f64>,
    /// `correct / total`.
    pub accuracy: f64,
    /// Lower 95 % confidence limit of `accuracy` (Clopper-Pearson).
    pub ci_low: f64,
    /// Upper 95 % confidence limit of `accuracy` (Clopper-Pearson).
    pub ci_high: f64,
    /// Corrupted rows that the judge classifies correctly.
    pub correct: u64,
    /// Rows.
    pub total: u64,
}

/// Rows that withstand every listed attack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorstCase {
    /// `robust / total`; at most the least robust accuracy of any attack.
    pub robust_accuracy: f64,
    /// What `robust_accuracy` says about the true robust accuracy on these rows.
    pub bound: Bound,
    /// Lower 95 % confidence limit of `robust_accuracy` (Clopper-Pearson).
    pub ci_low: f64,
    /// Upper 95 % confidence limit of `robust_accuracy` (Clopper-Pearson).
    pub ci_high: f64,
    /// As an attack's, where each row has the worst score of its sample and the confirmed witnesses of all attacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// Rows that are right and stay right under every attack.
    pub robust: u64,
    /// Which rows these are. Left out in older files.
    #[serde(default, skip_serializing_if = "RowSet::is_empty")]
    pub robust_rows: RowSet,
    /// Rows.
    pub total: u64,
}

impl Results {
    /// The file's text: indented, fields in the order of the structs. Errors: [`Error::Json`] never, in practice.
    pub fn to_json(&self) -> Result<String, Error> {
        pretty("results.json", self)
    }

    /// Reads the file's text. Errors: [`Error::Json`] with line and column.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        parse("results.json", text)
    }
}

pub(crate) fn pretty<T: Serialize>(what: &'static str, value: &T) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::Json { what, reason: e.to_string() })?;
    Ok(text + "\n")
}

pub(crate) fn parse<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| Error::Json { what, reason: e.to_string() })
}
