//! AveragePool. Spec: <https://onnx.ai/onnx/operators/onnx__AveragePool.html>. Opsets: 7, 10, 11, 19, 22.

use super::expand::expand_to;
use super::reshape::reshape_to;
use super::window::{self, Axis};
use super::{Backward, Call, Case, CaseInput, Op, Upgrade, Vjp, expect_float, no_macs};
use crate::{Attr, Attrs, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "AveragePool",
    opsets: &[7, 10, 11, 19, 22],
    doc: "1-D and 2-D (3-D where two axes are not pooled), ceil_mode, dilations, all pads, count_include_pad",
    attrs: &["auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Conv", "ConvTranspose", "Expand", "Mul", "Reshape"]),
    macs: no_macs,
    upgrade: merge_plain_axes,
    cases,
};

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = expect_float(call, 0)?;
    call.attrs.get_int("count_include_pad", 0)?;
    let axes = window::pooling(call)?;
    let shape: Vec<usize> = call.shape(0)?[..2].iter().copied().chain(axes.iter().map(|axis| axis.output)).collect();
    Ok(vec![ValueType::new(dtype, shape)])
}

/// Three spatial axes, two neighbours of which are not pooled, as PyTorch writes its LocalResponseNorm: those become one.
fn merge_plain_axes(up: &mut Upgrade<'_>) -> Result<(), String> {
    let Some(x) = up.inputs.first().copied().flatten() else { return Ok(()) };
    let shape = up.graph.shape(x).to_vec();
    if shape.len() != 5 || up.attrs.get_text("auto_pad", "NOTSET")? != "NOTSET" {
        return Ok(());
    }
    let kernel = window::kernel_shape(&up.attrs, 3)?;
    let strides = window::sizes(&up.attrs, "strides", 1, 3, 1)?;
    let dilations = window::sizes(&up.attrs, "dilations", 1, 3, 1)?;
    let pads = window::sizes(&up.attrs, "pads", 0, 6, 0)?;
    let plain = |axis: usize| kernel[axis] == 1 && strides[axis] == 1 && pads[axis] + pads[3 + axis] == 0;
    let Some(first) = [1, 0].into_iter().find(|&first| plain(first) && plain(first + 1)) else { return Ok(()) };
    let pooled = if first == 1 { 0 } else { 2 };
    let mut merged = shape.clone();
    merged[2 + first] *= merged.remove(3 + first);
    let pair = |value: usize, plain: i64| if first == 1 { [value as i64, plain] } else { [plain, value as i64] };
    let both = pair(pads[pooled], 0).into_iter().chain(pair(pads[3 + pooled], 0));
    let mut attrs = std::mem::take(&mut up.attrs);
    for (name, values) in [("kernel_shape", &kernel), ("strides", &strides), ("dilations", &dilations)] {
        attrs.set(name, Attr::Ints(pair(values[pooled], 1).to_vec()));
    }
    attrs.set("pads", Attr::Ints(both.collect()));
    let dims = |up: &mut Upgrade<'_>, shape: &[usize]| {
        up.graph.constant("shape", Tensor::ints(shape.iter().map(|&dim| dim as i64)))
    };
    let target = dims(up, &merged);
    let flat = up.node("Reshape", &[x, target], Attrs::new())?;
    let y = up.node("AveragePool", &[flat], attrs)?;
    let mut result = shape;
    result[2 + pooled] = up.graph.shape(y)[if first == 1 { 2 } else { 3 }];
    let target = dims(up, &result);
    up.become_node("Reshape", &[y, target]);
    Ok(())
}

