use super::{BLOCK, Lowering};
use crate::{Attrs, Error, Node, Tensor, ValueId};

/// One number per channel, scaled and spread over the image, as the gradient of a global average pool is: an affine map
/// and a nearest Resize, both of which work on the blocks.
pub(super) fn lower(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    let Some(scaled) = lowering.input(node, 0).filter(|_| node.op().name == "Expand") else { return Ok(None) };
    let Some(product) = lowering.producer(scaled, "Mul") else { return Ok(None) };
    let (from, to) = (lowering.old.shape(scaled), lowering.old.shape(node.outputs()[0]));
    let ([n, channels, 1, 1], [m, _, height, width]) = (from, to) else { return Ok(None) };
    if n != m || channels % BLOCK != 0 || height * width == 1 {
        return Ok(None);
    }
    let sides = [(0, 1), (1, 0)].map(|(x, factor)| lowering.input(product, x).zip(lowering.scalar(product, factor)));
    let Some((x, factor)) = sides.into_iter().flatten().find(|(x, _)| lowering.old.shape(*x) == from) else {
        return Ok(None);
    };
    let scales = Tensor::f32(&[4], [1.0, 1.0, *height as f64, *width as f64]);
    let x = lowering.rewrite.at(x);
    let scaled = lowering.affine(x, factor, None)?;
    nearest(lowering, scaled, scales).map(Some)
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
