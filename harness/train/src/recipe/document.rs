//! The keys of a recipe, as they are written. Nothing is checked here but names and types.

use crate::Architecture;
use attack::{Epsilon, ThreatModel};
use registry::yaml::Located;
use schemars::JsonSchema;
use serde::Deserialize;

/// A recipe: how a network is made, `models/<name>/recipe.yaml`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Recipe", extend("$id" = "recipe.schema.json"))]
pub struct Document {
    /// The version of this format. It is 1.
    #[schemars(extend("const" = 1))]
    pub version: Located<u64>,
    /// The network with its options; `tinyassay model build` lists them.
    pub architecture: Located<Architecture>,
    /// What it learns from.
    pub dataset: DatasetSection,
    /// What is done to a picture before it is learnt from. Without it: nothing.
    #[serde(default)]
    pub augmentation: Option<AugmentationSection>,
    /// What is minimised.
    pub objective: Located<ObjectiveForm>,
    /// How far the adversary of the objective and of the evaluation may move an input.
    #[serde(default)]
    pub threat: Option<ThreatModel>,
    /// How a gradient becomes a step.
    pub optimiser: Located<OptimiserForm>,
    /// Weight decay. Without it: none.
    #[serde(default)]
    pub weight_decay: Option<WeightDecaySection>,
    /// The largest Euclidean norm of the whole gradient; longer ones are scaled down. Without it: any.
    #[serde(default)]
    pub clip_norm: Option<Located<f64>>,
    /// The largest learning rate.
    pub learning_rate: Located<f64>,
    /// How the learning rate moves, step by step.
    pub schedule: Located<ScheduleForm>,
    /// Epochs at the start in which the learning rate rises in a straight line, step by step. Without it: 0.
    #[serde(default)]
    pub warmup_epochs: Option<Located<u32>>,
    /// The weight of a batch in the running statistics of batch norm (PyTorch's `momentum`). Without it: 0.1.
    #[serde(default)]
    pub statistics_momentum: Option<Located<f64>>,
    /// How often all rows are seen.
    #[schemars(range(min = 1))]
    pub epochs: Located<u32>,
    /// Rows of a step. The rows of an epoch that fill no batch are left out of it.
    #[schemars(range(min = 1))]
    pub batch_size: Located<u32>,
    /// All randomness comes from this number: the initial weights, the order of rows, augmentation, random starts.
    pub seed: Located<u64>,
    /// Threads of a step, on which its last bits may depend. `--threads` overrides it. Without it: the number of cores.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub threads: Option<Located<u32>>,
    /// What is measured after an epoch. Without it: nothing.
    #[serde(default)]
    pub evaluate: Option<EvaluateSection>,
    /// What is written at the end.
    pub export: ExportSection,
}

/// What a network learns from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Dataset")]
pub struct DatasetSection {
    /// The data set's name, as `tinyassay data list` shows it.
    pub name: Located<String>,
    /// The split: `train`, as the data set names it.
    pub split: Located<String>,
    /// How many samples, the first ones. Without it: all.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub samples: Option<Located<u64>>,
}

/// What is done to a picture before it is learnt from: first the crop, then the flip.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Augmentation")]
pub struct AugmentationSection {
    /// A window of the picture's own size out of the padded picture. Without it: none.
    #[serde(default)]
    pub crop: Option<CropSection>,
    /// Whether half of the pictures are turned from left to right.
    pub flip: bool,
}

/// A random window of the padded picture.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Crop")]
pub struct CropSection {
    /// Pixels of zero on each side.
    #[schemars(range(max = 64))]
    pub padding: Located<u32>,
}

/// What is minimised.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Objective")]
pub enum ObjectiveForm {
    /// Cross-entropy on the data as they are.
    Standard(StandardForm),
    /// Cross-entropy after one step from a random point of the ball (fast adversarial training).
    FgsmRs(FgsmRsForm),
    /// Cross-entropy after projected gradient ascent (Madry's adversarial training).
    Pgd(PgdForm),
    /// Cross-entropy plus `beta` times the divergence between natural and adversarial predictions.
    Trades(RegularisedForm),
    /// Boosted cross-entropy on adversarial inputs plus `beta` times a divergence, weighted towards misclassified rows.
    Mart(RegularisedForm),
}

/// Cross-entropy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Standard")]
pub struct StandardForm {
    /// The part of a target that is spread over all classes. Without it: 0.
    #[serde(default)]
    pub label_smoothing: Option<Located<f64>>,
}

