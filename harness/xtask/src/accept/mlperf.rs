//! The other networks of MLPerf Tiny, and a dense one: sounds of 12 words, two classes, an anomaly detector, float and int8.

use super::{Check, Context, Findings, named, number, percent};
use anyhow::Result;
use ndarray::{Array1, ArrayD, IxDyn};
use ndarray_npy::NpzWriter;
use serde_json::{Value, json};
use std::fs::File;
use std::ops::Range;

pub(super) const CHECK: Check = Check {
    id: "mlperf-tiny",
    claim: "the keyword, visual-wake-word and anomaly networks of MLPerf Tiny and a dense network run every kind of attack, float and int8",
    needs_data: true,
    run,
};

/// White boxes, the nearest, black boxes: one of each kind, and the ensemble for pull requests.
const ATTACKS: &str = "fgsm, pgd-20, cw-pgd, apgd-ce, apgd-t, fab-t, deepfool, mi-fgsm, square, nes, uniform-noise, ensemble-fast";

/// A file, how it is registered, and what it is attacked on.
struct Case {
    name: &'static str,
    file: &'static str,
    dataset: &'static str,
    options: &'static [&'static str],
    epsilon: &'static str,
}

const CASES: &[Case] = &[
    Case { name: "kws", file: "kws_dscnn.onnx", dataset: "kws01", options: &["--output-kind", "softmax"], epsilon: "2" },
    Case {
        name: "kws-int8",
        file: "kws_dscnn_int8.onnx",
        dataset: "kws01",
        options: &["--output-kind", "softmax"],
        epsilon: "2",
    },
    Case {
        name: "vww",
        file: "vww_mobilenet_96.onnx",
        dataset: "random-images",
        options: &["--output-kind", "softmax", "--layout", "NHWC"],
        epsilon: "1/255",
    },
    Case {
        name: "vww-int8",
        file: "vww_mobilenet_96_int8.onnx",
        dataset: "random-images",
        options: &["--output-kind", "softmax", "--layout", "NHWC"],
        epsilon: "1/255",
    },
    Case {
        name: "ad",
        file: "ad01_autoencoder.onnx",
        dataset: "random-sounds",
        options: &["--output-kind", "score", "--threshold", "10"],
        epsilon: "0.5",
    },
];

fn run(context: &Context) -> Result<Findings> {
    let mut findings = Findings::default();
    let samples = if context.small { 8 } else { 100 };
    add_random(context, "random-images", &[96, 96, 3], samples, "NHWC", &[])?;
    add_random(context, "random-sounds", &[640], samples, "flat", &["--raw"])?;
    for case in CASES {
        let path = context.data(&format!("models/mlperf_tiny/{}", case.file));
        let mut args = vec!["model", "add", path.to_str().expect("a UTF-8 path"), "--name", case.name];
        args.extend(["--dataset", case.dataset, "--licence", "Apache-2.0"]);
        args.extend(case.options);
        context.tinyassay(args)?;
    }
    Ok(findings)
}
