//! Training as graphs: one step is one ONNX graph, whose parameters, statistics and moments are inputs and outputs.
//!
//! [`Network`] finds what is trained in an inference-form graph; [`training_step`] writes forward in training mode, loss,
//! reverse mode to every parameter and the optimiser's update; [`attack_step`] one step of an attack on a network whose
//! parameters are inputs.

mod attack;
mod emit;
mod forward;
mod network;
mod objective;
mod optimiser;
mod step;
#[cfg(test)]
mod tests;

pub use attack::{AttackNorm, attack_step};
pub use network::{Network, Role, Slot, State};
pub use objective::Objective;
pub use optimiser::Optimiser;
pub use step::{StepSpec, training_step};
