//! The registry's description of a model's input, in the words of graphs.

use graph::{DType, InputMap, Quantize};
use registry::{ElementType, InputAffine};

/// How rows of a data set become rows of a model, as graphs and the judge take it.
pub fn input_map(affine: &InputAffine) -> InputMap {
    let InputAffine { canonical, model, permutation, scale, offset, channel_axis, quantize } = affine.clone();
    let quantize = quantize.map(|q| Quantize { scale: q.scale, zero_point: q.zero_point, dtype: dtype(q.dtype) });
    InputMap { canonical, model, permutation, scale, offset, channel_axis, quantize }
}

fn dtype(element: ElementType) -> DType {
    match element {
        ElementType::Float32 => DType::F32,
        ElementType::Float16 => DType::F16,
        ElementType::Int8 => DType::I8,
        ElementType::Uint8 => DType::U8,
    }
}
