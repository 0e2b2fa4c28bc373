use crate::{Attrs, Error, Graph, Node, Tensor, ValueId};

/// What [`cut_softmax`] took away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftmaxCut {
    /// The name of the Softmax node.
    pub node: String,
    /// Whether the file quantizes the softmax after it.
    pub quantized: bool,
}

/// Replaces a final softmax over the classes by its input, the logits, as floats.
///
/// Recognises Softmax, then any of Identity, Dropout, Reshape, Flatten, Squeeze and Unsqueeze, QuantizeLinear and
/// DequantizeLinear. Where quantized logits end the graph without a softmax, only the quantizer goes, so that the output
/// is a float. Any other graph comes back as it is.
///
/// Shapes: the output keeps its shape `[N, …]`.
/// Errors: the graph has not exactly one output.
pub fn cut_softmax(graph: &Graph) -> Result<(Graph, Option<SoftmaxCut>), Error> {
    let &[output] = graph.outputs() else {
        let count = graph.outputs().len();
        return Err(Error::Graph(format!("cut the softmax: expected one output, found {count}")));
    };
    let ending = Ending::of(graph, output);
    let softmax = graph.producer(ending.from).filter(|node| node.op().name == "Softmax");
    let softmax = softmax.filter(|node| is_over_classes(graph, node));
    let Some(logits) = softmax.map_or(ending.before_quantizer, |node| node.inputs()[0]) else {
        return Ok((graph.clone(), None));
    };
    let mut cut = graph.clone();
    let shape = graph.shape(output).to_vec();
    let logits = if graph.shape(logits) == shape { logits } else { reshape(&mut cut, logits, &shape)? };
    cut.set_outputs(vec![logits]);
    let quantized = ending.before_quantizer.is_some();
    let report = softmax.map(|node| SoftmaxCut { node: node.name().to_owned(), quantized });
    Ok((cut.pruned().0, report))
}

fn reshape(graph: &mut Graph, x: ValueId, shape: &[usize]) -> Result<ValueId, Error> {
    let target = graph.constant("logits_shape", Tensor::ints(shape.iter().map(|&dim| dim as i64)));
    graph.add("Reshape", &[x, target], Attrs::new())
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
            let passes = ["Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "DequantizeLinear"];
            let Some(input) = node.inputs()[0].filter(|_| quantizes || passes.contains(&node.op().name)) else { break };
            if quantizes && graph.value(input).dtype().is_float() {
                ending.before_quantizer = Some(input);
            }
            ending.from = input;
        }
        ending
    }
}

/// Whether a softmax runs over everything but the batch: one distribution per row.
fn is_over_classes(graph: &Graph, softmax: &Node) -> bool {
    let shape = graph.shape(softmax.outputs()[0]);
    let axis = softmax.attrs().get_int("axis", -1).unwrap_or(-1);
    let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
    let others = shape.iter().enumerate().skip(1).filter(|&(index, _)| index as i64 != axis);
    axis > 0 && others.map(|(_, &dim)| dim).product::<usize>() == 1
}
