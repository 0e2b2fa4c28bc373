//! Gather. Spec: <https://onnx.ai/onnx/operators/onnx__Gather.html>. Opsets: 1, 11 (negative indices), 13.

use super::axes::{axis, bounded};
use super::axis_map::{adjoint, pick};
use super::binary::expect_inputs;
use super::reshape::reshape_to;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Gather",
    opsets: &[7, 11, 13],
    doc: "the gradient wants constant indices",
    attrs: &["axis"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Cast", "Concat", "Gather", "Reshape", "ScatterElements"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

/// Requires an input of int32 or int64.
pub(super) fn expect_index(call: &Call<'_>, index: usize) -> Result<(), String> {
    let dtype = call.ty(index)?.dtype;
    let allowed = matches!(dtype, DType::I32 | DType::I64);
    if allowed { Ok(()) } else { Err(format!("input {index} must be int32 or int64, found {dtype}")) }
}

/// A possibly negative index as a position.
///
/// Errors: it is outside `-size..size`.
pub(super) fn position(index: i64, size: usize) -> Result<usize, String> {
    axis(index, size).map_err(|_| format!("index {index} is out of range for an axis of size {size}"))
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 2)?;
    expect_index(call, 1)?;
    let (ty, indices) = (call.ty(0)?, call.shape(1)?);
    let axis = axis(call.attrs.get_int("axis", 0)?, ty.shape.len())?;
    if let Ok(constant) = call.tensor(1) {
        constant.integers()?.iter().try_for_each(|&index| position(index, ty.shape[axis]).map(drop))?;
    }
    let shape = [&ty.shape[..axis], indices, &ty.shape[axis + 1..]].concat();
    Ok(vec![ValueType::new(ty.dtype, bounded(shape)?)])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, indices) = (call.tensor(0)?, call.tensor(1)?.integers()?);
    let axis = axis(call.attrs.get_int("axis", 0)?, x.shape().len())?;
    let size = x.shape()[axis];
    let (outer, inner): (usize, usize) = (x.shape()[..axis].iter().product(), x.shape()[axis + 1..].iter().product());
    let positions: Vec<usize> = indices.iter().map(|&index| position(index, size)).collect::<Result<_, _>>()?;
    let mut sources = Vec::with_capacity(outer * positions.len() * inner);
    for before in 0..outer {
        for at in &positions {
            sources.extend((0..inner).map(|after| Some((before * size + at) * inner + after)));
        }
    }
    let shape = [&x.shape()[..axis], call.shape(1)?, &x.shape()[axis + 1..]].concat();
    Ok(vec![pick(x, &shape, &sources, None)])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    if back.wants[1] {
        return Err(back.refuse("the indices depend on the input"));
    }
    let (axis, positions) = back.ask(|call| {
        let axis = axis(call.attrs.get_int("axis", 0)?, call.shape(0)?.len())?;
        let indices = call.tensor(1)?.integers()?.iter();
        let positions: Result<Vec<_>, String> = indices.map(|&at| position(at, call.shape(0)?[axis])).collect();
        Ok((axis, positions?))
    })?;
    let mut shape = back.shape(0);
    let size = shape[axis];
    shape[axis] = positions.len();
    let cotangent = back.cotangent();
    let cotangent = reshape_to(back, cotangent, &shape)?;
    Ok(vec![Some(adjoint(back, cotangent, axis, &positions, size)?), None])
}

fn cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random};
    let random = |shape: &[usize]| Random(shape.to_vec(), -1.0, 1.0);
    let ints = |shape: &[usize], data: &[i64]| Tensor::int(DType::I64, shape, data.to_vec());
    let case = |name, attrs, x, indices| Case::new(name, attrs, vec![x, Constant(indices)]);
    let axis = |axis| Attrs::new().int("axis", axis);
    let narrow = Tensor::int(DType::I32, &[2], vec![1, 0]);
    vec![
        case("default axis, repeated", Attrs::new(), random(&[3, 2]), ints(&[4], &[0, 2, 2, 0])),
        case("each at most once", axis(1), random(&[2, 4]), ints(&[2], &[3, 1])),
        case("a permutation", axis(1), random(&[2, 3, 2]), ints(&[3], &[2, 0, 1])),
        case("a scalar index", axis(-1), random(&[2, 3]), ints(&[], &[-1])),
        case("a scalar index of a vector", axis(0), random(&[3]), ints(&[], &[1])),
        case("a matrix of indices", axis(1), random(&[2, 3, 2]), ints(&[2, 2], &[0, -1, 2, 1])),
        case("no indices", axis(0), random(&[3]), ints(&[0], &[])),
        case("narrow indices", axis(0), random(&[2, 2]), narrow),
        case("of integers", axis(0), Fed(Tensor::ints([7, 8, 9])), ints(&[2], &[2, 0])),
    ]
}
