//! Resize. Spec: <https://onnx.ai/onnx/operators/onnx__Resize.html>. Opsets: 10, 11 (coordinates, sizes), 13, 18 (axes,
//! antialias), 19.

use super::axes::{axes, bounded, dimension};
use super::axis_map::{remap, whole};
use super::binary::expect_inputs_between;
use super::interpolation::{Sampling, Taps};
use super::{Backward, Call, Case, CaseInput, Op, Upgrade, Vjp, expect_float, no_macs};
use crate::{Attr, Attrs, DType, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Resize",
    opsets: &[10, 11, 13, 18, 19],
    doc: "the spatial axes of 1-D and 2-D data, constant scales or sizes; modes nearest, linear and (2-D) cubic with every \
          coordinate_transformation_mode but tf_crop_and_resize; no antialias, keep_aspect_ratio_policy stretch",
    attrs: &[
        "antialias",
        "coordinate_transformation_mode",
        "cubic_coeff_a",
        "exclude_outside",
        "extrapolation_value",
        "keep_aspect_ratio_policy",
        "mode",
        "nearest_mode",
    ],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["AveragePool", "MatMul", "Mul"]),
    macs: no_macs,
    upgrade,
    cases,
};

/// A spatial axis: its size before and after, and the scale between its coordinates.
#[derive(Debug, Clone, Copy)]
struct Axis {
    input: usize,
    output: usize,
    scale: f32,
}

impl Axis {
    fn scaled(input: usize, scale: f64) -> Result<Self, String> {
        let scale = scale as f32;
        let output = input as f32 * scale;
        if !(scale > 0.0 && output >= 1.0 && output.is_finite()) {
            return Err(format!("an axis of size {input} cannot be scaled by {scale}"));
        }
        Ok(Self { input, output: output as usize, scale })
    }

    fn sized(input: usize, size: i64) -> Result<Self, String> {
        let output = dimension(size)?;
        Ok(Self { input, output, scale: output as f32 / input as f32 })
    }
}

/// The axes behind batch and channels.
fn spatial(call: &Call<'_>) -> Result<Vec<Axis>, String> {
    let shape = call.shape(0)?;
    if !(3..=4).contains(&shape.len()) || shape.contains(&0) {
        return Err(format!("the input must be [N, C, W] or [N, C, H, W], found {shape:?}"));
    }
    let mut all = match (call.has(2), call.ints(3)?) {
        (true, None) => pairs(shape, call.tensor(2)?.floats()?, Axis::scaled)?,
        (false, Some(sizes)) => pairs(shape, sizes, Axis::sized)?,
        _ => return Err("takes either scales or sizes".to_owned()),
    };
    // ONNX Runtime copies what keeps its shape, whatever the scales say.
    if all.iter().all(|axis| axis.input == axis.output) {
        all.iter_mut().for_each(|axis| axis.scale = 1.0);
    }
    if let Some(axis) = all[..2].iter().find(|axis| axis.scale != 1.0) {
        return Err(format!("only spatial axes can be resized, found batch or channels {axis:?}"));
    }
    for axis in &all[2..] {
        // The gradient may hold a weight for each of these pairs.
        bounded(vec![axis.input, axis.output])?;
        if axis.output == 0 {
            return Err("nothing would be left".to_owned());
        }
    }
    Ok(all[2..].to_vec())
}

fn pairs<T: Copy>(
    shape: &[usize],
    given: &[T],
    axis: impl Fn(usize, T) -> Result<Axis, String>,
) -> Result<Vec<Axis>, String> {
    if given.len() != shape.len() {
        return Err(format!("has {} scales or sizes for {} axes", given.len(), shape.len()));
    }
    shape.iter().zip(given).map(|(&input, &given)| axis(input, given)).collect()
}

