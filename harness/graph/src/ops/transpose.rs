//! Transpose. Spec: <https://onnx.ai/onnx/operators/onnx__Transpose.html>. Opsets: 1, 13, 21.

use super::axes::axes;
use super::axis_map::{pick, sources, strides, whole};
use super::binary::expect_inputs;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Transpose",
    opsets: &[7, 13, 21, 23, 24],
    doc: "permutes the axes; without `perm` reverses them",
    attrs: &["perm"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Transpose"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

/// Emits a Transpose, unless the permutation keeps every axis.
///
/// Errors: inference refuses it.
pub(super) fn transpose(back: &mut Backward<'_>, x: ValueId, permutation: &[usize]) -> Result<ValueId, Error> {
    if permutation.iter().copied().eq(0..permutation.len()) {
        return Ok(x);
    }
    back.graph.add("Transpose", &[x], Attrs::new().ints("perm", permutation.iter().map(|&axis| axis as i64)))
}

/// The permutation that undoes this one.
pub(super) fn inverse(permutation: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; permutation.len()];
    for (to, &from) in permutation.iter().enumerate() {
        inverse[from] = to;
    }
    inverse
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 1)?;
    let ty = call.ty(0)?;
    let shape: Vec<usize> = permutation(call.attrs, ty.shape.len())?.iter().map(|&axis| ty.shape[axis]).collect();
    Ok(vec![ValueType::new(ty.dtype, shape)])
}

fn permutation(attrs: &Attrs, rank: usize) -> Result<Vec<usize>, String> {
    let Some(perm) = attrs.get_ints("perm")? else { return Ok((0..rank).rev().collect()) };
    if perm.len() != rank || perm.iter().any(|&axis| axis < 0) {
        return Err(format!("attribute `perm` must name {rank} axes, found {perm:?}"));
    }
    axes(perm, rank)
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let permutation = permutation(call.attrs, x.shape().len())?;
    let strides = strides(x.shape());
    let shape: Vec<usize> = permutation.iter().map(|&axis| x.shape()[axis]).collect();
    let maps: Vec<_> = shape.iter().map(|&size| whole(size)).collect();
    let strides: Vec<usize> = permutation.iter().map(|&axis| strides[axis]).collect();
    Ok(vec![pick(x, &shape, &sources(&maps, &strides), None)])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let permutation = back.ask(|call| permutation(call.attrs, call.shape(0)?.len()))?;
    let cotangent = back.cotangent();
    Ok(vec![Some(transpose(back, cotangent, &inverse(&permutation))?)])
}

fn cases() -> Vec<Case> {
    let case = |name, shape, attrs| Case::new(name, attrs, vec![CaseInput::Random(shape, -1.0, 1.0)]);
    let ints = CaseInput::Fed(Tensor::int(DType::I64, &[2, 3], (0..6).collect()));
    vec![
        case("reverses by default", vec![2, 3, 4], Attrs::new()),
        case("channels first", vec![2, 3, 4, 2], Attrs::new().ints("perm", [0, 3, 1, 2])),
        case("channels last", vec![2, 3, 4, 2], Attrs::new().ints("perm", [0, 2, 3, 1])),
        case("nothing moves", vec![2, 3], Attrs::new().ints("perm", [0, 1])),
        case("a scalar", vec![], Attrs::new()),
        Case::new("integers", Attrs::new(), vec![ints]),
    ]
}
