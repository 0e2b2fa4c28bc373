//! BatchNormClipTrainGrad: the gradient of [`BatchNormClipTrain`](super::batch_norm_clip_train).
//!
//! Inputs `dy`, `x` `[N, C, …]`, `scale`, `bias`, `mean`, `var` `[C]`; attributes as BatchNormClipTrain has them; outputs
//! `dx`, `dscale`, `dbias`. It is BatchNormTrainGrad of `dy` where what was clipped lies between the bounds, else of zero;
//! the value before clipping is computed anew. Only lowering writes it.

use super::batch_norm_train::column;
use super::batch_norm_train_grad::{OP as NORM, expand as expand_norm};
use super::clip_grad::{bounds, expand as expand_clip};
use super::{reshape, through_expansion};
use crate::ops::{Arg, Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, Error, Graph, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "BatchNormClipTrainGrad",
    opsets: &[1],
    doc: "the gradient of BatchNormClipTrain to its three inputs",
    attrs: &["epsilon", "high", "low"],
    infer,
    eval,
    vjp: Vjp::Rule(|back| through_expansion(back, expand), EMITS),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

const EMITS: &[&str] =
    &["Add", "And", "Cast", "Div", "Expand", "Greater", "Less", "Mul", "Neg", "ReduceSum", "Reshape", "Sqrt", "Sub"];

/// The inputs of BatchNormTrainGrad.
fn without_bias<'a>(call: &Call<'a>) -> Result<Vec<Option<Arg<'a>>>, String> {
    match call.inputs {
        &[dy, x, scale, _, mean, variance] => Ok(vec![dy, x, scale, mean, variance]),
        _ => Err("takes 6 inputs".to_owned()),
    }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    bounds(call.attrs)?;
    let inputs = without_bias(call)?;
    if call.ty(3)? != call.ty(2)? {
        return Err(format!("scale is {:?}, bias {:?}", call.ty(2)?, call.ty(3)?));
    }
    (NORM.infer)(&Call { inputs: &inputs, ..*call })
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let float = |index: usize| call.tensor(index)?.floats();
    let (dy, x, scale, bias, mean, variance) = (float(0)?, float(1)?, float(2)?, float(3)?, float(4)?, float(5)?);
    let epsilon = f64::from(call.attrs.get_float("epsilon", 1e-5)?);
    let (low, high) = bounds(call.attrs)?;
    let pixels: usize = call.shape(0)?[2..].iter().product();
    let kept = dy.iter().zip(x).enumerate().map(|(at, (dy, x))| {
        let c = at / pixels % scale.len();
        let y = (x - mean[c]) / (variance[c] + epsilon).sqrt() * scale[c] + bias[c];
        if low < y && y < high { *dy } else { 0.0 }
    });
    let kept = Tensor::float(call.ty(0)?.dtype, call.shape(0)?, kept.collect());
    let mut inputs = without_bias(call)?;
    inputs[0] = Some(Arg { ty: call.ty(0)?, data: Some(&kept) });
    (NORM.eval)(&Call { inputs: &inputs, ..*call })
}

pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    let &[dy, x, scale, bias, mean, variance] = inputs else { unreachable!("shape inference has checked the inputs") };
    let epsilon = attrs.get_float("epsilon", 1e-5).expect("shape inference has read it");
    let (column, dtype) = (column(graph.shape(x)), graph.value(x).dtype());
    let plain = Attrs::new;
    let epsilon = graph.scalar(dtype, epsilon.into());
    let sum = graph.add("Add", &[variance, epsilon], plain())?;
    let deviation = graph.add("Sqrt", &[sum], plain())?;
    let factor = graph.add("Div", &[scale, deviation], plain())?;
    let [mean_column, factor, bias] = [mean, factor, bias].map(|vector| reshape(graph, vector, &column));
    let centred = graph.add("Sub", &[x, mean_column?], plain())?;
    let scaled = graph.add("Mul", &[centred, factor?], plain())?;
    let y = graph.add("Add", &[scaled, bias?], plain())?;
    let kept = expand_clip(graph, attrs, &[dy, y])?[0];
    expand_norm(graph, attrs, &[kept, x, scale, mean, variance])
}

fn cases() -> Vec<Case> {
    let case = |name, attrs, x: &[usize]| {
        let random = |shape: &[usize], low, high| CaseInput::Random(shape.to_vec(), low, high);
        let vectors = [(0.5, 2.0), (-1.0, 1.0), (-0.5, 0.5), (0.5, 2.0)].map(|(low, high)| random(&x[1..2], low, high));
        let inputs = [random(x, -1.0, 1.0), random(x, -2.0, 2.0)].into_iter().chain(vectors).collect();
        Case { outputs: 3, ..Case::new(name, attrs, inputs) }
    };
    let none = Attrs::new;
    vec![
        case("ReLU of images", none().float("epsilon", 1e-3).float("low", 0.0), &[3, 4, 3, 2]),
        case("ReLU6 of sequences", none().float("low", 0.0).float("high", 1.5), &[2, 3, 4]),
        case("features, an upper bound", none().float("epsilon", 0.5).float("high", 0.5), &[5, 3]),
    ]
}
