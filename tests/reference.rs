//! Numbers that others published or measured, on data that are not part of the repository.
//!
//! The counts are those of onnxruntime 1.31.1 for Python on the first 1,000 test images of CIFAR-10.

use crate::Test;
use crate::scratch::{Scratch, ensure};
use graph::{Graph, Model, NoExternalData, Node, Tensor};
use libtest_mimic::Failed;
use train::Architecture;
use train::zoo::{DsCnn, FcAutoencoder, MobilenetV1, Resnet8};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("resnet8_on_1000_images", resnet8_on_1000_images),
    ("the_zoo_has_the_layers_of_mlperf_tiny", the_zoo_has_the_layers_of_mlperf_tiny),
];

const SUITE: &str = "\
version: 1
name: clean
dataset: { name: cifar10, split: test, samples: 1000 }
models: [nchw, int8]
threat: { norm: linf, epsilon: 0 }
attacks: [{ fgsm: { name: none, loss: cross-entropy } }]
seed: 0
";

fn resnet8_on_1000_images() -> Result<(), Failed> {
    let data = std::path::PathBuf::from(std::env::var_os("TINYASSAY_DATA").ok_or("TINYASSAY_DATA is not set")?);
    let scratch = Scratch::new()?;
    let run = |args: &[&str]| -> Result<(), Failed> {
        let output = scratch.command(args).env("TINYASSAY_DATA", &data).output()?;
        crate::scratch::Ran::from(output).expect(0, &[])
    };
    let quantized = ["--scale", "1", "--zero-point", "-128"];
    for (name, file, layout, more) in [
        ("nchw", "resnet8_cifar10_nchw.onnx", "NCHW", [].as_slice()),
        ("int8", "resnet8_cifar10_int8.onnx", "NHWC", &quantized),
    ] {
        let path = data.join("models/mlperf_tiny").join(file);
        let mut args = vec!["model", "add", path.to_str().ok_or("a path that is not UTF-8")?, "--name", name];
        args.extend(["--dataset", "cifar10", "--output-kind", "softmax", "--layout", layout, "--range", "0", "255"]);
        args.extend(more);
        run(&args)?;
    }
    scratch.write("clean.yaml", SUITE)?;
    run(&["run", "clean.yaml", "--no-witnesses"])?;
    let results = scratch.json("reports/clean/results.json")?;
    for (index, correct) in [881, 877].into_iter().enumerate() {
        let model = &results["models"][index];
        ensure(
            model["correct"] == correct,
            format!("{}: {} correct, expected {correct}", model["name"], model["correct"]),
        )?;
    }
    Ok(())
}

fn the_zoo_has_the_layers_of_mlperf_tiny() -> Result<(), Failed> {
    let data = std::path::PathBuf::from(std::env::var_os("TINYASSAY_DATA").ok_or("TINYASSAY_DATA is not set")?);
    for (file, architecture) in [
        ("resnet8_cifar10_nchw.onnx", Architecture::Resnet8(Resnet8 { filters: 16 })),
        ("resnet_large_cifar10.onnx", Architecture::Resnet8(Resnet8 { filters: 40 })),
        ("kws_dscnn_nchw.onnx", Architecture::DsCnn(DsCnn {})),
        ("vww_mobilenet_96.onnx", Architecture::MobilenetV1(MobilenetV1 { width: 0.25 })),
        ("ad01_autoencoder.onnx", Architecture::FcAutoencoder(FcAutoencoder {})),
    ] {
        let bytes = std::fs::read(data.join("models/mlperf_tiny").join(file))?;
        let reference = Model::parse(&bytes, &NoExternalData)?.graph(1)?;
        let entry = architecture.entry();
        let ours = graph::fold_batch_norm(&architecture.build(entry.input, entry.outputs, 1, 0)?)?;
        let (expected, found) = (layers(&reference), layers(&ours));
        ensure(found == expected, format!("{file}: expected {expected:#?}, found {found:#?}"))?;
    }
    Ok(())
}

/// What a file computes, layer by layer, however its exporter writes dense layers, pools and folded batch normalisation.
fn layers(graph: &Graph) -> Vec<String> {
    graph.nodes().iter().filter_map(|node| layer(graph, node)).collect()
}

fn layer(graph: &Graph, node: &Node) -> Option<String> {
    let constant = |index: usize| node.inputs().get(index).copied().flatten().and_then(|id| graph.value(id).data());
    let shape = |tensor: Option<&Tensor>| tensor.map(|tensor| tensor.shape().to_vec());
    let input = graph.shape(node.inputs()[0]?);
    let output = graph.shape(node.outputs()[0]);
    match node.op().name {
        "Conv" => {
            let attr = |name: &str| node.attrs().get(name).cloned();
            let attrs = ["strides", "pads", "group"].map(attr);
            Some(format!("Conv {:?} {:?} {attrs:?}", shape(constant(1)), shape(constant(2))))
        }
        "Gemm" | "MatMul" => Some(format!("dense {} -> {}", input[1], output[1])),
        "AveragePool" | "GlobalAveragePool" => Some(format!("pool {input:?} -> {output:?}")),
        "Add" if constant(0).is_none() && constant(1).is_none() => Some(format!("add {output:?}")),
        "Relu" => Some(format!("relu {output:?}")),
        // Layout, biases and folded batch normalisation of dense layers, and the softmax at the end.
        "Add" | "Flatten" | "Mul" | "Reshape" | "Softmax" | "Transpose" => None,
        other => Some(format!("{other}, which no network of the zoo has")),
    }
}
