//! Autoencoders: what tells anomalies by the error of a reconstruction.

use super::net::{Net, ROWS, Window};
use crate::handmade::{File, INT8};
use graph::check::Splitmix;
use graph::{Attrs, DType, Graph, Quantize};
use ndarray::{Array2, Axis, stack};

/// About as large as the scores of these networks.
pub(super) const THRESHOLD: f32 = 1.25;

/// How the input of [`int8`] is quantized.
pub(super) const INPUT: Quantize = Quantize { scale: 0.015_7, zero_point: 3, dtype: DType::I8 };

/// The judge's scores of these logits.
pub(super) fn scores(logits: &Array2<f32>, threshold: f32) -> Array2<f32> {
    let score = logits.column(1).mapv(|excess| threshold * (2.0 * (1.0 + 2.0 * excess).powi(2) - 1.0));
    stack![Axis(1), Array2::from_elem((logits.nrows(), 1), threshold).column(0), score]
}

/// As the anomaly detector of MLPerf Tiny: dense layers with batch normalisation and a bottleneck.
pub(super) fn dense() -> Graph {
    let (mut net, x) = Net::new(81, &[33]);
    let mut y = x;
    for width in [16, 16, 5, 16] {
        y = net.linear(y, width);
        y = net.batch_norm(y);
        y = net.relu(y);
    }
    let y = net.linear(y, 33);
    net.end(y)
}

/// Convolutions down, a transposed convolution up, a sigmoid.
pub(super) fn convolutional() -> Graph {
    let (mut net, x) = Net::new(82, &[3, 8, 6]);
    let y = net.conv(x, 8, Window::of(3).stride(2));
    let y = net.relu(y);
    let y = net.conv(y, 4, Window::of(1));
    let y = net.relu(y);
    let weights = net.he(&[4, 3, 2, 2], 4);
    let y = net.with("ConvTranspose", &[y, weights], Attrs::new().ints("strides", [2, 2]));
    let y = net.op("Sigmoid", &[y]);
    net.end(y)
}

/// int8 from end to end, input and output too: two dense layers.
pub(super) fn int8() -> Vec<u8> {
    let (batch, width, narrow) = ("4", 24, 8);
    assert_eq!(ROWS, 4, "the batch is this");
    let row = width.to_string();
    let mut file = File::new().input("x", INT8, &[batch, &row]).output("out", INT8, &[batch, &row]);
    let steps = [("in", INPUT.scale, INPUT.zero_point), ("hidden", 0.021_3, -128), ("recon", 0.019_1, -5)];
    for (name, step, zero) in steps {
        file = file.floats(&format!("{name}_step"), &[], &[step]).integers(&format!("{name}_zero"), INT8, &[], &[zero]);
    }
    file = file.node("DequantizeLinear", &["x", "in_step", "in_zero"], "real");
    file = layer(file, "down", "real", width, narrow).node("Relu", &["down"], "relu");
    file = file.node("QuantizeLinear", &["relu", "hidden_step", "hidden_zero"], "levels");
    file = file.node("DequantizeLinear", &["levels", "hidden_step", "hidden_zero"], "hidden");
    file = layer(file, "up", "hidden", narrow, width);
    file.node("QuantizeLinear", &["up", "recon_step", "recon_zero"], "out").bytes()
}

fn layer(file: File, name: &str, input: &str, from: usize, to: usize) -> File {
    let largest = (6.0 / from as f64).sqrt();
    let weights = Splitmix::new(name.len() as u64).tensor(&[from, to], -128.0, 128.0).to_f64();
    let weights: Vec<i64> = weights.iter().map(|weight| weight.floor() as i64).collect();
    let [levels, step, zero, real] = ["levels", "step", "zero", "real"].map(|part| format!("{name}_{part}"));
    let file = file.integers(&levels, INT8, &[from, to], &weights).floats(&step, &[], &[(largest / 128.0) as f32]);
    let file = file.integers(&zero, INT8, &[], &[0]).node("DequantizeLinear", &[&levels, &step, &zero], &real);
    file.node("MatMul", &[input, &real], name)
}
