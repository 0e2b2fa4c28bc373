use crate::transforms::{lowering, share};
use crate::{Error, Graph};
use std::borrow::Cow;

/// For which kind of machine a graph is written. All forms compute the same function; the first two the same bits for a
/// row wherever in the batch it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// As reverse mode writes it, for any execution provider, but for sums whose rounding depends on where they stand.
    Portable,
    /// For ONNX Runtime's CPU provider, whose convolutions keep their data in blocks of channels: what stands between
    /// convolutions is written with operators that work on the blocks, since leaving them costs more than the work.
    Cpu,
    /// For training on ONNX Runtime's CPU provider with the kernels of our own operators registered, where weights are no
    /// constants: those operators stay, and depthwise convolutions become such. Other profiles write standard operators.
    CpuTraining,
}

impl Profile {
    /// The profiles that any ONNX Runtime runs.
    pub const ALL: &[Profile] = &[Profile::Portable, Profile::Cpu];

    /// Writes a graph for this kind of machine. Names of inputs and outputs stay.
    ///
    /// Lowering comes last: what it writes is not meant to be differentiated.
    /// Errors: none for a valid graph but those of building one.
    pub fn lower(self, graph: &Graph) -> Result<Graph, Error> {
        match self {
            Profile::Portable => match lowering::expand(graph)? {
                Cow::Borrowed(graph) => lowering::lower(graph, lowering::PORTABLE),
                // Expansions compute anew what others of them have.
                Cow::Owned(expanded) => share(&lowering::lower(&expanded, lowering::PORTABLE)?),
            },
            Profile::Cpu => lowering::lower(&*lowering::expand(graph)?, lowering::CPU),
            Profile::CpuTraining => lowering::lower(graph, lowering::CPU_TRAINING),
        }
    }
}
