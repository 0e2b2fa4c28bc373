//! TrainConvInputGrad: the gradient of [`TrainConv`](super::train_conv) to its data.
//!
//! Inputs `dy` `[N, M, …]` and `w` `[M, C/group, …kernel]`; attributes as TrainConv has them and `input_shape`, the size of
//! an image; output `dx` `[N, C, …]`. Only lowering writes it.

use super::conv_weight_grad::{attrs_of, output_padding};
use crate::ops::conv::Conv;
use crate::ops::{Backward, Call, Case, CaseInput, Op, Vjp, conv_transpose, expect_float, unchanged, window};
use crate::{Attrs, Error, Graph, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "TrainConvInputGrad",
    opsets: &[1],
    doc: "the gradient of TrainConv to its data",
    attrs: &["dilations", "group", "input_shape", "pads", "strides"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["ConvWeightGrad", "TrainConv"]),
    macs: |call| read(call).map_or(0, |conv| conv.macs()),
    upgrade: unchanged,
    cases,
};

/// The convolution that a call belongs to.
fn read(call: &Call<'_>) -> Result<Conv, String> {
    read_shapes(call.attrs, call.shape(0)?, call.shape(1)?)
}

/// The convolution by `w` whose output `dy` is like.
pub(super) fn read_shapes(attrs: &Attrs, dy: &[usize], w: &[usize]) -> Result<Conv, String> {
    let ([batch, _, spatial @ ..], [_, depth, ..]) = (dy, w) else {
        return Err(format!("expected dy [N, M, …] and w [M, C/group, …], found {dy:?} and {w:?}"));
    };
    if attrs.get("input_shape").is_none() {
        return Err("attribute `input_shape` is missing".to_owned());
    }
    let size = window::sizes(attrs, "input_shape", 0, spatial.len(), 1)?;
    let group = usize::try_from(attrs.get_int("group", 1)?).map_err(|_| "group must be positive")?;
    let channels = depth.checked_mul(group).ok_or("group is too large")?;
    let x: Vec<usize> = [*batch, channels].into_iter().chain(size).collect();
    let conv = Conv::read(attrs, &x, w)?;
    if conv.output() == dy { Ok(conv) } else { Err(format!("dy must be {:?}, found {dy:?}", conv.output())) }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = expect_float(call, 0)?;
    if call.inputs.len() != 2 || call.ty(1)?.dtype != dtype {
        return Err("takes dy and w of one type".to_owned());
    }
    let conv = read(call)?;
    let size = conv.axes.iter().map(|axis| axis.input);
    Ok(vec![ValueType::new(dtype, [conv.batch, conv.channels].into_iter().chain(size).collect::<Vec<_>>())])
}

/// The attributes of ConvTranspose.
pub(super) fn transposed(conv: &Conv) -> Attrs {
    attrs_of(&conv.axes, conv.group).ints("output_padding", output_padding(&conv.axes))
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let attrs = transposed(&read(call)?);
    (conv_transpose::OP.eval)(&Call { attrs: &attrs, ..*call })
}

pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    let conv = read_shapes(attrs, graph.shape(inputs[0]), graph.shape(inputs[1]));
    let attrs = transposed(&conv.expect("shape inference has read it"));
    Ok(vec![graph.add("ConvTranspose", inputs, attrs)?])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let conv = back.ask(read)?;
    let (dy, w, cotangent) = (back.input(0), back.input(1), back.cotangent());
    let mut results = vec![None; 2];
    if back.wants[0] {
        let mut attrs = back.node.attrs().clone();
        attrs.remove("input_shape");
        results[0] = Some(back.graph.add("TrainConv", &[cotangent, w], attrs)?);
    }
    if back.wants[1] {
        let attrs = attrs_of(&conv.axes, conv.group);
        results[1] = Some(back.graph.add("ConvWeightGrad", &[cotangent, dy], attrs)?);
    }
    Ok(results)
}

