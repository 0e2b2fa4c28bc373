//! Expand. Spec: <https://onnx.ai/onnx/operators/onnx__Expand.html>. Opsets: 8, 13.

use super::axes::dimension;
use super::binary::expect_inputs;
use super::broadcast::{broadcast, stretch, unbroadcast};
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Expand",
    opsets: &[8, 13],
    doc: "the shape must be constant; both shapes broadcast",
    attrs: &[],
    infer: |call| {
        expect_inputs(call, 2)?;
        Ok(vec![ValueType::new(call.ty(0)?.dtype, shape(call)?)])
    },
    eval: |call| Ok(vec![stretch(call.tensor(0)?, &shape(call)?).into_owned()]),
    vjp: Vjp::Rule(vjp, &["ReduceSum", "Reshape"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

/// Emits an Expand, unless the value has the shape already.
///
/// Errors: inference refuses it.
pub(super) fn expand_to(back: &mut Backward<'_>, x: ValueId, shape: &[usize]) -> Result<ValueId, Error> {
    if back.graph.shape(x) == shape {
        return Ok(x);
    }
    let shape = back.graph.constant("shape", Tensor::ints(shape.iter().map(|&dim| dim as i64)));
    back.emit("Expand", &[x, shape])
}

fn shape(call: &Call<'_>) -> Result<Vec<usize>, String> {
    let wanted = call.ints(1)?.ok_or("input 1 is missing")?;
    let wanted: Vec<usize> = wanted.iter().map(|&dim| dimension(dim)).collect::<Result<_, _>>()?;
    broadcast(call.shape(0)?, &wanted)
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (cotangent, shape) = (back.cotangent(), back.shape(0));
    Ok(vec![Some(unbroadcast(back, cotangent, &shape)?), None])
}

fn cases() -> Vec<Case> {
    let case = |name, from: &[usize], to: &[i64]| {
        let to = CaseInput::Constant(Tensor::ints(to.iter().copied()));
        Case::new(name, Attrs::new(), vec![CaseInput::Random(from.to_vec(), -1.0, 1.0), to])
    };
    let ints = CaseInput::Fed(Tensor::int(DType::I64, &[2, 1], vec![1, 2]));
    vec![
        case("a new leading axis", &[3], &[2, 3]),
        case("an inner axis", &[2, 1, 3], &[2, 4, 3]),
        case("both shapes stretch", &[3, 1], &[2, 1, 4]),
        case("a scalar", &[], &[2, 2]),
        case("nothing", &[2, 3], &[1]),
        Case::new("integers", Attrs::new(), vec![ints, CaseInput::Constant(Tensor::ints([2, 3]))]),
    ]
}
