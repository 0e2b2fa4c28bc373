use super::Lowering;
use crate::{Attrs, Error, Node, Tensor, ValueId};

/// The mean over both spatial axes, as newer exporters write it: GlobalAveragePool stays in the blocks.
pub(super) fn lower(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    let Some(x) = lowering.input(node, 0).filter(|_| node.op().name == "ReduceMean") else { return Ok(None) };
    let axes = lowering.input(node, 1).and_then(|axes| lowering.old.value(axes).data()?.integers().ok());
    let rank = lowering.old.shape(x).len() as i64;
    let mut axes: Vec<i64> = axes.unwrap_or_default().iter().map(|axis| axis.rem_euclid(rank.max(1))).collect();
    axes.sort_unstable();
    if rank != 4 || axes != [2, 3] {
        return Ok(None);
    }
    let x = lowering.rewrite.at(x);
    let mean = lowering.add("GlobalAveragePool", &[x], Attrs::new())?;
    let shape = lowering.old.shape(node.outputs()[0]);
    if lowering.rewrite.graph.shape(mean) == shape {
        return Ok(Some(mean));
    }
    let shape = lowering.rewrite.graph.constant("shape", Tensor::ints(shape.iter().map(|&dim| dim as i64)));
    lowering.add("Reshape", &[mean, shape], Attrs::new()).map(Some)
}