fn sampling(call: &Call<'_>) -> Result<Sampling, String> {
    if call.attrs.get_int("antialias", 0)? != 0 {
        return Err("antialias is not supported".to_owned());
    }
    let policy = call.attrs.get_text("keep_aspect_ratio_policy", "stretch")?;
    if policy != "stretch" {
        return Err(format!("keep_aspect_ratio_policy `{policy}` is not supported, only stretch"));
    }
    Sampling::read(call.attrs)
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    expect_inputs_between(call, 3, 4)?;
    let sampling = sampling(call)?;
    if !sampling.is_nearest() {
        expect_float(call, 0)?;
    }
    let (ty, axes) = (call.ty(0)?, spatial(call)?);
    if sampling.is_cubic() && axes.len() != 2 {
        return Err("mode cubic is for [N, C, H, W] alone".to_owned());
    }
    let shape = ty.shape[..2].iter().copied().chain(axes.iter().map(|axis| axis.output)).collect();
    Ok(vec![ValueType::new(ty.dtype, bounded(shape)?)])
}

/// The spatial axes and how each is sampled.
fn sampled(call: &Call<'_>) -> Result<Vec<(Axis, Taps)>, String> {
    let sampling = sampling(call)?;
    let taps = |axis: Axis| (axis, sampling.taps(axis.input, axis.output, axis.scale));
    Ok(spatial(call)?.into_iter().map(taps).collect())
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let (x, axes) = (call.tensor(0)?, sampled(call)?);
    if sampling(call)?.is_nearest() {
        let shown = |(_, taps): &(Axis, Taps)| taps.positions().into_iter().flatten().map(Some).collect();
        let maps: Vec<_> = x.shape()[..2].iter().map(|&size| whole(size)).chain(axes.iter().map(shown)).collect();
        return Ok(vec![remap(x, &maps, None)]);
    }
    let mut values = x.floats()?.to_vec();
    let mut inner: usize = 1;
    for (axis, taps) in axes.iter().rev() {
        values = values.chunks(axis.input * inner).flat_map(|plane| interpolated(plane, inner, taps)).collect();
        inner *= axis.output;
    }
    Ok(vec![Tensor::float(x.dtype(), &infer(call)?[0].shape, values)])
}

/// The weighted sums of the rows of `inner` elements.
fn interpolated(plane: &[f64], inner: usize, taps: &Taps) -> Vec<f64> {
    let row = |taps: &[(usize, f64)]| {
        let mut row = vec![0.0; inner];
        for &(at, weight) in taps {
            row.iter_mut().zip(&plane[at * inner..][..inner]).for_each(|(sum, x)| *sum += weight * x);
        }
        row
    };
    taps.outputs().flat_map(row).collect()
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let (axes, cotangent) = (back.ask(sampled)?, back.cotangent());
    let factors: Option<Vec<usize>> = axes.iter().map(|(axis, taps)| taps.repeats(axis.input)).collect();
    let mut results = vec![None; back.node.inputs().len()];
    results[0] = Some(match factors {
        Some(factors) => summed(back, cotangent, &factors)?,
        None => weighted(back, cotangent, &axes)?,
    });
    Ok(results)
}

/// The adjoint of repeating every element: sums over windows, which ONNX Runtime does fastest as averages.
fn summed(back: &mut Backward<'_>, cotangent: ValueId, factors: &[usize]) -> Result<ValueId, Error> {
    let count: usize = factors.iter().product();
    if count == 1 {
        return Ok(cotangent);
    }
    let window = factors.iter().map(|&factor| factor as i64);
    let attrs = Attrs::new().ints("kernel_shape", window.clone()).ints("strides", window);
    let average = back.graph.add("AveragePool", &[cotangent], attrs)?;
    let count = back.scalar(count as f64);
    back.emit("Mul", &[average, count])
}

/// The adjoint of any interpolation: on each axis a product with its matrix, columns first.
fn weighted(back: &mut Backward<'_>, cotangent: ValueId, axes: &[(Axis, Taps)]) -> Result<ValueId, Error> {
    let mut x = cotangent;
    for (index, (axis, taps)) in axes.iter().enumerate().rev() {
        if axis.scale == 1.0 {
            continue;
        }
        let columns = index + 1 == axes.len();
        let matrix = matrix(back, axis, taps, columns);
        let factors = if columns { [x, matrix] } else { [matrix, x] };
        x = back.emit("MatMul", &factors)?;
    }
    Ok(x)
}