fn cases() -> Vec<Case> {
    let case = |name, attrs: Attrs, size: &[i64], dy: &[usize], w: &[usize]| {
        let random = |shape: &[usize]| CaseInput::Random(shape.to_vec(), -1.0, 1.0);
        Case::new(name, attrs.ints("input_shape", size.to_vec()), vec![random(dy), random(w)])
    };
    let none = Attrs::new;
    let strided = || none().ints("strides", [2, 2]);
    let depthwise = |channels| none().int("group", channels);
    let halved = |channels| strided().int("group", channels);
    vec![
        case("3x3", none().ints("pads", [1, 1, 1, 1]), &[4, 6], &[2, 3, 4, 6], &[3, 5, 3, 3]).macs(2 * 3 * 24 * 45),
        case("stride 2, pads as SAME", strided().ints("pads", [0, 0, 1, 1]), &[6, 8], &[2, 3, 3, 4], &[3, 5, 3, 3])
            .macs(2 * 3 * 12 * 45),
        case("1x1", none(), &[3, 4], &[2, 5, 3, 4], &[5, 6, 1, 1]).macs(2 * 5 * 12 * 6),
        case("1x1 stride 2, a rest", strided(), &[5, 4], &[2, 5, 3, 2], &[5, 6, 1, 1]).macs(2 * 5 * 6 * 6),
        case(
            "grouped, dilated",
            none().int("group", 2).ints("dilations", [2, 1]),
            &[7, 5],
            &[1, 4, 3, 4],
            &[4, 3, 3, 2],
        )
        .macs(4 * 12 * 18),
        case("1-D", none().ints("pads", [2, 1]), &[9], &[2, 3, 9], &[3, 5, 4]).macs(2 * 3 * 9 * 20),
        case("depthwise", depthwise(5).ints("pads", [1, 1, 1, 1]), &[4, 6], &[2, 5, 4, 6], &[5, 1, 3, 3])
            .macs(2 * 5 * 24 * 9),
        case(
            "depthwise stride 2, pads as SAME",
            halved(5).ints("pads", [0, 0, 1, 1]),
            &[6, 8],
            &[2, 5, 3, 4],
            &[5, 1, 3, 3],
        )
        .macs(2 * 5 * 12 * 9),
        case(
            "depthwise stride 2, odd sizes",
            halved(3).ints("pads", [1, 1, 1, 1]),
            &[5, 7],
            &[1, 3, 3, 4],
            &[3, 1, 3, 3],
        )
        .macs(3 * 12 * 9),
        case("depthwise, a rest", depthwise(2).ints("strides", [3, 2]), &[7, 6], &[1, 2, 2, 2], &[2, 1, 2, 3])
            .macs(2 * 4 * 6),
        case(
            "depthwise, dilated",
            depthwise(3).ints("dilations", [2, 3]).ints("pads", [2, 0, 1, 3]),
            &[6, 7],
            &[1, 3, 5, 7],
            &[3, 1, 3, 2],
        )
        .macs(3 * 35 * 6),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    #[test]
    fn contradictions_are_errors() {
        let built = |dy: &[usize], w: &[usize], attrs: Attrs| {
            let mut graph = Graph::new("test");
            let ids = [dy, w].map(|shape| graph.input("x", ValueType::new(DType::F32, shape)));
            graph.add("TrainConvInputGrad", &ids, attrs)
        };
        let to = |size: [i64; 2]| Attrs::new().ints("input_shape", size);
        assert!(built(&[1, 3, 4, 4], &[3, 5, 3, 3], to([6, 6])).is_ok());
        for (dy, w, attrs) in [
            (&[1, 3, 4, 4][..], &[3, 5, 3, 3][..], Attrs::new()),
            (&[1, 3, 4, 4], &[3, 5, 3, 3], to([7, 6])),
            (&[1, 3, 4, 4], &[4, 5, 3, 3], to([6, 6])),
            (&[1, 3, 4, 4], &[3, 5, 3, 3], to([6, 6]).int("group", 2)),
            (&[1, 3, 4, 4], &[3, 5, 3, 3], to([6, 6]).int("group", -1)),
            (&[1, 3, 4], &[3, 5, 3], to([6, 6])),
        ] {
            assert!(built(dy, w, attrs.clone()).is_err(), "{dy:?} {w:?} {attrs:?}");
        }
    }
}
