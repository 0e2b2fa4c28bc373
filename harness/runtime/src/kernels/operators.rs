//! The operators as ONNX Runtime sees them: attributes, shapes, and which loops run.

use super::dense::{self, Conv};
use super::depthwise;
use super::norm::{self, Batch};
use super::pool::Pool;
use super::simd::Level;
use super::window::{Axis, Window};

/// One operator of the domain. All tensors are f32.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Shapes of the outputs. It refuses what [`run`](Self::run) could not take.
    pub(super) shapes: fn(&Attributes, &[&[usize]]) -> Result<Vec<Vec<usize>>, String>,
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
        name: "BatchNormTrain",
        inputs: 3,
        outputs: 3,
        shapes: |_, shapes| statistics(shapes[0], &shapes[1..]),
        run: |run, outputs| {
            let [y, mean, var] = outputs else { return };
            let [x, scale, bias] = *run.inputs else { return };
            let batch = batch(run.shapes[0]);
            norm::forward(run.level, run.pool, &batch, run.attributes.epsilon, [x, scale, bias], y, mean, var);
        },
    },
    Entry {
        name: "BatchNormTrainGrad",
        inputs: 5,
        outputs: 3,
        shapes: |_, shapes| {
            if shapes[0] != shapes[1] {
                return Err(format!("dy is {:?}, x is {:?}", shapes[0], shapes[1]));
            }
            statistics(shapes[1], &shapes[2..])
        },
        run: |run, outputs| {
            let [dx, dscale, dbias] = outputs else { return };
            let [dy, x, scale, mean, var] = *run.inputs else { return };
            let (batch, epsilon) = (batch(run.shapes[1]), run.attributes.epsilon);
            norm::gradient(run.level, run.pool, &batch, epsilon, [dy, x, scale, mean, var], dx, dscale, dbias);
        },
    },
    Entry {
        name: "ConvWeightGrad",
        inputs: 2,
        outputs: 1,
        shapes: |attributes, shapes| {
            let conv = weight_gradient(attributes, shapes[0], shapes[1])?;
            let shape = [conv.filters, conv.channels / conv.group];
            Ok(vec![shape.into_iter().chain(attributes.kernel_shape.iter().map(|&size| size as usize)).collect()])
        },
        run: |run, outputs| {
            let (&mut [ref mut dw], &[x, dy]) = (outputs, run.inputs) else { return };
            let Ok(conv) = weight_gradient(run.attributes, run.shapes[0], run.shapes[1]) else { return };
            if conv.group == conv.channels && conv.group == conv.filters {
                depthwise::weight_gradient(run.level, run.pool, &conv.window, conv.channels, [x, dy], dw);
            } else {
                dense::weight_gradient(run.level, run.pool, &conv, x, dy, dw);
            }
        },
    },
    Entry {
        name: "DepthwiseConv",
        inputs: 2,
        outputs: 1,
        shapes: |attributes, shapes| {
            let window = attributes.window(spatial(shapes[0])?, spatial(shapes[1])?, None)?;
            depthwise_weights(shapes[0], shapes[1])?;
            Ok(vec![vec![shapes[0][0], shapes[0][1], window.rows.output, window.cols.output]])
        },
        run: |run, outputs| {
            let (&mut [ref mut y], &[x, w]) = (outputs, run.inputs) else { return };
            let Ok(window) = run.attributes.window(&run.shapes[0][2..], &run.shapes[1][2..], None) else { return };
            depthwise::forward(run.level, run.pool, &window, run.shapes[0][1], [x, w], y);
        },
    },
    Entry {
        name: "DepthwiseConvInputGrad",
        inputs: 2,
        outputs: 1,
        shapes: |attributes, shapes| {
            let input = attributes.input_shape()?;
            depthwise_weights(shapes[0], shapes[1])?;
            attributes.window(&input, spatial(shapes[1])?, Some(spatial(shapes[0])?))?;
            Ok(vec![[&shapes[0][..2], &input].concat()])
        },
        run: |run, outputs| {
            let (&mut [ref mut dx], &[dy, w]) = (outputs, run.inputs) else { return };
            let Ok(input) = run.attributes.input_shape() else { return };
            let Ok(window) = run.attributes.window(&input, &run.shapes[1][2..], None) else { return };
            depthwise::input_gradient(run.level, run.pool, &window, run.shapes[0][1], [dy, w], dx);
        },
    },
    Entry {
        name: "TrainConv",
        inputs: 2,
        outputs: 1,
        shapes: |attributes, shapes| {
            let conv = attributes.conv(shapes[0], shapes[1], None)?;
            Ok(vec![with_spatial(&[conv.images, conv.filters], shapes[0], |axis| axis.output, &conv.window)])
        },
        run: |run, outputs| {
            let (&mut [ref mut y], &[x, w]) = (outputs, run.inputs) else { return };
            let Ok(conv) = run.attributes.conv(run.shapes[0], run.shapes[1], None) else { return };
            dense::forward(run.level, run.pool, &conv, x, w, y);
        },
    },
    Entry {
        name: "TrainConvInputGrad",
        inputs: 2,
        outputs: 1,
        shapes: |attributes, shapes| {
            let conv = attributes.conv_of_gradient(shapes[0], shapes[1])?;
            Ok(vec![with_spatial(&[conv.images, conv.channels], shapes[0], |axis| axis.input, &conv.window)])
        },
        run: |run, outputs| {
            let (&mut [ref mut dx], &[dy, w]) = (outputs, run.inputs) else { return };
            let Ok(conv) = run.attributes.conv_of_gradient(run.shapes[0], run.shapes[1]) else { return };
            dense::input_gradient(run.level, run.pool, &conv, dy, w, dx);
        },
    },
];

