//! Relu. Spec: <https://onnx.ai/onnx/operators/onnx__Relu.html>. Opsets: 6, 13, 14.

use super::elementwise::{number_as_input, signed_map};
use super::{Backward, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, DType, Error, Tensor, ValueId};

pub(super) const OP: Op = Op {
    name: "Relu",
    opsets: &[7, 13, 14],
    doc: "max(x, 0); the gradient at 0 is 0",
    attrs: &[],
    infer: number_as_input,
    eval,
    vjp: Vjp::Rule(vjp, &["Cast", "Greater", "Mul"]),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    signed_map(call, |x| if x > 0.0 || x.is_nan() { x } else { 0.0 }, |x| x.max(0))
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (mut y, zero, cotangent) = (back.output(0), back.scalar(0.0), back.cotangent());
    if !back.graph.value(y).dtype().is_float() {
        // ONNX Runtime compares few integer types.
        let dtype = back.graph.value(cotangent).dtype();
        y = back.graph.add("Cast", &[y], Attrs::new().int("to", dtype.onnx().into()))?;
    }
    let positive = back.emit("Greater", &[y, zero])?;
    let mask = back.mask(positive)?;
    Ok(vec![Some(back.emit("Mul", &[cotangent, mask])?)])
}

fn cases() -> Vec<Case> {
    let ints = |name, dtype, data| Case::new(name, Attrs::new(), vec![CaseInput::Fed(Tensor::int(dtype, &[3], data))]);
    vec![
        Case::new("both sides of the kink", Attrs::new(), vec![CaseInput::Random(vec![2, 3, 4], -1.0, 1.0)]),
        ints("int8", DType::I8, vec![-128, 0, 127]),
        ints("int32", DType::I32, vec![-9, 0, 100]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Interpreter, ValueType, differentiate};

    #[test]
    fn between_quantizers_it_computes_in_integers() {
        let mut graph = Graph::new("quantized");
        let x = graph.input("x", ValueType::new(DType::F32, [3]));
        let (scale, zero) =
            (graph.scalar(DType::F32, 0.5), graph.constant("zero", Tensor::int(DType::I8, &[], vec![0])));
        let q = graph.add("QuantizeLinear", &[x, scale, zero], Attrs::new()).unwrap();
        let q = graph.add("Relu", &[q], Attrs::new()).unwrap();
        let y = graph.add("DequantizeLinear", &[q, scale, zero], Attrs::new()).unwrap();
        let weights = graph.constant("weights", Tensor::f32(&[3], [1.0, 2.0, 3.0]));
        let gradient = differentiate(&mut graph, y, weights, &[x]).unwrap()[0];
        graph.set_outputs(vec![y, gradient]);
        let found = Interpreter.run(&graph, &[Tensor::f32(&[3], [-1.0, 0.2, 1.4])]).unwrap();
        assert_eq!([found[0].to_f64(), found[1].to_f64()], [[0.0, 0.0, 1.5], [0.0, 0.0, 3.0]]);
        let truth = graph.input("truth", ValueType::new(DType::Bool, [3]));
        assert!(graph.add("Relu", &[truth], Attrs::new()).is_err());
    }
}
