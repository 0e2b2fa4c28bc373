use super::Lowering;
use crate::ops::{Symmetric, symmetric};
use crate::{Attrs, Error, Node, Tensor, ValueId};

/// A ConvTranspose whose pads differ, or may, as one with equal pads and a Slice: ONNX Runtime's CUDA provider takes no other.
pub(super) fn lower(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    if node.op().name != "ConvTranspose" {
        return Ok(None);
    }
    let Some([x, w]) = lowering.input(node, 0).zip(lowering.input(node, 1)).map(<[_; 2]>::from) else {
        return Ok(None);
    };
    let found = symmetric(node.attrs(), lowering.old.shape(x), lowering.old.shape(w));
    let Some(Symmetric { attrs, excess }) = found else { return Ok(None) };
    let inputs: Vec<ValueId> = node.inputs().iter().flatten().map(|&id| lowering.rewrite.at(id)).collect();
    let y = lowering.add("ConvTranspose", &inputs, attrs)?;
    let size = lowering.rewrite.graph.shape(y)[2..].to_vec();
    let cut = excess.iter().zip(size).enumerate().filter(|(_, (excess, _))| **excess != [0, 0]);
    let cut: Vec<[usize; 3]> = cut.map(|(axis, (&[begin, end], size))| [begin, size - end, axis + 2]).collect();
    if cut.is_empty() {
        return Ok(Some(y));
    }
    let list = |index: usize| Tensor::ints(cut.iter().map(|cut| cut[index] as i64));
    let lists = [("starts", 0), ("ends", 1), ("axes", 2)];
    let [starts, ends, axes] = lists.map(|(name, index)| lowering.rewrite.graph.constant(name, list(index)));
    lowering.add("Slice", &[y, starts, ends, axes], Attrs::new()).map(Some)
}
