use super::Lowering;
use crate::{Attrs, DType, Error, Node, Tensor, ValueId};

/// A sum or mean over the last axes, as a product with a column: ONNX Runtime adds such elements in an order that depends
/// on where they lie in memory, so that a row's last bit would depend on its place in the batch.
pub(super) fn lower(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    let mean = match node.op().name {
        "ReduceSum" => false,
        "ReduceMean" => true,
        _ => return Ok(None),
    };
    let (Some(x), Some(axes)) = (lowering.input(node, 0), lowering.reduced(node)) else { return Ok(None) };
    let (shape, dtype) = (lowering.old.shape(x).to_vec(), lowering.old.value(x).dtype());
    let kept = shape.len() - axes.len().min(shape.len());
    let count: usize = shape[kept..].iter().product();
    // Without axes nothing or everything is summed; either way rows do not stay apart.
    if dtype != DType::F32 || axes.is_empty() || kept == 0 || count == 0 || !axes.iter().copied().eq(kept..shape.len())
    {
        return Ok(None);
    }
    let rows = shape[..kept].iter().product();
    let flat = lowering.reshape(lowering.rewrite.at(x), &[rows, count])?;
    let weight = if mean { 1.0 / count as f64 } else { 1.0 };
    let column = Tensor::f32(&[count, 1], vec![weight; count]).rounded();
    let column = lowering.rewrite.graph.constant("column", column);
    let sums = lowering.add("MatMul", &[flat, column], Attrs::new())?;
    lowering.reshape(sums, lowering.old.shape(node.outputs()[0])).map(Some)
}
