//! ONNX Runtime: where its library comes from, the one environment of the process, sessions, and on them the
//! executor, the oracle and the judge.
//!
//! Everything that touches ONNX Runtime goes through [`env()`], because any call into it before the library is loaded
//! would panic. Suites and reports are unknown here, and nothing is printed.

mod env;
mod error;
mod identity;
pub mod provision;
mod session;
mod value;

pub use env::{Env, env, env_from};
pub use error::Error;
pub use identity::{Identity, Provider, identity};