/// What each window divides its sum by: its elements, or with `count_include_pad` also those in the padding, but not
/// those that ceil_mode adds after it.
fn counts(attrs: &Attrs, axes: &[Axis]) -> Result<Vec<f64>, String> {
    let padded = attrs.get_int("count_include_pad", 0)? != 0;
    let count = |axis: &Axis, window: usize| axis.counted(window, padded);
    let (rows, columns) = window::plane(axes);
    let windows = 0..rows.output * columns.output;
    let columns_of = |window: usize| (window / columns.output, window % columns.output);
    Ok(windows.map(columns_of).map(|(row, column)| (count(&rows, row) * count(&columns, column)) as f64).collect())
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let x = call.tensor(0)?;
    let axes = window::pooling(call)?;
    let (pixels, windows, _) = window::volumes(&axes);
    let counts = counts(call.attrs, &axes)?;
    let stride = window::plane(&axes).1.stride;
    let mut y = Vec::with_capacity(windows * (x.len() / pixels.max(1)));
    for x in x.floats()?.chunks(pixels.max(1)) {
        let mut sums = vec![0.0; windows];
        window::runs(&axes, |_, output, input, count| {
            let seen = x[input..].iter().step_by(stride);
            sums[output..][..count].iter_mut().zip(seen).for_each(|(sum, x)| *sum += x);
        });
        y.extend(sums.iter().zip(&counts).map(|(sum, count)| sum / count));
    }
    Ok(vec![Tensor::float(x.dtype(), &infer(call)?[0].shape, y)])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let ty = back.graph.value(back.input(0)).ty().clone();
    let arg = super::Arg { ty: &ty, data: None };
    let call = Call { attrs: back.node.attrs(), inputs: &[Some(arg)], outputs: 1 };
    let axes = window::pooling(&call).expect("shape inference has read the same attributes");
    let counts = counts(back.node.attrs(), &axes).expect("shape inference has read the same attributes");
    let mut cotangent = back.cotangent();
    let uniform = counts.windows(2).all(|pair| pair[0] == pair[1]);
    let share = if uniform { 1.0 / counts[0] } else { 1.0 };
    if !uniform {
        let mut shape = vec![1, 1];
        shape.extend(axes.iter().map(|axis| axis.output));
        let shares = Tensor::float(ty.dtype, &shape, counts.iter().map(|count| 1.0 / count).collect());
        let shares = back.graph.constant("shares", shares.rounded());
        cotangent = back.emit("Mul", &[cotangent, shares])?;
    }
    let whole = |axis: &Axis| axis.output == 1 && axis.begin + axis.end == 0 && axis.span() == axis.kernel;
    let x = if axes.iter().all(|axis| whole(axis) && axis.kernel == axis.input) {
        spread(back, cotangent, share)?
    } else if axes.iter().all(|axis| axis.stride == 1) {
        convolved(back, cotangent, &axes, share)?
    } else {
        transposed(back, cotangent, &axes, share)?
    };
    Ok(vec![Some(x)])
}

/// The cotangent of one window over everything: the same share for every element of a channel.
pub(super) fn spread(back: &mut Backward<'_>, cotangent: ValueId, share: f64) -> Result<ValueId, Error> {
    let share = back.scalar(share);
    let scaled = back.emit("Mul", &[cotangent, share])?;
    let shape = back.shape(0);
    expand_to(back, scaled, &shape)
}

/// Stride 1: a depthwise convolution, which ONNX Runtime runs much faster than its transpose.
fn convolved(back: &mut Backward<'_>, cotangent: ValueId, axes: &[Axis], share: f64) -> Result<ValueId, Error> {
    let channels = back.shape(0)[1];
    let begins = axes.iter().map(|axis| (axis.span() - 1 - axis.begin) as i64);
    let ends = axes.iter().map(|axis| (axis.span() - 1 - axis.end) as i64);
    let attrs = Attrs::new()
        .ints("dilations", window::each(axes, |axis| axis.dilation))
        .int("group", channels as i64)
        .ints("pads", begins.chain(ends));
    let weights = even_weights(back, channels, axes, share);
    back.graph.add("Conv", &[cotangent, weights], attrs)
}

