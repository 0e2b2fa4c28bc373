//! ONNX bytes to a typed [`Graph`] and back, the operator table, and the transforms that turn a classifier into a
//! gradient graph.
//!
//! This crate knows nothing of ONNX Runtime, the file system, clocks or random numbers: bytes come in, bytes go out,
//! and [`Executor`] is the only word it has for something that runs a graph. Its own [`Interpreter`] evaluates whole
//! graphs in f64 and is the oracle for shapes, values and gradients.

mod attrs;
pub mod check;
mod error;
mod executor;
mod gradient;
mod graph;
mod interpreter;
pub mod ops;
mod tensor;

pub use attrs::{Attr, Attrs};
pub use error::Error;
pub use executor::{Executor, Program};
pub use gradient::{GradientGraph, Head, differentiate, gradient_graph};
pub use graph::{Graph, Node, Value, ValueId, ValueType};
pub use interpreter::Interpreter;
pub use tensor::{DType, Data, Tensor};
