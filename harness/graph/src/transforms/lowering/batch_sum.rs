use super::Lowering;
use crate::{Attrs, DType, Error, Node, Tensor, ValueId};

/// A sum or mean over the first axes, and maybe also the last ones, as products with a column and a row, as training sums
/// over the batch: under deterministic compute ONNX Runtime's CUDA provider leaves every reduction to cuDNN, which is slow
/// for these.
pub(super) fn lower(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    let mean = match node.op().name {
        "ReduceSum" => false,
        "ReduceMean" => true,
        _ => return Ok(None),
    };
    let (Some(x), Some(axes)) = (lowering.input(node, 0), lowering.reduced(node)) else { return Ok(None) };
    let (shape, dtype) = (lowering.old.shape(x).to_vec(), lowering.old.value(x).dtype());
    let first = axes.iter().enumerate().take_while(|(index, axis)| index == *axis).count();
    let last = shape.len() - (axes.len() - first).min(shape.len());
    let fits = first > 0 && first < last && axes[first..].iter().copied().eq(last..shape.len());
    if dtype != DType::F32 || !fits || shape.contains(&0) {
        return Ok(None);
    }
    let sizes = [&shape[..first], &shape[first..last], &shape[last..]].map(|axes| axes.iter().product::<usize>());
    let [rows, kept, columns] = sizes;
    let mut sums = lowering.rewrite.at(x);
    if columns > 1 {
        let flat = lowering.reshape(sums, &[rows * kept, columns])?;
        let column = lowering.rewrite.graph.constant("column", Tensor::f32(&[columns, 1], vec![1.0; columns]));
        sums = lowering.add("MatMul", &[flat, column], Attrs::new())?;
    }
    let flat = lowering.reshape(sums, &[rows, kept])?;
    let weight = if mean { 1.0 / (rows * columns) as f64 } else { 1.0 };
    let row = Tensor::f32(&[1, rows], vec![weight; rows]).rounded();
    let row = lowering.rewrite.graph.constant("row", row);
    let sums = lowering.add("MatMul", &[row, flat], Attrs::new())?;
    lowering.reshape(sums, lowering.old.shape(node.outputs()[0])).map(Some)
}
