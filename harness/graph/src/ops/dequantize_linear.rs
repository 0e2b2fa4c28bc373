//! DequantizeLinear. Spec: <https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html>. Opsets: 10, 13, 19, 21.

use super::quantization::{Scheme, TYPES, expect_types, scheme};
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "DequantizeLinear",
    opsets: &[10, 13, 19, 21, 23, 24],
    doc: "int8, uint8, int16, uint16, int32; per tensor and per channel; the gradient is the scale",
    attrs: &["axis", "block_size"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Mul"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let x = call.ty(0)?;
    if !TYPES.contains(&x.dtype) && x.dtype != DType::I32 {
        return Err(format!("{} is not a supported quantized type", x.dtype));
    }
    Scheme::read(call)?;
    Ok(vec![ValueType::new(expect_types(call, x.dtype)?, x.shape.clone())])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let scheme = Scheme::read(call)?;
    let (x, scale) = (call.tensor(0)?, call.tensor(1)?);
    let scales = scale.floats()?;
    let zeros = call.ints(2)?;
    let value = |(at, &x): (usize, &i64)| {
        let channel = scheme.of(at);
        (x - zeros.map_or(0, |zeros| zeros[channel])) as f64 * scales[channel]
    };
    let y = x.integers()?.iter().enumerate().map(value).collect();
    Ok(vec![Tensor::float(scale.dtype(), x.shape(), y)])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    if back.wants[1..].contains(&true) {
        return Err(back.refuse("its scale and zero point must be constants"));
    }
    let scale = scheme(back).scale(back)?;
    let cotangent = back.cotangent();
    Ok(vec![Some(back.emit("Mul", &[cotangent, scale])?), None, None])
}

fn cases() -> Vec<Case> {
    let fed = |dtype, shape: &[usize], data: &[i64]| CaseInput::Fed(Tensor::int(dtype, shape, data.to_vec()));
    let zero = |dtype, data: &[i64]| CaseInput::Constant(Tensor::int(dtype, &[data.len()], data.to_vec()));
    let one = |dtype, value| CaseInput::Constant(Tensor::int(dtype, &[], vec![value]));
    let scale = |values: &[f64]| CaseInput::Constant(Tensor::f32(&[values.len()], values.iter().copied()));
    let scalar = |value| CaseInput::Constant(Tensor::scalar(value));
    let none = Attrs::new;
    let bytes = [-128, -1, 0, 5, 126, 127];
    vec![
        Case::new("int8", none(), vec![fed(DType::I8, &[2, 3], &bytes), scalar(0.25), one(DType::I8, -5)]),
        Case::new("uint8", none(), vec![fed(DType::U8, &[3], &[0, 128, 255]), scalar(0.125), one(DType::U8, 128)]),
        Case::new("int16", none(), vec![fed(DType::I16, &[2], &[-32768, 77]), scalar(0.5), one(DType::I16, 3)]),
        Case::new("uint16", none(), vec![fed(DType::U16, &[2], &[65535, 77]), scalar(0.5), one(DType::U16, 30_000)]),
        Case::new("int32, no zero point", none(), vec![fed(DType::I32, &[2], &[-70_000, 9]), scalar(0.5)]),
        Case::new(
            "one scale in a vector",
            none(),
            vec![fed(DType::I8, &[2, 3], &bytes), scale(&[2.0]), zero(DType::I8, &[1])],
        ),
        Case::new(
            "a vector of one scale, a scalar zero point",
            none(),
            vec![fed(DType::I32, &[2], &[-70_000, 9]), scale(&[0.5]), one(DType::I32, 0)],
        ),
        Case::new(
            "per channel",
            none(),
            vec![fed(DType::I8, &[1, 3, 2], &bytes), scale(&[0.5, 1.0, 2.0]), zero(DType::I8, &[0, 1, -2])],
        ),
        Case::new(
            "per row",
            none().int("axis", -2),
            vec![fed(DType::I8, &[2, 3], &bytes), scale(&[0.5, 2.0]), zero(DType::I8, &[0, 9])],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Interpreter, differentiate};

    fn run(graph: &mut Graph, y: ValueId, x: ValueId, input: Tensor) -> Vec<f64> {
        let shape = graph.shape(y).to_vec();
        let cotangent = Tensor::f32(&shape, (0..input.len()).map(|i| i as f64 + 1.0));
        let cotangent = graph.constant("cotangent", cotangent);
        let gradients = differentiate(graph, y, cotangent, &[x]).unwrap();
        graph.set_outputs(gradients);
        Interpreter.run(graph, &[input]).unwrap()[0].to_f64()
    }

    #[test]
    fn the_gradient_is_the_scale_of_the_channel() {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::I8, [1, 2, 2]));
        let scale = graph.constant("scale", Tensor::f32(&[2], [0.5, 2.0]));
        let y = graph.add("DequantizeLinear", &[x, scale], Attrs::new()).unwrap();
        let input = Tensor::int(DType::I8, &[1, 2, 2], vec![-128, 0, 3, 127]);
        assert_eq!(run(&mut graph, y, x, input), [0.5, 1.0, 6.0, 8.0]);
    }

    #[test]
    fn a_pair_passes_gradients_through_integer_tensors() {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 1, 2, 2]));
        let scale = graph.constant("scale", Tensor::scalar(0.3));
        let zero = graph.constant("zero", Tensor::int(DType::U8, &[], vec![0]));
        let q = graph.add("QuantizeLinear", &[x, scale, zero], Attrs::new()).unwrap();
        let attrs = Attrs::new().ints("kernel_shape", [2, 1]);
        let pooled = graph.add("MaxPool", &[q], attrs).unwrap();
        let y = graph.add("DequantizeLinear", &[pooled, scale, zero], Attrs::new()).unwrap();
        let shape = graph.shape(y).to_vec();
        let cotangent = graph.constant("cotangent", Tensor::f32(&shape, [1.0, 2.0]));
        let gradients = differentiate(&mut graph, y, cotangent, &[x]).unwrap();
        graph.set_outputs(gradients);
        let input = Tensor::f32(&[1, 1, 2, 2], [1.0, -1.0, 1.1, -2.0]);
        let found = Interpreter.run(&graph, &[input]).unwrap()[0].to_f64();
        // Both rows of the first column are 3 and 4 steps; the second column is clipped to 0 and ties.
        let wanted = [0.0, 0.0, 1.0, 0.0];
        assert!(found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-7), "{found:?}");
    }
}
