//! RMSNormalization, which opset 21 does not have: reading splits it. Spec:
//! <https://onnx.ai/onnx/operators/onnx__RMSNormalization.html>. Opsets: 23.

use super::axes::axis;
use super::broadcast::{broadcast, stretch};
use super::{Call, Case, CaseInput, Rewrite, Upgrade};
use crate::{Attrs, DType, Tensor};

pub(super) const REWRITE: Rewrite = Rewrite {
    name: "RMSNormalization",
    opsets: &[23],
    doc: "read as x / √(mean x² + epsilon) · scale",
    attrs: &["axis", "epsilon", "stash_type"],
    upgrade,
    eval,
    cases,
};

fn upgrade(up: &mut Upgrade<'_>) -> Result<(), String> {
    let attrs = up.take(2, REWRITE.attrs)?;
    let (x, scale) = (up.input(0)?, up.input(1)?);
    let (dtype, shape) = (up.graph.value(x).dtype(), up.graph.shape(x).to_vec());
    let rank = shape.len();
    if !dtype.is_float() || attrs.get_int("stash_type", 1)? != 1 {
        return Err(format!("wants a float tensor and stash_type 1, found {dtype}"));
    }
    let first = axis(attrs.get_int("axis", -1)?, rank)?;
    let axes = up.graph.constant("axes", Tensor::ints((first..rank).map(|axis| axis as i64)));
    if broadcast(&shape, up.graph.shape(scale))? != shape {
        return Err(format!("a scale of {:?} does not fit {shape:?}", up.graph.shape(scale)));
    }
    // Squares of half precision overflow, which is what stash_type 1 is for.
    let wide = if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype };
    let x = up.graph.cast(x, wide).map_err(|error| error.to_string())?;
    let epsilon = up.graph.scalar(wide, attrs.get_float("epsilon", 1e-5)?.into());
    let square = up.node("Mul", &[x, x], Attrs::new())?;
    let mean = up.node("ReduceMean", &[square, axes], Attrs::new())?;
    let sum = up.node("Add", &[mean, epsilon], Attrs::new())?;
    let root = up.node("Sqrt", &[sum], Attrs::new())?;
    let normal = up.node("Div", &[x, root], Attrs::new())?;
    let normal = up.graph.cast(normal, dtype).map_err(|error| error.to_string())?;
    up.become_node("Mul", &[normal, scale]);
    Ok(())
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let scale = stretch(call.tensor(1)?, x.shape());
    let first = axis(call.attrs.get_int("axis", -1)?, x.shape().len())?;
    let epsilon = f64::from(call.attrs.get_float("epsilon", 1e-5)?);
    let size: usize = x.shape()[first..].iter().product();
    let mut y = x.floats()?.to_vec();
    for (group, scale) in y.chunks_mut(size.max(1)).zip(scale.floats()?.chunks(size.max(1))) {
        let root = (group.iter().map(|x| x * x).sum::<f64>() / size as f64 + epsilon).sqrt();
        group.iter_mut().zip(scale).for_each(|(x, scale)| *x = *x / root * scale);
    }
    Ok(vec![Tensor::float(x.dtype(), x.shape(), y)])
}

fn cases() -> Vec<Case> {
    use CaseInput::{Random, RandomConstant};
    let case = |name, attrs, shape: &[usize], first: usize| {
        let scale = RandomConstant(shape[first..].to_vec(), 0.5, 2.0);
        Case::new(name, attrs, vec![Random(shape.to_vec(), -2.0, 2.0), scale])
    };
    vec![
        case("tokens", Attrs::new(), &[2, 3, 5], 2),
        case("two axes, a large epsilon", Attrs::new().int("axis", 1).float("epsilon", 0.5), &[2, 3, 4], 1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::rewritten_graph;

    #[test]
    fn half_precision_is_squared_in_float32() {
        let constant = |shape: &[usize]| Tensor::float(DType::F16, shape, vec![1.0; shape.iter().product()]);
        let case = |scale| {
            let inputs = vec![CaseInput::Fed(constant(&[2, 4])), CaseInput::Constant(scale)];
            rewritten_graph(&REWRITE, &Case::new("half", Attrs::new(), inputs), 23, 0)
        };
        let (graph, _) = case(constant(&[4])).unwrap();
        let dtype = |op: &str| {
            let node = graph.nodes().iter().find(|node| node.op().name == op).unwrap();
            graph.value(node.outputs()[0]).dtype()
        };
        assert_eq!(
            [dtype("Sqrt"), dtype("Div"), graph.value(graph.outputs()[0]).dtype()],
            [DType::F32, DType::F32, DType::F16]
        );
        assert!(case(constant(&[3, 1, 4])).unwrap_err().contains("does not fit"));
    }
}
