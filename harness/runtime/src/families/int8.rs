//! A quantized network, as ONNX Runtime's static quantizer writes it.

use super::net::{CLASSES, ROWS};
use crate::handmade::{FLOAT, File, INT8, INT32, Ints, UINT8};
use graph::check::Splitmix;

/// The steps of the activations, in the order of the network.
const STEPS: [f32; 5] = [0.015_7, 0.021_3, 0.031_7, 0.041_9, 0.017_9];

/// Unsigned activations, signed weights with a scale for each channel, 32-bit biases: two convolutions, one of them
/// depthwise, a residual, pooling and a dense layer. Written by hand, as building a graph folds what is constant.
pub(super) fn qdq() -> Vec<u8> {
    let mut file = File::new().input("x", FLOAT, &["4", "3", "8", "8"]).output("out", FLOAT, &["4", "5"]);
    assert_eq!([ROWS, CLASSES], [4, 5], "the dimensions above are these");
    for (index, step) in STEPS.iter().enumerate() {
        // Behind a ReLU all are positive.
        let zero = if index == 0 { 128 } else { 0 };
        file = file.floats(&format!("step_{index}"), &[], &[*step]);
        file = file.integers(&format!("zero_{index}"), UINT8, &[], &[zero]);
    }
    let pads = ("pads", Ints::List(vec![1; 4]));
    file = activation(file, "x", 0);
    file =
        layer(file, "conv", ("real_0", STEPS[0]), &[8, 3, 3, 3], &[pads.clone(), ("strides", Ints::List(vec![2; 2]))]);
    file = activation(file.node("Relu", &["conv"], "relu"), "relu", 1);
    file = layer(file, "depthwise", ("real_1", STEPS[1]), &[8, 1, 3, 3], &[pads, ("group", Ints::One(8))]);
    file = activation(file.node("Relu", &["depthwise"], "relu_1"), "relu_1", 2);
    file = activation(file.node("Add", &["real_1", "real_2"], "sum"), "sum", 3);
    file = activation(file.node("GlobalAveragePool", &["real_3"], "mean"), "mean", 4);
    file = file.node("Flatten", &["real_4"], "flat");
    layer(file, "out", ("flat", STEPS[4]), &[CLASSES, 8], &[("transB", Ints::One(1))]).bytes()
}

/// Quantizes and dequantizes `from` into `real_INDEX`.
fn activation(file: File, from: &str, index: usize) -> File {
    let [step, zero, levels, real] = ["step", "zero", "levels", "real"].map(|name| format!("{name}_{index}"));
    let file = file.node("QuantizeLinear", &[from, &step, &zero], &levels);
    file.node("DequantizeLinear", &[&levels, &step, &zero], &real)
}

/// A Conv or a Gemm, with quantized weights and bias, of a value and its step.
fn layer(file: File, name: &str, (from, step): (&str, f32), shape: &[usize], attributes: &[(&str, Ints)]) -> File {
    let mut random = Splitmix::new(name.len() as u64);
    let (channels, inputs) = (shape[0], shape[1..].iter().product::<usize>());
    let largest = (6.0 / inputs as f64).sqrt();
    // Seven bits: with eight, products of unsigned and signed bytes saturate on processors without VNNI.
    let weights = random.tensor(shape, -64.0, 64.0).to_f64();
    let weights: Vec<i64> = weights.iter().map(|weight| weight.floor() as i64).collect();
    let scales: Vec<f32> = (0..channels).map(|_| (random.uniform(0.5, 1.0) * largest / 64.0) as f32).collect();
    let bias_scales: Vec<f32> = scales.iter().map(|scale| scale * step).collect();
    let biases: Vec<i64> =
        bias_scales.iter().map(|scale| (random.uniform(-0.5, 0.5) / f64::from(*scale)) as i64).collect();
    let named = |part: &str| format!("{name}_{part}");
    let [w, w_scale, w_zero, w_real] = ["w", "w_scale", "w_zero", "w_real"].map(named);
    let [b, b_scale, b_zero, b_real] = ["b", "b_scale", "b_zero", "b_real"].map(named);
    let file = file.integers(&w, INT8, shape, &weights).floats(&w_scale, &[channels], &scales);
    let file = file.integers(&w_zero, INT8, &[channels], &vec![0; channels]);
    let file = file.integers(&b, INT32, &[channels], &biases).floats(&b_scale, &[channels], &bias_scales);
    let file = file.integers(&b_zero, INT32, &[channels], &vec![0; channels]);
    let axis = || [("axis", Ints::One(0))];
    let file = file.node_with("DequantizeLinear", &[&w, &w_scale, &w_zero], &w_real, &axis());
    let file = file.node_with("DequantizeLinear", &[&b, &b_scale, &b_zero], &b_real, &axis());
    let op = if shape.len() == 2 { "Gemm" } else { "Conv" };
    file.node_with(op, &[from, &w_real, &b_real], name, attributes)
}
