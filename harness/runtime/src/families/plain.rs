//! Networks whose layers are a line: sounds, Keras's layout, and a shelf of activations.

use super::net::{Net, Window};
use graph::{Attrs, Graph, ValueId};

/// A keyword net of one dimension: depthwise and pointwise convolutions over time.
pub(super) fn keywords() -> Graph {
    let (mut net, x) = Net::new(31, &[5, 33]);
    let y = net.conv(x, 16, Window::of(5).stride(2));
    let y = net.batch_norm(y);
    let mut y = net.relu(y);
    for stride in [1, 2] {
        let z = net.depthwise(y, Window::of(3).stride(stride));
        let z = net.relu(z);
        let z = net.conv(z, 16, Window::of(1));
        y = net.relu(z);
    }
    let y = net.pool("MaxPool", y, 2, 1);
    let y = net.pool("AveragePool", y, 4, 2);
    let y = net.with("Flatten", &[y], Attrs::new().int("axis", 1));
    let y = net.classes(y);
    net.end(y)
}

/// As tf2onnx writes Keras: channels last, every convolution between two Transposes, SAME padding, a softmax.
pub(super) fn keras() -> Graph {
    let (mut net, x) = Net::new(32, &[9, 8, 3]);
    let y = channels_last_conv(&mut net, x, 8, Attrs::new().text("auto_pad", "SAME_UPPER").ints("strides", [2, 2]));
    let pads = net.ints(&[0, 0, 0, 0, 0, 1, 1, 0]);
    let zero = net.scalar(0.0);
    let y = net.with("Pad", &[y, pads, zero], Attrs::new().text("mode", "constant"));
    let y = channels_last_conv(&mut net, y, 8, Attrs::new().text("auto_pad", "VALID").ints("strides", [2, 2]));
    let y = net.transpose(y, &[0, 3, 1, 2]);
    let same = Attrs::new().text("auto_pad", "SAME_UPPER").ints("kernel_shape", [2, 2]);
    let most = net.with("MaxPool", &[y], same.clone());
    let mean = net.with("AveragePool", &[y], same);
    let y = net.concat(&[most, mean], 1);
    let y = net.transpose(y, &[0, 2, 3, 1]);
    let axes = net.ints(&[1, 2]);
    let y = net.with("ReduceMean", &[y, axes], Attrs::new().int("keepdims", 0));
    let y = net.linear(y, super::CLASSES);
    let y = net.with("Softmax", &[y], Attrs::new().int("axis", -1));
    net.end(y)
}

/// A convolution of 3x3 in the other layout, with a bias of its own and a ReLU.
fn channels_last_conv(net: &mut Net, x: ValueId, to: usize, attrs: Attrs) -> ValueId {
    let from = net.shape(x)[3];
    let y = net.transpose(x, &[0, 3, 1, 2]);
    let weights = net.he(&[to, from, 3, 3], 9 * from);
    let y = net.with("Conv", &[y, weights], attrs.ints("kernel_shape", [3, 3]));
    let y = net.transpose(y, &[0, 2, 3, 1]);
    let bias = net.uniform(&[to], -0.5, 0.5);
    let y = net.op("Add", &[y, bias]);
    net.relu(y)
}

/// PRelu, Elu, Selu, Mish and Softplus, one behind each convolution.
pub(super) fn activations() -> Graph {
    let (mut net, x) = Net::new(33, &[3, 6, 6]);
    let y = net.conv(x, 8, Window::of(3));
    let slopes = net.uniform(&[8, 1, 1], -0.5, 0.5);
    let y = net.op("PRelu", &[y, slopes]);
    let y = net.conv(y, 8, Window::of(3));
    let y = net.with("Elu", &[y], Attrs::new().float("alpha", 0.7));
    let y = net.conv(y, 8, Window::of(3).stride(2));
    let y = net.op("Selu", &[y]);
    let y = net.conv(y, 8, Window::of(3));
    let gate = net.op("Softplus", &[y]);
    let gate = net.op("Tanh", &[gate]);
    let y = net.op("Mul", &[y, gate]);
    let y = net.conv(y, 8, Window::of(1));
    let y = net.op("Softplus", &[y]);
    let y = net.pooled_classes(y);
    net.end(y)
}
