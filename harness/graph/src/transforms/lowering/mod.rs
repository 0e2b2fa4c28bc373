//! Rewrites a graph for the provider that runs it. Each rule is a file and a line in [`PORTABLE`] or [`CPU`]; what was
//! measured for each, and what was tried and not kept, is in `harness/benches/README.md`.

use super::rewrite::Rewrite;
use crate::{Attrs, Error, Graph, Node, Tensor, ValueId};
use std::collections::HashMap;

mod batch_sum;
mod clip;
mod depthwise;
mod kernels;
mod mask;
mod mean;
mod spread;
mod sum;
mod symmetric;

/// Replaces a node by a faster form; `None` where the rule does not apply.
pub(crate) type Rule = fn(&mut Lowering<'_>, &Node) -> Result<Option<ValueId>, Error>;

/// For any provider.
pub(crate) const PORTABLE: &[Rule] = &[sum::lower, batch_sum::lower, symmetric::lower];

/// For ONNX Runtime's CPU provider.
pub(crate) const CPU: &[Rule] = &[mask::lower, depthwise::lower, mean::lower, spread::lower, sum::lower];

/// For ONNX Runtime's CPU provider with our own kernels, and weights that are no constants.
pub(crate) const CPU_TRAINING: &[Rule] =
    &[kernels::lower, clip::norm, clip::behind_norm, clip::norm_gradient, clip::gradient, sum::lower];

pub(crate) use kernels::expand;

/// ONNX Runtime lays channels out in blocks of 16 (8 without AVX-512); other numbers of channels are padded, and
/// depthwise convolutions then leave the blocks.
const BLOCK: usize = 16;

/// A graph half lowered.
pub(crate) struct Lowering<'a> {
    old: &'a Graph,
    producers: HashMap<ValueId, &'a Node>,
    /// The nodes that read a value, once for each time.
    consumers: HashMap<ValueId, Vec<&'a Node>>,
    rewrite: Rewrite<'a>,
}

/// Applies the first rule that fits to every node.
pub(crate) fn lower(graph: &Graph, rules: &[Rule]) -> Result<Graph, Error> {
    let outputs = graph.nodes().iter().flat_map(|node| node.outputs().iter().map(move |&id| (id, node)));
    let mut consumers: HashMap<ValueId, Vec<&Node>> = HashMap::new();
    for node in graph.nodes() {
        node.inputs().iter().flatten().for_each(|&id| consumers.entry(id).or_default().push(node));
    }
    let producers = outputs.collect();
    let mut lowering = Lowering { old: graph, producers, consumers, rewrite: Rewrite::new(graph) };
    for node in graph.nodes() {
        let mut replaced = None;
        for rule in rules {
            replaced = rule(&mut lowering, node)?;
            if replaced.is_some() {
                break;
            }
        }
        match replaced {
            Some(value) => lowering.rewrite.place(node.outputs()[0], value),
            None => lowering.rewrite.copy(node)?,
        }
    }
    Ok(lowering.rewrite.finish())
}

impl<'a> Lowering<'a> {
    /// The node that computes a value of the old graph, where it is this operator.
    fn producer(&self, id: ValueId, op: &str) -> Option<&'a Node> {
        self.producers.get(&id).copied().filter(|node| node.op().name == op)
    }

    /// The node that alone reads a value of the old graph; `None` where others do or it is an output.
    fn only_consumer(&self, id: ValueId) -> Option<&'a Node> {
        match self.consumers.get(&id).map(Vec::as_slice) {
            Some(&[node]) if !self.old.outputs().contains(&id) => Some(node),
            _ => None,
        }
    }

    /// An input of a node in the old graph.
    fn input(&self, node: &Node, index: usize) -> Option<ValueId> {
        node.inputs().get(index).copied().flatten()
    }

    /// The constant of one element that is an input of a node.
    fn scalar(&self, node: &Node, index: usize) -> Option<f64> {
        let data = self.old.value(self.input(node, index)?).data()?;
        if data.len() == 1 { data.floats().ok().map(|floats| floats[0]) } else { None }
    }

    /// The constant axes that a reduction sums over, in ascending order.
    fn reduced(&self, node: &Node) -> Option<Vec<usize>> {
        let rank = self.old.shape(self.input(node, 0)?).len() as i64;
        let axes = self.old.value(self.input(node, 1)?).data()?.integers().ok()?;
        let mut axes: Vec<usize> = axes.iter().map(|axis| axis.rem_euclid(rank.max(1)) as usize).collect();
        axes.sort_unstable();
        Some(axes)
    }

    /// Adds a Reshape, where the shape is another.
    fn reshape(&mut self, x: ValueId, shape: &[usize]) -> Result<ValueId, Error> {
        if self.rewrite.graph.shape(x) == shape {
            return Ok(x);
        }
        let shape = Tensor::ints(shape.iter().map(|&dim| dim as i64));
        let shape = self.rewrite.graph.constant("shape", shape);
        self.add("Reshape", &[x, shape], Attrs::new())
    }

    /// Adds a node.
    fn add(&mut self, op: &str, inputs: &[ValueId], attrs: Attrs) -> Result<ValueId, Error> {
        self.rewrite.graph.add(op, inputs, attrs)
    }

    /// Adds a depthwise 1x1 convolution `weight · x + bias` of `[N, C, H, W]`: an affine map that stays in the blocks.
    fn affine(&mut self, x: ValueId, weight: f64, bias: Option<f64>) -> Result<ValueId, Error> {
        let (channels, dtype) = (self.rewrite.graph.shape(x)[1], self.rewrite.graph.value(x).dtype());
        let filled = |shape: &[usize], value| Tensor::float(dtype, shape, vec![value; channels]).rounded();
        let mut inputs = vec![x, self.rewrite.graph.constant("factor", filled(&[channels, 1, 1, 1], weight))];
        if let Some(bias) = bias {
            inputs.push(self.rewrite.graph.constant("shift", filled(&[channels], bias)));
        }
        self.add("Conv", &inputs, Attrs::new().int("group", channels as i64))
    }
}

#[cfg(test)]
mod tests;
