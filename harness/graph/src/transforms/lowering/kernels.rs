use super::Lowering;
use crate::ops::kernels::expansion;
use crate::transforms::rewrite::Rewrite;
use crate::{Attr, Attrs, DType, Error, Graph, Node, ValueId};
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

/// A depthwise convolution whose weights are no constants, or its gradient, as an operator of our own: ONNX Runtime has
/// fast kernels for constant weights alone.
pub(super) fn lower(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    let (Some(x), Some(w)) = (lowering.input(node, 0), lowering.input(node, 1)) else { return Ok(None) };
    let depthwise = match node.op().name {
        "Conv" => "DepthwiseConv",
        "ConvTranspose" => "DepthwiseConvInputGrad",
        _ => return Ok(None),
    };
    let (weights, shape) = (lowering.old.value(w), lowering.old.shape(x));
    let plain =
        node.attrs().get_text("auto_pad", "NOTSET") == Ok("NOTSET") && node.attrs().get("output_shape").is_none();
    let grouped = shape.len() == 4
        && node.attrs().get_int("group", 1) == Ok(shape[1] as i64)
        && weights.shape()[..2] == [shape[1], 1];
    let alone = node.inputs().len() == 2 || node.op().name == "Conv";
    if weights.data().is_some() || weights.dtype() != DType::F32 || !plain || !grouped || !alone {
        return Ok(None);
    }
    let mut attrs = Attrs::new();
    for name in ["dilations", "pads", "strides"] {
        if let Some(list @ Attr::Ints(_)) = node.attrs().get(name) {
            attrs.set(name, list.clone());
        }
    }
    if depthwise == "DepthwiseConvInputGrad" {
        let size = &lowering.old.shape(node.outputs()[0])[2..];
        attrs = attrs.ints("input_shape", size.iter().map(|&size| size as i64));
    }
    let inputs = [lowering.rewrite.at(x), lowering.rewrite.at(w)];
    let y = lowering.add(depthwise, &inputs, attrs)?;
    let Some(bias) = lowering.input(node, 2) else { return Ok(Some(y)) };
    let bias = lowering.reshape(lowering.rewrite.at(bias), &[shape[1], 1, 1])?;
    lowering.add("Add", &[y, bias], Attrs::new()).map(Some)
}
