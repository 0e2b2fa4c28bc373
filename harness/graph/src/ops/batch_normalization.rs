//! BatchNormalization. Spec: <https://onnx.ai/onnx/operators/onnx__BatchNormalization.html>. Opsets: 7, 9, 14, 15.

use super::reshape::reshape_to;
use super::{Backward, Call, Case, CaseInput, Op, Upgrade, Vjp, expect_float, no_macs};
use crate::{Attrs, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "BatchNormalization",
    opsets: &[7, 9, 14, 15],
    doc: "inference only (training_mode 0, spatial); gradient to data, scale and bias",
    attrs: &["epsilon", "momentum", "training_mode"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Div", "Mul", "ReduceSum", "Reshape", "Sub"]),
    macs: no_macs,
    upgrade,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_float(call, 0)?;
    let x = call.ty(0)?;
    let [_, channels, ..] = x.shape[..] else {
        return Err(format!("the input must be [N, C, …], found {:?}", x.shape));
    };
    if call.attrs.get_int("training_mode", 0)? != 0 {
        return Err("training_mode 1 is not supported: the statistics must be those of training".to_owned());
    }
    call.attrs.get_float("epsilon", 1e-5)?;
    for index in 1..5 {
        expect_float(call, index)?;
        if call.shape(index)? != [channels] {
            return Err(format!("input {index} must have shape [{channels}], found {:?}", call.shape(index)?));
        }
    }
    Ok(vec![x.clone()])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let statistic = |index: usize| call.tensor(index)?.floats();
    let (scale, shift, mean, variance) = (statistic(1)?, statistic(2)?, statistic(3)?, statistic(4)?);
    let epsilon = f64::from(call.attrs.get_float("epsilon", 1e-5)?);
    let pixels: usize = x.shape()[2..].iter().product();
    let mut y = x.floats()?.to_vec();
    for (index, y) in y.chunks_mut(pixels.max(1)).enumerate() {
        let c = index % scale.len();
        let factor = scale[c] / (variance[c] + epsilon).sqrt();
        y.iter_mut().for_each(|y| *y = (*y - mean[c]) * factor + shift[c]);
    }
    Ok(vec![Tensor::float(x.dtype(), x.shape(), y)])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    if back.wants[3..].contains(&true) {
        return Err(back.refuse("its statistics must be constants"));
    }
    let epsilon = back.node.attrs().get_float("epsilon", 1e-5).expect("shape inference has read it");
    let (scale, variance) = (back.input(1), back.input(4));
    let epsilon = back.graph.scalar(back.graph.value(variance).dtype(), epsilon.into());
    let variance = back.emit("Add", &[variance, epsilon])?;
    let deviation = back.emit("Sqrt", &[variance])?;
    let mut column = vec![1; back.shape(0).len() - 1];
    column[0] = back.shape(0)[1];
    let cotangent = back.cotangent();
    let mut results = vec![None; 5];
    if back.wants[0] {
        let factor = back.emit("Div", &[scale, deviation])?;
        let factor = reshape_to(back, factor, &column)?;
        results[0] = Some(back.emit("Mul", &[cotangent, factor])?);
    }
    if back.wants[1] {
        let mean = reshape_to(back, back.input(3), &column)?;
        let centred = back.emit("Sub", &[back.input(0), mean])?;
        let product = back.emit("Mul", &[cotangent, centred])?;
        let along = sum_over_channels(back, product)?;
        results[1] = Some(back.emit("Div", &[along, deviation])?);
    }
    if back.wants[2] {
        results[2] = Some(sum_over_channels(back, cotangent)?);
    }
    Ok(results)
}

/// Sums `[N, C, …]` over everything but its channels.
pub(super) fn sum_over_channels(back: &mut Backward<'_>, x: ValueId) -> Result<ValueId, Error> {
    let rank = back.graph.shape(x).len() as i64;
    let axes = back.graph.constant("axes", Tensor::ints((0..rank).filter(|&axis| axis != 1)));
    back.graph.add("ReduceSum", &[x, axes], Attrs::new().int("keepdims", 0))
}

fn upgrade(node: &mut Upgrade<'_>) -> Result<(), String> {
    if node.opset < 9 && node.attrs.get_int("spatial", 1)? != 1 {
        return Err("spatial 0 is not supported".to_owned());
    }
    if node.opset < 9 {
        node.attrs.remove("spatial");
    }
    Ok(())
}

fn cases() -> Vec<Case> {
    let case = |name, attrs, x: &[usize]| {
        let constant = |low, high| CaseInput::RandomConstant(vec![x[1]], low, high);
        let statistics = [constant(-2.0, 2.0), constant(-1.0, 1.0), constant(-1.0, 1.0), constant(0.1, 2.0)];
        Case::new(name, attrs, [CaseInput::Random(x.to_vec(), -1.0, 1.0)].into_iter().chain(statistics).collect())
    };
    let trained = |name, x: &[usize]| {
        let mut case = case(name, Attrs::new().float("epsilon", 0.01), x);
        case.inputs[1] = CaseInput::Random(vec![x[1]], -2.0, 2.0);
        case.inputs[2] = CaseInput::Random(vec![x[1]], -1.0, 1.0);
        case
    };
    vec![
        case("images", Attrs::new().float("epsilon", 1e-3), &[2, 3, 4, 2]),
        case("sequences", Attrs::new(), &[2, 3, 4]),
        case("features", Attrs::new().float("momentum", 0.5), &[3, 5]),
        trained("trained images", &[2, 3, 4, 2]),
        trained("trained features", &[3, 5]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Graph};

    fn normalised(attrs: Attrs, channels: usize) -> Result<ValueId, Error> {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::F32, [2, 3, 4]));
        let ones = graph.constant("ones", Tensor::f32(&[channels], vec![1.0; channels]));
        graph.add("BatchNormalization", &[x, ones, ones, ones, ones], attrs)
    }

    #[test]
    fn training_mode_and_wrong_statistics_are_errors() {
        assert!(normalised(Attrs::new(), 3).is_ok());
        assert!(normalised(Attrs::new(), 4).is_err());
        let error = normalised(Attrs::new().int("training_mode", 1), 3).unwrap_err();
        assert!(error.to_string().contains("training_mode 1 is not supported"), "{error}");
    }

    #[test]
    fn old_forms_are_upgraded_or_refused() {
        let mut graph = Graph::new("test");
        let mut upgraded = |opset, spatial| {
            let attrs = Attrs::new().int("spatial", spatial);
            let op = "BatchNormalization".to_owned();
            let mut node = Upgrade { opset, op, attrs, inputs: Vec::new(), outputs: 1, graph: &mut graph };
            upgrade(&mut node).map(|()| node.attrs)
        };
        assert_eq!(upgraded(7, 1), Ok(Attrs::new()));
        assert!(upgraded(7, 0).is_err());
    }
}
