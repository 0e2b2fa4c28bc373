//! Slice. Spec: <https://onnx.ai/onnx/operators/onnx__Slice.html>. Opsets: 1, 10 (attributes become inputs), 11, 13.

use super::axes::axes;
use super::axis_map::{adjoint, remap};
use super::binary::expect_inputs_between;
use super::{Backward, Call, Case, CaseInput, Op, Upgrade, Vjp, no_macs};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Slice",
    opsets: &[7, 10, 11, 13],
    doc: "constant starts, ends, axes and steps, also negative ones",
    attrs: &[],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Concat", "Gather", "Pad"]),
    macs: no_macs,
    upgrade,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs_between(call, 3, 5)?;
    let shape: Vec<usize> = positions(call)?.iter().map(Vec::len).collect();
    Ok(vec![ValueType::new(call.ty(0)?.dtype, shape)])
}

/// For each axis the input positions that the output shows.
fn positions(call: &Call<'_>) -> Result<Vec<Vec<usize>>, String> {
    let shape = call.shape(0)?;
    let starts = call.ints(1)?.ok_or("input 1 is missing")?;
    let ends = call.ints(2)?.ok_or("input 2 is missing")?;
    let axes = match call.ints(3)? {
        Some(given) => axes(given, shape.len())?,
        None => (0..starts.len()).collect(),
    };
    let ones = vec![1; starts.len()];
    let steps = call.ints(4)?.unwrap_or(&ones);
    let lengths = [starts.len(), ends.len(), axes.len(), steps.len()];
    if lengths.iter().any(|&len| len != starts.len()) || starts.len() > shape.len() {
        return Err(format!("starts, ends, axes and steps have lengths {lengths:?}, the input {} axes", shape.len()));
    }
    let mut positions: Vec<Vec<usize>> = shape.iter().map(|&size| (0..size).collect()).collect();
    for (index, &axis) in axes.iter().enumerate() {
        positions[axis] = range(shape[axis], starts[index], ends[index], steps[index])?;
    }
    Ok(positions)
}

fn range(size: usize, start: i64, end: i64, step: i64) -> Result<Vec<usize>, String> {
    if step == 0 {
        return Err("a step is 0".to_owned());
    }
    if size == 0 {
        return Ok(Vec::new());
    }
    let len = size as i64;
    let from_front = |value: i64| if value < 0 { value.saturating_add(len) } else { value };
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let (mut at, end) = (from_front(start).clamp(low.max(0), high), from_front(end).clamp(low, high));
    let mut positions = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        positions.push(at as usize);
        at = at.saturating_add(step);
    }
    Ok(positions)
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let maps: Vec<_> = positions(call)?.into_iter().map(|map| map.into_iter().map(Some).collect()).collect();
    Ok(vec![remap(call.tensor(0)?, &maps, None)])
}

/// A Pad where every step is 1; else the adjoint of each axis in turn.
fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let positions = back.ask(positions)?;
    let shape = back.shape(0);
    let mut results = vec![None; back.node.inputs().len()];
    let mut cotangent = back.cotangent();
    if positions.iter().all(|map| map.windows(2).all(|pair| pair[1] == pair[0] + 1)) {
        let start = |map: &Vec<usize>| map.first().copied().unwrap_or(0);
        let before: Vec<usize> = positions.iter().map(start).collect();
        let after = (0..shape.len()).map(|axis| shape[axis] - before[axis] - positions[axis].len());
        let pads: Vec<i64> = before.iter().copied().chain(after).map(|pad| pad as i64).collect();
        if pads.iter().any(|&pad| pad != 0) {
            let pads = back.graph.constant("pads", Tensor::ints(pads));
            cotangent = back.emit("Pad", &[cotangent, pads])?;
        }
    } else {
        for (axis, map) in positions.iter().enumerate() {
            cotangent = adjoint(back, cotangent, axis, map, shape[axis])?;
        }
    }
    results[0] = Some(cotangent);
    Ok(results)
}

fn upgrade(up: &mut Upgrade<'_>) -> Result<(), String> {
    if up.opset < 10 {
        for (attr, index) in [("starts", 1), ("ends", 2), ("axes", 3)] {
            up.ints_to_input(attr, index)?;
        }
    }
    Ok(())
}

fn cases() -> Vec<Case> {
    use CaseInput::{Absent, Constant, Fed, Random};
    let ints = |data: &[i64]| Constant(Tensor::ints(data.iter().copied()));
    let case = |name, shape: &[usize], rest: Vec<CaseInput>| {
        let mut inputs = vec![Random(shape.to_vec(), -1.0, 1.0)];
        inputs.extend(rest);
        Case::new(name, Attrs::new(), inputs)
    };
    let narrow = |data: &[i64]| Constant(Tensor::int(DType::I32, &[data.len()], data.to_vec()));
    let of_ints = vec![Fed(Tensor::ints([4, 5, 6, 7])), ints(&[1]), ints(&[3])];
    vec![
        case("leading axes by default", &[4, 5], vec![ints(&[1]), ints(&[3])]),
        case("two axes", &[4, 5, 3], vec![ints(&[1, 0]), ints(&[4, 2]), ints(&[1, 2])]),
        case("negative axis and bounds", &[4, 5], vec![ints(&[-3]), ints(&[-1]), ints(&[-1])]),
        case("to the end", &[4, 5], vec![ints(&[2]), ints(&[i64::MAX]), ints(&[1])]),
        case("everything", &[4, 5], vec![ints(&[0]), ints(&[99]), ints(&[0])]),
        case("every second", &[2, 5], vec![ints(&[0]), ints(&[5]), ints(&[1]), ints(&[2])]),
        case("every third of two axes", &[5, 7], vec![ints(&[1, 0]), ints(&[5, 7]), Absent, ints(&[2, 3])]),
        case("reversed", &[2, 4], vec![ints(&[-1]), ints(&[i64::MIN]), ints(&[1]), ints(&[-1])]),
        case("backwards by two", &[7], vec![ints(&[5]), ints(&[0]), ints(&[0]), ints(&[-2])]),
        case("a step over the end", &[5], vec![ints(&[0]), ints(&[5]), ints(&[0]), ints(&[9])]),
        case("nothing", &[2, 3], vec![ints(&[2]), ints(&[1]), ints(&[1])]),
        case("narrow integers", &[4], vec![narrow(&[1]), narrow(&[3]), narrow(&[0])]),
        Case::new("of integers", Attrs::new(), of_ints),
    ]
}
