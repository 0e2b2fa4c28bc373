//! ConvWeightGrad in standard operators: products of `dy` with what each tap of the window sees.
//!
//! Few large nodes: on the CPU training has kernels, and on a GPU every node waits for its launch.

use super::conv_weight_grad::read_shapes;
use super::{reduce, reshape};
use crate::ops::conv::Conv;
use crate::ops::window;
use crate::{Attrs, Error, Graph, Tensor, ValueId};

/// Below so many elements an image, one large product is faster than one for each image.
const SMALL_IMAGE: usize = 64;

pub(super) fn expand(graph: &mut Graph, attrs: &Attrs, inputs: &[ValueId]) -> Result<Vec<ValueId>, Error> {
    let &[x, dy] = inputs else { unreachable!("shape inference has checked the inputs") };
    let conv = read_shapes(attrs, graph.shape(x), graph.shape(dy)).expect("shape inference has read it");
    let form = Form { depth: conv.channels / conv.group, conv };
    let kernel = form.conv.axes.iter().map(|axis| axis.kernel);
    let shape: Vec<usize> = [form.conv.filters, form.depth].into_iter().chain(kernel).collect();
    let seen = form.seen(graph, x)?;
    let dw = form.product(graph, dy, seen)?;
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

    /// What every tap sees of each channel: `[N, C, taps · windows]`.
    fn seen(&self, graph: &mut Graph, x: ValueId) -> Result<ValueId, Error> {
        let x = self.padded(graph, x)?;
        let pixels = graph.shape(x)[2..].iter().product();
        let x = reshape(graph, x, &[self.conv.batch, self.conv.channels, pixels])?;
        if self.conv.is_pointwise() {
            return Ok(x);
        }
        let positions = graph.constant("seen", Tensor::ints(self.positions().into_iter().map(|at| at as i64)));
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

    /// `Σ dy · seenᵀ` over images and windows: of `M · C/group · taps` elements.
    fn product(&self, graph: &mut Graph, dy: ValueId, seen: ValueId) -> Result<ValueId, Error> {
        let Conv { batch, group, filters, .. } = self.conv;
        let (windows, taps, of_group) = (self.windows(), self.taps(), filters / group);
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