/// Any stride: a transposed convolution of every channel on its own.
fn transposed(back: &mut Backward<'_>, cotangent: ValueId, axes: &[Axis], share: f64) -> Result<ValueId, Error> {
    let shape = back.shape(0);
    let reach = |axis: &Axis| (axis.output - 1) * axis.stride + axis.span();
    let after = |axis: &Axis| reach(axis).saturating_sub(axis.begin + axis.input);
    let unseen = |axis: &Axis| (axis.begin + axis.input).saturating_sub(reach(axis));
    let begins = axes.iter().map(|axis| axis.begin as i64);
    let attrs = Attrs::new()
        .ints("dilations", window::each(axes, |axis| axis.dilation))
        .ints("strides", window::each(axes, |axis| axis.stride))
        .ints("pads", begins.chain(window::each(axes, after)))
        .ints("output_padding", window::each(axes, unseen));
    let mut alone = vec![shape[0] * shape[1], 1];
    alone.extend(axes.iter().map(|axis| axis.output));
    let cotangent = reshape_to(back, cotangent, &alone)?;
    let weights = even_weights(back, 1, axes, share);
    let x = back.graph.add("ConvTranspose", &[cotangent, weights], attrs)?;
    reshape_to(back, x, &shape)
}

fn even_weights(back: &mut Backward<'_>, channels: usize, axes: &[Axis], share: f64) -> ValueId {
    let dtype = back.graph.value(back.cotangent()).dtype();
    let mut shape = vec![channels, 1];
    shape.extend(axes.iter().map(|axis| axis.kernel));
    let weights = Tensor::float(dtype, &shape, vec![share; shape.iter().product()]);
    back.graph.constant("shares", weights.rounded())
}

fn cases() -> Vec<Case> {
    let case = |name, kernel: [i64; 2], strides: [i64; 2], attrs: Attrs, shape: &[usize]| {
        let attrs = attrs.ints("kernel_shape", kernel).ints("strides", strides);
        Case::new(name, attrs, vec![CaseInput::Random(shape.to_vec(), -1.0, 1.0)])
    };
    let none = Attrs::new;
    let padded = || none().ints("pads", [1, 0, 2, 1]);
    let ceil = || none().ints("pads", [1, 1, 1, 0]).int("ceil_mode", 1);
    vec![
        case("2x2", [2, 2], [2, 2], none(), &[2, 3, 4, 6]),
        case("the whole image", [4, 5], [1, 1], none(), &[2, 3, 4, 5]),
        case("stride 1", [3, 2], [1, 1], none().ints("pads", [1, 0, 1, 1]), &[2, 3, 4, 5]),
        case("overlapping, asymmetric pads", [3, 3], [2, 2], padded(), &[2, 3, 6, 7]),
        case("pads counted", [3, 3], [2, 2], padded().int("count_include_pad", 1), &[2, 3, 6, 7]),
        case("ceil mode", [3, 3], [2, 2], ceil(), &[1, 2, 6, 8]),
        case("ceil mode, pads counted", [3, 3], [2, 2], ceil().int("count_include_pad", 1), &[1, 2, 6, 8]),
        case("elements that no window sees", [2, 2], [3, 3], none(), &[1, 2, 7, 6]),
        case("dilated", [2, 3], [1, 2], none().ints("dilations", [2, 1]), &[1, 2, 5, 6]),
        case("dilated, stride 1", [2, 3], [1, 1], none().ints("dilations", [2, 1]), &[1, 2, 5, 6]),
        case("same upper", [3, 3], [2, 2], none().text("auto_pad", "SAME_UPPER"), &[1, 2, 6, 5]),
        case("same lower", [2, 2], [1, 1], none().text("auto_pad", "SAME_LOWER"), &[1, 2, 4, 3]),
        case("valid", [2, 2], [1, 2], none().text("auto_pad", "VALID"), &[1, 2, 4, 5]),
        Case::new(
            "1-D",
            none().ints("kernel_shape", [3]).ints("strides", [2]).ints("pads", [1, 0]),
            vec![CaseInput::Random(vec![2, 3, 7], -1.0, 1.0)],
        ),
    ]
}
