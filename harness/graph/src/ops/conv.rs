//! Conv. Spec: <https://onnx.ai/onnx/operators/onnx__Conv.html>. Opsets: 1, 11, 22.

use super::batch_normalization::sum_over_channels;
use super::kernels::{attrs_of, output_padding};
use super::product::add_product;
use super::window::{self, Axis, Rounding};
use super::{Backward, Call, Op, Vjp, conv_cases, expect_float, unchanged};
use crate::{Attrs, Error, Tensor, ValueId, ValueType};

pub(super) const OP: Op = Op {
    name: "Conv",
    opsets: &[7, 11, 22],
    doc: "1-D and 2-D, groups, strides, dilations, every auto_pad (SAME without dilation); gradient to input, weights and bias",
    attrs: &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"],
    infer,
    eval,
    vjp: Vjp::Rule(vjp, &["Conv", "ConvTranspose", "ConvWeightGrad", "ReduceSum"]),
    macs,
    upgrade: unchanged,
    cases: conv_cases::cases,
};

/// The resolved sizes of one convolution.
pub(crate) struct Conv {
    pub(super) batch: usize,
    pub(crate) channels: usize,
    pub(crate) filters: usize,
    pub(crate) group: usize,
    pub(crate) axes: Vec<Axis>,
}

impl Conv {
    /// Errors: the shapes `[N, C, …]` and `[M, C/group, …]` and the attributes do not fit.
    pub(crate) fn read(attrs: &Attrs, x: &[usize], w: &[usize]) -> Result<Self, String> {
        let ([batch, channels, spatial @ ..], [filters, depth, kernel @ ..]) = (x, w) else {
            return Err(format!("expected input [N, C, …] and weights [M, C/group, …], found {x:?} and {w:?}"));
        };
        let group = window::sizes(attrs, "kernel_shape", 0, kernel.len(), 1).and_then(|shape| {
            match attrs.get("kernel_shape") {
                Some(_) if shape != kernel => Err(format!("kernel_shape is {shape:?}, the weights are {w:?}")),
                _ => attrs.get_int("group", 1),
            }
        })?;
        let group = usize::try_from(group).ok().filter(|&group| group > 0).ok_or("group must be positive")?;
        if depth.checked_mul(group) != Some(*channels) || filters % group != 0 {
            return Err(format!("input {x:?} and weights {w:?} do not fit with group {group}"));
        }
        let axes = window::read(attrs, spatial, kernel, Rounding::Floor)?;
        Ok(Self { batch: *batch, channels: *channels, filters: *filters, group, axes })
    }

    fn of(call: &Call<'_>) -> Result<Self, String> {
        Self::read(call.attrs, call.shape(0)?, call.shape(1)?)
    }

    /// `[N, M, …]`.
    pub(super) fn output(&self) -> Vec<usize> {
        [self.batch, self.filters].into_iter().chain(self.axes.iter().map(|axis| axis.output)).collect()
    }

    /// Multiply-accumulates, also those of its adjoints.
    pub(super) fn macs(&self) -> u64 {
        let taps = window::volumes(&self.axes).2;
        (self.output().iter().product::<usize>() * (self.channels / self.group) * taps) as u64
    }

    /// Whether the windows of one channel, laid out as columns, are the channel itself.
    pub(super) fn is_pointwise(&self) -> bool {
        self.axes.iter().all(|axis| axis.span() == 1 && axis.stride == 1 && axis.begin + axis.end == 0)
    }
}

fn infer(call: &Call<'_>) -> Result<Vec<ValueType>, String> {
    let dtype = expect_float(call, 0)?;
    let conv = Conv::of(call)?;
    if call.ty(1)?.dtype != dtype {
        return Err(format!("the input is {dtype}, the weights are {}", call.ty(1)?.dtype));
    }
    if call.has(2) && *call.ty(2)? != ValueType::new(dtype, [conv.filters]) {
        return Err(format!("the bias must be {dtype}[{}], found {:?}", conv.filters, call.shape(2)?));
    }
    Ok(vec![ValueType::new(dtype, conv.output())])
}

