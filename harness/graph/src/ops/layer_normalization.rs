//! LayerNormalization. Spec: <https://onnx.ai/onnx/operators/onnx__LayerNormalization.html>. Opsets: 17.

use super::axes::axis;
use super::binary::expect_inputs_between;
use super::broadcast::unbroadcast;
use super::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, no_macs, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "LayerNormalization",
    opsets: &[17],
    doc: "scale and bias of the shape of the normalised axes; gradient of Y and InvStdDev to data, of Y to scale and bias",
    attrs: &["axis", "epsilon", "stash_type"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Cast", "LayerNormalization", "Mul", "ReduceMean", "ReduceSum", "Reshape", "Sub"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs_between(call, 2, 3)?;
    let dtype = expect_float(call, 0)?;
    let (first, x) = (first(call)?, call.shape(0)?);
    call.attrs.get_float("epsilon", 1e-5)?;
    if call.attrs.get_int("stash_type", 1)? != 1 {
        return Err("stash_type must be 1".to_owned());
    }
    if x[first..].contains(&0) {
        return Err("there is nothing to normalise".to_owned());
    }
    // An absent bias that is not left out makes ONNX Runtime 1.31 crash.
    for index in 1..call.inputs.len() {
        let wanted = ValueType::new(dtype, &x[first..]);
        if *call.ty(index)? != wanted {
            return Err(format!("input {index} must be {wanted:?}, found {:?}", call.ty(index)?));
        }
    }
    let statistic = ValueType::new(DType::F32, [&x[..first], &vec![1; x.len() - first][..]].concat());
    Ok(vec![call.ty(0)?.clone(), statistic.clone(), statistic])
}

/// The first of the normalised axes.
fn first(call: &Call<'_>) -> Result<usize, String> {
    axis(call.attrs.get_int("axis", -1)?, call.shape(0)?.len())
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (types, x) = (infer(call)?, call.tensor(0)?);
    let scale = call.tensor(1)?.floats()?;
    let bias = if call.inputs.len() > 2 { Some(call.tensor(2)?.floats()?) } else { None };
    let epsilon = f64::from(call.attrs.get_float("epsilon", 1e-5)?);
    let (mut y, mut means, mut inverses) = (Vec::with_capacity(x.len()), Vec::new(), Vec::new());
    for group in x.floats()?.chunks(scale.len()) {
        let mean = group.iter().sum::<f64>() / group.len() as f64;
        let variance = group.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / group.len() as f64;
        let inverse = (variance + epsilon).sqrt().recip();
        let shift = |at: usize| bias.map_or(0.0, |bias| bias[at]);
        y.extend(group.iter().enumerate().map(|(at, x)| (x - mean) * inverse * scale[at] + shift(at)));
        means.push(mean);
        inverses.push(inverse);
    }
    let results = types.iter().zip([y, means, inverses]);
    Ok(results.take(call.outputs).map(|(ty, data)| Tensor::float(ty.dtype, &ty.shape, data)).collect())
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    if back.cotangents[0].is_none() || back.cotangents.get(1).is_some_and(Option::is_some) {
        return Err(back.refuse("only Y, or Y with InvStdDev, has a gradient"));
    }
    let (first, epsilon) = back.ask(|call| Ok((first(call)?, call.attrs.get_float("epsilon", 1e-5)?)))?;
    let inverse = back.cotangents.get(2).copied().flatten();
    let mut results = vec![None; back.node.inputs().len()];
    if back.wants[0] {
        let cotangent = back.emit("Mul", &[back.cotangent(), back.input(1)])?;
        results[0] = Some(through(back, back.input(0), cotangent, inverse, first, epsilon)?);
    }
    let scale = back.shape(1);
    if back.wants[1] {
        let normal = normal(back, back.input(0), first, epsilon, 1)?[0];
        let product = back.emit("Mul", &[back.cotangent(), normal])?;
        results[1] = Some(unbroadcast(back, product, &scale)?);
    }
    if back.wants.get(2) == Some(&true) {
        results[2] = Some(unbroadcast(back, back.cotangent(), &scale)?);
    }
    Ok(results)
}

/// What is normalised, without scale and bias, and so many outputs of LayerNormalization.
///
/// Errors: inference refuses a node.
pub(super) fn normal(
    back: &mut Backward<'_>,
    x: ValueId,
    first: usize,
    epsilon: f32,
    outputs: usize,
) -> Result<Vec<ValueId>, Error> {
    let ty = back.graph.value(x).ty().clone();
    let ones = Tensor::float(ty.dtype, &ty.shape[first..], vec![1.0; ty.shape[first..].iter().product()]);
    let ones = back.graph.constant("ones", ones);
    let attrs = Attrs::new().int("axis", first as i64).float("epsilon", epsilon);
    back.graph.add_node("", "LayerNormalization", &[Some(x), Some(ones)], attrs, outputs)
}

