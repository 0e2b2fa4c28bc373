//! A plan: what a training runs, every number explicit, every digest pinned.

mod evaluation;
mod objective;
#[cfg(test)]
mod planning_errors;
mod resolve;

pub use evaluation::{Evaluation, PlannedAttack, PlannedProbe, Probes};
pub use objective::{InnerPlan, Objective, StartPlan};
pub use resolve::plan;

use crate::{Architecture, Augmentation, LearningRate};
use attack::{Domain, Norm, ThreatModel};
use registry::{Dataset, Digest};
use serde::{Serialize, Serializer};

/// What a training runs. Executing it reads no default.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The network with its options.
    pub architecture: Architecture,
    /// The dimensions of a row.
    pub input: Vec<usize>,
    /// The number of classes.
    pub classes: usize,
    /// What is learnt from.
    pub dataset: PlannedDataset,
    /// What is done to a picture first.
    pub augmentation: Augmentation,
    /// What is minimised.
    pub objective: Objective,
    /// How far an input may be moved; `None` where nothing moves one.
    pub threat: Option<PlannedThreat>,
    /// How a gradient becomes a step.
    pub optimiser: Optimiser,
    /// Weight decay.
    pub weight_decay: WeightDecay,
    /// The largest norm of the whole gradient.
    pub clip_norm: Option<f64>,
    /// The learning rate of every step.
    pub learning_rate: LearningRate,
    /// The weight of a batch in running statistics.
    pub statistics_momentum: f64,
    /// Rows of a step.
    pub batch_size: usize,
    /// All randomness comes from this number. It is written as text: JSON numbers end at 2^53.
    #[serde(serialize_with = "as_text")]
    pub seed: u64,
    /// What is measured along the way.
    pub evaluation: Option<Evaluation>,
    /// What is written at the end.
    pub export: Export,
    /// Threads that the recipe asks for.
    #[serde(skip)]
    pub threads: Option<usize>,
    /// The verified rows to learn from.
    #[serde(skip)]
    pub data: Dataset,
    /// The verified rows to measure on.
    #[serde(skip)]
    pub measured: Option<Dataset>,
    /// The threat model, as attacks take it.
    #[serde(skip)]
    pub threat_model: Option<ThreatModel>,
}

/// Rows of a plan: the first ones of a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedDataset {
    /// The data set's name.
    pub name: String,
    /// The split.
    pub split: String,
    /// The digest of everything that decides its rows.
    pub digest: Digest,
    /// How many.
    pub rows: usize,
}

/// A threat model in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedThreat {
    /// The norm.
    pub norm: Norm,
    /// Epsilon as a reduced fraction.
    pub epsilon: String,
}

/// How a gradient becomes a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimiser {
    /// Stochastic gradient descent.
    Sgd {
        /// How much of the last step is kept.
        momentum: f64,
        /// Whether the momentum is Nesterov's.
        nesterov: bool,
    },
    /// Adam.
    Adam {
        /// How much of the mean of gradients is kept.
        beta1: f64,
        /// How much of the mean of squares is kept.
        beta2: f64,
        /// What keeps the division finite.
        epsilon: f64,
        /// Whether weight decay stands beside the gradient (AdamW) rather than in it.
        decoupled: bool,
    },
}

/// Weight decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WeightDecay {
    /// Its strength.
    pub rate: f64,
    /// Whether biases and batch norm decay too.
    pub all: bool,
}

/// What is written at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Export {
    /// Whether batch norm is folded into the convolutions before it.
    pub fold_batch_norm: bool,
}

impl Plan {
    /// SHA-256 of the plan as RFC 8785 JSON. No path and nothing of the machine is in it.
    pub fn digest(&self) -> Digest {
        Digest::of(&serde_json_canonicalizer::to_vec(self).expect("a plan is JSON with finite numbers"))
    }

    /// What values an input may have: the bounds of the data, without their grid, since what is trained takes any float.
    pub fn domain(&self) -> Domain {
        Domain { lower: self.data.domain.lower, upper: self.data.domain.upper, grid: None }
    }

    /// Steps of the whole training.
    pub fn steps(&self) -> u64 {
        u64::from(self.learning_rate.epochs) * u64::from(self.learning_rate.steps_per_epoch)
    }

    /// Whether this epoch, counted from 1, is measured.
    pub fn measures(&self, epoch: u32) -> bool {
        let last = epoch == self.learning_rate.epochs;
        self.evaluation.as_ref().is_some_and(|evaluation| last || epoch.is_multiple_of(evaluation.every))
    }
}

fn as_text<S: Serializer>(seed: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(seed)
}
