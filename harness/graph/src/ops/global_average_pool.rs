//! GlobalAveragePool. Spec: <https://onnx.ai/onnx/operators/onnx__GlobalAveragePool.html>. Opsets: 1, 22.

use super::average_pool::spread;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, no_macs, unchanged};
use crate::{Attrs, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "GlobalAveragePool",
    opsets: &[7, 22],
    doc: "any number of spatial axes",
    attrs: &[],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Expand", "Mul"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = expect_float(call, 0)?;
    let [batch, channels, ref spatial @ ..] = call.shape(0)?[..] else {
        return Err(format!("the input must be [N, C, …], found {:?}", call.shape(0)?));
    };
    if spatial.contains(&0) {
        return Err("there is nothing to average".to_owned());
    }
    let shape: Vec<usize> = [batch, channels].into_iter().chain(spatial.iter().map(|_| 1)).collect();
    Ok(vec![ValueType::new(dtype, shape)])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let pixels: usize = x.shape()[2..].iter().product();
    let mean = |x: &[f64]| x.iter().sum::<f64>() / pixels as f64;
    let y = x.floats()?.chunks(pixels.max(1)).map(mean).collect();
    Ok(vec![Tensor::float(x.dtype(), &infer(call)?[0].shape, y)])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let pixels: usize = back.shape(0)[2..].iter().product();
    let cotangent = back.cotangent();
    Ok(vec![Some(spread(back, cotangent, 1.0 / pixels as f64)?)])
}

fn cases() -> Vec<Case> {
    let case =
        |name, shape: &[usize]| Case::new(name, Attrs::new(), vec![CaseInput::Random(shape.to_vec(), -1.0, 1.0)]);
    vec![case("images", &[2, 3, 4, 5]), case("sequences", &[2, 3, 7])]
}
