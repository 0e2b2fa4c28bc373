//! ONNX bytes to a typed [`Graph`] and back, the operator table, and the transforms that turn a classifier into a
//! gradient graph.
//!
//! This crate knows nothing of ONNX Runtime, the file system, clocks or random numbers: bytes come in, bytes go out,
//! and [`Executor`] is the only word it has for something that runs a graph. Its own [`Interpreter`] evaluates whole
//! graphs in f64 and is the oracle for shapes, values and gradients.

mod attrs;
pub mod check;
#[cfg(test)]
mod closure;
mod cost;
mod encode;
mod error;
mod executor;
mod external;
mod file_node;
mod gradient;
mod graph;
mod instantiate;
mod interpreter;
mod lipschitz;
mod memory;
mod model;
mod op_table;
pub mod ops;
mod profile;
mod proto;
mod quantized;
mod reverse;
mod revision;
#[cfg(test)]
mod sample_file;
mod tensor;
mod tensor_proto;
mod topology;
pub mod training;
mod transforms;
mod width;

pub use attrs::{Attr, Attrs};
pub use cost::{CONVENTIONS, Convention, Cost, Flash};
pub use encode::{encode, encode_symbolic_batch};
pub use error::Error;
pub use executor::{Executor, Program};
pub use external::{ExternalData, NoExternalData, external_locations};
pub use gradient::{GradientGraph, Head, gradient_graph};
pub use graph::{Graph, Node, Value, ValueId, ValueType};
pub use interpreter::Interpreter;
pub use lipschitz::{LayerBound, Lipschitz, Norm, Unbounded};
pub use memory::{Memory, MemoryRules, MemoryStep};
pub use model::{Dim, Model, Port, with_output};
pub use op_table::supported_ops_table;
pub use profile::Profile;
pub use quantized::quantized_operators;
pub use reverse::differentiate;
pub use revision::REVISION;
pub use tensor::{DType, Data, Tensor};
pub use transforms::{
    InputMap, OutputCut, Quantize, append_score, cut_sigmoid, cut_softmax, fold_batch_norm, micro_batch, output_scale,
    prepend_input,
};
pub use width::WidthBound;
