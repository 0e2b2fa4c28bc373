use super::Lowering;
use crate::ops::kernels::{expansion, of_convolution};
use crate::transforms::rewrite::Rewrite;
use crate::{Attrs, DType, Error, Graph, Node, ValueId};
use std::borrow::Cow;

/// Writes every operator of our own in standard ones.
pub(crate) fn expand(graph: &Graph) -> Result<Cow<'_, Graph>, Error> {
    if graph.nodes().iter().all(|node| expansion(node.op()).is_none()) {
        return Ok(Cow::Borrowed(graph));
    }
    let mut rewrite = Rewrite::new(graph);
    for node in graph.nodes() {
        let Some(expand) = expansion(node.op()) else {
            rewrite.copy(node)?;
            continue;
        };
        let inputs: Vec<ValueId> = node.inputs().iter().flatten().map(|&id| rewrite.at(id)).collect();
        let outputs = expand(&mut rewrite.graph, node.attrs(), &inputs)?;
        node.outputs().iter().zip(outputs).for_each(|(&old, new)| rewrite.place(old, new));
    }
    Ok(Cow::Owned(rewrite.finish()))
}

/// A convolution whose weights are no constants, or its gradient, as an operator of our own: ONNX Runtime has fast kernels
/// for constant weights alone.
pub(super) fn lower(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    if !matches!(node.op().name, "Conv" | "ConvTranspose") {
        return Ok(None);
    }
    let (Some(x), Some(w)) = (lowering.input(node, 0), lowering.input(node, 1)) else { return Ok(None) };
    let weights = lowering.old.value(w);
    if weights.data().is_some() || weights.dtype() != DType::F32 {
        return Ok(None);
    }
    let y_shape = lowering.old.shape(node.outputs()[0]);
    let shapes = [lowering.old.shape(x), weights.shape(), y_shape];
    let Some((op, attrs)) = of_convolution(node.op(), node.attrs(), shapes) else { return Ok(None) };
    let (transposes, bias) = (node.op().name == "ConvTranspose", lowering.input(node, 2));
    let inputs = [Some(x), Some(w), bias.filter(|_| !transposes)].into_iter().flatten();
    let inputs: Vec<ValueId> = inputs.map(|id| lowering.rewrite.at(id)).collect();
    let y = lowering.add(op, &inputs, attrs)?;
    let Some(bias) = bias.filter(|_| transposes) else { return Ok(Some(y)) };
    let mut column = vec![1; y_shape.len() - 1];
    column[0] = y_shape[1];
    let bias = lowering.reshape(lowering.rewrite.at(bias), &column)?;
    lowering.add("Add", &[y, bias], Attrs::new()).map(Some)
}
