//! The operators as ONNX Runtime sees them: attributes, shapes, and which loops run.

use super::attributes::{Attributes, spatial};
use super::dense::{self, Conv};
use super::norm::{self, Batch};
use super::norm_gradient::{self, Gradients};
use super::pool::Pool;
use super::simd::Level;
use super::window::{Axis, Window};
use super::{clip, dense_weights, depthwise};

/// The shapes of all outputs, or what is wrong with the inputs.
type Shapes = Result<Vec<Vec<usize>>, String>;

/// One operator of the domain. All tensors are f32.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) inputs: usize,
    /// Inputs that may follow.
    pub(super) optional: usize,
    pub(super) outputs: usize,
    /// Whether the first output may take the place of the first input, which then is empty and read there.
    pub(super) in_place: bool,
    /// Shapes of the outputs. It refuses what [`run`](Self::run) could not take.
    pub(super) shapes: fn(&Attributes, &[&[usize]]) -> Shapes,
    pub(super) run: fn(&Run<'_>, &mut [&mut [f32]]),
}

/// What a kernel is given but its outputs.
pub(super) struct Run<'a> {
    pub(super) level: Level,
    pub(super) pool: &'a dyn Pool,
    pub(super) attributes: &'a Attributes,
    pub(super) shapes: &'a [&'a [usize]],
    pub(super) inputs: &'a [&'a [f32]],
}

/// In alphabetical order.
pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "BatchNormClipTrain",
        inputs: 3,
        optional: 0,
        outputs: 3,
        in_place: false,
        shapes: |_, shapes| statistics(shapes[0], &shapes[1..]),
        run: |run, outputs| normalise(run, true, outputs),
    },
    Entry {
        name: "BatchNormClipTrainGrad",
        inputs: 6,
        optional: 0,
        outputs: 3,
        in_place: true,
        shapes: gradient_statistics,
        run: |run, outputs| {
            let [dx, dscale, dbias] = outputs else { return };
            let &[dy, x, scale, bias, mean, var] = run.inputs else { return };
            let batch = run.batch(1, true);
            let inputs = Gradients { dy: overwritten(dy), x, scale, bias, mean, var };
            norm_gradient::gradient(run.level, run.pool, &batch, inputs, [dx, dscale, dbias]);
        },
    },
    Entry {
        name: "BatchNormTrain",
        inputs: 3,
        optional: 0,
        outputs: 3,
        in_place: false,
        shapes: |_, shapes| statistics(shapes[0], &shapes[1..]),
        run: |run, outputs| normalise(run, false, outputs),
    },
    Entry {
        name: "BatchNormTrainGrad",
        inputs: 5,
        optional: 0,
        outputs: 3,
        in_place: true,
        shapes: gradient_statistics,
        run: |run, outputs| {
            let (&mut [ref mut dx, ref mut dscale, ref mut dbias], &[dy, x, scale, mean, var]) = (outputs, run.inputs)
            else {
                return;
            };
            let batch = run.batch(1, false);
            let inputs = Gradients { dy: overwritten(dy), x, scale, bias: &[], mean, var };
            norm_gradient::gradient(run.level, run.pool, &batch, inputs, [dx, dscale, dbias]);
        },
    },
    Entry {
        name: "ClipGrad",
        inputs: 2,
        optional: 0,
        outputs: 1,
        in_place: true,
        shapes: |_, shapes| match shapes {
            [dy, y] if dy == y => Ok(vec![dy.to_vec()]),
            _ => Err(format!("dy and y are {shapes:?}")),
        },
        run: |run, outputs| {
            let (&mut [ref mut dx], &[dy, y]) = (outputs, run.inputs) else { return };
            clip::gradient(run.level, run.pool, run.attributes.bounds(), overwritten(dy), y, dx);
        },
    },
    Entry {
        name: "ConvWeightGrad",
        inputs: 2,
        optional: 0,
        outputs: 1,
        in_place: false,
        shapes: |attributes, shapes| {
            let conv = weight_gradient(attributes, shapes[0], shapes[1])?;
            let shape = [conv.filters, conv.channels / conv.group];
            Ok(vec![shape.into_iter().chain(attributes.kernel_shape.iter().map(|&size| size as usize)).collect()])
        },
        run: |run, outputs| {
            let (&mut [ref mut dw], &[x, dy]) = (outputs, run.inputs) else { return };
            let Ok(conv) = weight_gradient(run.attributes, run.shapes[0], run.shapes[1]) else { return };
            if conv.is_depthwise() {
                depthwise::weight_gradient(run.level, run.pool, &conv.window, conv.channels, [x, dy], dw);
            } else {
                dense_weights::gradient(run.level, run.pool, &conv, x, dy, dw);
            }
        },
    },
    Entry {
        name: "TrainConv",
        inputs: 2,
        optional: 1,
        outputs: 1,
        in_place: false,
        shapes: |attributes, shapes| {
            let conv = attributes.conv(shapes[0], shapes[1], None)?;
            bias(shapes, conv.filters)?;
            Ok(vec![with_spatial(&[conv.images, conv.filters], shapes[0], |axis| axis.output, &conv.window)])
        },
        run: |run, outputs| {
            let (&mut [ref mut y], &[x, w, ref bias @ ..]) = (outputs, run.inputs) else { return };
            let Ok(conv) = run.attributes.conv(run.shapes[0], run.shapes[1], None) else { return };
            let inputs = [x, w, bias.first().copied().unwrap_or(&[])];
            if conv.is_depthwise() {
                depthwise::forward(run.level, run.pool, &conv.window, conv.channels, inputs, y);
            } else {
                dense::forward(run.level, run.pool, &conv, inputs, y);
            }
        },
    },
    Entry {
        name: "TrainConvInputGrad",
        inputs: 2,
        optional: 0,
        outputs: 1,
        in_place: false,
        shapes: |attributes, shapes| {
            let conv = attributes.conv_of_gradient(shapes[0], shapes[1])?;
            Ok(vec![with_spatial(&[conv.images, conv.channels], shapes[0], |axis| axis.input, &conv.window)])
        },
        run: |run, outputs| {
            let (&mut [ref mut dx], &[dy, w]) = (outputs, run.inputs) else { return };
            let Ok(conv) = run.attributes.conv_of_gradient(run.shapes[0], run.shapes[1]) else { return };
            if conv.is_depthwise() {
                depthwise::input_gradient(run.level, run.pool, &conv.window, conv.channels, [dy, w], dx);
            } else {
                dense::input_gradient(run.level, run.pool, &conv, dy, w, dx);
            }
        },
    },
];

