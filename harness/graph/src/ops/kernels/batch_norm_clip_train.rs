//! BatchNormClipTrain: [`BatchNormTrain`](super::batch_norm_train) and the clipping or ReLU behind it.
//!
//! Inputs and outputs as BatchNormTrain has them, `y` clipped; attributes `epsilon`, and `low` and `high`, infinite where
//! they are absent. Only lowering writes it.

use super::batch_norm_train::{OP as NORM, expand as expand_norm};
use super::clip_grad::bounds;
use super::through_expansion;
use crate::ops::{Call, Case, CaseInput, Op, Vjp, no_macs, unchanged};
use crate::{Attrs, Error, Graph, Tensor, ValueId};

pub(super) const OP: Op = Op {
    name: "BatchNormClipTrain",
    opsets: &[1],
    doc: "BatchNormTrain, then Clip",
    attrs: &["epsilon", "high", "low"],
    infer: |call| bounds(call.attrs).and_then(|_| (NORM.infer)(call)),
    eval,
    vjp: Vjp::Rule(|back| through_expansion(back, expand), EMITS),
    macs: no_macs,
    upgrade: unchanged,
    cases,
};

const EMITS: &[&str] = &[
    "Add",
    "And",
    "Cast",
    "Clip",
    "Div",
    "Expand",
    "Greater",
    "Less",
    "Mul",
    "Neg",
    "ReduceMean",
    "ReduceSum",
    "Reshape",
    "Sqrt",
    "Sub",
];

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (low, high) = bounds(call.attrs)?;
    let mut outputs = (NORM.eval)(call)?;
    let y = outputs[0].floats()?.iter().map(|y| y.clamp(low, high)).collect();
    outputs[0] = Tensor::float(outputs[0].dtype(), call.shape(0)?, y);
    Ok(outputs)
}

pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    let mut outputs = expand_norm(graph, attrs, inputs)?;
    let dtype = graph.value(outputs[0]).dtype();
    let (low, high) = bounds(attrs).expect("shape inference has read them");
    let [low, high] = [low, high].map(|bound| bound.is_finite().then(|| graph.scalar(dtype, bound)));
    outputs[0] = graph.add_node("", "Clip", &[Some(outputs[0]), low, high], Attrs::new(), 1)?[0];
    Ok(outputs)
}

fn cases() -> Vec<Case> {
    let case = |name, attrs, x: &[usize]| {
        let random = |shape: &[usize], low, high| CaseInput::Random(shape.to_vec(), low, high);
        let inputs = vec![random(x, -2.0, 2.0), random(&x[1..2], 0.5, 2.0), random(&x[1..2], -1.0, 1.0)];
        Case { outputs: 3, ..Case::new(name, attrs, inputs) }
    };
    let none = Attrs::new;
    vec![
        case("ReLU of images", none().float("epsilon", 1e-3).float("low", 0.0), &[3, 4, 3, 2]),
        case("ReLU6 of sequences", none().float("low", 0.0).float("high", 1.5), &[2, 3, 4]),
        case("features, an upper bound", none().float("epsilon", 0.5).float("high", 0.5), &[5, 3]),
    ]
}
