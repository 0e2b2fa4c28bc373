//! ConvTranspose. Spec: <https://onnx.ai/onnx/operators/onnx__ConvTranspose.html>. Opsets: 1, 11, 22.

use super::batch_normalization::sum_over_channels;
use super::kernels::attrs_of;
use super::product::{add_product, transposed};
use super::window::{self, Axis};
use super::{Backward, Call, Case, CaseInput, Op, Vjp, expect_float, unchanged};
use crate::{Attrs, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "ConvTranspose",
    opsets: &[7, 11, 22],
    doc: "1-D and 2-D, groups, strides, dilations, explicit pads, every auto_pad, output_padding and output_shape; \
          gradient to input, weights and bias",
    attrs: &["auto_pad", "dilations", "group", "kernel_shape", "output_padding", "output_shape", "pads", "strides"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Conv", "ConvWeightGrad", "ReduceSum"]),
    macs,
    upgrade: unchanged,
    cases,
};

/// The resolved sizes: those of the convolution whose adjoint it is, so that `axes` have its input as `output`.
pub(crate) struct Transpose {
    batch: usize,
    pub(crate) channels: usize,
    pub(crate) filters: usize,
    pub(crate) group: usize,
    pub(crate) axes: Vec<Axis>,
}

impl Transpose {
    pub(crate) fn read(attrs: &Attrs, x: &[usize], w: &[usize]) -> Result<Self, String> {
        let ([batch, channels, spatial @ ..], [rows, filters, kernel @ ..]) = (x, w) else {
            return Err(format!("expected input [N, C, …] and weights [C, M/group, …], found {x:?} and {w:?}"));
        };
        let rank = spatial.len();
        if !(1..=2).contains(&rank) || kernel.len() != rank {
            return Err(format!("input {x:?} with weights {w:?}: only 1 and 2 spatial axes are supported"));
        }
        let group = usize::try_from(attrs.get_int("group", 1)?).ok().filter(|&group| group > 0);
        let group = group.ok_or("group must be positive")?;
        let given = attrs.get("kernel_shape").map(|_| window::kernel_shape(attrs, rank)).transpose()?;
        if rows != channels || channels % group != 0 || given.is_some_and(|given| given != kernel) {
            return Err(format!("input {x:?} and weights {w:?} do not fit with group {group} and kernel_shape"));
        }
        let axes = axes(attrs, spatial, kernel)?;
        Ok(Self { batch: *batch, channels: *channels, filters: filters * group, group, axes })
    }

    fn of(call: &Call<'_>) -> Result<Self, String> {
        Self::read(call.attrs, call.shape(0)?, call.shape(1)?)
    }

    fn output(&self) -> Vec<usize> {
        [self.batch, self.filters].into_iter().chain(self.axes.iter().map(|axis| axis.input)).collect()
    }
}

fn check_auto_pad(auto: &str, pads: &[usize], extra: &[usize]) -> Result<(), String> {
    match auto {
        "NOTSET" => Ok(()),
        "VALID" | "SAME_UPPER" | "SAME_LOWER" if pads.iter().any(|&pad| pad > 0) => {
            Err(format!("has both auto_pad {auto} and pads {pads:?}"))
        }
        // ONNX Runtime infers another shape than it computes.
        "SAME_UPPER" | "SAME_LOWER" if extra.iter().any(|&extra| extra > 0) => {
            Err(format!("auto_pad {auto} with output_padding {extra:?} is not supported"))
        }
        "VALID" | "SAME_UPPER" | "SAME_LOWER" => Ok(()),
        other => Err(format!("auto_pad is `{other}`, allowed are NOTSET, SAME_UPPER, SAME_LOWER and VALID")),
    }
}

fn axes(attrs: &Attrs, spatial: &[usize], kernel: &[usize]) -> Result<Vec<Axis>, String> {
    let rank = spatial.len();
    let strides = window::sizes(attrs, "strides", 1, rank, 1)?;
    let dilations = window::sizes(attrs, "dilations", 1, rank, 1)?;
    let pads = window::sizes(attrs, "pads", 0, 2 * rank, 0)?;
    let extra = window::sizes(attrs, "output_padding", 0, rank, 0)?;
    let wanted = attrs.get("output_shape").map(|_| window::sizes(attrs, "output_shape", 0, rank, 1)).transpose()?;
    let auto = attrs.get_text("auto_pad", "NOTSET")?;
    check_auto_pad(auto, &pads, &extra)?;
    (0..rank)
        .map(|i| {
            let (begin, end, stride, dilation) = (pads[i], pads[rank + i], strides[i], dilations[i]);
            let mut axis = Axis { input: 0, kernel: kernel[i], stride, dilation, begin, end, output: spatial[i] };
            if axis.kernel == 0 || axis.output == 0 {
                return Err("the input or the window is empty".to_owned());
            }
            let whole = stride * (axis.output - 1) + extra[i] + axis.span();
            let same = matches!(auto, "SAME_UPPER" | "SAME_LOWER").then_some(stride * axis.output);
            let wanted = wanted.as_ref().map(|sizes| sizes[i]);
            if let Some(target) = wanted.or(same) {
                let total = whole.saturating_sub(target);
                axis.begin = if auto == "SAME_UPPER" { total / 2 } else { total.div_ceil(2) };
                axis.end = total - axis.begin;
            }
            let rest = whole.checked_sub(axis.begin + axis.end).filter(|&input| input > 0);
            axis.input = rest.ok_or("pads leave nothing")?;
            if wanted.is_some_and(|wanted| wanted != axis.input) {
                return Err(format!("attribute `output_shape` wants more than the {} there are", axis.input));
            }
            if extra[i] >= stride {
                return Err(format!("output_padding {} must be less than the stride {stride}", extra[i]));
            }
            Ok(axis)
        })
        .collect()
}

/// The same with one pad for both ends of an axis.
pub(crate) struct Symmetric {
    pub(crate) attrs: Attrs,
    /// What is in excess then, at the beginning and at the end of each spatial axis.
    pub(crate) excess: Vec<[usize; 2]>,
}

/// Writes a transposed convolution of these shapes with explicit pads that are equal at both ends; `None` where they are.
pub(crate) fn symmetric(attrs: &Attrs, x: &[usize], w: &[usize]) -> Option<Symmetric> {
    let sizes = Transpose::read(attrs, x, w).ok()?;
    let explicit = ["auto_pad", "output_shape"].iter().all(|name| attrs.get(name).is_none());
    if explicit && sizes.axes.iter().all(|axis| axis.begin == axis.end) {
        return None;
    }
    let (mut pads, mut extras, mut excess) = (Vec::new(), Vec::new(), Vec::new());
    for axis in &sizes.axes {
        let least = axis.stride * (axis.output - 1) + axis.span();
        // With the first pad at both ends the rest is output padding, where it is less than the stride.
        let extra = (axis.input + 2 * axis.begin).checked_sub(least).filter(|&extra| extra < axis.stride);
        let pad = if extra.is_some() { axis.begin } else { axis.begin.min(axis.end) };
        let extra = extra.unwrap_or_else(|| (axis.input + axis.begin + pad).saturating_sub(least));
        let end = least + extra - pad - axis.begin - axis.input;
        pads.push(pad as i64);
        extras.push(extra as i64);
        excess.push([axis.begin - pad, end]);
    }
    let mut attrs = attrs_of(&sizes.axes, sizes.group).ints("pads", [&pads[..], &pads].concat());
    if extras.iter().any(|&extra| extra > 0) {
        attrs = attrs.ints("output_padding", extras);
    }
    Some(Symmetric { attrs, excess })
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = expect_float(call, 0)?;
    let sizes = Transpose::of(call)?;
    if call.ty(1)?.dtype != dtype {
        return Err(format!("the input is {dtype}, the weights are {}", call.ty(1)?.dtype));
    }
    if call.has(2) && *call.ty(2)? != ValueType::new(dtype, [sizes.filters]) {
        return Err(format!("the bias must be {dtype}[{}], found {:?}", sizes.filters, call.shape(2)?));
    }
    Ok(vec![ValueType::new(dtype, sizes.output())])
}

fn macs(call: &Call<'_>) -> u64 {
    let Ok(sizes) = Transpose::of(call) else { return 0 };
    let (_, windows, taps) = window::volumes(&sizes.axes);
    (sizes.batch * sizes.channels * windows * (sizes.filters / sizes.group) * taps) as u64
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let sizes = Transpose::of(call)?;
    let (x, w) = (call.tensor(0)?.floats()?, call.tensor(1)?.floats()?);
    let bias = if call.has(2) { Some(call.tensor(2)?.floats()?) } else { None };
    let (pixels, windows, taps) = window::volumes(&sizes.axes);
    let (depth, filters) = (sizes.channels / sizes.group, sizes.filters / sizes.group);
    let shape = sizes.output();
    let mut y = vec![0.0; shape.iter().product()];
    for index in 0..sizes.batch * sizes.group {
        let group = index % sizes.group;
        let x = &x[index * depth * windows..][..depth * windows];
        let y = &mut y[index * filters * pixels..][..filters * pixels];
        let w = &w[group * depth * filters * taps..][..depth * filters * taps];
        if let Some(bias) = bias {
            let bias = &bias[group * filters..][..filters];
            y.chunks_mut(pixels).zip(bias).for_each(|(y, bias)| y.fill(*bias));
        }
        let mut columns = vec![0.0; filters * taps * windows];
        add_product(filters * taps, depth, windows, &transposed(depth, filters * taps, w), x, &mut columns);
        window::fold(&sizes.axes, filters, &columns, y);
    }
    Ok(vec![Tensor::float(call.tensor(0)?.dtype(), &shape, y)])
}

/// It is the adjoint of a convolution in its data, so the cotangent takes the place of that convolution's input.
fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let sizes = Transpose::read(back.node.attrs(), &back.shape(0), &back.shape(1))
        .expect("shape inference has read the same attributes");
    let attrs = attrs_of(&sizes.axes, sizes.group);
    let (x, weights, cotangent) = (back.input(0), back.input(1), back.cotangent());
    let mut results = vec![None; 3];
    if back.wants[0] {
        results[0] = Some(back.graph.add("Conv", &[cotangent, weights], attrs.clone())?);
    }
    if back.wants[1] {
        results[1] = Some(back.graph.add("ConvWeightGrad", &[cotangent, x], attrs)?);
    }
    if back.wants.get(2) == Some(&true) {
        results[2] = Some(sum_over_channels(back, cotangent)?);
    }
    Ok(results)
}