impl Run<'_> {
    fn batch(&self, input: usize, clipped: bool) -> Batch {
        let shape = self.shapes[input];
        let clip = clipped.then(|| self.attributes.bounds());
        let plane = shape[2..].iter().product();
        Batch { images: shape[0], channels: shape[1], plane, epsilon: self.attributes.epsilon, clip }
    }
}

fn normalise(run: &Run<'_>, clipped: bool, outputs: &mut [&mut [f32]]) {
    let (&mut [ref mut y, ref mut mean, ref mut var], &[x, scale, bias]) = (outputs, run.inputs) else { return };
    norm::forward(run.level, run.pool, &run.batch(0, clipped), [x, scale, bias], [y, mean, var]);
}

fn gradient_statistics(_: &Attributes, shapes: &[&[usize]]) -> Shapes {
    if shapes[0] != shapes[1] {
        return Err(format!("dy is {:?}, x is {:?}", shapes[0], shapes[1]));
    }
    statistics(shapes[1], &shapes[2..])
}

/// An input that may be where the output is: `None` if so.
fn overwritten(input: &[f32]) -> Option<&[f32]> {
    (!input.is_empty()).then_some(input)
}

/// A shape with the sizes of a window's axes behind `first`, as many as `like` has.
fn with_spatial(first: &[usize], like: &[usize], size: fn(&Axis) -> usize, window: &Window) -> Vec<usize> {
    let spatial = [size(&window.rows), size(&window.cols)];
    [first, &spatial[4 - like.len()..]].concat()
}

fn statistics(x: &[usize], rest: &[&[usize]]) -> Shapes {
    let channels = *x.get(1).ok_or_else(|| format!("expected [N, C, …], found {x:?}"))?;
    match rest.iter().find(|shape| **shape != [channels]) {
        Some(shape) => Err(format!("expected [{channels}], found {shape:?}")),
        None => Ok(vec![x.to_vec(), vec![channels], vec![channels]]),
    }
}

/// A third input has an element for each filter.
fn bias(shapes: &[&[usize]], filters: usize) -> Result<(), String> {
    match shapes.get(2) {
        Some(shape) if **shape != [filters] => Err(format!("the bias must be [{filters}], found {shape:?}")),
        _ => Ok(()),
    }
}

fn weight_gradient(attributes: &Attributes, x: &[usize], dy: &[usize]) -> Result<Conv, String> {
    let kernel: Vec<usize> = attributes.kernel_shape.iter().map(|&size| size.max(0) as usize).collect();
    let window = attributes.window(spatial(x)?, &kernel, Some(spatial(dy)?))?;
    let group = attributes.group.max(0) as usize;
    if group == 0 || !x[1].is_multiple_of(group) || !dy[1].is_multiple_of(group) || x[0] != dy[0] {
        return Err(format!("x is {x:?}, dy is {dy:?}, with {group} groups"));
    }
    Ok(Conv { images: x[0], channels: x[1], filters: dy[1], group, window })
}
