//! Relu. Spec: <https://onnx.ai/onnx/operators/onnx__Relu.html>. Opsets: 6, 13, 14.

use super::{Backward, Call, Case, CaseInput, Op, Vjp, map_elements, no_macs, same_as_input, unchanged};
use crate::{Attrs, Error, Tensor, ValueId};

pub(super) const OP: Op = Op {
    name: "Relu",
    doc: "max(x, 0); the gradient at 0 is 0",
    attrs: &[],
    infer: same_as_input,
    eval,
    vjp: Vjp::Rule(vjp),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    map_elements(call, |x| if x > 0.0 || x.is_nan() { x } else { 0.0 })
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (y, zero) = (back.output(0), back.scalar(0.0));
    let positive = back.emit("Greater", &[y, zero])?;
    let mask = back.mask(positive)?;
    let cotangent = back.cotangent();
    Ok(vec![Some(back.emit("Mul", &[cotangent, mask])?)])
}

fn cases() -> Vec<Case> {
    vec![Case::new("both sides of the kink", Attrs::new(), vec![CaseInput::Random(vec![2, 3, 4], -1.0, 1.0)])]
}
