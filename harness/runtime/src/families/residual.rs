//! Networks whose layers see more than the one before: residuals, dense blocks, skips to an upsampled image.

use super::net::{Net, Window};
use graph::{Attrs, Graph, ValueId};

/// ResNet-8: batch norms that fold, a convolution on the way past a stride.
pub(super) fn resnet_8() -> Graph {
    let (mut net, x) = Net::new(11, &[3, 8, 8]);
    let y = net.conv(x, 4, Window::of(3));
    let y = net.batch_norm(y);
    let mut y = net.relu(y);
    for (to, stride) in [(4, 1), (8, 2), (16, 2)] {
        let z = net.conv(y, to, Window::of(3).stride(stride));
        let z = net.batch_norm(z);
        let z = net.relu(z);
        let z = net.conv(z, to, Window::of(3));
        let z = net.batch_norm(z);
        let past = if stride == 1 { y } else { net.conv(y, to, Window::of(1).stride(stride)) };
        let sum = net.op("Add", &[z, past]);
        y = net.relu(sum);
    }
    let y = net.pooled_classes(y);
    net.end(y)
}

/// RegNet: grouped convolutions between two of 1x1.
pub(super) fn regnet() -> Graph {
    let (mut net, x) = Net::new(12, &[3, 8, 8]);
    let y = net.conv(x, 8, Window::of(3).stride(2));
    let mut y = net.relu(y);
    for (to, stride) in [(16, 2), (16, 1)] {
        let z = net.conv(y, to, Window::of(1));
        let z = net.relu(z);
        let z = net.conv(z, to, Window::of(3).stride(stride).group(to / 4));
        let z = net.relu(z);
        let z = net.conv(z, to, Window::of(1));
        let past = if stride == 1 { y } else { net.conv(y, to, Window::of(1).stride(stride)) };
        let sum = net.op("Add", &[z, past]);
        y = net.relu(sum);
    }
    let y = net.pooled_classes(y);
    net.end(y)
}

/// DenseNet: batch norms in front of the layers, which nothing can fold, and everything concatenated.
pub(super) fn densenet() -> Graph {
    let (mut net, x) = Net::new(13, &[3, 8, 8]);
    let mut y = net.conv(x, 8, Window::of(3));
    for block in 0..2 {
        let mut parts = vec![y];
        for _ in 0..2 {
            let z = net.concat(&parts, 1);
            let z = normed_relu(&mut net, z);
            let z = net.conv(z, 8, Window::of(1));
            let z = normed_relu(&mut net, z);
            parts.push(net.conv(z, 4, Window::of(3)));
        }
        y = net.concat(&parts, 1);
        if block == 0 {
            let z = normed_relu(&mut net, y);
            let z = net.conv(z, 8, Window::of(1));
            y = net.pool("AveragePool", z, 2, 2);
        }
    }
    let y = normed_relu(&mut net, y);
    let y = net.pooled_classes(y);
    net.end(y)
}

fn normed_relu(net: &mut Net, x: ValueId) -> ValueId {
    let y = net.batch_norm(x);
    net.relu(y)
}

/// U-Net with classes in place of a mask: down twice, up by ConvTranspose, by nearest and by linear Resize, with skips.
pub(super) fn unet() -> Graph {
    let (mut net, x) = Net::new(14, &[3, 8, 8]);
    let fine = net.conv(x, 8, Window::of(3));
    let fine = net.relu(fine);
    let y = net.pool("MaxPool", fine, 2, 2);
    let middle = net.conv(y, 8, Window::of(3));
    let middle = net.relu(middle);
    let y = net.pool("MaxPool", middle, 2, 2);
    let y = net.conv(y, 16, Window::of(3));
    let y = net.relu(y);
    let weights = net.he(&[16, 8, 2, 2], 16);
    let window = Attrs::new().ints("kernel_shape", [2, 2]).ints("strides", [2, 2]);
    let up = net.with("ConvTranspose", &[y, weights], window);
    let y = net.concat(&[middle, up], 1);
    let y = net.conv(y, 8, Window::of(3));
    let y = net.relu(y);
    let nearest = Attrs::new().text("mode", "nearest").text("nearest_mode", "floor");
    let up = twice(&mut net, y, nearest.text("coordinate_transformation_mode", "asymmetric"));
    let linear = Attrs::new().text("mode", "linear").text("coordinate_transformation_mode", "half_pixel");
    let smooth = twice(&mut net, y, linear);
    let y = net.concat(&[fine, up, smooth], 1);
    let y = net.conv(y, 8, Window::of(3));
    let y = net.relu(y);
    let y = net.pooled_classes(y);
    net.end(y)
}

fn twice(net: &mut Net, x: ValueId, attrs: Attrs) -> ValueId {
    let scales = net.floats(&[1.0, 1.0, 2.0, 2.0]);
    net.node("Resize", &[Some(x), None, Some(scales)], attrs, 1)[0]
}
