//! Reshape. Spec: <https://onnx.ai/onnx/operators/onnx__Reshape.html>. Opsets: 5, 13, 14 (allowzero), 19, 21.

use super::axes::{bounded, dimension, flag};
use super::binary::expect_inputs;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Reshape",
    opsets: &[7, 13, 14, 19, 21, 23, 24],
    doc: "the shape must be constant; 0 copies a dimension (unless allowzero), one -1 is inferred",
    attrs: &["allowzero"],
    infer,
    eval: |call| Ok(vec![call.tensor(0)?.clone().reshaped(&shape(call)?)]),
    vjp: Vjp::Rule(to_input_shape, &["Reshape"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

/// Emits a Reshape, unless the value has the shape already.
///
/// Errors: inference refuses it.
pub(super) fn reshape_to(back: &mut Backward<'_>, x: ValueId, shape: &[usize]) -> Result<ValueId, Error> {
    if back.graph.shape(x) == shape {
        return Ok(x);
    }
    let attrs = if shape.contains(&0) { Attrs::new().int("allowzero", 1) } else { Attrs::new() };
    let shape = back.graph.constant("shape", Tensor::ints(shape.iter().map(|&dim| dim as i64)));
    back.graph.add("Reshape", &[x, shape], attrs)
}

/// The gradient rule of operators that only change the shape.
pub(super) fn to_input_shape(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (cotangent, shape) = (back.cotangent(), back.shape(0));
    Ok(vec![Some(reshape_to(back, cotangent, &shape)?), None])
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 2)?;
    Ok(vec![ValueType::new(call.ty(0)?.dtype, shape(call)?)])
}

fn shape(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let from = call.shape(0)?;
    let wanted = call.ints(1)?.ok_or("input 1 is missing")?;
    let allow_zero = flag(call, "allowzero", false)?;
    let mismatch = || format!("{from:?} cannot be reshaped to {wanted:?}");
    let inferred = wanted.iter().filter(|&&dim| dim == -1).count();
    if inferred > 1 || (inferred == 1 && allow_zero && wanted.contains(&0)) {
        return Err(mismatch());
    }
    let dim = |(axis, &dim): (usize, &i64)| match dim {
        -1 => Ok(1),
        0 if !allow_zero => from.get(axis).copied().ok_or_else(mismatch),
        _ => dimension(dim),
    };
    let mut shape = bounded(wanted.iter().enumerate().map(dim).collect::<Result<_, String>>()?)?;
    let (len, known) = (from.iter().product::<usize>(), shape.iter().product::<usize>());
    if let Some(axis) = wanted.iter().position(|&dim| dim == -1) {
        shape[axis] = len.checked_div(known).unwrap_or(0);
    }
    if shape.iter().product::<usize>() == len { Ok(shape) } else { Err(mismatch()) }
}

fn cases() -> Vec<Case> {
    let case = |name, from: &[usize], to: &[i64], attrs| {
        let shape = CaseInput::Constant(Tensor::ints(to.iter().copied()));
        Case::new(name, attrs, vec![CaseInput::Random(from.to_vec(), -1.0, 1.0), shape])
    };
    let plain = Attrs::new;
    let ints = Tensor::int(DType::I64, &[2, 2], vec![1, 2, 3, 4]);
    vec![
        case("flat", &[2, 3], &[6], plain()),
        case("an inferred dimension", &[2, 3, 4], &[2, -1], plain()),
        case("a copied and an inferred dimension", &[2, 3, 4], &[0, -1], plain()),
        case("a copied dimension in the middle", &[2, 3, 4], &[1, 0, 8], plain()),
        case("to a scalar", &[1, 1], &[], plain()),
        case("from a scalar", &[], &[1, -1], plain()),
        case("no elements", &[0, 3], &[3, 0], plain().int("allowzero", 1)),
        Case::new("integers", plain(), vec![CaseInput::Fed(ints), CaseInput::Constant(Tensor::ints([4]))]),
    ]
}
