//! Pad. Spec: <https://onnx.ai/onnx/operators/onnx__Pad.html>. Opsets: 2, 11 (pads and value become inputs), 13, 18 (axes),
//! 19 (wrap), 21. A negative pad removes elements, before the others are added.

use super::axes::{axes, bounded};
use super::axis_map::{AxisMap, adjoint, remap};
use super::binary::expect_inputs_between;
use super::{Backward, Call, Case, CaseInput, Op, Upgrade, Vjp, no_macs};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Pad",
    opsets: &[7, 11, 13, 18, 19, 21, 23, 24],
    doc: "modes constant, reflect, edge and wrap; constant pads, also negative ones",
    attrs: &["mode"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Cast", "Pad", "ScatterElements", "Slice"]),
    macs: no_macs,
    upgrade,
    cases,
};

/// The pads before and after every axis.
fn pads(call: &Call<'_>) -> Result<Vec<(i64, i64)>, String> {
    let rank = call.shape(0)?.len();
    let given = call.ints(1)?.ok_or("input 1 is missing")?;
    let axes = match call.ints(3)? {
        Some(given) => axes(given, rank)?,
        None => (0..rank).collect(),
    };
    if given.len() != 2 * axes.len() {
        return Err(format!("has {} pads for {} axes", given.len(), axes.len()));
    }
    let mut pads = vec![(0, 0); rank];
    for (index, &axis) in axes.iter().enumerate() {
        pads[axis] = (given[index], given[index + axes.len()]);
    }
    Ok(pads)
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs_between(call, 2, 4)?;
    let ty = call.ty(0)?;
    if call.has(2) && (call.ty(2)?.dtype != ty.dtype || call.ty(2)?.len() != 1) {
        return Err(format!("input 2 must be one {}, found {:?}", ty.dtype, call.ty(2)?));
    }
    let size = |(&size, (before, after)): (&usize, (i64, i64))| {
        let padded = (size as i64).checked_add(before).and_then(|sum| sum.checked_add(after));
        let padded = padded.and_then(|padded| usize::try_from(padded).ok());
        padded.ok_or_else(|| format!("an axis of size {size} cannot be padded by {before} and {after}"))
    };
    let pads = pads(call)?;
    let shape = bounded(ty.shape.iter().zip(pads.iter().copied()).map(size).collect::<Result<_, _>>()?)?;
    let mode = call.attrs.get_text("mode", "constant")?;
    for (&size, &(before, after)) in ty.shape.iter().zip(&pads) {
        check_mode(mode, size, before, after)?;
    }
    Ok(vec![ValueType::new(ty.dtype, shape)])
}

fn check_mode(mode: &str, size: usize, before: i64, after: i64) -> Result<(), String> {
    let kept = (size as i64).saturating_add(before.min(0)).saturating_add(after.min(0));
    let most = match mode {
        "constant" => return Ok(()),
        _ if before == 0 && after == 0 => return Ok(()),
        "reflect" if kept > 0 => kept - 1,
        "edge" | "wrap" if kept > 0 => i64::MAX,
        "reflect" | "edge" | "wrap" => return Err(format!("mode `{mode}` finds no element to repeat")),
        _ => return Err(format!("mode `{mode}` is not one of constant, reflect, edge, wrap")),
    };
    if before.max(after) > most {
        return Err(format!("mode `{mode}` cannot pad {kept} elements by {before} and {after}"));
    }
    Ok(())
}

/// For each output position on one axis the input position. [`infer`] has checked sizes and pads.
fn positions(mode: &str, size: usize, before: i64, after: i64) -> AxisMap {
    let size = size as i64;
    let (start, end) = ((-before).max(0), size - (-after).max(0));
    let kept = end - start;
    let source = |at: i64| match mode {
        "constant" => Some(at).filter(|at| (0..size).contains(at)),
        _ if (start..end).contains(&at) => Some(at),
        "reflect" if at < start => Some(2 * start - at),
        "reflect" => Some(2 * (end - 1) - at),
        "edge" => Some(at.clamp(start, end - 1)),
        _ => Some(start + (at - start).rem_euclid(kept)),
    };
    (-before..size + after).map(|at| source(at).map(|at| at as usize)).collect()
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let mode = call.attrs.get_text("mode", "constant")?;
    let map = |(&size, (before, after)): (&usize, (i64, i64))| positions(mode, size, before, after);
    let maps: Vec<_> = x.shape().iter().zip(pads(call)?).map(map).collect();
    let zero = match x.dtype().is_float() {
        true => Tensor::float(x.dtype(), &[], vec![0.0]),
        false => Tensor::int(x.dtype(), &[], vec![0]),
    };
    let fill = if call.has(2) { call.tensor(2)? } else { &zero };
    Ok(vec![remap(x, &maps, Some(fill))])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    if back.wants.iter().skip(1).any(|&wanted| wanted) {
        return Err(back.refuse("the fill value depends on the input"));
    }
    let (pads, mode) = back.ask(|call| Ok((pads(call)?, call.attrs.get_text("mode", "constant")?.to_owned())))?;
    let shape = back.shape(0);
    let mut results = vec![None; back.node.inputs().len()];
    results[0] = Some(match mode.as_str() {
        "constant" => crop(back, &pads)?,
        _ => {
            let mut cotangent = back.cotangent();
            for (axis, (&size, &(before, after))) in shape.iter().zip(&pads).enumerate() {
                let map: Vec<usize> = positions(&mode, size, before, after).into_iter().flatten().collect();
                cotangent = adjoint(back, cotangent, axis, &map, size)?;
            }
            cotangent
        }
    });
    Ok(results)
}

