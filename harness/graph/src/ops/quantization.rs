//! What QuantizeLinear and DequantizeLinear share: which scale and zero point each element has.

use super::reshape::reshape_to;
use super::{Backward, Call};
use crate::{DType, Error, ValueId};

/// Scales along one axis of a tensor, or a single one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scheme {
    /// The axis; `None` where one scale serves the whole tensor.
    axis: Option<usize>,
    /// How many scales there are.
    count: usize,
    /// How many neighbouring elements share a scale.
    inner: usize,
    /// The rank of the tensor.
    rank: usize,
}

/// The integer types that hold quantized numbers.
pub(super) const TYPES: &[DType] = &[DType::I8, DType::U8, DType::I16, DType::U16];

impl Scheme {
    /// Reads the scheme of a call whose inputs are tensor, scale and zero point.
    ///
    /// Errors: blocks, or scales that do not fit the axis.
    pub(super) fn read(call: &Call<'_>) -> Result<Self, String> {
        if call.attrs.get_int("block_size", 0)? != 0 {
            return Err("quantization in blocks is not supported".to_owned());
        }
        let (x, scale) = (call.shape(0)?, call.shape(1)?);
        // ONNX Runtime's quantizer puts a vector of one scale beside a zero point that is a scalar.
        let single = |shape: &[usize]| matches!(shape, [] | [1]);
        if call.has(2) && call.shape(2)? != scale && !(single(scale) && single(call.shape(2)?)) {
            return Err(format!("the scale is {scale:?}, the zero point {:?}", call.shape(2)?));
        }
        let rank = x.len();
        match *scale {
            [] | [1] => Ok(Self { axis: None, count: 1, inner: 1, rank }),
            [count] => {
                let given = call.attrs.get_int("axis", 1)?;
                let axis = usize::try_from(if given < 0 { given + rank as i64 } else { given }).ok();
                let axis = axis.filter(|&axis| x.get(axis) == Some(&count));
                let axis = axis.ok_or_else(|| format!("{count} scales do not fit axis {given} of {x:?}"))?;
                Ok(Self { axis: Some(axis), count, inner: x[axis + 1..].iter().product(), rank })
            }
            _ => Err(format!("the scale must be one number or a vector, found {scale:?}")),
        }
    }

    /// The scale's index for the element at this position.
    pub(super) fn of(&self, element: usize) -> usize {
        element / self.inner % self.count
    }

    /// The shape in which scales or zero points broadcast against the tensor.
    pub(super) fn shape(&self) -> Vec<usize> {
        match self.axis {
            None => Vec::new(),
            Some(axis) => [self.count].into_iter().chain(std::iter::repeat_n(1, self.rank - axis - 1)).collect(),
        }
    }

    /// The node's scale in [`Scheme::shape`].
    ///
    /// Errors: inference refuses a node.
    pub(super) fn scale(&self, back: &mut Backward<'_>) -> Result<ValueId, Error> {
        let scale = back.input(1);
        reshape_to(back, scale, &self.shape())
    }
}

/// Checks the scale's type and the zero point's, and returns the scale's.
///
/// Errors: the scale is not a float tensor, or the zero point is not of type `quantized`.
pub(super) fn expect_types(call: &Call<'_>, quantized: DType) -> Result<DType, String> {
    let scale = super::expect_float(call, 1)?;
    if call.has(2) && call.ty(2)?.dtype != quantized {
        return Err(format!("the quantized type is {quantized}, the zero point is {}", call.ty(2)?.dtype));
    }
    Ok(scale)
}

/// Reads a call's scheme from a backward pass.
pub(super) fn scheme(back: &Backward<'_>) -> Scheme {
    let types: Vec<_> = back.node.inputs().iter().map(|id| id.map(|id| back.graph.value(id).ty().clone())).collect();
    let inputs: Vec<_> = types.iter().map(|ty| ty.as_ref().map(|ty| super::Arg { ty, data: None })).collect();
    let call = Call { attrs: back.node.attrs(), inputs: &inputs, outputs: 1 };
    Scheme::read(&call).expect("shape inference has read the same attributes")
}
