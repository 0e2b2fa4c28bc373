use super::Lowering;
use crate::{Attrs, Error, Node, ValueId};

/// The mean over both spatial axes, as newer exporters write it: GlobalAveragePool stays in the blocks.
pub(super) fn lower(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    let Some(x) = lowering.input(node, 0).filter(|_| node.op().name == "ReduceMean") else { return Ok(None) };
    if lowering.old.shape(x).len() != 4 || lowering.reduced(node).as_deref() != Some(&[2, 3]) {
        return Ok(None);
    }
    let x = lowering.rewrite.at(x);
    let mean = lowering.add("GlobalAveragePool", &[x], Attrs::new())?;
    lowering.reshape(mean, lowering.old.shape(node.outputs()[0])).map(Some)
}
