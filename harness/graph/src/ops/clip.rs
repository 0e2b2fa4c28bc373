//! Clip. Spec: <https://onnx.ai/onnx/operators/onnx__Clip.html>. Opsets: 6, 11 (bounds become inputs), 12, 13.

use super::{Backward, Call, Case, CaseInput, Op, Upgrade, Vjp, no_macs};
use crate::{Attrs, DType, Data, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Clip",
    opsets: &[7, 11, 12, 13],
    doc: "min(max(x, low), high), both bounds optional; the gradient is 1 inside; at a bound it is 0 behind a layer (as ReLU6), else 1",
    attrs: &[],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["And", "Cast", "GreaterOrEqual", "LessOrEqual", "Mul"]),
    macs: no_macs,
    upgrade,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let ty = call.ty(0)?;
    for index in 1..call.inputs.len() {
        if call.inputs.len() > 3 {
            return Err(format!("takes 1 to 3 inputs, found {}", call.inputs.len()));
        }
        if call.has(index) && (call.ty(index)?.dtype != ty.dtype || call.ty(index)?.len() != 1) {
            return Err(format!("input {index} must be one {}, found {:?}", ty.dtype, call.ty(index)?));
        }
    }
    if ty.dtype == DType::Bool { Err("booleans have no order".to_owned()) } else { Ok(vec![ty.clone()]) }
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let bound = |index| if call.has(index) { call.tensor(index).map(Some) } else { Ok(None) };
    let (low, high) = (bound(1)?, bound(2)?);
    Ok(vec![match x.data() {
        Data::Float(values) => {
            let float =
                |bound: Option<&Tensor>, none| bound.map_or(Ok(none), |bound| Ok::<_, String>(bound.floats()?[0]));
            let (low, high) = (float(low, f64::NEG_INFINITY)?, float(high, f64::INFINITY)?);
            let clip = |&x: &f64| if x.is_nan() { x } else { x.max(low).min(high) };
            Tensor::float(x.dtype(), x.shape(), values.iter().map(clip).collect())
        }
        Data::Int(values) => {
            let int =
                |bound: Option<&Tensor>, none| bound.map_or(Ok(none), |bound| Ok::<_, String>(bound.integers()?[0]));
            let (low, high) = (int(low, i64::MIN)?, int(high, i64::MAX)?);
            Tensor::int(x.dtype(), x.shape(), values.iter().map(|&x| x.max(low).min(high)).collect())
        }
    }])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    if back.wants.iter().skip(1).any(|&wanted| wanted) {
        return Err(back.refuse("a bound depends on the input"));
    }
    // The output tells as well as the input where bounds count as outside, and leaves Conv and Clip to be fused.
    let (x, tests) = match is_activation(back) {
        true => (back.output(0), ["Greater", "Less"]),
        false => (back.input(0), ["GreaterOrEqual", "LessOrEqual"]),
    };
    let mut inside = None;
    for (index, test) in [1, 2].into_iter().zip(tests) {
        let Some(&Some(bound)) = back.node.inputs().get(index) else { continue };
        let within = back.emit(test, &[x, bound])?;
        inside = Some(match inside {
            Some(inside) => back.emit("And", &[inside, within])?,
            None => within,
        });
    }
    let mut cotangent = back.cotangent();
    if let Some(inside) = inside {
        let mask = back.mask(inside)?;
        cotangent = back.emit("Mul", &[cotangent, mask])?;
        // A bound of shape [1] would give a scalar an axis.
        let shape = back.shape(0);
        cotangent = super::reshape::reshape_to(back, cotangent, &shape)?;
    }
    Ok(vec![Some(cotangent), None, None])
}

/// Whether it is an activation function, as ReLU6 is: what it clips comes out of a layer and not from the input, whose
/// pixels often lie on a bound.
fn is_activation(back: &Backward<'_>) -> bool {
    let layers = ["Add", "BatchNormTrain", "BatchNormalization", "Conv", "ConvTranspose", "Gemm", "MatMul"];
    back.graph.producer(back.input(0)).is_some_and(|node| layers.contains(&node.op().name))
}

fn upgrade(up: &mut Upgrade<'_>) -> Result<(), String> {
    if up.opset >= 11 {
        return Ok(());
    }
    let x = up.inputs.first().copied().flatten().ok_or("input 0 is missing")?;
    let dtype = up.graph.value(x).dtype();
    if !dtype.is_float() {
        return Err(format!("input 0 must be a float tensor, found {dtype}"));
    }
    for (index, attr) in [(1, "min"), (2, "max")] {
        if up.attrs.get(attr).is_some() {
            let bound = Tensor::float(dtype, &[], vec![up.attrs.get_float(attr, 0.0)?.into()]);
            up.attrs.remove(attr);
            up.set_input(index, bound, attr);
        }
    }
    Ok(())
}

fn cases() -> Vec<Case> {
    use CaseInput::{Absent, Constant, Fed, Random};
    let case = |name, inputs| Case::new(name, Attrs::new(), inputs);
    let x = || Random(vec![2, 3, 4], -2.0, 8.0);
    let bound = |value| Constant(Tensor::scalar(value));
    vec![
        case("both bounds", vec![x(), bound(0.0), bound(6.0)]),
        case("only the lower", vec![x(), bound(0.0)]),
        case("only the upper", vec![x(), Absent, bound(6.0)]),
        case("no upper by an absent input", vec![x(), bound(0.0), Absent]),
        case("no bound", vec![x()]),
        case("crossed bounds", vec![x(), bound(5.0), bound(1.0)]),
        case("a scalar", vec![Random(vec![], -1.0, 1.0), bound(-0.5), bound(0.5)]),
        case("integers", vec![Fed(Tensor::ints([-4, 3, 9])), Constant(Tensor::int(DType::I64, &[], vec![0]))]),
    ]
}
