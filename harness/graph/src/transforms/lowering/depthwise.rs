use super::{BLOCK, Lowering, spread};
use crate::{Attrs, DType, Error, Node, Tensor, ValueId};

/// The gradient of a depthwise convolution with a stride, a ConvTranspose that ONNX Runtime computes channel by channel:
/// zeros are put between the elements, by a nearest Resize times a mask, and a depthwise convolution follows. That is
/// faster only where the convolution works on the blocks.
pub(super) fn lower(lowering: &mut Lowering<'_>, node: &Node) -> Result<Option<ValueId>, Error> {
    if node.op().name != "ConvTranspose" || node.inputs().len() != 2 {
        return Ok(None);
    }
    let Some((x, weights)) = lowering.input(node, 0).zip(lowering.input(node, 1)) else { return Ok(None) };
    let (x_shape, y_shape) = (lowering.old.shape(x), lowering.old.shape(node.outputs()[0]));
    let (Some(data), [_, channels, height, width]) = (lowering.old.value(weights).data(), x_shape) else {
        return Ok(None);
    };
    let ints = |name: &str, default: i64, len: usize| {
        let values = node.attrs().get_ints(name).ok().flatten();
        values.map_or_else(|| vec![default; len], <[i64]>::to_vec)
    };
    let (strides, pads) = (ints("strides", 1, 2), ints("pads", 0, 4));
    let plain = ints("dilations", 1, 2) == [1, 1] && node.attrs().get_text("auto_pad", "NOTSET") == Ok("NOTSET");
    let depthwise = node.attrs().get_int("group", 1) == Ok(*channels as i64) && data.shape()[1] == 1;
    if !plain || !depthwise || channels % BLOCK != 0 || strides == [1, 1] || data.dtype() != DType::F32 {
        return Ok(None);
    }
    // The zero-filled input has stride · size elements a side, zeros behind the last one included.
    let mut padding = [0; 4];
    for axis in 0..2 {
        let kernel = data.shape()[2 + axis] as i64;
        let filled = strides[axis] * x_shape[2 + axis] as i64;
        padding[axis] = kernel - 1 - pads[axis];
        padding[2 + axis] = y_shape[2 + axis] as i64 - filled + pads[axis];
    }
    if padding.iter().any(|&pad| pad < 0) {
        return Ok(None);
    }
    let flipped = flipped(data);
    let size = [height * strides[0] as usize, width * strides[1] as usize];
    let x = lowering.rewrite.at(x);
    let scales = Tensor::f32(&[4], [1.0, 1.0, strides[0] as f64, strides[1] as f64]);
    let repeated = spread::nearest(lowering, x, scales)?;
    let first = |at: usize| {
        (at / size[1]).is_multiple_of(strides[0] as usize) && (at % size[1]).is_multiple_of(strides[1] as usize)
    };
    let mask = Tensor::f32(&[1, 1, size[0], size[1]], (0..size[0] * size[1]).map(|at| f64::from(u8::from(first(at)))));
    let mask = lowering.rewrite.graph.constant("first_of_repeated", mask);
    let filled = lowering.add("Mul", &[repeated, mask], Attrs::new())?;
    let weights = lowering.rewrite.graph.constant("flipped", flipped);
    let attrs = Attrs::new().int("group", *channels as i64).ints("pads", padding);
    lowering.add("Conv", &[filled, weights], attrs).map(Some)
}

/// The taps of every channel in reverse order.
fn flipped(weights: &Tensor) -> Tensor {
    let taps: usize = weights.shape()[2..].iter().product();
    let reversed =
        weights.to_f64().chunks(taps.max(1)).flat_map(|taps| taps.iter().rev().copied().collect::<Vec<_>>()).collect();
    Tensor::float(weights.dtype(), weights.shape(), reversed)
}
