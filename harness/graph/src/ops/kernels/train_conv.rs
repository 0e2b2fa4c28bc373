//! TrainConv: a convolution whose weights are no constants.
//!
//! Inputs `x` `[N, C, …]`, `w` `[M, C/group, …kernel]` and optionally a bias `[M]`; attributes and output as those of Conv,
//! with explicit `pads`. Only lowering writes it.

use super::conv_weight_grad::{OP as WEIGHT_GRAD, attrs_of};
use crate::ops::batch_normalization::sum_over_channels;
use crate::ops::conv::{self, Conv};
use crate::ops::{Backward, Case, CaseInput, Op, Vjp, unchanged};
use crate::{Attrs, Error, Graph, ValueId};

pub(super) const OP: Op = Op {
    name: "TrainConv",
    opsets: &[1],
    doc: "Conv, 1-D and 2-D",
    attrs: &["dilations", "group", "pads", "strides"],
    infer: conv::OP.infer,
    eval: conv::OP.eval,
    vjp: Vjp::Rule(vjp, &["ConvWeightGrad", "ReduceSum", "TrainConvInputGrad"]),
    macs: conv::OP.macs,
    upgrade: unchanged,
    cases,
};

pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    Ok(vec![graph.add("Conv", inputs, attrs.clone())?])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let conv = back.ask(|call| Conv::read(call.attrs, call.shape(0)?, call.shape(1)?))?;
    let (x, w, cotangent) = (back.input(0), back.input(1), back.cotangent());
    let mut results = vec![None; 3];
    if back.wants[0] {
        let attrs = back.node.attrs().clone().ints("input_shape", conv.axes.iter().map(|axis| axis.input as i64));
        results[0] = Some(back.graph.add("TrainConvInputGrad", &[cotangent, w], attrs)?);
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
    let case = |name, attrs, x: &[usize], w: &[usize]| {
        let random = |shape: &[usize]| CaseInput::Random(shape.to_vec(), -1.0, 1.0);
        Case::new(name, attrs, vec![random(x), random(w)])
    };
    let none = Attrs::new;
    let strided = || none().ints("strides", [2, 2]);
    let depthwise = |channels| none().int("group", channels);
    let halved = |channels| strided().int("group", channels);
    let with_bias = |mut case: Case, filters| {
        case.inputs.push(CaseInput::Random(vec![filters], -1.0, 1.0));
        case
    };
    vec![
        case("3x3", none().ints("pads", [1, 1, 1, 1]), &[2, 5, 4, 6], &[3, 5, 3, 3]).macs(2 * 3 * 24 * 45),
        case("stride 2, pads as SAME", strided().ints("pads", [0, 0, 1, 1]), &[2, 5, 6, 8], &[3, 5, 3, 3])
            .macs(2 * 3 * 12 * 45),
        case("1x1", none(), &[2, 6, 3, 4], &[5, 6, 1, 1]).macs(2 * 5 * 12 * 6),
        case("1x1 stride 2", strided(), &[2, 6, 5, 4], &[5, 6, 1, 1]).macs(2 * 5 * 6 * 6),
        case("grouped, dilated", none().int("group", 2).ints("dilations", [2, 1]), &[1, 6, 7, 5], &[4, 3, 3, 2])
            .macs(4 * 12 * 18),
        case("1-D", none().ints("pads", [2, 1]), &[2, 5, 9], &[3, 5, 4]).macs(2 * 3 * 9 * 20),
        case("depthwise", depthwise(5).ints("pads", [1, 1, 1, 1]), &[2, 5, 4, 6], &[5, 1, 3, 3]).macs(2 * 5 * 24 * 9),
        case("depthwise stride 2, pads as SAME", halved(5).ints("pads", [0, 0, 1, 1]), &[2, 5, 6, 8], &[5, 1, 3, 3])
            .macs(2 * 5 * 12 * 9),
        case("depthwise stride 2, odd sizes", halved(3).ints("pads", [1, 1, 1, 1]), &[1, 3, 5, 7], &[3, 1, 3, 3])
            .macs(3 * 12 * 9),
        case("depthwise, a rest", depthwise(2).ints("strides", [3, 2]), &[1, 2, 7, 6], &[2, 1, 2, 3]).macs(2 * 4 * 6),
        case(
            "depthwise, dilated",
            depthwise(3).ints("dilations", [2, 3]).ints("pads", [2, 0, 1, 3]),
            &[1, 3, 6, 7],
            &[3, 1, 3, 2],
        )
        .macs(3 * 35 * 6),
        with_bias(case("3x3, bias", none().ints("pads", [1, 1, 1, 1]), &[2, 5, 4, 6], &[3, 5, 3, 3]), 3)
            .macs(2 * 3 * 24 * 45),
        with_bias(case("depthwise, bias", depthwise(5).ints("pads", [1, 1, 1, 1]), &[2, 5, 4, 6], &[5, 1, 3, 3]), 5)
            .macs(2 * 5 * 24 * 9),
    ]
}
