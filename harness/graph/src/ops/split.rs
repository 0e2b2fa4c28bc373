//! Split. Spec: <https://onnx.ai/onnx/operators/onnx__Split.html>. Opsets: 2, 11, 13 (sizes become an input), 18
//! (num_outputs).

use super::axes::{axis, dimension};
use super::axis_map::{remap, whole};
use super::binary::expect_inputs_between;
use super::{Backward, Call, Case, CaseInput, Op, Upgrade, Vjp, no_macs};
use crate::{Attr, Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Split",
    opsets: &[7, 11, 13, 18],
    doc: "constant sizes, or num_outputs parts of which the last may be smaller",
    attrs: &["axis", "num_outputs"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Concat"]),
    macs: no_macs,
    upgrade,
    cases,
};

fn the_axis(call: &Call<'_>) -> Result<usize, String> {
    axis(call.attrs.get_int("axis", 0)?, call.shape(0)?.len())
}

/// The sizes of the parts along the axis.
fn sizes(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let size = call.shape(0)?[the_axis(call)?];
    let sizes = match (call.ints(1)?, call.attrs.get("num_outputs")) {
        (Some(_), Some(_)) => return Err("has both sizes and num_outputs".to_owned()),
        (Some(given), None) => given.iter().map(|&part| dimension(part)).collect::<Result<_, _>>()?,
        (None, Some(_)) => equal(size, call.attrs.get_int("num_outputs", 0)?, call.outputs)?,
        (None, None) => return Err("has neither sizes nor num_outputs".to_owned()),
    };
    if sizes.len() != call.outputs {
        return Err(format!("has {} outputs for {} parts", call.outputs, sizes.len()));
    }
    let sum = sizes.iter().try_fold(0_usize, |sum, &part| sum.checked_add(part));
    if sum == Some(size) { Ok(sizes) } else { Err(format!("an axis of size {size} cannot be split into {sizes:?}")) }
}

/// Parts of one size, the last of what is left.
fn equal(size: usize, count: i64, outputs: usize) -> Result<Vec<usize>, String> {
    if count != outputs as i64 || count == 0 {
        return Err(format!("has {outputs} outputs and num_outputs {count}"));
    }
    let part = size.div_ceil(outputs);
    // ONNX Runtime refuses to leave nothing for the last.
    let last = size.checked_sub(part * (outputs - 1)).filter(|&last| last > 0 || size == 0);
    let last = last.ok_or_else(|| format!("an axis of size {size} cannot be split into {count} parts of {part}"))?;
    Ok((1..outputs).map(|_| part).chain([last]).collect())
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs_between(call, 1, 2)?;
    let (ty, axis) = (call.ty(0)?, the_axis(call)?);
    let part = |size| {
        let mut ty = ty.clone();
        ty.shape[axis] = size;
        ty
    };
    Ok(sizes(call)?.into_iter().map(part).collect())
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, axis) = (call.tensor(0)?, the_axis(call)?);
    let mut maps: Vec<_> = x.shape().iter().map(|&size| whole(size)).collect();
    let mut start = 0;
    let part = |size| {
        maps[axis] = (start..start + size).map(Some).collect();
        start += size;
        remap(x, &maps, None)
    };
    Ok(sizes(call)?.into_iter().map(part).collect())
}

/// Puts the cotangents back together, zeros where none arrived.
fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let axis = back.ask(the_axis)?;
    let arrived = back.cotangents.iter().flatten().next().expect("reverse mode calls a rule only with a cotangent");
    let dtype = back.graph.value(*arrived).dtype();
    let mut parts = Vec::new();
    for index in 0..back.cotangents.len() {
        let shape = back.graph.shape(back.output(index)).to_vec();
        let zeros = || Tensor::float(dtype, &shape, vec![0.0; shape.iter().product()]);
        parts.push(back.cotangents[index].unwrap_or_else(|| back.graph.constant("zeros", zeros())));
    }
    Ok(vec![Some(back.graph.add("Concat", &parts, Attrs::new().int("axis", axis as i64))?), None])
}

fn upgrade(up: &mut Upgrade<'_>) -> Result<(), String> {
    if up.opset < 13 {
        up.ints_to_input("split", 1)?;
    }
    let sized = up.inputs.get(1).copied().flatten().is_some();
    if up.opset < 18 && !sized {
        let (shape, given) = (up.graph.shape(up.input(0)?), up.attrs.get_int("axis", 0)?);
        let size = shape[axis(given, shape.len())?];
        if up.outputs == 0 || size % up.outputs != 0 {
            return Err(format!("before opset 18 an axis of size {size} cannot be split into {} parts", up.outputs));
        }
        up.attrs.set("num_outputs", Attr::Int(up.outputs as i64));
    }
    Ok(())
}

fn cases() -> Vec<Case> {
    use CaseInput::{Constant, Fed, Random};
    let random = |shape: &[usize]| Random(shape.to_vec(), -1.0, 1.0);
    let sizes = |data: &[i64]| Constant(Tensor::ints(data.iter().copied()));
    let case = |name, outputs, attrs, inputs| Case { outputs, ..Case::new(name, attrs, inputs) };
    let axis = |axis| Attrs::new().int("axis", axis);
    let ints = Fed(Tensor::int(DType::I64, &[4], vec![1, 2, 3, 4]));
    vec![
        case("default axis", 2, Attrs::new(), vec![random(&[3, 2]), sizes(&[1, 2])]),
        case("a negative axis", 3, axis(-1), vec![random(&[2, 6]), sizes(&[3, 1, 2])]),
        case("channels", 2, axis(1), vec![random(&[2, 4, 3, 2]), sizes(&[2, 2])]),
        case("an empty part", 2, axis(1), vec![random(&[2, 3]), sizes(&[3, 0])]),
        case("one part", 1, axis(0), vec![random(&[2, 3]), sizes(&[2])]),
        case("equal parts", 3, axis(2).int("num_outputs", 3), vec![random(&[1, 2, 6])]),
        case("a smaller last part", 3, axis(0).int("num_outputs", 3), vec![random(&[7, 2])]),
        case("integers", 2, axis(0), vec![ints, sizes(&[3, 1])]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;

    #[test]
    fn parts_are_equal_before_opset_18() {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::F32, [2, 6]));
        let mut upgraded = |outputs| {
            let (op, attrs) = ("Split".to_owned(), Attrs::new().int("axis", -1));
            let mut node = Upgrade { opset: 13, op, attrs, inputs: vec![Some(x)], outputs, graph: &mut graph };
            upgrade(&mut node).map(|()| node.attrs.get_int("num_outputs", 0))
        };
        assert_eq!(upgraded(3), Ok(Ok(3)));
        assert!(upgraded(4).unwrap_err().contains("before opset 18"));
    }

    #[test]
    fn the_last_part_has_elements() {
        assert_eq!(equal(7, 4, 4), Ok(vec![2, 2, 2, 1]));
        assert!(equal(4, 3, 3).is_err() && equal(5, 4, 4).is_err());
    }
}
