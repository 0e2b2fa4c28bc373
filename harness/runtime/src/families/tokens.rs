//! Networks that normalise tokens, or channels as if they were tokens.

use super::net::{Net, ROWS, Window};
use graph::{Attrs, Graph, ValueId};

const WIDTH: usize = 16;
const HEADS: i64 = 2;

/// A vision transformer: patches, a class token, two blocks of attention and a dense pair.
pub(super) fn vit() -> Graph {
    let (mut net, x) = Net::new(21, &[3, 8, 8]);
    let weights = net.he(&[WIDTH, 3, 4, 4], 48);
    let y = net.with("Conv", &[x, weights], Attrs::new().ints("kernel_shape", [4, 4]).ints("strides", [4, 4]));
    let y = net.reshape(y, &[0, WIDTH as i64, -1]);
    let y = net.transpose(y, &[0, 2, 1]);
    let token = net.uniform(&[1, 1, WIDTH], -1.0, 1.0);
    let shape = net.ints(&[ROWS as i64, 1, WIDTH as i64]);
    let token = net.op("Expand", &[token, shape]);
    let y = net.concat(&[token, y], 1);
    let places = net.uniform(&[1, 5, WIDTH], -1.0, 1.0);
    let mut y = net.op("Add", &[y, places]);
    for _ in 0..2 {
        let z = net.layer_norm(y);
        let z = attention(&mut net, z);
        y = net.op("Add", &[y, z]);
        let z = net.layer_norm(y);
        let z = net.linear(z, 2 * WIDTH);
        let z = net.gelu(z);
        let z = net.linear(z, WIDTH);
        y = net.op("Add", &[y, z]);
    }
    let y = net.layer_norm(y);
    let first = net.ints(&[0]);
    let first = net.reshape(first, &[]);
    let y = net.with("Gather", &[y, first], Attrs::new().int("axis", 1));
    let y = net.classes(y);
    net.end(y)
}

/// Queries, keys and values from one dense layer.
fn attention(net: &mut Net, x: ValueId) -> ValueId {
    let depth = WIDTH as i64 / HEADS;
    let y = net.linear(x, 3 * WIDTH);
    let y = net.reshape(y, &[0, -1, 3, HEADS, depth]);
    let y = net.transpose(y, &[2, 0, 3, 1, 4]);
    let [queries, keys, values] = [0, 1, 2].map(|index| {
        let index = net.ints(&[index]);
        let index = net.reshape(index, &[]);
        net.with("Gather", &[y, index], Attrs::new().int("axis", 0))
    });
    let keys = net.transpose(keys, &[0, 1, 3, 2]);
    let scale = net.scalar((depth as f64).sqrt().recip());
    let queries = net.op("Mul", &[queries, scale]);
    let scores = net.op("MatMul", &[queries, keys]);
    let shares = net.with("Softmax", &[scores], Attrs::new().int("axis", -1));
    let y = net.op("MatMul", &[shares, values]);
    let y = net.transpose(y, &[0, 2, 1, 3]);
    let y = net.reshape(y, &[0, -1, WIDTH as i64]);
    net.linear(y, WIDTH)
}

/// ConvNeXt: kernels of 7, norms over channels that are moved to the end, a scale for every channel of a block.
pub(super) fn convnext() -> Graph {
    let (mut net, x) = Net::new(22, &[3, 8, 8]);
    let y = patches(&mut net, x, WIDTH);
    let y = channel_norm(&mut net, y);
    let y = convnext_block(&mut net, y);
    let y = channel_norm(&mut net, y);
    let y = patches(&mut net, y, WIDTH);
    let y = convnext_block(&mut net, y);
    let y = net.op("GlobalAveragePool", &[y]);
    let y = channel_norm(&mut net, y);
    let y = net.with("Flatten", &[y], Attrs::new().int("axis", 1));
    let y = net.classes(y);
    net.end(y)
}

fn patches(net: &mut Net, x: ValueId, to: usize) -> ValueId {
    let from = net.shape(x)[1];
    let weights = net.he(&[to, from, 2, 2], 4 * from);
    net.with("Conv", &[x, weights], Attrs::new().ints("kernel_shape", [2, 2]).ints("strides", [2, 2]))
}

fn channel_norm(net: &mut Net, x: ValueId) -> ValueId {
    let y = net.transpose(x, &[0, 2, 3, 1]);
    let y = net.layer_norm(y);
    net.transpose(y, &[0, 3, 1, 2])
}

fn convnext_block(net: &mut Net, x: ValueId) -> ValueId {
    let y = net.depthwise(x, Window::of(7));
    let y = net.transpose(y, &[0, 2, 3, 1]);
    let y = net.layer_norm(y);
    let y = net.linear(y, 2 * WIDTH);
    let y = net.gelu(y);
    let y = net.linear(y, WIDTH);
    let scale = net.uniform(&[WIDTH], 0.1, 1.0);
    let y = net.op("Mul", &[y, scale]);
    let y = net.transpose(y, &[0, 3, 1, 2]);
    net.op("Add", &[x, y])
}
