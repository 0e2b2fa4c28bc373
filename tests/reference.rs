//! Numbers that others published or measured, on data that are not part of the repository.
//!
//! The counts are those of onnxruntime 1.31.1 for Python on the first 1,000 test images of CIFAR-10.

use crate::Test;
use crate::scratch::{Scratch, ensure};
use libtest_mimic::Failed;

pub(crate) const TESTS: &[(&str, Test)] = &[("resnet8_on_1000_images", resnet8_on_1000_images)];

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
