//! InstanceNormalization. Spec: <https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html>. Opsets: 6, 22.

use super::batch_normalization::sum_over_channels;
use super::binary::expect_inputs;
use super::layer_normalization::{normal, through};
use super::reshape::reshape_to;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, no_macs, same_as_input, unchanged};
use crate::{Attrs, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "InstanceNormalization",
    opsets: &[7, 22],
    doc: "any number of spatial axes; gradient to data, scale and bias",
    attrs: &["epsilon"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Cast", "LayerNormalization", "Mul", "ReduceMean", "ReduceSum", "Reshape", "Sub"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs(call, 3)?;
    let (dtype, shape) = (expect_float(call, 0)?, call.shape(0)?);
    call.attrs.get_float("epsilon", 1e-5)?;
    if shape.len() < 3 || shape[1..].contains(&0) {
        return Err(format!("the input must be [N, C, …] with elements, found {shape:?}"));
    }
    let wanted = ValueType::new(dtype, [shape[1]]);
    for index in 1..3 {
        if *call.ty(index)? != wanted {
            return Err(format!("input {index} must be {wanted:?}, found {:?}", call.ty(index)?));
        }
    }
    same_as_input(call)
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, scale, bias) = (call.tensor(0)?, call.tensor(1)?.floats()?, call.tensor(2)?.floats()?);
    let epsilon = f64::from(call.attrs.get_float("epsilon", 1e-5)?);
    let pixels: usize = x.shape()[2..].iter().product();
    let mut y = x.floats()?.to_vec();
    for (index, plane) in y.chunks_mut(pixels).enumerate() {
        let mean = plane.iter().sum::<f64>() / pixels as f64;
        let variance = plane.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / pixels as f64;
        let (channel, inverse) = (index % scale.len(), (variance + epsilon).sqrt().recip());
        plane.iter_mut().for_each(|x| *x = (*x - mean) * inverse * scale[channel] + bias[channel]);
    }
    Ok(vec![Tensor::float(x.dtype(), x.shape(), y)])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let epsilon = back.ask(|call| call.attrs.get_float("epsilon", 1e-5))?;
    let (shape, cotangent) = (back.shape(0), back.cotangent());
    let planes = [shape[0], shape[1], shape[2..].iter().product()];
    let x = reshape_to(back, back.input(0), &planes)?;
    let cotangent = reshape_to(back, cotangent, &planes)?;
    let mut results = vec![None; 3];
    if back.wants[0] {
        let scale = reshape_to(back, back.input(1), &[shape[1], 1])?;
        let cotangent = back.emit("Mul", &[cotangent, scale])?;
        let gradient = through(back, x, cotangent, None, 2, epsilon)?;
        results[0] = Some(reshape_to(back, gradient, &shape)?);
    }
    if back.wants[1] {
        let normal = normal(back, x, 2, epsilon, 1)?[0];
        let product = back.emit("Mul", &[cotangent, normal])?;
        results[1] = Some(sum_over_channels(back, product)?);
    }
    if back.wants[2] {
        results[2] = Some(sum_over_channels(back, cotangent)?);
    }
    Ok(results)
}

fn cases() -> Vec<Case> {
    let case = |name, attrs, shape: &[usize]| {
        let constant = |low, high| CaseInput::RandomConstant(vec![shape[1]], low, high);
        let x = CaseInput::Random(shape.to_vec(), -2.0, 2.0);
        Case::new(name, attrs, vec![x, constant(0.5, 2.0), constant(-1.0, 1.0)])
    };
    let random = |shape: &[usize], low, high| CaseInput::Random(shape.to_vec(), low, high);
    let inputs = vec![random(&[2, 3, 4, 2], -2.0, 2.0), random(&[3], 0.5, 2.0), random(&[3], -1.0, 1.0)];
    let trained = Case::new("trained", Attrs::new(), inputs);
    vec![
        case("images", Attrs::new(), &[2, 3, 4, 2]),
        case("sequences", Attrs::new(), &[2, 3, 5]),
        case("a large epsilon", Attrs::new().float("epsilon", 0.5), &[1, 2, 3, 3]),
        trained,
    ]
}