fn cases() -> Vec<Case> {
    let x = |shape: &[usize]| CaseInput::Random(shape.to_vec(), -1.0, 1.0);
    let w = |shape: &[usize]| CaseInput::RandomConstant(shape.to_vec(), -1.0, 1.0);
    let none = Attrs::new;
    let case = |name, attrs, x_shape: &[usize], w_shape: &[usize]| Case::new(name, attrs, vec![x(x_shape), w(w_shape)]);
    let same = |auto| none().ints("strides", [2, 2]).text("auto_pad", auto);
    let shape = |size: [i64; 2]| none().ints("strides", [2, 2]).ints("output_shape", size);
    let strided = || none().ints("strides", [2, 3]);
    let uneven = || none().ints("strides", [2, 2]).ints("pads", [0, 2, 1, 0]);
    vec![
        case("stride 1", none().ints("pads", [1, 1, 1, 1]), &[2, 3, 4, 5], &[3, 4, 3, 3]).macs(2 * 3 * 20 * 4 * 9),
        case("strides", strided().ints("pads", [1, 0, 0, 2]), &[1, 3, 4, 3], &[3, 2, 3, 4]).macs(3 * 12 * 2 * 12),
        case("output padding", strided().ints("output_padding", [1, 2]), &[1, 3, 3, 2], &[3, 2, 3, 3]).macs(3 * 6 * 18),
        case("dilated", strided().ints("dilations", [2, 3]).ints("pads", [0, 1, 3, 2]), &[1, 2, 3, 4], &[2, 3, 2, 3])
            .macs(2 * 12 * 18),
        case(
            "1x1 stride 2, a window that sees nothing",
            none().ints("strides", [2, 2]).ints("output_padding", [1, 0]),
            &[1, 3, 2, 3],
            &[3, 2, 1, 1],
        )
        .macs(3 * 6 * 2),
        case("grouped", strided().int("group", 2), &[2, 4, 3, 2], &[4, 3, 3, 3]).macs(2 * 4 * 6 * 27),
        case(
            "depthwise",
            none().int("group", 3).ints("strides", [2, 2]).ints("pads", [1, 1, 1, 1]),
            &[1, 3, 3, 3],
            &[3, 1, 3, 3],
        )
        .macs(3 * 9 * 9),
        case(
            "1-D",
            none().ints("strides", [3]).ints("pads", [1, 1]).ints("output_padding", [2]),
            &[1, 3, 4],
            &[3, 2, 4],
        )
        .macs(3 * 4 * 8),
        case("pads that differ, in groups", uneven().int("group", 2), &[2, 4, 3, 4], &[4, 3, 3, 4])
            .macs(2 * 4 * 12 * 36),
        case("pads that differ, 1-D", none().ints("strides", [2]).ints("pads", [0, 1]), &[2, 3, 4], &[3, 2, 3])
            .macs(2 * 3 * 4 * 6),
        case("pads that differ by a stride, 1-D", none().ints("pads", [2, 0]), &[2, 3, 4], &[3, 2, 3])
            .macs(2 * 3 * 4 * 6),
        case(
            "pads that differ, output padding",
            uneven().ints("pads", [1, 0, 2, 2]).ints("output_padding", [1, 1]),
            &[1, 2, 3, 3],
            &[2, 2, 3, 3],
        )
        .macs(2 * 9 * 18),
        case("same upper", same("SAME_UPPER"), &[1, 2, 3, 4], &[2, 3, 3, 3]).macs(2 * 12 * 27),
        case("same lower", same("SAME_LOWER"), &[1, 2, 3, 4], &[2, 3, 3, 3]).macs(2 * 12 * 27),
        case("same, a window of the stride", same("SAME_UPPER"), &[1, 2, 3, 2], &[2, 3, 2, 2]).macs(2 * 6 * 12),
        case("same, a window below the stride", same("SAME_LOWER"), &[1, 2, 3, 2], &[2, 3, 1, 2]).macs(2 * 6 * 6),
        case("valid", strided().text("auto_pad", "VALID"), &[1, 2, 3, 2], &[2, 3, 3, 3]).macs(2 * 6 * 27),
        case("a given size", shape([6, 5]), &[1, 2, 3, 3], &[2, 3, 3, 4]).macs(2 * 9 * 36),
        case("a given size, same upper", shape([6, 5]).text("auto_pad", "SAME_UPPER"), &[1, 2, 3, 3], &[2, 3, 3, 4])
            .macs(2 * 9 * 36),
        case(
            "a given size, output padding",
            shape([6, 6]).ints("output_padding", [1, 0]),
            &[1, 2, 3, 3],
            &[2, 3, 4, 3],
        )
        .macs(2 * 9 * 36),
        Case::new("bias", strided(), vec![x(&[1, 3, 2, 2]), w(&[3, 4, 3, 2]), w(&[4])]).macs(3 * 4 * 24),
        Case::new(
            "trained",
            strided().ints("output_padding", [1, 2]).ints("pads", [1, 0, 0, 2]),
            vec![x(&[2, 3, 3, 2]), x(&[3, 2, 3, 3]), x(&[2])],
        )
        .macs(2 * 3 * 6 * 18),
        Case::new("trained in groups", same("SAME_UPPER").int("group", 2), vec![x(&[1, 4, 3, 2]), x(&[4, 3, 3, 3])])
            .macs(4 * 6 * 27),
        Case::new("trained 1-D", none().ints("strides", [2]), vec![x(&[2, 3, 4]), x(&[3, 2, 3])]).macs(2 * 3 * 4 * 6),
    ]
}
