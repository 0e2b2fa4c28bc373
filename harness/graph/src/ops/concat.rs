//! Concat. Spec: <https://onnx.ai/onnx/operators/onnx__Concat.html>. Opsets: 4, 11 (negative axis), 13.

use super::axes::{axis, bounded};
use super::binary::same_dtype;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attr, Attrs, Data, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Concat",
    opsets: &[7, 11, 13],
    doc: "any number of inputs along one axis",
    attrs: &["axis"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Slice"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn the_axis(attrs: &Attrs, rank: usize) -> Result<usize, String> {
    match attrs.get("axis") {
        Some(Attr::Int(value)) => axis(*value, rank),
        _ => Err("attribute `axis` must be an integer".to_owned()),
    }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let mut shape = call.shape(0)?.to_vec();
    let axis = the_axis(call.attrs, shape.len())?;
    for index in 1..call.inputs.len() {
        same_dtype(call, 0, index)?;
        let next = call.shape(index)?;
        let fits = |(at, (a, b)): (usize, (&usize, &usize))| at == axis || a == b;
        if next.len() != shape.len() || !shape.iter().zip(next).enumerate().all(fits) {
            return Err(format!("input {index} has shape {next:?}, which does not follow {shape:?} on axis {axis}"));
        }
        shape[axis] = shape[axis].checked_add(next[axis]).ok_or("the output is too large")?;
    }
    Ok(vec![ValueType::new(call.ty(0)?.dtype, bounded(shape)?)])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let ty = infer(call)?.remove(0);
    let axis = the_axis(call.attrs, ty.shape.len())?;
    let outer: usize = ty.shape[..axis].iter().product();
    let parts: Vec<&Tensor> = (0..call.inputs.len()).map(|index| call.tensor(index)).collect::<Result<_, _>>()?;
    let chunks = |at: usize| {
        parts.iter().map(move |part| (*part, at * (part.len() / outer.max(1))..(at + 1) * (part.len() / outer.max(1))))
    };
    let pieces = (0..outer).flat_map(chunks);
    Ok(vec![match parts[0].data() {
        Data::Float(_) => {
            let mut data = Vec::with_capacity(ty.len());
            for (part, range) in pieces {
                data.extend(&part.floats()?[range]);
            }
            Tensor::float(ty.dtype, &ty.shape, data)
        }
        Data::Int(_) => {
            let mut data = Vec::with_capacity(ty.len());
            for (part, range) in pieces {
                data.extend(&part.integers()?[range]);
            }
            Tensor::int(ty.dtype, &ty.shape, data)
        }
    }])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let cotangent = back.cotangent();
    let axis = back.ask(|call| the_axis(call.attrs, call.shape(0)?.len()))?;
    let mut results = Vec::new();
    let mut start = 0;
    for index in 0..back.node.inputs().len() {
        let end = start + back.shape(index)[axis];
        let range = [("starts", start), ("ends", end), ("axes", axis)];
        results.push(match back.wants[index] {
            true => {
                let range = range.map(|(name, value)| back.graph.constant(name, Tensor::ints([value as i64])));
                Some(back.emit("Slice", &[cotangent, range[0], range[1], range[2]])?)
            }
            false => None,
        });
        start = end;
    }
    Ok(results)
}

fn cases() -> Vec<Case> {
    use CaseInput::{Fed, Random, RandomConstant};
    let case = |name, axis, inputs| Case::new(name, Attrs::new().int("axis", axis), inputs);
    let random = |shape: &[usize]| Random(shape.to_vec(), -1.0, 1.0);
    vec![
        case("channels", 1, vec![random(&[2, 3, 2]), random(&[2, 1, 2]), random(&[2, 2, 2])]),
        case("a negative axis", -1, vec![random(&[2, 3]), random(&[2, 2])]),
        case("axis 0", 0, vec![random(&[1, 3]), random(&[2, 3])]),
        case("one input", 0, vec![random(&[2])]),
        case("a constant part", 1, vec![RandomConstant(vec![2, 1], -1.0, 1.0), random(&[2, 2])]),
        case("an empty part", 0, vec![random(&[0, 3]), random(&[2, 3])]),
        case("integers", 0, vec![Fed(Tensor::ints([1, 2])), Fed(Tensor::ints([3]))]),
    ]
}