/// Takes off what was put on: a Slice where no pad is negative, else a Pad by the opposite.
fn crop(back: &mut Backward<'_>, pads: &[(i64, i64)]) -> Result<ValueId, Error> {
    let cotangent = back.cotangent();
    let shape = back.graph.shape(cotangent).to_vec();
    let flat = || pads.iter().map(|pad| pad.0).chain(pads.iter().map(|pad| pad.1));
    if flat().any(|pad| pad < 0) {
        let pads = back.graph.constant("pads", Tensor::ints(flat().map(|pad| -pad)));
        return back.emit("Pad", &[cotangent, pads]);
    }
    let axes: Vec<usize> = (0..pads.len()).filter(|&axis| pads[axis] != (0, 0)).collect();
    if axes.is_empty() {
        return Ok(cotangent);
    }
    let starts = back.graph.constant("starts", Tensor::ints(axes.iter().map(|&axis| pads[axis].0)));
    let ends = axes.iter().map(|&axis| shape[axis] as i64 - pads[axis].1);
    let ends = back.graph.constant("ends", Tensor::ints(ends));
    let axes = back.graph.constant("axes", Tensor::ints(axes.iter().map(|&axis| axis as i64)));
    back.emit("Slice", &[cotangent, starts, ends, axes])
}

fn upgrade(up: &mut Upgrade<'_>) -> Result<(), String> {
    if up.opset >= 11 {
        return Ok(());
    }
    up.ints_to_input("pads", 1)?;
    if up.attrs.get("value").is_some() {
        let x = up.inputs.first().copied().flatten().ok_or("input 0 is missing")?;
        let dtype = up.graph.value(x).dtype();
        if !dtype.is_float() {
            return Err(format!("input 0 must be a float tensor, found {dtype}"));
        }
        let value = Tensor::float(dtype, &[], vec![up.attrs.get_float("value", 0.0)?.into()]);
        up.attrs.remove("value");
        up.set_input(2, value, "value");
    }
    Ok(())
}

fn cases() -> Vec<Case> {
    use CaseInput::{Absent, Constant, Fed, Random};
    let ints = |data: &[i64]| Constant(Tensor::ints(data.iter().copied()));
    let random = |shape: &[usize]| Random(shape.to_vec(), -1.0, 1.0);
    let case = |name, mode, inputs| Case::new(name, Attrs::new().text("mode", mode), inputs);
    let value = || Constant(Tensor::scalar(0.5));
    let of_ints = vec![Fed(Tensor::ints([1, 2])), ints(&[1, 2]), Constant(Tensor::int(DType::I64, &[], vec![9]))];
    vec![
        Case::new("default mode", Attrs::new(), vec![random(&[2, 3]), ints(&[0, 1, 1, 2])]),
        case("a fill value", "constant", vec![random(&[2, 3]), ints(&[1, 0, 0, 1]), value()]),
        case("images", "constant", vec![random(&[1, 2, 3, 3]), ints(&[0, 0, 1, 1, 0, 0, 1, 1])]),
        case("some axes", "constant", vec![random(&[1, 2, 3, 3]), ints(&[1, 2, 2, 1]), Absent, ints(&[-1, 2])]),
        case("negative pads", "constant", vec![random(&[3, 4]), ints(&[-1, 2, 1, -2])]),
        case("more taken than there is", "constant", vec![random(&[4]), ints(&[-5, 3])]),
        case("nothing", "constant", vec![random(&[2, 2]), ints(&[0, 0, 0, 0])]),
        case("reflect", "reflect", vec![random(&[3, 4]), ints(&[2, 1, 1, 3])]),
        case("reflect after a cut", "reflect", vec![random(&[6]), ints(&[-2, 3])]),
        case("edge", "edge", vec![random(&[2, 3]), ints(&[1, 0, 0, 4])]),
        case("edge after a cut", "edge", vec![random(&[6]), ints(&[-2, 3])]),
        case("wrap", "wrap", vec![random(&[2, 3]), ints(&[0, 2, 0, 4])]),
        Case::new("integers", Attrs::new(), of_ints),
    ]
}
