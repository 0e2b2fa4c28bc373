//! Training through ONNX Runtime: architectures, recipes, objectives, and the loop that runs step graphs.
//!
//! What is measured along the way is the caller's: this crate knows no evaluation. Nothing here prints, and nothing but
//! the reading of a recipe touches a file.

mod ascent;
mod augmentation;
mod batches;
mod checkpoint;
mod device_ascent;
mod draws;
mod error;
mod metrics;
mod plan;
pub mod recipe;
mod schedule;
mod starts;
mod trainer;
#[cfg(test)]
mod trainer_tests;
pub mod zoo;

pub use augmentation::Augmentation;
pub use batches::{Batch, Batches};
pub use checkpoint::{Checkpoint, Identity};
pub use error::Error;
pub use metrics::{EpochMetrics, StepReport};
pub use plan::{
    Evaluation, Export, InnerPlan, Objective, Optimiser, Plan, PlannedAttack, PlannedDataset, PlannedProbe,
    PlannedThreat, Probes, StartPlan, WeightDecay, plan,
};
pub use recipe::Recipe;
pub use schedule::{LearningRate, Schedule};
pub use trainer::{Fed, Machine, Trainer};
pub use zoo::Architecture;
