//! Tile. Spec: <https://onnx.ai/onnx/operators/onnx__Tile.html>. Opsets: 6, 13.

use super::axes::{bounded, dimension};
use super::axis_map::remap;
use super::binary::expect_inputs;
use super::reshape::reshape_to;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Tile",
    opsets: &[7, 13],
    doc: "constant repeats",
    attrs: &[],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["ReduceSum", "Reshape"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

/// How often each axis is repeated.
fn repeats(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let given = call.ints(1)?.ok_or("input 1 is missing")?;
    if given.len() != call.shape(0)?.len() {
        return Err(format!("has {} repeats for {} axes", given.len(), call.shape(0)?.len()));
    }
    bounded(given.iter().map(|&times| dimension(times)).collect::<Result<_, _>>()?)
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 2)?;
    let shape = call.shape(0)?.iter().zip(repeats(call)?).map(|(size, times)| size * times).collect();
    Ok(vec![ValueType::new(call.ty(0)?.dtype, bounded(shape)?)])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let map = |(&size, times): (&usize, usize)| (0..size * times).map(|at| Some(at % size)).collect();
    let maps: Vec<_> = x.shape().iter().zip(repeats(call)?).map(map).collect();
    Ok(vec![remap(x, &maps, None)])
}

/// Splits every repeated axis into copies and elements, and sums over the copies.
fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (repeats, shape, cotangent) = (back.ask(repeats)?, back.shape(0), back.cotangent());
    let (mut apart, mut copies) = (Vec::new(), Vec::new());
    for (&size, &times) in shape.iter().zip(&repeats) {
        if times != 1 {
            copies.push(apart.len() as i64);
            apart.push(times);
        }
        apart.push(size);
    }
    if copies.is_empty() {
        return Ok(vec![Some(cotangent), None]);
    }
    let cotangent = reshape_to(back, cotangent, &apart)?;
    let axes = back.graph.constant("axes", Tensor::ints(copies));
    let sum = back.graph.add("ReduceSum", &[cotangent, axes], Attrs::new().int("keepdims", 0))?;
    Ok(vec![Some(sum), None])
}

fn cases() -> Vec<Case> {
    let case = |name, shape: &[usize], repeats: &[i64]| {
        let repeats = CaseInput::Constant(Tensor::ints(repeats.iter().copied()));
        Case::new(name, Attrs::new(), vec![CaseInput::Random(shape.to_vec(), -1.0, 1.0), repeats])
    };
    let ints = CaseInput::Fed(Tensor::int(DType::I64, &[2], vec![1, 2]));
    vec![
        case("one axis", &[2, 3], &[1, 2]),
        case("every axis", &[2, 1, 3], &[2, 3, 2]),
        case("nothing", &[2, 3], &[1, 1]),
        case("no copy at all", &[2, 3], &[0, 2]),
        case("a scalar", &[], &[]),
        Case::new("integers", Attrs::new(), vec![ints, CaseInput::Constant(Tensor::ints([3]))]),
    ]
}
