//! DepthwiseConv: a convolution of every channel with a window of its own, where the weights are no constants.
//!
//! Inputs `x` `[N, C, H, W]`, `w` `[C, 1, kh, kw]` and optionally a bias `[C]`; attributes as Conv has them, with explicit
//! `pads`; output as that of Conv with `group` C. Only lowering writes it.

use super::conv_weight_grad::{OP as WEIGHT_GRAD, attrs_of};
use crate::ops::batch_normalization::sum_over_channels;
use crate::ops::conv::{self, Conv};
use crate::ops::{Backward, Call, Case, CaseInput, Op, Vjp, unchanged};
use crate::{Attrs, Error, Graph, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "DepthwiseConv",
    opsets: &[1],
    doc: "Conv with one filter a channel, 2-D",
    attrs: &["dilations", "pads", "strides"],
    infer,
    eval: |call| with_group(call, conv::OP.eval),
    vjp: Vjp::Rule(vjp, &["ConvWeightGrad", "DepthwiseConvInputGrad", "ReduceSum"]),
    macs: |call| with_group(call, |call| Ok((conv::OP.macs)(call))).unwrap_or(0),
    upgrade: unchanged,
    cases,
};

/// The call as Conv sees it.
fn with_group<T>(call: &Call<'_>, rule: impl Fn(&Call<'_>) -> Result<T, String>) -> Result<T, String> {
    let attrs = grouped(call.attrs, call.shape(1)?);
    rule(&Call { attrs: &attrs, ..*call })
}

/// The attributes of Conv.
pub(super) fn grouped(attrs: &Attrs, w: &[usize]) -> Attrs {
    attrs.clone().int("group", w.first().map_or(0, |&channels| channels as i64))
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let (x, w) = (call.shape(0)?, call.shape(1)?);
    if x.len() != 4 || w.len() != 4 || x[1] != w[0] || w[1] != 1 {
        return Err(format!("expected x [N, C, H, W] and w [C, 1, kh, kw], found {x:?} and {w:?}"));
    }
    with_group(call, conv::OP.infer)
}

pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    let attrs = grouped(attrs, graph.shape(inputs[1]));
    Ok(vec![graph.add("Conv", inputs, attrs)?])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let conv = back.ask(|call| Conv::read(&grouped(call.attrs, call.shape(1)?), call.shape(0)?, call.shape(1)?))?;
    let (x, w, cotangent) = (back.input(0), back.input(1), back.cotangent());
    let mut results = vec![None; 3];
    if back.wants[0] {
        let attrs = back.node.attrs().clone().ints("input_shape", conv.axes.iter().map(|axis| axis.input as i64));
        results[0] = Some(back.graph.add("DepthwiseConvInputGrad", &[cotangent, w], attrs)?);
    }
    if back.wants[1] {
        let attrs = attrs_of(&conv.axes, conv.group);
        results[1] = Some(back.graph.add(WEIGHT_GRAD.name, &[x, cotangent], attrs)?);
    }
    if back.wants.get(2) == Some(&true) {
        results[2] = Some(sum_over_channels(back, cotangent)?);
    }
    Ok(results)
}

fn cases() -> Vec<Case> {
    let case = |name, attrs, x: &[usize], kernel: [usize; 2]| {
        let random = |shape: &[usize]| CaseInput::Random(shape.to_vec(), -1.0, 1.0);
        Case::new(name, attrs, vec![random(x), random(&[x[1], 1, kernel[0], kernel[1]])])
    };
    let none = Attrs::new;
    let with_bias = |mut case: Case| {
        case.inputs.push(CaseInput::Random(vec![5], -1.0, 1.0));
        case
    };
    vec![
        case("3x3", none().ints("pads", [1, 1, 1, 1]), &[2, 5, 4, 6], [3, 3]).macs(2 * 5 * 24 * 9),
        with_bias(case("3x3, bias", none().ints("pads", [1, 1, 1, 1]), &[2, 5, 4, 6], [3, 3])).macs(2 * 5 * 24 * 9),
        case("stride 2, even sizes", none().ints("strides", [2, 2]).ints("pads", [0, 0, 1, 1]), &[2, 5, 6, 8], [3, 3])
            .macs(2 * 5 * 12 * 9),
        case("stride 2, odd sizes", none().ints("strides", [2, 2]).ints("pads", [1, 1, 1, 1]), &[1, 3, 5, 7], [3, 3])
            .macs(3 * 12 * 9),
        case("strides that leave a rest", none().ints("strides", [3, 2]), &[1, 2, 7, 6], [2, 3]).macs(2 * 4 * 6),
        case("dilated", none().ints("dilations", [2, 3]).ints("pads", [2, 0, 1, 3]), &[1, 3, 6, 7], [3, 2])
            .macs(3 * 35 * 6),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Tensor};

    #[test]
    fn a_multiplier_or_another_rank_is_an_error() {
        for (x, w) in [
            (&[1, 3, 4, 4][..], &[6, 1, 3, 3][..]),
            (&[1, 3, 4, 4], &[3, 3, 3, 3]),
            (&[1, 3, 4], &[3, 1, 3]),
            (&[1, 4, 4, 4], &[3, 1, 3, 3]),
            (&[1, 3, 2, 2], &[3, 1, 3, 3]),
        ] {
            let mut graph = Graph::new("test");
            let x_id = graph.input("x", ValueType::new(DType::F32, x));
            let w_id = graph.constant("w", Tensor::f32(w, vec![0.0; w.iter().product()]));
            assert!(graph.add("DepthwiseConv", &[x_id, w_id], Attrs::new()).is_err(), "{x:?} {w:?}");
        }
    }
}
