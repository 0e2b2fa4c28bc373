//! ONNX Runtime: where its library comes from, the one environment of the process, sessions, and on them the
//! executor, the oracle and the judge.
//!
//! Everything that touches ONNX Runtime goes through [`env()`], because any call into it before the library is loaded
//! would panic. Suites and reports are unknown here, and nothing is printed.

mod env;
mod error;
mod executor;
mod identity;
mod inferred;
mod kernels;
mod oracle;
mod prepared;
pub mod provision;
mod rows;
mod session;
mod shipped;
mod value;

pub use env::{Env, env, env_from};
pub use error::Error;
pub use executor::OrtExecutor;
pub use identity::{Identity, Provider, identity};
pub use inferred::{InferredType, inferred_types};
pub use oracle::GradientOracle;
pub use prepared::{ModelBytes, ModelSpec, OutputKind, Prepared};
pub use shipped::ShippedModel;

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
mod training_tests;
