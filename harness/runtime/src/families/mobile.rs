//! Networks for phones: depthwise convolutions, gates, shuffles and fire modules.

use super::net::{Net, Window};
use graph::{Attrs, Graph, ValueId};

/// MobileNetV2: ReLU6 as Clip, inverted residuals, one with a stride of 2.
pub(super) fn mobilenet_v2() -> Graph {
    let (mut net, x) = Net::new(1, &[3, 9, 8]);
    let y = net.conv(x, 16, Window::of(3).stride(2));
    let y = net.relu6(y);
    let y = inverted_residual(&mut net, y, 16, Window::of(3));
    let y = inverted_residual(&mut net, y, 8, Window::of(3).stride(2));
    let y = net.conv(y, 16, Window::of(1));
    let y = net.relu6(y);
    let y = net.pooled_classes(y);
    net.end(y)
}

/// MNASNet and EfficientNet-lite: the same with kernels of 5, no ReLU6 in one half.
pub(super) fn mnasnet() -> Graph {
    let (mut net, x) = Net::new(2, &[3, 8, 8]);
    let y = net.conv(x, 8, Window::of(3));
    let y = net.relu(y);
    let y = net.depthwise(y, Window::of(5).stride(2));
    let y = net.relu(y);
    let y = inverted_residual(&mut net, y, 8, Window::of(5));
    let y = inverted_residual(&mut net, y, 16, Window::of(5).stride(2));
    let y = net.pooled_classes(y);
    net.end(y)
}

/// Expansion, depthwise convolution, projection; a residual where the shape stays.
fn inverted_residual(net: &mut Net, x: ValueId, to: usize, window: Window) -> ValueId {
    let from = net.shape(x)[1];
    let y = net.conv(x, 2 * from, Window::of(1));
    let y = net.relu6(y);
    let y = net.depthwise(y, window);
    let y = net.relu6(y);
    let y = net.conv(y, to, Window::of(1));
    if window.stride == 1 && from == to { net.op("Add", &[x, y]) } else { y }
}

/// MobileNetV3: HardSwish, and squeeze-and-excitation with a HardSigmoid.
pub(super) fn mobilenet_v3() -> Graph {
    let (mut net, x) = Net::new(3, &[3, 8, 9]);
    let y = net.conv(x, 16, Window::of(3).stride(2));
    let y = hard_swish(&mut net, y);
    let z = net.conv(y, 16, Window::of(1));
    let z = hard_swish(&mut net, z);
    let z = net.depthwise(z, Window::of(5));
    let z = excited(&mut net, z);
    let z = hard_swish(&mut net, z);
    let z = net.conv(z, 16, Window::of(1));
    let y = net.op("Add", &[y, z]);
    let axes = net.ints(&[2, 3]);
    let y = net.with("ReduceMean", &[y, axes], Attrs::new().int("keepdims", 0));
    let y = net.linear(y, 12);
    let y = hard_swish(&mut net, y);
    let y = net.classes(y);
    net.end(y)
}

fn hard_sigmoid(net: &mut Net, x: ValueId) -> ValueId {
    net.with("HardSigmoid", &[x], Attrs::new().float("alpha", 1.0 / 6.0).float("beta", 0.5))
}

fn hard_swish(net: &mut Net, x: ValueId) -> ValueId {
    let gate = hard_sigmoid(net, x);
    net.op("Mul", &[x, gate])
}

fn excited(net: &mut Net, x: ValueId) -> ValueId {
    let channels = net.shape(x)[1];
    let axes = net.ints(&[2, 3]);
    let y = net.with("ReduceMean", &[x, axes], Attrs::new().int("keepdims", 1));
    let y = net.conv(y, channels / 4, Window::of(1));
    let y = net.relu(y);
    let y = net.conv(y, channels, Window::of(1));
    let gate = hard_sigmoid(net, y);
    net.op("Mul", &[x, gate])
}

/// ShuffleNetV2: half of the channels pass, then both halves are shuffled.
pub(super) fn shufflenet_v2() -> Graph {
    let (mut net, x) = Net::new(4, &[3, 8, 8]);
    let y = net.conv(x, 8, Window::of(3).stride(2));
    let y = net.relu(y);
    let left = net.depthwise(y, Window::of(3).stride(2));
    let left = net.conv(left, 8, Window::of(1));
    let left = net.relu(left);
    let right = shuffle_branch(&mut net, y, Window::of(3).stride(2));
    let y = shuffled(&mut net, left, right);
    let sizes = net.ints(&[8, 8]);
    let halves = net.node("Split", &[Some(y), Some(sizes)], Attrs::new().int("axis", 1), 2);
    let right = shuffle_branch(&mut net, halves[1], Window::of(3));
    let y = shuffled(&mut net, halves[0], right);
    let axes = net.ints(&[2, 3]);
    let y = net.with("ReduceMean", &[y, axes], Attrs::new().int("keepdims", 0));
    let y = net.classes(y);
    net.end(y)
}

fn shuffle_branch(net: &mut Net, x: ValueId, window: Window) -> ValueId {
    let y = net.conv(x, 8, Window::of(1));
    let y = net.relu(y);
    let y = net.depthwise(y, window);
    let y = net.conv(y, 8, Window::of(1));
    net.relu(y)
}

fn shuffled(net: &mut Net, left: ValueId, right: ValueId) -> ValueId {
    let y = net.concat(&[left, right], 1);
    let [channels, height, width] = [1, 2, 3].map(|axis| net.shape(y)[axis] as i64);
    let y = net.reshape(y, &[-1, 2, channels / 2, height, width]);
    let y = net.transpose(y, &[0, 2, 1, 3, 4]);
    net.reshape(y, &[-1, channels, height, width])
}

/// SqueezeNet: fire modules, pools that round up, classes by a convolution.
pub(super) fn squeezenet() -> Graph {
    let (mut net, x) = Net::new(5, &[3, 12, 11]);
    let y = net.conv(x, 8, Window::of(3).stride(2));
    let mut y = net.relu(y);
    for _ in 0..2 {
        let window = Attrs::new().ints("kernel_shape", [3, 3]).ints("strides", [2, 2]).int("ceil_mode", 1);
        y = net.with("MaxPool", &[y], window);
        let squeezed = net.conv(y, 4, Window::of(1));
        let squeezed = net.relu(squeezed);
        let expanded = [1, 3].map(|kernel| {
            let y = net.conv(squeezed, 8, Window::of(kernel));
            net.relu(y)
        });
        y = net.concat(&expanded, 1);
    }
    let y = net.conv(y, super::CLASSES, Window::of(1));
    // Above 0, or the scores of dead classes would all be equal, which no gradient of an order of theirs survives.
    let one = net.scalar(1.0);
    let y = net.op("Add", &[y, one]);
    let y = net.relu(y);
    let y = net.op("GlobalAveragePool", &[y]);
    let y = net.with("Flatten", &[y], Attrs::new().int("axis", 1));
    net.end(y)
}
