//! ConvWeightGrad: the gradient of Conv to its weights.
//!
//! Inputs `x` `[N, C, …]` and `dy` `[N, M, …]`, the cotangent of the convolution's output; attributes as Conv has them,
//! with explicit `pads`; output `dw` `[M, C/group, …kernel]`.

use crate::ops::conv::Conv;
use crate::ops::product::{add_product, transposed};
use crate::ops::window::{self, Axis};
use crate::ops::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, unchanged};
use crate::{Attrs, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "ConvWeightGrad",
    opsets: &[1],
    doc: "the gradient of Conv to its weights, 1-D and 2-D",
    attrs: &["dilations", "group", "kernel_shape", "pads", "strides"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Conv", "ConvTranspose"]),
    macs: |call| read(call).map_or(0, |conv| conv.macs()),
    upgrade: unchanged,
    cases,
};

/// The attributes of a convolution's adjoints.
pub(in crate::ops) fn attrs_of(axes: &[Axis], group: usize) -> Attrs {
    Attrs::new()
        .ints("dilations", window::each(axes, |axis| axis.dilation))
        .int("group", group as i64)
        .ints("kernel_shape", window::each(axes, |axis| axis.kernel))
        .ints("pads", window::pads(axes))
        .ints("strides", window::each(axes, |axis| axis.stride))
}

/// By how much each axis of a convolution's input is longer than what its windows need.
pub(in crate::ops) fn output_padding(axes: &[Axis]) -> Vec<i64> {
    window::each(axes, |axis| (axis.begin + axis.input + axis.end - axis.span()) % axis.stride)
}

/// The convolution that a call belongs to.
fn read(call: &Call<'_>) -> Result<Conv, String> {
    read_shapes(call.attrs, call.shape(0)?, call.shape(1)?)
}

/// The convolution of `x` whose output `dy` is like.
pub(super) fn read_shapes(attrs: &Attrs, x: &[usize], dy: &[usize]) -> Result<Conv, String> {
    let ([_, channels, spatial @ ..], [_, filters, ..]) = (x, dy) else {
        return Err(format!("expected x [N, C, …] and dy [N, M, …], found {x:?} and {dy:?}"));
    };
    let kernel = window::kernel_shape(attrs, spatial.len())?;
    let group = usize::try_from(attrs.get_int("group", 1)?).ok().filter(|&group| group > 0);
    let depth = channels / group.ok_or("group must be positive")?;
    let weights: Vec<usize> = [*filters, depth].into_iter().chain(kernel).collect();
    let conv = Conv::read(attrs, x, &weights)?;
    if conv.output() == dy { Ok(conv) } else { Err(format!("dy must be {:?}, found {dy:?}", conv.output())) }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = expect_float(call, 0)?;
    if call.inputs.len() != 2 || call.ty(1)?.dtype != dtype {
        return Err("takes x and dy of one type".to_owned());
    }
    Ok(vec![ValueType::new(dtype, shape(&read(call)?))])
}

/// `[M, C/group, …kernel]`.
fn shape(conv: &Conv) -> Vec<usize> {
    let kernel = conv.axes.iter().map(|axis| axis.kernel);
    [conv.filters, conv.channels / conv.group].into_iter().chain(kernel).collect()
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let conv = read(call)?;
    let (x, dy) = (call.tensor(0)?.floats()?, call.tensor(1)?.floats()?);
    let (pixels, windows, taps) = window::volumes(&conv.axes);
    let (depth, filters) = (conv.channels / conv.group, conv.filters / conv.group);
    let shape = shape(&conv);
    let mut dw = vec![0.0; shape.iter().product()];
    for index in 0..conv.batch * conv.group {
        let x = &x[index * depth * pixels..][..depth * pixels];
        let dy = &dy[index * filters * windows..][..filters * windows];
        let size = filters * depth * taps;
        let dw = &mut dw[index % conv.group * size..][..size];
        let rows = transposed(depth * taps, windows, &window::unfold(&conv.axes, depth, x));
        add_product(filters, windows, depth * taps, dy, &rows, dw);
    }
    Ok(vec![Tensor::float(call.ty(0)?.dtype, &shape, dw)])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let conv = back.ask(read)?;
    let attrs = attrs_of(&conv.axes, conv.group);
    let (x, dy, cotangent) = (back.input(0), back.input(1), back.cotangent());
    let mut results = vec![None; 2];
    if back.wants[0] {
        let attrs = attrs.clone().ints("output_padding", output_padding(&conv.axes));
        results[0] = Some(back.graph.add("ConvTranspose", &[dy, cotangent], attrs)?);
    }
    if back.wants[1] {
        results[1] = Some(back.graph.add("Conv", &[x, cotangent], attrs)?);
    }
    Ok(results)
}

/// The shapes of tiny networks' convolutions, and what else Conv can do.
fn cases() -> Vec<Case> {
    let none = |kernel: &[i64]| Attrs::new().ints("kernel_shape", kernel.to_vec());
    let case = |name, attrs, x: &[usize], dy: &[usize]| {
        let random = |shape: &[usize]| CaseInput::Random(shape.to_vec(), -1.0, 1.0);
        Case::new(name, attrs, vec![random(x), random(dy)])
    };
    let same = || none(&[3, 3]).ints("pads", [1, 1, 1, 1]);
    let strided = || none(&[3, 3]).ints("strides", [2, 2]);
    vec![
        case("dense 3x3", same(), &[2, 5, 4, 6], &[2, 6, 4, 6]).macs(2 * 6 * 24 * 45),
        case("few channels", same(), &[2, 3, 5, 4], &[2, 4, 5, 4]).macs(2 * 4 * 20 * 27),
        case("stride 2, pads as SAME", strided().ints("pads", [0, 0, 1, 1]), &[2, 5, 6, 8], &[2, 4, 3, 4])
            .macs(2 * 4 * 12 * 45),
        case("stride 2, a rest that no window sees", strided(), &[1, 5, 6, 8], &[1, 3, 2, 3]).macs(3 * 6 * 45),
        case("1x1", none(&[1, 1]), &[2, 5, 3, 4], &[2, 6, 3, 4]).macs(2 * 6 * 12 * 5),
        case("1x1, a large image", none(&[1, 1]), &[2, 5, 8, 9], &[2, 3, 8, 9]).macs(2 * 3 * 72 * 5),
        case("1x1 stride 2", none(&[1, 1]).ints("strides", [2, 2]), &[2, 5, 5, 4], &[2, 3, 3, 2]).macs(2 * 3 * 6 * 5),
        case("1x1 in groups", none(&[1, 1]).int("group", 2), &[2, 6, 3, 2], &[2, 4, 3, 2]).macs(2 * 4 * 6 * 3),
        case("depthwise 3x3", same().int("group", 6), &[2, 6, 5, 4], &[2, 6, 5, 4]).macs(2 * 6 * 20 * 9),
        case("depthwise stride 2", strided().int("group", 5).ints("pads", [0, 1, 1, 0]), &[2, 5, 6, 5], &[2, 5, 3, 2])
            .macs(2 * 5 * 6 * 9),
        case("depthwise with multiplier", none(&[2, 2]).int("group", 3), &[2, 3, 4, 3], &[2, 6, 3, 2])
            .macs(2 * 6 * 6 * 4),
        case(
            "a spectrogram's stem",
            none(&[10, 4]).ints("strides", [2, 2]).ints("pads", [4, 1, 5, 1]),
            &[1, 1, 13, 6],
            &[1, 4, 7, 3],
        )
        .macs(4 * 21 * 40),
        case("grouped, dilated", none(&[3, 2]).int("group", 2).ints("dilations", [2, 1]), &[2, 6, 7, 5], &[2, 4, 3, 4])
            .macs(2 * 4 * 12 * 18),
        case("dilated stride 2", strided().ints("dilations", [2, 1]), &[1, 5, 8, 6], &[1, 2, 2, 2]).macs(2 * 4 * 45),
        case("pads wider than the window", none(&[2, 2]).ints("pads", [3, 0, 0, 4]), &[1, 5, 2, 2], &[1, 3, 4, 5])
            .macs(3 * 20 * 20),
        case("1-D", none(&[4]).ints("pads", [2, 1]), &[2, 5, 9], &[2, 3, 9]).macs(2 * 3 * 9 * 20),
        case("1-D depthwise, stride 2", none(&[3]).int("group", 5).ints("strides", [2]), &[2, 5, 7], &[2, 5, 3])
            .macs(2 * 5 * 3 * 3),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Graph};

    #[test]
    fn contradictions_are_errors() {
        let built = |x: &[usize], dy: &[usize], attrs: Attrs| {
            let mut graph = Graph::new("test");
            let ids = [x, dy].map(|shape| graph.input("x", ValueType::new(DType::F32, shape)));
            graph.add("ConvWeightGrad", &ids, attrs)
        };
        let kernel = || Attrs::new().ints("kernel_shape", [3, 3]);
        assert!(built(&[2, 4, 5, 5], &[2, 6, 3, 3], kernel()).is_ok());
        for (x, dy, attrs) in [
            (&[2, 4, 5, 5][..], &[2, 6, 3, 3][..], Attrs::new()),
            (&[2, 4, 5, 5], &[2, 6, 4, 3], kernel()),
            (&[2, 4, 5, 5], &[1, 6, 3, 3], kernel()),
            (&[2, 4, 5, 5], &[2, 6, 3], kernel()),
            (&[2, 4, 5, 5], &[2, 6, 3, 3], kernel().int("group", 0)),
            (&[2, 4, 5, 5], &[2, 6, 3, 3], kernel().int("group", 3)),
            (&[2, 4, 5, 5], &[2, 6, 5, 5], kernel().text("auto_pad", "SAME_UPPER")),
        ] {
            assert!(built(x, dy, attrs.clone()).is_err(), "{x:?} {dy:?} {attrs:?}");
        }
    }
}
