//! Pure functions from graph to graph, other than differentiation.

mod batch_norm;
mod ending;
mod input_map;
pub(crate) mod lowering;
mod micro_batch;
mod rewrite;
mod score;
mod share;
mod sigmoid;
mod softmax;
#[cfg(test)]
mod testing;

pub use batch_norm::fold_batch_norm;
pub use ending::{OutputCut, output_scale};
pub use input_map::{InputMap, Quantize, prepend_input};
pub use micro_batch::micro_batch;
pub use score::append_score;
pub(crate) use share::share;
pub use sigmoid::cut_sigmoid;
pub use softmax::cut_softmax;