fn macs(call: &Call<'_>) -> u64 {
    Conv::of(call).map_or(0, |conv| conv.macs())
}

fn eval(call: &Call<'_>) -> Result<Vec<Tensor>, String> {
    let conv = Conv::of(call)?;
    let (x, w) = (call.tensor(0)?.floats()?, call.tensor(1)?.floats()?);
    let bias = if call.has(2) { Some(call.tensor(2)?.floats()?) } else { None };
    let (pixels, windows, taps) = window::volumes(&conv.axes);
    let (depth, filters) = (conv.channels / conv.group, conv.filters / conv.group);
    let shape = conv.output();
    let mut y = vec![0.0; shape.iter().product()];
    for index in 0..conv.batch * conv.group {
        let group = index % conv.group;
        let x = &x[index * depth * pixels..][..depth * pixels];
        let y = &mut y[index * filters * windows..][..filters * windows];
        let w = &w[group * filters * depth * taps..][..filters * depth * taps];
        if let Some(bias) = bias {
            let bias = &bias[group * filters..][..filters];
            y.chunks_mut(windows).zip(bias).for_each(|(y, bias)| y.fill(*bias));
        }
        if conv.is_pointwise() {
            add_product(filters, depth, windows, w, x, y);
        } else {
            add_product(filters, depth * taps, windows, w, &window::unfold(&conv.axes, depth, x), y);
        }
    }
    Ok(vec![Tensor::float(call.tensor(0)?.dtype(), &shape, y)])
}

fn vjp(back: &mut Backward<'_>) -> Result<Vec<Option<ValueId>>, Error> {
    let x = if back.wants[0] { Some(input_cotangent(back)?) } else { None };
    let weights = if back.wants[1] { Some(weight_cotangent(back)?) } else { None };
    let bias = if back.wants.get(2) == Some(&true) { Some(sum_over_channels(back, back.cotangent())?) } else { None };
    Ok(vec![x, weights, bias])
}

fn weight_cotangent(back: &mut Backward<'_>) -> Result<ValueId, Error> {
    let conv = back.ask(Conv::of)?;
    let (x, cotangent) = (back.input(0), back.cotangent());
    back.graph.add("ConvWeightGrad", &[x, cotangent], attrs_of(&conv.axes, conv.group))
}

fn input_cotangent(back: &mut Backward<'_>) -> Result<ValueId, Error> {
    let conv = Conv::read(back.node.attrs(), &back.shape(0), &back.shape(1))
        .expect("shape inference has read the same attributes");
    let weights = back.graph.value(back.input(1));
    let flips = conv.axes.iter().all(|axis| axis.stride == 1 && axis.begin.max(axis.end) < axis.span());
    // ONNX Runtime pads the channels of a convolution's output to 16: for a few channels ConvTranspose is faster.
    let few = conv.group == 1 && conv.channels <= 4;
    let attrs = Attrs::new()
        .ints("dilations", window::each(&conv.axes, |axis| axis.dilation))
        .int("group", conv.group as i64)
        .ints("kernel_shape", window::each(&conv.axes, |axis| axis.kernel));
    let cotangent = back.cotangent();
    match weights.data() {
        Some(data) if flips && !few => {
            let name = format!("{}_flipped", weights.name());
            let flipped = flipped(&conv, data).map_err(|reason| back.refuse(&reason))?;
            let weights = back.graph.constant(&name, flipped);
            let begins = conv.axes.iter().map(|axis| (axis.span() - 1 - axis.begin) as i64);
            let ends = conv.axes.iter().map(|axis| (axis.span() - 1 - axis.end) as i64);
            let attrs = attrs.ints("pads", begins.chain(ends));
            back.graph.add("Conv", &[cotangent, weights], attrs)
        }
        _ => {
            let attrs = attrs_of(&conv.axes, conv.group).ints("output_padding", output_padding(&conv.axes));
            let weights = back.input(1);
            back.graph.add("ConvTranspose", &[cotangent, weights], attrs)
        }
    }
}

