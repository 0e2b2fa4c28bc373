//! Flatten. Spec: <https://onnx.ai/onnx/operators/onnx__Flatten.html>. Opsets: 1, 9, 11 (negative axis), 13, 21.

use super::binary::expect_inputs;
use super::reshape::to_input_shape;
use super::{Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, ValueType};

pub(super) const OP: Op = Op {
    name: "Flatten",
    opsets: &[7, 9, 11, 13, 21, 23, 24],
    doc: "to two axes, split at `axis` (default 1)",
    attrs: &["axis"],
    infer: |call| {
        expect_inputs(call, 1)?;
        Ok(vec![ValueType::new(call.ty(0)?.dtype, shape(call)?)])
    },
    eval: |call| Ok(vec![call.tensor(0)?.clone().reshaped(&shape(call)?)]),
    vjp: Vjp::Rule(to_input_shape, &["Reshape"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn shape(call: &Call<'_>) -> Result<[usize; 2], String> {
    let from = call.shape(0)?;
    let axis = call.attrs.get_int("axis", 1)?;
    let rank = from.len();
    let split = if axis < 0 { axis.saturating_add_unsigned(rank as u64) } else { axis };
    match usize::try_from(split) {
        Ok(split) if split <= rank => Ok([from[..split].iter().product(), from[split..].iter().product()]),
        _ => Err(format!("axis {axis} is out of range for rank {rank}")),
    }
}

fn cases() -> Vec<Case> {
    let case = |name, shape, attrs| Case::new(name, attrs, vec![CaseInput::Random(shape, -1.0, 1.0)]);
    vec![
        case("default axis", vec![2, 3, 4], Attrs::new()),
        case("axis 0", vec![2, 3], Attrs::new().int("axis", 0)),
        case("axis 2", vec![2, 3, 4], Attrs::new().int("axis", 2)),
        case("the last possible axis", vec![2, 3], Attrs::new().int("axis", 2)),
        case("a negative axis", vec![2, 3, 4], Attrs::new().int("axis", -1)),
        case("two axes already", vec![2, 3], Attrs::new()),
        case("a vector", vec![3], Attrs::new()),
    ]
}