/// The weights of an axis: `[output, input]` to multiply columns with, else its transpose.
fn matrix(back: &mut Backward<'_>, axis: &Axis, taps: &Taps, columns: bool) -> ValueId {
    let dtype = back.graph.value(back.cotangent()).dtype();
    let mut weights = vec![0.0; axis.output * axis.input];
    for (output, taps) in taps.outputs().enumerate() {
        for &(input, weight) in taps {
            weights[if columns { output * axis.input + input } else { input * axis.output + output }] += weight;
        }
    }
    let shape = if columns { [axis.output, axis.input] } else { [axis.input, axis.output] };
    back.graph.constant("interpolation", Tensor::float(dtype, &shape, weights).rounded())
}

fn upgrade(up: &mut Upgrade<'_>) -> Result<(), String> {
    if up.opset < 11 {
        let scales = up.inputs.get(1).copied().flatten().ok_or("input 1 is missing")?;
        return from_asymmetric(up, scales);
    }
    // No supported mode reads the region of interest, and exporters write unused inputs as empty tensors.
    if let Some(roi) = up.inputs.get_mut(1) {
        *roi = None;
    }
    for index in 2..up.inputs.len() {
        let empty = up.inputs[index].is_some_and(|id| up.graph.value(id).ty().is_empty());
        up.inputs[index] = up.inputs[index].filter(|_| !empty);
    }
    while up.inputs.last() == Some(&None) {
        up.inputs.pop();
    }
    if up.opset >= 18 { spread_over_axes(up) } else { Ok(()) }
}

/// The form without coordinates, where ONNX Runtime rounds down what grows and up what shrinks.
///
/// Errors: the scales are not constant, or some grow and some shrink.
pub(super) fn from_asymmetric(up: &mut Upgrade<'_>, scales: ValueId) -> Result<(), String> {
    let values = up.graph.value(scales).data().ok_or("its scales must be constants")?.floats()?;
    let nearest_mode = match (values.iter().any(|&scale| scale > 1.0), values.iter().any(|&scale| scale < 1.0)) {
        (true, true) => return Err("one axis grows and another shrinks: re-export with opset 11 or later".to_owned()),
        (_, false) => "floor",
        (_, true) => "ceil",
    };
    up.inputs.truncate(1);
    up.inputs.extend([None, Some(scales)]);
    up.attrs.set("coordinate_transformation_mode", Attr::Text("asymmetric".to_owned()));
    up.attrs.set("nearest_mode", Attr::Text(nearest_mode.to_owned()));
    Ok(())
}

/// Gives every axis a scale or size where `axes` names some.
fn spread_over_axes(up: &mut Upgrade<'_>) -> Result<(), String> {
    let Some(named) = up.attrs.get_ints("axes")?.map(<[i64]>::to_vec) else { return Ok(()) };
    up.attrs.remove("axes");
    let x = up.inputs.first().copied().flatten().ok_or("input 0 is missing")?;
    let shape = up.graph.shape(x).to_vec();
    let named = axes(&named, shape.len())?;
    let constant = |index: usize| up.inputs.get(index).copied().flatten().map(|id| up.graph.value(id).data());
    let open = || "its scales or sizes must be constants".to_owned();
    let (index, tensor) = if let Some(scales) = constant(2) {
        let scales = scales.ok_or_else(open)?;
        (2, Tensor::f32(&[shape.len()], spread(vec![1.0; shape.len()], &named, scales.floats()?)?))
    } else {
        let sizes = constant(3).ok_or("takes either scales or sizes")?.ok_or_else(open)?;
        (3, Tensor::ints(spread(shape.iter().map(|&size| size as i64).collect(), &named, sizes.integers()?)?))
    };
    up.set_input(index, tensor, "resized");
    Ok(())
}

fn spread<T: Copy>(mut all: Vec<T>, axes: &[usize], given: &[T]) -> Result<Vec<T>, String> {
    if axes.len() != given.len() {
        return Err(format!("has {} scales or sizes for {} axes", given.len(), axes.len()));
    }
    axes.iter().zip(given).for_each(|(&axis, &value)| all[axis] = value);
    Ok(all)
}