/// The weights of the convolution that is the adjoint of one with stride 1: in every group inputs and outputs change
/// places and the taps are reversed.
fn flipped(conv: &Conv, weights: &Tensor) -> Result<Tensor, String> {
    let w = weights.floats()?;
    let taps = window::volumes(&conv.axes).2;
    let (depth, filters) = (conv.channels / conv.group, conv.filters / conv.group);
    let mut result = Vec::with_capacity(w.len());
    for channel in 0..conv.channels {
        for filter in 0..filters {
            let from = ((channel / depth * filters + filter) * depth + channel % depth) * taps;
            result.extend(w[from..][..taps].iter().rev());
        }
    }
    let shape: Vec<usize> = [conv.channels, filters].into_iter().chain(weights.shape()[2..].iter().copied()).collect();
    Ok(Tensor::float(weights.dtype(), &shape, result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Splitmix;
    use crate::{DType, Graph, differentiate};

    fn conv(x: &[usize], w: &[usize], attrs: Attrs) -> Result<Graph, Error> {
        let mut graph = Graph::new("test");
        let x = graph.input("x", ValueType::new(DType::F32, x));
        let w = graph.constant("w", Splitmix::new(0).tensor(w, -1.0, 1.0));
        let y = graph.add("Conv", &[x, w], attrs)?;
        graph.set_outputs(vec![y]);
        Ok(graph)
    }

    /// The operator that computes the gradient.
    fn backward(x: &[usize], w: &[usize], attrs: Attrs) -> &'static str {
        let mut graph = conv(x, w, attrs).unwrap();
        let (x, y) = (graph.inputs()[0], graph.outputs()[0]);
        // A constant cotangent would fold away with the whole gradient.
        let square = graph.add("Mul", &[y, y], Attrs::new()).unwrap();
        let shape = graph.shape(y).to_vec();
        let ones = graph.constant("ones", Tensor::f32(&shape, vec![1.0; shape.iter().product()]));
        let gradient = differentiate(&mut graph, square, ones, &[x]).unwrap()[0];
        graph.producer(gradient).unwrap().op().name
    }

    #[test]
    fn gradients_use_the_faster_of_two_forms() {
        let same = || Attrs::new().ints("pads", [1, 1, 1, 1]);
        assert_eq!(backward(&[1, 16, 8, 8], &[16, 16, 3, 3], same()), "Conv");
        assert_eq!(backward(&[1, 16, 8, 8], &[16, 1, 3, 3], same().int("group", 16)), "Conv");
        assert_eq!(backward(&[1, 16, 8, 8], &[8, 16, 1, 1], Attrs::new()), "Conv");
        assert_eq!(backward(&[1, 3, 8, 8], &[16, 3, 3, 3], same()), "ConvTranspose");
        assert_eq!(backward(&[1, 16, 8, 8], &[16, 16, 3, 3], same().ints("strides", [2, 2])), "ConvTranspose");
    }

    #[test]
    fn contradictions_are_errors() {
        let plain = Attrs::new;
        for (x, w, attrs) in [
            (&[1, 3, 4, 4][..], &[2, 4, 3, 3][..], plain()),
            (&[1, 4, 4, 4], &[3, 2, 3, 3], plain().int("group", 2)),
            (&[1, 3, 4, 4], &[2, 3, 3, 3], plain().int("group", 0)),
            (&[1, 3, 4, 4], &[2, 3, 3, 3], plain().int("group", i64::MIN)),
            (&[1, 3, 4, 4], &[2, 3, 3, 3], plain().ints("kernel_shape", [3, 2])),
            (&[1, 3, 4, 4], &[2, 3, 3, 3], plain().ints("kernel_shape", [3])),
            (&[1, 3, 4, 4, 4], &[2, 3, 3, 3, 3], plain()),
            (&[1, 3, 4, 4], &[2, 3, 3], plain()),
            (&[1, 3], &[2, 3], plain()),
            (&[1, 3, 2, 2], &[2, 3, 3, 3], plain()),
        ] {
            assert!(conv(x, w, attrs.clone()).is_err(), "{x:?} {w:?} {attrs:?}");
        }
    }
}
