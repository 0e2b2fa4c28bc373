//! ReLU and clipping, and the masks of their gradients, as operators of our own: each saves passes over the activations.

use super::Lowering;
use super::mask::{Interval, interval};
use crate::{Attrs, DType, Error, Node, ValueId};

/// A batch normalisation with the clipping that alone reads it, as one operator.
pub(super) fn norm(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    let Some(clip) = clipped(lowering, node) else { return Ok(None) };
    let inputs: Vec<Option<ValueId>> = node.inputs().iter().map(|id| id.map(|id| lowering.rewrite.at(id))).collect();
    let attrs = with_bounds(node.attrs(), clip.low, clip.high);
    let outputs = lowering.rewrite.graph.add_node("", "BatchNormClipTrain", &inputs, attrs, 3)?;
    (1..3).for_each(|index| lowering.rewrite.place(node.outputs()[index], outputs[index]));
    Ok(Some(outputs[0]))
}

/// What is clipped already.
pub(super) fn behind_norm(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    let Some(x) = lowering.input(node, 0) else { return Ok(None) };
    let fused = lowering.producer(x, "BatchNormTrain").and_then(|norm| clipped(lowering, norm));
    Ok(fused.filter(|clip| clip.value == node.outputs()[0]).map(|_| lowering.rewrite.at(x)))
}

/// The gradient of both.
pub(super) fn norm_gradient(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    let [Some(kept), Some(x), scale, mean, variance] = node.inputs()[..] else { return Ok(None) };
    if node.op().name != "BatchNormTrainGrad" || lowering.only_consumer(kept).is_none() {
        return Ok(None);
    }
    let Some((cotangent, masked)) = masked(lowering, kept) else { return Ok(None) };
    let same = |norm: &&Node| {
        let clip = clipped(lowering, norm);
        let statistics = [Some(norm.outputs()[1]), Some(norm.outputs()[2])] == [mean, variance];
        statistics && clip.is_some_and(|clip| clip.same(&masked))
    };
    let Some(norm) = mean.and_then(|mean| lowering.producer(mean, "BatchNormTrain")).filter(same) else {
        return Ok(None);
    };
    let bias = norm.inputs()[2];
    let inputs = [Some(cotangent), Some(x), scale, bias, mean, variance].map(|id| id.map(|id| lowering.rewrite.at(id)));
    let attrs = with_bounds(node.attrs(), masked.low, masked.high);
    let outputs = lowering.rewrite.graph.add_node("", "BatchNormClipTrainGrad", &inputs, attrs, 3)?;
    (1..3).for_each(|index| lowering.rewrite.place(node.outputs()[index], outputs[index]));
    Ok(Some(outputs[0]))
}

/// A product with a mask.
pub(super) fn gradient(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    let Some((cotangent, masked)) = masked(lowering, node.outputs()[0]) else { return Ok(None) };
    let inputs = [cotangent, masked.value].map(|id| lowering.rewrite.at(id));
    lowering.add("ClipGrad", &inputs, with_bounds(&Attrs::new(), masked.low, masked.high)).map(Some)
}

impl Interval {
    fn same(&self, other: &Interval) -> bool {
        (self.value, self.low, self.high) == (other.value, other.low, other.high)
    }
}

/// The clipped value and its bounds, where a batch normalisation is read by a ReLU or Clip alone.
fn clipped(lowering: &Lowering<'_>, norm: &Node) -> Option<Interval> {
    if norm.op().name != "BatchNormTrain" || lowering.old.value(norm.outputs()[0]).dtype() != DType::F32 {
        return None;
    }
    let clip = lowering.only_consumer(norm.outputs()[0])?;
    let value = clip.outputs()[0];
    let bound = |index: usize| match lowering.input(clip, index) {
        Some(_) => lowering.scalar(clip, index).map(Some),
        None => Some(None),
    };
    match clip.op().name {
        "Relu" => Some(Interval { value, low: Some(0.0), high: None }),
        "Clip" => Some(Interval { value, low: bound(1)?, high: bound(2)? }).filter(in_order),
        _ => None,
    }
}

fn in_order(interval: &Interval) -> bool {
    interval.low.zip(interval.high).is_none_or(|(low, high)| low <= high)
}

/// A value that is another times the mask of an interval, of which it is not the only use to be.
fn masked(lowering: &Lowering<'_>, product: ValueId) -> Option<(ValueId, Interval)> {
    let node = lowering.producer(product, "Mul")?;
    let (a, b) = (lowering.input(node, 0)?, lowering.input(node, 1)?);
    [(a, b), (b, a)].into_iter().find_map(|(cotangent, mask)| {
        let cast = lowering.producer(mask, "Cast").filter(|_| lowering.old.value(mask).is_mask())?;
        let interval = interval(lowering, lowering.input(cast, 0)?).filter(in_order)?;
        let [shape, of_mask] = [cotangent, interval.value].map(|id| lowering.old.value(id).ty());
        (shape == of_mask).then_some((cotangent, interval))
    })
}

fn with_bounds(attrs: &Attrs, low: Option<f64>, high: Option<f64>) -> Attrs {
    let bounds = [("low", low), ("high", high)].into_iter().filter_map(|(name, bound)| Some((name, bound?)));
    bounds.fold(attrs.clone(), |attrs, (name, bound)| attrs.float(name, bound as f32))
}