fn cases() -> Vec<Case> {
    use CaseInput::{Absent, Constant, Fed, Random};
    let scales = |scales: &[f64]| vec![Absent, Constant(Tensor::f32(&[scales.len()], scales.iter().copied()))];
    let sizes = |sizes: &[i64]| vec![Absent, Absent, Constant(Tensor::ints(sizes.iter().copied()))];
    let case = |name, mode: [&str; 3], shape: &[usize], to: Vec<CaseInput>| {
        let names = ["mode", "coordinate_transformation_mode", "nearest_mode"];
        let given = names.iter().zip(mode).filter(|(_, value)| !value.is_empty());
        let attrs = given.fold(Attrs::new(), |attrs, (name, value)| attrs.text(name, value));
        let inputs = [Random(shape.to_vec(), -1.0, 1.0)].into_iter().chain(to).collect();
        Case::new(name, attrs, inputs)
    };
    let floor = ["nearest", "asymmetric", "floor"];
    let image = [2, 2, 4, 5];
    let up = || scales(&[1.0, 1.0, 1.75, 1.6]);
    let down = || scales(&[1.0, 1.0, 0.5, 0.6]);
    let mut cases = vec![
        case("nearest, twice", floor, &image, scales(&[1.0, 1.0, 2.0, 2.0])),
        case("nearest, two factors", floor, &image, sizes(&[2, 2, 12, 10])),
        case("nearest, one axis", ["", "", ""], &image, scales(&[1.0, 1.0, 1.0, 3.0])),
        case("nearest, sequences", floor, &[2, 3, 4], scales(&[1.0, 1.0, 2.0])),
        case("nearest, by default", ["", "", ""], &image, up()),
        case("nearest, smaller", ["", "", ""], &image, down()),
        case("nearest, prefer ceil", ["nearest", "half_pixel", "round_prefer_ceil"], &image, down()),
        case("nearest, ceil", ["nearest", "asymmetric", "ceil"], &image, up()),
        case("nearest, floor of any scale", floor, &image, up()),
        case("nearest, corners", ["nearest", "align_corners", "round_prefer_ceil"], &image, sizes(&[2, 2, 7, 2])),
        case("nearest, tensorflow", ["nearest", "tf_half_pixel_for_nn", "floor"], &image, up()),
        case("nearest, symmetric", ["nearest", "half_pixel_symmetric", ""], &image, up()),
        case("nothing", ["linear", "", ""], &image, sizes(&[2, 2, 4, 5])),
        case("linear, by default", ["linear", "", ""], &image, up()),
        case("linear, smaller", ["linear", "", ""], &image, down()),
        case("linear, pytorch", ["linear", "pytorch_half_pixel", ""], &image, sizes(&[2, 2, 8, 1])),
        case("linear, corners", ["linear", "align_corners", ""], &image, sizes(&[2, 2, 7, 1])),
        case("linear, asymmetric", ["linear", "asymmetric", ""], &image, up()),
        case("linear, symmetric", ["linear", "half_pixel_symmetric", ""], &image, up()),
        case("linear, one axis", ["linear", "", ""], &image, scales(&[1.0, 1.0, 2.0, 1.0])),
        case("linear, sequences", ["linear", "", ""], &[2, 3, 4], scales(&[1.0, 1.0, 2.5])),
        case("cubic", ["cubic", "", ""], &image, up()),
        case("cubic, smaller, corners", ["cubic", "align_corners", ""], &image, sizes(&[2, 2, 3, 2])),
        case("cubic, symmetric", ["cubic", "half_pixel_symmetric", ""], &image, up()),
    ];
    let mut inside = case("cubic, nothing outside", ["cubic", "pytorch_half_pixel", ""], &image, up());
    inside.attrs = inside.attrs.int("exclude_outside", 1).float("cubic_coeff_a", -0.5);
    let copied = || scales(&[1.0, 1.0, 1.1, 1.2]);
    cases.push(case("linear, scales that keep the shape", ["linear", "", ""], &[1, 2, 4, 4], copied()));
    cases.push(case("nearest, scales that keep the shape", ["nearest", "", "ceil"], &[1, 2, 4, 4], copied()));
    let mut ints = case("integers", floor, &image, scales(&[1.0, 1.0, 2.0, 2.0]));
    ints.inputs[0] = Fed(Tensor::int(DType::U8, &[1, 1, 2, 2], vec![1, 2, 3, 4]));
    cases.extend([inside, ints]);
    cases
}