/// A shape with the sizes of a window's axes behind `first`, as many as `like` has.
fn with_spatial(first: &[usize], like: &[usize], size: fn(&Axis) -> usize, window: &Window) -> Vec<usize> {
    let spatial = [size(&window.rows), size(&window.cols)];
    [first, &spatial[4 - like.len()..]].concat()
}

/// The attributes of all operators, empty where one has none.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    pub(super) kernel_shape: Vec<i64>,
    pub(super) strides: Vec<i64>,
    pub(super) dilations: Vec<i64>,
    pub(super) pads: Vec<i64>,
    pub(super) input_shape: Vec<i64>,
    pub(super) group: i64,
    pub(super) epsilon: f32,
}

impl Attributes {
    fn input_shape(&self) -> Result<Vec<usize>, String> {
        let sizes: Result<Vec<usize>, _> = self.input_shape.iter().map(|&size| usize::try_from(size)).collect();
        sizes.ok().filter(|sizes| !sizes.is_empty()).ok_or("`input_shape` must be there".to_owned())
    }

    /// The convolution of `x` by `w`, whose spatial output must be `output` if that is known.
    fn conv(&self, x: &[usize], w: &[usize], output: Option<&[usize]>) -> Result<Conv, String> {
        let window = self.window(spatial(x)?, spatial(w)?, output)?;
        let group = self.group.max(0) as usize;
        if group == 0 || x[1] != w[1] * group || !w[0].is_multiple_of(group) {
            return Err(format!("x is {x:?}, w is {w:?}, with {group} groups"));
        }
        Ok(Conv { images: x[0], channels: x[1], filters: w[0], group, window })
    }

    /// The convolution by `w` whose output `dy` is like.
    fn conv_of_gradient(&self, dy: &[usize], w: &[usize]) -> Result<Conv, String> {
        let input = self.input_shape()?;
        let (output, channels) = (spatial(dy)?, w.get(1).copied().unwrap_or(0) * self.group.max(0) as usize);
        if dy[1] != w[0] {
            return Err(format!("dy is {dy:?}, w is {w:?}"));
        }
        self.conv(&[&[dy[0], channels], &input[..]].concat(), w, Some(output))
    }

    /// The window of a convolution of `input` by `kernel`, whose output must be `output` if that is known.
    fn window(&self, input: &[usize], kernel: &[usize], output: Option<&[usize]>) -> Result<Window, String> {
        let axis = |index: usize| {
            let rank = input.len();
            let at = |list: &[i64], index: usize, default| list.get(index).copied().unwrap_or(default);
            let (begin, end) = (at(&self.pads, index, 0), at(&self.pads, rank + index, 0));
            let (stride, dilation) = (at(&self.strides, index, 1), at(&self.dilations, index, 1));
            let span = (kernel[index] as i64 - 1) * dilation + 1;
            let places = input[index] as i64 + begin + end - span;
            if stride < 1 || dilation < 1 || kernel[index] == 0 || places < 0 {
                return Err(format!("the window {self:?} does not fit an input of {input:?}"));
            }
            Ok(Axis {
                input: input[index],
                output: (places / stride) as usize + 1,
                kernel: kernel[index],
                stride: stride as usize,
                dilation: dilation as usize,
                begin: begin as isize,
            })
        };
        let one = Axis { input: 1, output: 1, kernel: 1, stride: 1, dilation: 1, begin: 0 };
        let window = match (input.len(), kernel.len()) {
            (1, 1) => Window { rows: one, cols: axis(0)? },
            (2, 2) => Window { rows: axis(0)?, cols: axis(1)? },
            _ => return Err(format!("one or two spatial axes, found {input:?} and a window of {kernel:?}")),
        };
        let found = [window.rows.output, window.cols.output];
        match output {
            Some(output) if output != &found[2 - input.len()..] => {
                Err(format!("the convolution's output is {found:?}, not {output:?}"))
            }
            _ => Ok(window),
        }
    }
}

fn spatial(shape: &[usize]) -> Result<&[usize], String> {
    shape.get(2..).ok_or_else(|| format!("expected [N, C, …], found {shape:?}"))
}

fn batch(shape: &[usize]) -> Batch {
    Batch { images: shape[0], channels: shape[1], plane: shape[2..].iter().product() }
}

fn statistics(x: &[usize], rest: &[&[usize]]) -> Result<Vec<Vec<usize>>, String> {
    let channels = *x.get(1).ok_or_else(|| format!("expected [N, C, …], found {x:?}"))?;
    match rest.iter().find(|shape| **shape != [channels]) {
        Some(shape) => Err(format!("expected [{channels}], found {shape:?}")),
        None => Ok(vec![x.to_vec(), vec![channels], vec![channels]]),
    }
}

fn depthwise_weights(x: &[usize], w: &[usize]) -> Result<(), String> {
    if x.len() == 4 && w.len() == 4 && w[..2] == [x[1], 1] {
        return Ok(());
    }
    Err(format!("expected [N, C, H, W] and weights [C, 1, kh, kw], found {x:?} and {w:?}"))
}

fn weight_gradient(attributes: &Attributes, x: &[usize], dy: &[usize]) -> Result<Conv, String> {
    let kernel: Vec<usize> = attributes.kernel_shape.iter().map(|&size| size.max(0) as usize).collect();
    let window = attributes.window(spatial(x)?, &kernel, Some(spatial(dy)?))?;
    let group = attributes.group.max(0) as usize;
    if group == 0 || x[1] % group != 0 || dy[1] % group != 0 || x[0] != dy[0] {
        return Err(format!("x is {x:?}, dy is {dy:?}, with {group} groups"));
    }
    Ok(Conv { images: x[0], channels: x[1], filters: dy[1], group, window })
}