/// The way back through `n = (x - mean) r`, `r = 1 / √(variance + epsilon)`, over the axes from `first` on:
/// `r (c - mean c - n (mean c n + c_r r / N))` with the cotangents `c` of `n` and `c_r` of `r`.
///
/// Errors: inference refuses a node.
pub(super) fn through(
    back: &mut Backward<'_>,
    x: ValueId,
    cotangent: ValueId,
    inverse: Option<ValueId>,
    first: usize,
    epsilon: f32,
) -> Result<ValueId, Error> {
    let ty = back.graph.value(x).ty().clone();
    let count: usize = ty.shape[first..].iter().product();
    let outputs = normal(back, x, first, epsilon, 3)?;
    let axes = back.graph.constant("axes", Tensor::ints((first..ty.shape.len()).map(|axis| axis as i64)));
    // The statistics are float32 whatever the data is.
    let (normal, r) = (outputs[0], back.graph.cast(outputs[2], ty.dtype)?);
    let mean = back.emit("ReduceMean", &[cotangent, axes])?;
    let product = back.emit("Mul", &[cotangent, normal])?;
    let along = back.emit("ReduceMean", &[product, axes])?;
    let centred = back.emit("Sub", &[cotangent, mean])?;
    let stretch = back.emit("Mul", &[normal, along])?;
    let mut rest = back.emit("Sub", &[centred, stretch])?;
    if let Some(inverse) = inverse {
        let (inverse, share) = (back.graph.cast(inverse, ty.dtype)?, back.graph.scalar(ty.dtype, 1.0 / count as f64));
        let inverse = back.emit("Mul", &[inverse, share])?;
        let inverse = back.emit("Mul", &[inverse, r])?;
        let stretch = back.emit("Mul", &[normal, inverse])?;
        rest = back.emit("Sub", &[rest, stretch])?;
    }
    back.emit("Mul", &[rest, r])
}

fn cases() -> Vec<Case> {
    use CaseInput::{Random, RandomConstant};
    let case = |name, attrs, shape: &[usize], first: usize, bias: bool| {
        let constant = |low, high| RandomConstant(shape[first..].to_vec(), low, high);
        let mut inputs = vec![Random(shape.to_vec(), -2.0, 2.0), constant(0.5, 2.0)];
        inputs.extend(bias.then(|| constant(-1.0, 1.0)));
        Case::new(name, attrs, inputs)
    };
    let trained = |name, attrs, shape: &[usize], first: usize| {
        let random = |low, high| Random(shape[first..].to_vec(), low, high);
        Case::new(name, attrs, vec![Random(shape.to_vec(), -2.0, 2.0), random(0.5, 2.0), random(-1.0, 1.0)])
    };
    let plain = Attrs::new;
    vec![
        case("tokens", plain(), &[2, 3, 5], 2, true),
        case("no bias", plain(), &[3, 4], 1, false),
        case("two axes", plain().int("axis", 1), &[2, 3, 4], 1, true),
        case("every axis", plain().int("axis", 0), &[3, 4], 0, true),
        case("a negative axis, a large epsilon", plain().int("axis", -2).float("epsilon", 0.5), &[2, 3, 2], 1, true),
        case("a vector", plain(), &[6], 0, true),
        case("one element", plain(), &[2, 1], 1, true),
        Case { outputs: 3, ..case("with its statistics", plain(), &[2, 3, 4], 2, true) },
        trained("trained", plain(), &[2, 3, 5], 2),
        trained("trained, two axes", plain().int("axis", 1), &[2, 3, 4], 1),
        trained("trained, every axis", plain().int("axis", 0), &[3, 4], 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Interpreter, differentiate};

    #[test]
    fn its_statistics_only_have_a_gradient_beside_the_result() {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::F32, [2, 3]));
        let ones = graph.constant("ones", Tensor::f32(&[3], [1.0; 3]));
        let outputs = graph.add_node("", "LayerNormalization", &[Some(x), Some(ones)], Attrs::new(), 3).unwrap();
        let cotangent = graph.constant("cotangent", Tensor::f32(&[2, 1], [1.0; 2]));
        for statistic in &outputs[1..] {
            let result = differentiate(&mut graph.clone(), *statistic, cotangent, &[x]);
            assert!(matches!(result, Err(Error::NoGradient { .. })), "{result:?}");
        }
    }

    #[test]
    fn half_precision_takes_float32_statistics() {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::F16, [1, 4]));
        let ones = graph.constant("ones", Tensor::float(DType::F16, &[4], vec![1.0; 4]));
        let y = graph.add("LayerNormalization", &[x, ones], Attrs::new()).unwrap();
        let cotangent = graph.constant("cotangent", Tensor::float(DType::F16, &[1, 4], vec![1.0, 0.0, 0.0, 0.0]));
        let first = differentiate(&mut graph, y, cotangent, &[x]).unwrap()[0];
        let second = differentiate(&mut graph, first, cotangent, &[x]).unwrap()[0];
        assert_eq!([graph.value(first).dtype(), graph.value(second).dtype()], [DType::F16; 2]);
    }

    #[test]
    fn equal_elements_give_numbers() {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 2]));
        let ones = graph.constant("ones", Tensor::f32(&[2], [1.0; 2]));
        let y = graph.add("LayerNormalization", &[x, ones], Attrs::new()).unwrap();
        let cotangent = graph.constant("cotangent", Tensor::f32(&[1, 2], [1.0, -1.0]));
        let gradient = differentiate(&mut graph, y, cotangent, &[x]).unwrap();
        graph.set_outputs(gradient);
        let found = Interpreter.run(&graph, &[Tensor::f32(&[1, 2], [3.0, 3.0])]).unwrap()[0].to_f64();
        let slope = f64::from(1e-5_f32).sqrt().recip();
        assert!((found[0] - slope).abs() < 1e-9 * slope && found[0] == -found[1], "{found:?}");
    }
}
