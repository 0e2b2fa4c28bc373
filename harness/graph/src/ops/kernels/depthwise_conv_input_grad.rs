//! DepthwiseConvInputGrad: the gradient of [`DepthwiseConv`](super::depthwise_conv) to its data.
//!
//! Inputs `dy` `[N, C, oh, ow]` and `w` `[C, 1, kh, kw]`; attributes as DepthwiseConv has them and `input_shape` `[H, W]`;
//! output `dx` `[N, C, H, W]`. Only lowering writes it.

use super::conv_weight_grad::attrs_of;
use super::depthwise_conv::grouped;
use super::train_conv_input_grad::transposed;
use crate::ops::conv::Conv;
use crate::ops::{Backward, Call, Case, CaseInput, Op, Vjp, conv_transpose, expect_float, unchanged};
use crate::{Attrs, Error, Graph, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "DepthwiseConvInputGrad",
    opsets: &[1],
    doc: "the gradient of DepthwiseConv to its data",
    attrs: &["dilations", "input_shape", "pads", "strides"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["ConvWeightGrad", "DepthwiseConv"]),
    macs: |call| read(call.attrs, call).map_or(0, |conv| conv.macs()),
    upgrade: unchanged,
    cases,
};

/// The convolution that a call belongs to.
fn read(attrs: &Attrs, call: &Call<'_>) -> Result<Conv, String> {
    read_shapes(attrs, call.shape(0)?, call.shape(1)?)
}

fn read_shapes(attrs: &Attrs, dy: &[usize], w: &[usize]) -> Result<Conv, String> {
    let (&[_, channels, _, _], &[rows, 1, _, _]) = (dy, w) else {
        return Err(format!("expected dy [N, C, oh, ow] and w [C, 1, kh, kw], found {dy:?} and {w:?}"));
    };
    if rows != channels {
        return Err(format!("{w:?} does not fit {dy:?}"));
    }
    super::train_conv_input_grad::read_shapes(&grouped(attrs, w), dy, w)
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = expect_float(call, 0)?;
    if call.inputs.len() != 2 || call.ty(1)?.dtype != dtype {
        return Err("takes dy and w of one type".to_owned());
    }
    let conv = read(call.attrs, call)?;
    let size = conv.axes.iter().map(|axis| axis.input);
    Ok(vec![ValueType::new(dtype, [conv.batch, conv.channels].into_iter().chain(size).collect::<Vec<_>>())])
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let attrs = transposed(&read(call.attrs, call)?);
    (conv_transpose::OP.eval)(&Call { attrs: &attrs, ..*call })
}

pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    let conv = read_shapes(attrs, graph.shape(inputs[0]), graph.shape(inputs[1]));
    let attrs = transposed(&conv.expect("shape inference has read it"));
    Ok(vec![graph.add("ConvTranspose", inputs, attrs)?])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let conv = back.ask(|call| read(call.attrs, call))?;
    let (dy, w, cotangent) = (back.input(0), back.input(1), back.cotangent());
    let mut results = vec![None; 2];
    if back.wants[0] {
        let mut attrs = back.node.attrs().clone();
        attrs.remove("input_shape");
        results[0] = Some(back.graph.add("DepthwiseConv", &[cotangent, w], attrs)?);
    }
    if back.wants[1] {
        let attrs = attrs_of(&conv.axes, conv.group);
        results[1] = Some(back.graph.add("ConvWeightGrad", &[cotangent, dy], attrs)?);
    }
    Ok(results)
}

fn cases() -> Vec<Case> {
    let case = |name, attrs: Attrs, size: [i64; 2], dy: &[usize], kernel: [usize; 2]| {
        let random = |shape: &[usize]| CaseInput::Random(shape.to_vec(), -1.0, 1.0);
        let inputs = vec![random(dy), random(&[dy[1], 1, kernel[0], kernel[1]])];
        Case::new(name, attrs.ints("input_shape", size), inputs)
    };
    let none = Attrs::new;
    let strided = || none().ints("strides", [2, 2]);
    vec![
        case("3x3", none().ints("pads", [1, 1, 1, 1]), [4, 6], &[2, 5, 4, 6], [3, 3]).macs(2 * 5 * 24 * 9),
        case("stride 2, even sizes", strided().ints("pads", [0, 0, 1, 1]), [6, 8], &[2, 5, 3, 4], [3, 3])
            .macs(2 * 5 * 12 * 9),
        case("stride 2, odd sizes", strided().ints("pads", [1, 1, 1, 1]), [5, 7], &[1, 3, 3, 4], [3, 3])
            .macs(3 * 12 * 9),
        case("strides that leave a rest", none().ints("strides", [3, 2]), [7, 6], &[1, 2, 2, 2], [2, 3])
            .macs(2 * 4 * 6),
        case("dilated", none().ints("dilations", [2, 3]).ints("pads", [2, 0, 1, 3]), [6, 7], &[1, 3, 5, 7], [3, 2])
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
            graph.add("DepthwiseConvInputGrad", &ids, attrs)
        };
        let to = |size: [i64; 2]| Attrs::new().ints("input_shape", size);
        assert!(built(&[1, 3, 4, 4], &[3, 1, 3, 3], to([6, 6])).is_ok());
        for (dy, w, attrs) in [
            (&[1, 3, 4, 4][..], &[3, 1, 3, 3][..], Attrs::new()),
            (&[1, 3, 4, 4], &[3, 1, 3, 3], to([7, 6])),
            (&[1, 3, 4, 4], &[4, 1, 3, 3], to([6, 6])),
            (&[1, 3, 4, 4], &[3, 2, 3, 3], to([6, 6])),
            (&[1, 3, 4], &[3, 1, 3], to([6, 6])),
        ] {
            assert!(built(dy, w, attrs.clone()).is_err(), "{dy:?} {w:?} {attrs:?}");
        }
    }
}
