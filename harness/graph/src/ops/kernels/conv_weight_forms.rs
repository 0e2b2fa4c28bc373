//! ConvWeightGrad in standard operators: products of `dy` with what each tap of the window sees.
//!
//! Few large nodes: on the CPU training has kernels, and on a GPU every node waits for its launch.

use super::conv_weight_grad::read_shapes;
use super::{reduce, reshape};
use crate::ops::conv::Conv;
use crate::ops::window;
use crate::{Attrs, Error, Graph, Tensor, ValueId};
use std::ops::Range;

/// What some taps see has at most so many elements at once (256 MiB), or is that of one tap.
const MOST_SEEN: usize = 1 << 26;

/// Below so many elements an image, one large product is faster than one for each image.
const SMALL_IMAGE: usize = 64;

pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    let &[x, dy] = inputs else { unreachable!("shape inference has checked the inputs") };
    let conv = read_shapes(attrs, graph.shape(x), graph.shape(dy)).expect("shape inference has read it");
    Ok(vec![within(graph, conv, [x, dy], MOST_SEEN)?])
}

/// With at most so many elements of what is seen at once.
fn within(graph: &mut Graph, conv: Conv, [x, dy]: [ValueId; 2], most: usize) -> Result<ValueId, Error> {
    let form = Form { depth: conv.channels / conv.group, conv };
    let kernel = form.conv.axes.iter().map(|axis| axis.kernel);
    let shape: Vec<usize> = [form.conv.filters, form.depth].into_iter().chain(kernel).collect();
    let x = form.flat(graph, x)?;
    let (taps, at_once) = (form.taps(), form.taps_at_once(most));
    let mut parts = Vec::new();
    for first in (0..taps).step_by(at_once) {
        let part = first..taps.min(first + at_once);
        let count = part.len();
        let seen = form.seen(graph, x, part)?;
        let dw = form.product(graph, dy, seen, count)?;
        parts.push(reshape(graph, dw, &[form.conv.filters, form.depth, count])?);
    }
    let dw = if parts.len() == 1 { parts[0] } else { graph.add("Concat", &parts, Attrs::new().int("axis", 2))? };
    reshape(graph, dw, &shape)
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

    fn taps_at_once(&self, most: usize) -> usize {
        let of_one = self.conv.batch * self.conv.channels * self.windows();
        (most / of_one.max(1)).clamp(1, self.taps().max(1))
    }

    /// The padded image `[N, C, pixels]`.
    fn flat(&self, graph: &mut Graph, x: ValueId) -> Result<ValueId, Error> {
        let x = self.padded(graph, x)?;
        let pixels = graph.shape(x)[2..].iter().product();
        reshape(graph, x, &[self.conv.batch, self.conv.channels, pixels])
    }

    /// What some of the taps see of each channel of the padded image: `[N, C, taps · windows]`.
    fn seen(&self, graph: &mut Graph, x: ValueId, taps: Range<usize>) -> Result<ValueId, Error> {
        if self.conv.is_pointwise() {
            return Ok(x);
        }
        let windows = self.windows();
        let positions = &self.positions()[taps.start * windows..taps.end * windows];
        let positions = graph.constant("seen", Tensor::ints(positions.iter().map(|&at| at as i64)));
        graph.add("Gather", &[x, positions], Attrs::new().int("axis", 2))
    }

    /// Where each tap of each window lies in the padded image.
    fn positions(&self) -> Vec<usize> {
        let axes = &self.conv.axes;
        let mut positions = vec![0];
        let extend = |positions: &[usize], count: usize, place: &dyn Fn(usize, usize) -> usize| -> Vec<usize> {
            positions.iter().flat_map(|&at| (0..count).map(move |index| place(at, index))).collect()
        };
        let strides: Vec<usize> = (0..axes.len())
            .map(|axis| axes[axis + 1..].iter().map(|axis| axis.begin + axis.input + axis.end).product())
            .collect();
        for (axis, stride) in axes.iter().zip(&strides) {
            positions = extend(&positions, axis.kernel, &|at, tap| at + tap * axis.dilation * stride);
        }
        for (axis, stride) in axes.iter().zip(&strides) {
            positions = extend(&positions, axis.output, &|at, window| at + window * axis.stride * stride);
        }
        positions
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

    /// `Σ dy · seenᵀ` over images and windows: of `M · C/group · taps` elements, for as many taps as were seen.
    fn product(&self, graph: &mut Graph, dy: ValueId, seen: ValueId, taps: usize) -> Result<ValueId, Error> {
        let Conv { batch, group, filters, .. } = self.conv;
        let (windows, of_group) = (self.windows(), filters / group);
        let rows = self.depth * taps;
        let turned =
            |graph: &mut Graph, x, perm: &[i64]| graph.add("Transpose", &[x], Attrs::new().ints("perm", perm.to_vec()));
        if self.depth == 1 && of_group == 1 {
            let dy = reshape(graph, dy, &[batch, filters, 1, windows])?;
            let seen = reshape(graph, seen, &[batch, filters, taps, windows])?;
            let product = graph.add("Mul", &[dy, seen], Attrs::new())?;
            return reduce(graph, "ReduceSum", product, [0, 3]);
        }
        // The transposed gradient, so that what is seen, which is larger, is multiplied as it lies there.
        let dy = reshape(graph, dy, &[batch * group, of_group, windows])?;
        let dy = turned(graph, dy, &[0, 2, 1])?;
        if group == 1 && windows < SMALL_IMAGE.max(filters) {
            let seen = reshape(graph, seen, &[batch, rows, windows])?;
            let seen = turned(graph, seen, &[1, 0, 2])?;
            let seen = reshape(graph, seen, &[rows, batch * windows])?;
            let dy = reshape(graph, dy, &[batch * windows, filters])?;
            let product = graph.add("MatMul", &[seen, dy], Attrs::new())?;
            return turned(graph, product, &[1, 0]);
        }
        let dy = reshape(graph, dy, &[batch, group, windows, of_group])?;
        let seen = reshape(graph, seen, &[batch, group, rows, windows])?;
        let products = graph.add("MatMul", &[seen, dy], Attrs::new())?;
        let product = reduce(graph, "ReduceSum", products, [0])?;
        turned(graph, product, &[0, 2, 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Splitmix;
    use crate::{DType, Executor, Interpreter, ValueType};

    /// Whatever the number of taps at once, the sums are the same.
    #[test]
    fn taps_may_come_in_parts() {
        let cases = [([2, 4, 5, 6], [2, 6, 5, 6], 2), ([2, 3, 4, 4], [2, 3, 4, 4], 3), ([3, 2, 5, 5], [3, 4, 5, 5], 1)];
        for (x_shape, dy_shape, group) in cases {
            let attrs = Attrs::new().ints("kernel_shape", [3, 3]).ints("pads", [1, 1, 1, 1]).int("group", group);
            let run = |most: usize| {
                let mut graph = Graph::new("weights");
                let x = graph.input("x", ValueType::new(DType::F32, x_shape));
                let dy = graph.input("dy", ValueType::new(DType::F32, dy_shape));
                let conv = read_shapes(&attrs, graph.shape(x), graph.shape(dy)).unwrap();
                let dw = within(&mut graph, conv, [x, dy], most).unwrap();
                graph.set_outputs(vec![dw]);
                let mut random = Splitmix::new(7);
                let inputs = [random.tensor(&x_shape, -1.0, 1.0), random.tensor(&dy_shape, -1.0, 1.0)];
                (graph.nodes().len(), Interpreter.compile(&graph).unwrap().run(&inputs).unwrap().remove(0).to_f64())
            };
            let (nodes, whole) = run(usize::MAX);
            for taps in [1, 2, 4, 8] {
                let (more, parts) = run(taps * x_shape[..2].iter().product::<usize>() * dy_shape[2] * dy_shape[3]);
                assert!(more > nodes, "{taps} taps at once are not all");
                for (part, whole) in parts.iter().zip(&whole) {
                    assert!((part - whole).abs() < 1e-12, "group {group}, {taps} taps: {part} instead of {whole}");
                }
            }
        }
    }
}
