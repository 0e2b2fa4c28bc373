//! Operators of our own: steps of training that the standard operators can only spell out.
//!
//! No file may have them. Reverse mode and the training step write them, and [`Profile::lower`](crate::Profile::lower)
//! keeps them where kernels are registered with ONNX Runtime, or expands them into standard operators.

use super::conv::Conv;
use super::{Backward, Op};
use crate::reverse::pull_back;
use crate::{Attrs, Error, Graph, Tensor, ValueId};

mod batch_norm_clip_train;
mod batch_norm_clip_train_grad;
mod batch_norm_train;
mod batch_norm_train_grad;
mod clip_grad;
mod conv_weight_forms;
mod conv_weight_grad;
#[cfg(test)]
mod laws;
mod train_conv;
mod train_conv_input_grad;

pub(in crate::ops) use conv_weight_grad::{attrs_of, output_padding};

/// The domain of the operators in [`KERNELS`], version 1.
pub const DOMAIN: &str = "ai.tinyassay";

/// Every operator of [`DOMAIN`], in alphabetical order.
pub const KERNELS: &[&Op] = &[
    &batch_norm_clip_train::OP,
    &batch_norm_clip_train_grad::OP,
    &batch_norm_train::OP,
    &batch_norm_train_grad::OP,
    &clip_grad::OP,
    &conv_weight_grad::OP,
    &train_conv::OP,
    &train_conv_input_grad::OP,
];

/// Writes a call in standard operators and returns its outputs, all that there are.
///
/// Errors: those of building a graph.
pub(crate) type Expand = fn(&mut Graph, &Attrs, &[ValueId]) -> Result<Vec<ValueId>, Error>;

/// The operator of [`DOMAIN`] with this name.
pub(crate) fn find(name: &str) -> Option<&'static Op> {
    KERNELS.iter().find(|op| op.name == name).copied()
}

/// How an operator of [`DOMAIN`] is written in standard ones; `None` for any other.
pub(crate) fn expansion(op: &Op) -> Option<Expand> {
    match op.name {
        "BatchNormClipTrain" => Some(batch_norm_clip_train::expand),
        "BatchNormClipTrainGrad" => Some(batch_norm_clip_train_grad::expand),
        "BatchNormTrain" => Some(batch_norm_train::expand),
        "BatchNormTrainGrad" => Some(batch_norm_train_grad::expand),
        "ClipGrad" => Some(clip_grad::expand),
        "ConvWeightGrad" => Some(conv_weight_forms::expand),
        "TrainConv" => Some(train_conv::expand),
        "TrainConvInputGrad" => Some(train_conv_input_grad::expand),
        _ => None,
    }
}

/// The operator of our own that does what a Conv or ConvTranspose without bias does, and its attributes; `None` where there
/// is none.
///
/// Shapes: those of data, weights and result.
pub(crate) fn of_convolution(op: &Op, attrs: &Attrs, [x, w, y]: [&[usize]; 3]) -> Option<(&'static str, Attrs)> {
    let gradient = op.name == "ConvTranspose";
    let size = || y[2..].iter().map(|&size| size as i64);
    let conv = if !gradient {
        Conv::read(attrs, x, w).ok()?
    } else if ["auto_pad", "output_shape"].iter().all(|name| attrs.get(name).is_none()) {
        train_conv_input_grad::read_shapes(&attrs.clone().ints("input_shape", size()), x, w).ok()?
    } else {
        return None;
    };
    let mut attrs = attrs_of(&conv.axes, conv.group);
    attrs.remove("kernel_shape");
    Some(if gradient { ("TrainConvInputGrad", attrs.ints("input_shape", size())) } else { ("TrainConv", attrs) })
}

/// The gradient rule of a kernel whose expansion is differentiated in its place.
///
/// The expansion is differentiated in a graph of its own, where no input depends on another.
fn through_expansion(back: &mut Backward<'_>, expand: Expand) -> Result<Vec<Option<ValueId>>, Error> {
    let mut side = Graph::new("");
    let forward: Vec<ValueId> = (0..back.node.inputs().len()).map(|index| back.input(index)).collect();
    let feed = |side: &mut Graph, id: ValueId| side.input("in", back.graph.value(id).ty().clone());
    let inputs: Vec<ValueId> = forward.iter().map(|&id| feed(&mut side, id)).collect();
    let arrived: Vec<ValueId> = back.cotangents.iter().copied().flatten().collect();
    let cotangents: Vec<ValueId> = arrived.iter().map(|&id| feed(&mut side, id)).collect();
    let outputs = expand(&mut side, back.node.attrs(), &inputs)?;
    let reached = outputs.into_iter().zip(&back.cotangents).filter(|(_, cotangent)| cotangent.is_some());
    let seeds: Vec<(ValueId, ValueId)> = reached.map(|(output, _)| output).zip(cotangents).collect();
    let wrt: Vec<ValueId> = inputs.iter().zip(&back.wants).filter(|(_, wanted)| **wanted).map(|(&id, _)| id).collect();
    let gradients = pull_back(&mut side, &seeds, &wrt)?;
    let found: Vec<ValueId> = gradients.iter().copied().flatten().collect();
    side.set_outputs(found);
    let side = side.pruned().0;
    let placed = back.graph.append(&side, &[forward, arrived].concat())?;
    let mut found = side.outputs().iter().map(|id| placed[id]);
    let mut gradients = gradients.into_iter();
    let results = back.wants.clone().into_iter().enumerate().map(|(index, wanted)| {
        let gradient = wanted.then(|| gradients.next().flatten());
        gradient.map(|gradient| match gradient {
            Some(_) => found.next().expect("an output for each gradient"),
            None => zeros_like(back.graph, back.node.inputs()[index].expect("kernels have no optional inputs")),
        })
    });
    Ok(results.collect())
}

/// Zeros of the type of a value: the gradient to an input that the result does not depend on.
fn zeros_like(graph: &mut Graph, id: ValueId) -> ValueId {
    let ty = graph.value(id).ty().clone();
    graph.constant("zeros", Tensor::float(ty.dtype, &ty.shape, vec![0.0; ty.len()]))
}

/// Reshapes a value, unless it has the shape.
fn reshape(graph: &mut Graph, x: ValueId, shape: &[usize]) -> Result<ValueId, Error> {
    if graph.shape(x) == shape {
        return Ok(x);
    }
    let shape = graph.constant("shape", Tensor::ints(shape.iter().map(|&dim| dim as i64)));
    graph.add("Reshape", &[x, shape], Attrs::new())
}

/// Reduces a value over some axes, which go.
fn reduce(graph: &mut Graph, op: &str, x: ValueId, axes: impl IntoIterator<Item = usize>) -> Result<ValueId, Error> {
    let axes = graph.constant("axes", Tensor::ints(axes.into_iter().map(|axis| axis as i64)));
    graph.add(op, &[x, axes], Attrs::new().int("keepdims", 0))
}
