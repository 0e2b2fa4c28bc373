//! ConvWeightGrad in standard operators: products of `dy` with what each tap of the window sees.

use super::conv_weight_grad::{attrs_of, read_shapes};
use super::{reduce, reshape};
use crate::ops::conv::Conv;
use crate::ops::window;
use crate::{Attrs, Error, Graph, Tensor, ValueId};

/// Below so many elements an image, one large product is faster than one for each image.
const SMALL_IMAGE: usize = 64;
/// Up to so many channels, and for strides, the windows are laid out by a convolution with one-hot weights.
const FEW_CHANNELS: usize = 4;

/// The forms that were fastest on ONNX Runtime's CPU provider, layer by layer.
pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    let &[x, dy] = inputs else { unreachable!("shape inference has checked the inputs") };
    let conv = read_shapes(attrs, graph.shape(x), graph.shape(dy)).expect("shape inference has read it");
    let form = Form { depth: conv.channels / conv.group, conv };
    let kernel = form.conv.axes.iter().map(|axis| axis.kernel);
    let shape: Vec<usize> = [form.conv.filters, form.depth].into_iter().chain(kernel).collect();
    let strided = form.conv.axes.iter().any(|axis| axis.stride > 1);
    let dw = if form.taps() == 1 {
        let seen = form.seen(graph, x, 0)?;
        form.product(graph, dy, seen, 1)?
    } else if strided || form.conv.channels <= FEW_CHANNELS {
        let columns = form.columns(graph, x)?;
        form.product(graph, dy, columns, form.taps())?
    } else {
        form.tap_by_tap(graph, x, dy)?
    };
    Ok(vec![reshape(graph, dw, &shape)?])
}

struct Form {
    conv: Conv,
    /// Channels of a group.
    depth: usize,
}

impl Form {
    fn taps(&self) -> usize {
        window::volumes(&self.conv.axes).2
    }

    fn windows(&self) -> usize {
        window::volumes(&self.conv.axes).1
    }

    fn is_depthwise(&self) -> bool {
        self.depth == 1 && self.conv.filters == self.conv.channels
    }

    /// One product for each tap, put side by side.
    fn tap_by_tap(&self, graph: &mut Graph, x: ValueId, dy: ValueId) -> Result<ValueId, Error> {
        let x = self.padded(graph, x)?;
        let mut products = Vec::with_capacity(self.taps());
        for tap in 0..self.taps() {
            let seen = self.slice(graph, x, tap)?;
            let product = self.product(graph, dy, seen, 1)?;
            products.push(reshape(graph, product, &[self.conv.filters, self.depth, 1])?);
        }
        graph.add("Concat", &products, Attrs::new().int("axis", 2))
    }

    /// What one tap sees: `[N, C, …]` of the size of the output.
    fn seen(&self, graph: &mut Graph, x: ValueId, tap: usize) -> Result<ValueId, Error> {
        let x = self.padded(graph, x)?;
        self.slice(graph, x, tap)
    }

    fn padded(&self, graph: &mut Graph, x: ValueId) -> Result<ValueId, Error> {
        if self.conv.axes.iter().all(|axis| axis.begin + axis.end == 0) {
            return Ok(x);
        }
        let none = [0, 0];
        let begins = none.into_iter().chain(self.conv.axes.iter().map(|axis| axis.begin as i64));
        let ends = none.into_iter().chain(self.conv.axes.iter().map(|axis| axis.end as i64));
        let pads = graph.constant("pads", Tensor::ints(begins.chain(ends)));
        graph.add("Pad", &[x, pads], Attrs::new())
    }

    fn slice(&self, graph: &mut Graph, padded: ValueId, tap: usize) -> Result<ValueId, Error> {
        if self.conv.is_pointwise() {
            return Ok(padded);
        }
        let mut rest = tap;
        let mut starts = vec![0; self.conv.axes.len()];
        for (start, axis) in starts.iter_mut().zip(&self.conv.axes).rev() {
            *start = rest % axis.kernel * axis.dilation;
            rest /= axis.kernel;
        }
        let ends = starts.iter().zip(&self.conv.axes).map(|(start, axis)| start + (axis.output - 1) * axis.stride + 1);
        let ints = |values: Vec<usize>| Tensor::ints(values.into_iter().map(|value| value as i64));
        let lists = [
            ("starts", ints(starts.clone())),
            ("ends", ints(ends.collect())),
            ("axes", ints((2..2 + self.conv.axes.len()).collect())),
            ("steps", ints(self.conv.axes.iter().map(|axis| axis.stride).collect())),
        ];
        let lists = lists.map(|(name, list)| graph.constant(name, list));
        graph.add("Slice", &[padded, lists[0], lists[1], lists[2], lists[3]], Attrs::new())
    }

    /// Every window as a column, `[N, C · taps, …]`: a convolution with one-hot weights, which also pads and strides.
    fn columns(&self, graph: &mut Graph, x: ValueId) -> Result<ValueId, Error> {
        let (channels, taps, dtype) = (self.conv.channels, self.taps(), graph.value(x).dtype());
        let one_hot = (0..channels * taps * taps).map(|at| f64::from(u8::from(at % taps == at / taps % taps)));
        let kernel = self.conv.axes.iter().map(|axis| axis.kernel);
        let shape: Vec<usize> = [channels * taps, 1].into_iter().chain(kernel).collect();
        let one_hot = graph.constant("one_hot", Tensor::float(dtype, &shape, one_hot.collect()));
        graph.add("Conv", &[x, one_hot], attrs_of(&self.conv.axes, channels))
    }

    /// `Σ dy · seenᵀ` over images and windows, where `seen` has `taps` rows for each channel: `[M, C/group · taps]`.
    fn product(&self, graph: &mut Graph, dy: ValueId, seen: ValueId, taps: usize) -> Result<ValueId, Error> {
        let Conv { batch, group, filters, .. } = self.conv;
        let (windows, rows) = (self.windows(), self.depth * taps);
        let turned = |rank: i64| Attrs::new().ints("perm", (0..rank - 2).chain([rank - 1, rank - 2]));
        if self.is_depthwise() {
            let dy = reshape(graph, dy, &[batch, filters, 1, windows])?;
            let seen = reshape(graph, seen, &[batch, filters, taps, windows])?;
            let product = graph.add("Mul", &[dy, seen], Attrs::new())?;
            return reduce(graph, "ReduceSum", product, [0, 3]);
        }
        if group == 1 && windows < SMALL_IMAGE && taps == 1 {
            let dy = reshape(graph, dy, &[batch, filters, windows])?;
            let dy = graph.add("Transpose", &[dy], Attrs::new().ints("perm", [1, 0, 2]))?;
            let dy = reshape(graph, dy, &[filters, batch * windows])?;
            let seen = reshape(graph, seen, &[batch, rows, windows])?;
            let seen = graph.add("Transpose", &[seen], turned(3))?;
            let seen = reshape(graph, seen, &[batch * windows, rows])?;
            return graph.add("MatMul", &[dy, seen], Attrs::new());
        }
        let images = if group == 1 { vec![batch] } else { vec![batch, group] };
        let matrices = |rows: usize| [&images[..], &[rows, windows]].concat();
        let dy = reshape(graph, dy, &matrices(filters / group))?;
        let seen = reshape(graph, seen, &matrices(rows))?;
        let seen = graph.add("Transpose", &[seen], turned(images.len() as i64 + 2))?;
        let product = graph.add("MatMul", &[dy, seen], Attrs::new())?;
        reduce(graph, "ReduceSum", product, [0])
    }
}
