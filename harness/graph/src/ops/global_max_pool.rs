//! GlobalMaxPool. Spec: <https://onnx.ai/onnx/operators/onnx__GlobalMaxPool.html>. Opsets: 1, 22.

use super::binary::expect_inputs;
use super::reduce::to_winner;
use super::{Call, Case, CaseInput, Op, Vjp, expect_float, no_macs, unchanged};
use crate::{Attrs, Tensor, ValueType};

pub(super) const OP: Op = Op {
    name: "GlobalMaxPool",
    opsets: &[7, 22],
    doc: "any number of spatial axes; the gradient goes to the first largest element",
    attrs: &[],
    infer,
    eval,
    vjp: Vjp::Rule(
        |back| {
            let spatial: Vec<usize> = (2..back.shape(0).len()).collect();
            to_winner(back, &spatial, "ArgMax")
        },
        &["ArgMax", "Cast", "Equal", "Mul", "Reshape"],
    ),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 1)?;
    let (dtype, shape) = (expect_float(call, 0)?, call.shape(0)?);
    if shape.len() < 3 || shape[2..].contains(&0) {
        return Err(format!("the input must be [N, C, …] with elements, found {shape:?}"));
    }
    let pooled: Vec<usize> = shape[..2].iter().copied().chain(shape[2..].iter().map(|_| 1)).collect();
    Ok(vec![ValueType::new(dtype, pooled)])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let pixels: usize = x.shape()[2..].iter().product();
    let largest = |x: &[f64]| x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let y = x.floats()?.chunks(pixels).map(largest).collect();
    Ok(vec![Tensor::float(x.dtype(), &infer(call)?[0].shape, y)])
}

fn cases() -> Vec<Case> {
    let case =
        |name, shape: &[usize]| Case::new(name, Attrs::new(), vec![CaseInput::Random(shape.to_vec(), -1.0, 1.0)]);
    vec![case("images", &[2, 3, 4, 5]), case("sequences", &[2, 3, 7]), case("one pixel", &[2, 3, 1, 1])]
}
