use crate::{Attrs, Error, Graph, Node, Tensor, ValueId};
use std::fmt;

/// What was taken away from the end of a classifier: a softmax or sigmoid, quantizers, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputCut {
    /// The operator and the name of the node that made probabilities, where there was one.
    pub node: Option<(&'static str, String)>,
    /// Whether quantizers went: before or after that node, or of logits that no such node follows.
    pub quantized: bool,
}

impl fmt::Display for OutputCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some((op, node)) => {
                let around = if self.quantized { " and the quantisation around it" } else { "" };
                write!(f, "{} `{node}`{around}", op.to_lowercase())
            }
            None => f.write_str("the quantisation of the output"),
        }
    }
}

/// The logits in front of a node `op` that ends the graph, as floats of the output's shape, and what is to be cut for them.
///
/// Recognises the node, then any of Identity, Dropout, Reshape, Flatten, Squeeze, Unsqueeze, Transpose that keeps the
/// order of elements, Cast between floats, QuantizeLinear and DequantizeLinear. Quantizers in front of the node, with
/// any of these between, go too. Where quantized logits end the graph without such a node, only the quantizers go.
/// `fits` says whether a node is one that makes probabilities of a row's classes.
///
/// Errors: the graph has not exactly one output.
pub(super) fn cut(
    graph: &mut Graph,
    op: &'static str,
    fits: impl Fn(&Graph, &Node) -> bool,
) -> Result<Option<(ValueId, OutputCut)>, Error> {
    let &[output] = graph.outputs() else {
        let (op, count) = (op.to_lowercase(), graph.outputs().len());
        return Err(Error::Graph(format!("cut the {op}: expected one output, found {count}")));
    };
    let ending = Ending::of(graph, output);
    let last = graph.producer(ending.from).filter(|node| node.op().name == op && fits(graph, node));
    let front = last.and_then(|node| node.inputs()[0]).map(|input| (input, Ending::of(graph, input)));
    let before_quantizer = front.as_ref().map_or(ending.before_quantizer, |(_, front)| front.before_quantizer);
    let Some(logits) = before_quantizer.or(front.as_ref().map(|&(input, _)| input)) else {
        return Ok(None);
    };
    let quantized = before_quantizer.or(ending.before_quantizer).is_some();
    let report = OutputCut { node: last.map(|node| (op, node.name().to_owned())), quantized };
    let (shape, dtype) = (graph.shape(output).to_vec(), graph.value(output).dtype());
    let logits = if graph.shape(logits) == shape { logits } else { reshape(graph, logits, &shape)? };
    let logits = match dtype.is_float() && dtype != graph.value(logits).dtype() {
        true => graph.add("Cast", &[logits], Attrs::new().int("to", dtype.onnx().into()))?,
        false => logits,
    };
    Ok(Some((logits, report)))
}

pub(super) fn reshape(graph: &mut Graph, x: ValueId, shape: &[usize]) -> Result<ValueId, Error> {
    let target = graph.constant("logits_shape", Tensor::ints(shape.iter().map(|&dim| dim as i64)));
    graph.add("Reshape", &[x, target], Attrs::new())
}

/// Scale and zero point of a final QuantizeLinear that has one of each: what an integer output stands for is
/// `(q - zero_point) * scale`.
pub fn output_scale(graph: &Graph) -> Option<(f32, i64)> {
    let &[mut output] = graph.outputs() else { return None };
    loop {
        let node = graph.producer(output)?;
        match node.op().name {
            "QuantizeLinear" => return scale_of(graph, node),
            "DequantizeLinear" => return None,
            _ => output = node.inputs()[0].filter(|&input| passes(graph, node, input))?,
        }
    }
}

fn scale_of(graph: &Graph, quantizer: &Node) -> Option<(f32, i64)> {
    let one = |index: usize| -> Option<Option<f64>> {
        let Some(id) = quantizer.inputs().get(index).copied().flatten() else { return Some(None) };
        match graph.value(id).data()?.to_f64()[..] {
            [value] => Some(Some(value)),
            _ => None,
        }
    };
    Some((one(1)?? as f32, one(2)?.unwrap_or(0.0) as i64))
}

/// The chain of nodes at the end of a graph that only move, quantize or dequantize.
struct Ending {
    /// Where the chain starts.
    from: ValueId,
    /// What the first quantizer of the chain takes, where it is a float.
    before_quantizer: Option<ValueId>,
}

impl Ending {
    fn of(graph: &Graph, output: ValueId) -> Self {
        let mut ending = Ending { from: output, before_quantizer: None };
        while let Some(node) = graph.producer(ending.from) {
            let quantizes = node.op().name == "QuantizeLinear";
            let Some(input) = node.inputs()[0].filter(|&input| quantizes || passes(graph, node, input)) else { break };
            if quantizes && graph.value(input).dtype().is_float() {
                ending.before_quantizer = Some(input);
            }
            ending.from = input;
        }
        ending
    }
}

/// Whether a node keeps the order of the elements, and what they mean.
fn passes(graph: &Graph, node: &Node, input: ValueId) -> bool {
    match node.op().name {
        "Identity" | "Dropout" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "DequantizeLinear" => true,
        "Cast" => [input, node.outputs()[0]].iter().all(|&id| graph.value(id).dtype().is_float()),
        "Transpose" => {
            let reversed: Vec<i64> = (0..graph.shape(input).len() as i64).rev().collect();
            let axes = node.attrs().get_ints("perm").ok().flatten().unwrap_or(&reversed);
            let moved: Vec<i64> = axes.iter().copied().filter(|&axis| graph.shape(input)[axis as usize] != 1).collect();
            axes.first() == Some(&0) && moved.is_sorted()
        }
        _ => false,
    }
}
