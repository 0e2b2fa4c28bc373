//! The numpy broadcasting rule: shapes, tensors, and the way back of a cotangent.

use super::axis_map::{remap, whole};
use super::reshape::reshape_to;
use super::{Backward, Call, axes};
use crate::{Attrs, Error, Tensor, ValueId};
use std::borrow::Cow;

/// The common shape of two shapes, aligned at their last axes; an axis of size 1 stretches.
///
/// Errors: two sizes differ and neither is 1.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let dim = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |at| shape[at]);
    let join = |axis| match (dim(a, axis), dim(b, axis)) {
        (left, right) if left == right || right == 1 => Ok(left),
        (1, right) => Ok(right),
        _ => Err(format!("the shapes {a:?} and {b:?} do not broadcast")),
    };
    axes::bounded((0..rank).map(join).collect::<Result<_, _>>()?)
}

/// The common shape of all inputs.
///
/// Errors: they do not broadcast, or one is absent.
pub(super) fn broadcast_inputs(call: &Call<'_>) -> Result<Vec<usize>, String> {
    (0..call.inputs.len()).try_fold(Vec::new(), |shape, index| broadcast(&shape, call.shape(index)?))
}

/// A tensor stretched to a shape that it broadcasts to.
pub(super) fn stretch<'a>(x: &'a Tensor, shape: &[usize]) -> Cow<'a, Tensor> {
    if x.shape() == shape {
        return Cow::Borrowed(x);
    }
    let mut aligned = vec![1; shape.len() - x.shape().len()];
    aligned.extend(x.shape());
    let map = |(&from, &to): (&usize, &usize)| if from == to { whole(to) } else { vec![Some(0); to] };
    let maps: Vec<_> = aligned.iter().zip(shape).map(map).collect();
    Cow::Owned(remap(&x.clone().reshaped(&aligned), &maps, None))
}

/// Sums a cotangent over the axes along which an operand of this shape was stretched.
///
/// Shapes: the result has shape `shape`, which broadcasts to the cotangent's.
/// Errors: inference refuses a node.
pub(super) fn unbroadcast(back: &mut Backward<'_>, cotangent: ValueId, shape: &[usize]) -> Result<ValueId, Error> {
    let from = back.graph.shape(cotangent).to_vec();
    let added = from.len() - shape.len();
    let stretched = |&axis: &usize| axis < added || (shape[axis - added] == 1 && from[axis] != 1);
    let summed: Vec<i64> = (0..from.len()).filter(stretched).map(|axis| axis as i64).collect();
    if summed.is_empty() {
        return Ok(cotangent);
    }
    let axes = back.graph.constant("axes", Tensor::ints(summed));
    let sum = back.graph.add("ReduceSum", &[cotangent, axes], Attrs::new().int("keepdims", 1))?;
    reshape_to(back, sum, shape)
}
