//! Training through ONNX Runtime: architectures, recipes, objectives, and the loop that runs step graphs.

mod error;
pub mod zoo;

pub use error::Error;
pub use zoo::Architecture;