/// One step from a random start.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FgsmRs")]
pub struct FgsmRsForm {
    /// The length of the step, in the units of epsilon; it may be more than epsilon.
    pub step_size: Located<Epsilon>,
    /// The part of a target that is spread over all classes. Without it: 0.
    #[serde(default)]
    pub label_smoothing: Option<Located<f64>>,
}

/// Projected gradient ascent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Pgd")]
pub struct PgdForm {
    /// How many steps.
    #[schemars(range(min = 1))]
    pub steps: Located<u32>,
    /// The length of a step, in the units of epsilon.
    pub step_size: Located<Epsilon>,
    /// Where the first step starts.
    pub start: StartForm,
    /// The part of a target that is spread over all classes. Without it: 0.
    #[serde(default)]
    pub label_smoothing: Option<Located<f64>>,
}

/// A loss with a second, adversarial part.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Regularised")]
pub struct RegularisedForm {
    /// The weight of the adversarial part.
    pub beta: Located<f64>,
    /// How many steps the inner ascent takes.
    #[schemars(range(min = 1))]
    pub steps: Located<u32>,
    /// The length of a step, in the units of epsilon.
    pub step_size: Located<Epsilon>,
    /// Where the first step starts.
    pub start: StartForm,
}

/// Where the first step starts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Start")]
pub enum StartForm {
    /// At the sample itself.
    None,
    /// At a point drawn uniformly from the ball, then clipped to the bounds of the input.
    Uniform,
    /// At the sample plus normal noise of this deviation, within the ball and the bounds of the input.
    Gaussian(Located<Epsilon>),
}

/// How a gradient becomes a step.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Optimiser")]
pub enum OptimiserForm {
    /// Stochastic gradient descent.
    Sgd(SgdForm),
    /// Adam; weight decay is added to the gradient.
    Adam(AdamForm),
    /// Adam with decoupled weight decay.
    Adamw(AdamForm),
}

/// Stochastic gradient descent, as PyTorch writes it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sgd")]
pub struct SgdForm {
    /// How much of the last step is kept; 0 is plain descent.
    pub momentum: Located<f64>,
    /// Whether the momentum is Nesterov's.
    pub nesterov: bool,
}

/// Adam.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Adam")]
pub struct AdamForm {
    /// How much of the mean of gradients is kept.
    pub beta1: Located<f64>,
    /// How much of the mean of squared gradients is kept.
    pub beta2: Located<f64>,
    /// What keeps the division finite.
    pub epsilon: Located<f64>,
}

/// Weight decay.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WeightDecay")]
pub struct WeightDecaySection {
    /// Its strength.
    pub rate: Located<f64>,
    /// What decays.
    pub on: DecayOn,
}

/// What decays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DecayOn {
    /// Every parameter.
    All,
    /// Weights of convolutions and dense layers: neither biases nor batch norm.
    Weights,
}

/// How the learning rate moves after the warm-up.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Schedule")]
pub enum ScheduleForm {
    /// It stays.
    Constant,
    /// It drops at some epochs.
    Steps(StepsForm),
    /// Half a cosine wave down.
    Cosine(DecayForm),
    /// A straight line down.
    Linear(DecayForm),
}

/// Drops of the learning rate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Drops")]
pub struct StepsForm {
    /// The numbers of complete epochs after which it drops, rising.
    #[schemars(length(min = 1))]
    pub after_epochs: Located<Vec<u32>>,
    /// What each drop multiplies by.
    pub factor: Located<f64>,
}

/// A decay to a last rate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Decay")]
pub struct DecayForm {
    /// The rate right after the last step.
    pub end: Located<f64>,
}

/// What is measured after an epoch, on the network as it would be exported.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Evaluate")]
pub struct EvaluateSection {
    /// The split of the data set that is measured on.
    pub split: Located<String>,
    /// How many samples, the first ones.
    #[schemars(range(min = 1))]
    pub samples: Located<u64>,
    /// Every how many epochs; the last one is always measured.
    #[schemars(range(min = 1))]
    pub every: Located<u32>,
    /// The preset that robust accuracy is measured with (`pgd-20`). Without it: natural accuracy only.
    #[serde(default)]
    pub attack: Option<Located<String>>,
    /// How sensitive the network is. Without it: not measured.
    #[serde(default)]
    pub probes: Vec<Located<String>>,
}

/// What is written at the end.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Export")]
pub struct ExportSection {
    /// Whether batch norm is folded into the convolutions before it.
    pub fold_batch_norm: bool,
}
