use serde::{Deserialize, Serialize};

/// What a model asks of a device before anything runs, worked out from its file alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticCost {
    /// Bytes of all parameters in the types that the file has them in.
    pub weight_bytes: u64,
    /// Bytes of all parameters at int8, batch normalisation folded: one for each weight, four for each bias. Of a file that is
    /// quantized already: as it has them, without scales and zero points.
    pub int8_bytes: u64,
    /// An estimate of what is kept in flash: `int8_bytes` and what scales the integers, eight bytes for each output channel of a
    /// layer; of a file that is quantized already its own scales and zero points. Code is not in it.
    pub flash_bytes: u64,
    /// The activations' memory, a byte for every element.
    pub activations: ActivationMemory,
}

/// The most bytes of activations that are alive at once while the network runs, of as few rows as the file takes. No allocator
/// needs less, and one that cannot move buffers may need more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationMemory {
    /// With the layers in the file's order.
    pub file_order_bytes: u64,
    /// In the best order that was found.
    pub best_order_bytes: u64,
    /// Whether it is proven that no order is better.
    pub best_is_optimal: bool,
    /// What some layer needs in any order: its own inputs and outputs.
    pub lower_bound_bytes: u64,
}
