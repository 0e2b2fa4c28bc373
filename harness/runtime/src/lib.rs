//! ONNX Runtime: where its library comes from, the one environment of the process, sessions, and on them the
//! executor, the oracle and the judge.
//!
//! Everything that touches ONNX Runtime goes through [`env()`], because any call into it before the library is loaded
//! would panic. Suites and reports are unknown here, and nothing is printed.

mod cuda;
mod env;
mod error;
mod executor;
mod file_logits;
mod frozen;
mod identity;
mod inferred;
mod kernels;
mod micro_batch;
mod oracle;
mod prepared;
pub mod provision;
mod resident;
mod rows;
mod session;
mod shipped;
mod timed;
mod value;

pub use cuda::{LibraryState, library_states};
pub use env::{Env, env, env_from};
pub use error::Error;
pub use executor::OrtExecutor;
pub use frozen::Frozen;
pub use identity::{Identity, Provider, identity};
pub use inferred::{InferredType, inferred_types};
pub use oracle::GradientOracle;
pub use prepared::{ModelBytes, ModelSpec, OutputKind, Prepared};
pub use resident::{Device, Outputs, ResidentProgram};
pub use shipped::ShippedModel;
pub use timed::TimedModel;

#[cfg(test)]
mod families;
#[cfg(test)]
mod handmade;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod op_cases;
#[cfg(test)]
mod quantized_tests;
#[cfg(test)]
mod score_tests;
#[cfg(test)]
mod training_tests;
