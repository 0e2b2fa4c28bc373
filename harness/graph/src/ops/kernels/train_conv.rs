//! TrainConv: a convolution whose weights are no constants.
//!
//! Inputs `x` `[N, C, …]` and `w` `[M, C/group, …kernel]`; attributes and output as those of Conv, with explicit `pads`.
//! Only lowering writes it.

use super::conv_weight_grad::{OP as WEIGHT_GRAD, attrs_of};
use crate::ops::conv::{self, Conv};
use crate::ops::{Backward, Call, Case, CaseInput, Op, Vjp, unchanged};
use crate::{Attrs, Error, Graph, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "TrainConv",
    opsets: &[1],
    doc: "Conv without bias, 1-D and 2-D",
    attrs: &["dilations", "group", "pads", "strides"],
    infer,
    eval: conv::OP.eval,
    vjp: Vjp::Rule(vjp, &["ConvWeightGrad", "TrainConvInputGrad"]),
    macs: conv::OP.macs,
    upgrade: unchanged,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    if call.inputs.len() == 2 { (conv::OP.infer)(call) } else { Err("takes x and w".to_owned()) }
}

pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    Ok(vec![graph.add("Conv", inputs, attrs.clone())?])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let conv = back.ask(|call| Conv::read(call.attrs, call.shape(0)?, call.shape(1)?))?;
    let (x, w, cotangent) = (back.input(0), back.input(1), back.cotangent());
    let mut results = vec![None; 2];
    if back.wants[0] {
        let attrs = back.node.attrs().clone().ints("input_shape", conv.axes.iter().map(|axis| axis.input as i64));
        results[0] = Some(back.graph.add("TrainConvInputGrad", &[cotangent, w], attrs)?);
    }
    if back.wants[1] {
        let attrs = attrs_of(&conv.axes, conv.group);
        results[1] = Some(back.graph.add(WEIGHT_GRAD.name, &[x, cotangent], attrs)?);
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
    vec![
        case("3x3", none().ints("pads", [1, 1, 1, 1]), &[2, 5, 4, 6], &[3, 5, 3, 3]).macs(2 * 3 * 24 * 45),
        case("stride 2, pads as SAME", strided().ints("pads", [0, 0, 1, 1]), &[2, 5, 6, 8], &[3, 5, 3, 3])
            .macs(2 * 3 * 12 * 45),
        case("1x1", none(), &[2, 6, 3, 4], &[5, 6, 1, 1]).macs(2 * 5 * 12 * 6),
        case("1x1 stride 2", strided(), &[2, 6, 5, 4], &[5, 6, 1, 1]).macs(2 * 5 * 6 * 6),
        case("grouped, dilated", none().int("group", 2).ints("dilations", [2, 1]), &[1, 6, 7, 5], &[4, 3, 3, 2])
            .macs(4 * 12 * 18),
        case("1-D", none().ints("pads", [2, 1]), &[2, 5, 9], &[3, 5, 4]).macs(2 * 3 * 9 * 20),
    ]
}
