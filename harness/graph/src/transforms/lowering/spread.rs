use super::{BLOCK, Lowering};
use crate::{Attrs, DType, Error, Node, Tensor, ValueId};

/// One number per channel, scaled and spread over the image, as the gradient of a global average pool is: an affine map
/// and a nearest Resize, both of which work on the blocks.
pub(super) fn lower(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    let Some(x) = lowering.input(node, 0).filter(|_| node.op().name == "Expand") else { return Ok(None) };
    let (from, to) = (lowering.old.shape(x).to_vec(), lowering.old.shape(node.outputs()[0]).to_vec());
    let ([n, channels, 1, 1], [m, _, height, width]) = (&from[..], &to[..]) else { return Ok(None) };
    if n != m || channels % BLOCK != 0 || height * width == 1 || lowering.old.value(x).dtype() != DType::F32 {
        return Ok(None);
    }
    let reshaped = lowering.producer(x, "Reshape").and_then(|reshape| lowering.input(reshape, 0)).unwrap_or(x);
    let (x, factor) = scaled(lowering, reshaped).unwrap_or((x, 1.0));
    let x = lowering.reshape(lowering.rewrite.at(x), &from)?;
    let scales = Tensor::f32(&[4], [1.0, 1.0, *height as f64, *width as f64]);
    let scaled = lowering.affine(x, factor, None)?;
    nearest(lowering, scaled, scales).map(Some)
}

/// What a product scales, and by how much.
fn scaled(lowering: &Lowering<'_>, product: ValueId) -> Option<(ValueId, f64)> {
    let node = lowering.producer(product, "Mul")?;
    let sides = [(0, 1), (1, 0)].map(|(x, factor)| lowering.input(node, x).zip(lowering.scalar(node, factor)));
    let same = |(x, _): &(ValueId, f64)| lowering.old.shape(*x) == lowering.old.shape(product);
    sides.into_iter().flatten().find(same)
}

/// Repeats every element so many times along each axis.
pub(super) fn nearest(lowering: &mut Lowering<'_>, x: ValueId, scales: Tensor) -> Result<ValueId, Error> {
    let scales = lowering.rewrite.graph.constant("scales", scales);
    let attrs = Attrs::new()
        .text("mode", "nearest")
        .text("coordinate_transformation_mode", "asymmetric")
        .text("nearest_mode", "floor");
    let inputs = [Some(x), None, Some(scales)];
    Ok(lowering.rewrite.graph.add_node("", "Resize", &inputs, attrs, 1)?[0])
}
