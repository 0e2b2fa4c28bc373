//! The other networks of MLPerf Tiny and a dense one: sounds of 12 words, two classes, an anomaly detector, flat input; float and int8.

use super::{Check, Context, Findings, named, number};
use anyhow::Result;
use graph::check::Splitmix;
use ndarray::{Array1, ArrayD, IxDyn};
use ndarray_npy::NpzWriter;
use serde_json::{Value, json};
use std::fs::File;

pub(super) const CHECK: Check = Check {
    id: "mlperf-tiny",
    claim: "attacks of every kind run on the keyword, visual-wake-word and anomaly networks of MLPerf Tiny and on a dense network",
    needs_data: true,
    run,
};

/// One of each kind: one step, ascents, boundaries, black boxes, noise, an ensemble.
const ATTACKS: [&str; 12] = [
    "fgsm",
    "mi-fgsm",
    "pgd-20",
    "cw-pgd",
    "apgd-ce",
    "apgd-t",
    "fab-t",
    "deepfool",
    "square",
    "nes",
    "uniform-noise",
    "ensemble-fast",
];

/// Those that take minutes on the larger networks.
const LONG: [&str; 4] = ["apgd-t", "fab-t", "square", "nes"];

/// A file, how it is registered, and where it is attacked.
struct Case {
    name: &'static str,
    file: &'static str,
    dataset: &'static str,
    options: &'static [&'static str],
    epsilon: &'static str,
}

const SOFTMAX: [&str; 2] = ["--output-kind", "softmax"];
const CASES: &[Case] = &[
    Case { name: "kws", file: "mlperf_tiny/kws_dscnn.onnx", dataset: "kws01", options: &SOFTMAX, epsilon: "2" },
    Case {
        name: "kws-int8",
        file: "mlperf_tiny/kws_dscnn_int8.onnx",
        dataset: "kws01",
        options: &["--output-kind", "softmax", "--scale", "0.5847029089927673", "--zero-point", "83"],
        epsilon: "2",
    },
    Case {
        name: "vww",
        file: "mlperf_tiny/vww_mobilenet_96.onnx",
        dataset: "noise",
        options: &["--output-kind", "softmax", "--layout", "NHWC"],
        epsilon: "4/255",
    },
    Case {
        name: "vww-int8",
        file: "mlperf_tiny/vww_mobilenet_96_int8.onnx",
        dataset: "noise",
        options: &[
            "--output-kind",
            "softmax",
            "--layout",
            "NHWC",
            "--scale",
            "0.003921568859368563",
            "--zero-point",
            "-128",
        ],
        epsilon: "4/255",
    },
    Case {
        name: "ad",
        file: "mlperf_tiny/ad01_autoencoder.onnx",
        dataset: "sounds",
        options: &["--output-kind", "score", "--threshold", "133"],
        epsilon: "0.5",
    },
    Case { name: "mlp", file: "verified/mnist_LPD_MLP_B_0.1.onnx", dataset: "mnist", options: &[], epsilon: "0.1" },
];

fn run(context: &Context) -> Result<Findings> {
    let mut findings = Findings::default();
    let samples = if context.small { 4 } else { 50 };
    let attacks: Vec<&str> = ATTACKS.into_iter().filter(|attack| !(context.small && LONG.contains(attack))).collect();
    random(context, "noise", &[96, 96, 3], samples, true)?;
    random(context, "sounds", &[640], samples, false)?;
    for case in CASES {
        let path = context.data(&format!("models/{}", case.file));
        let mut args = vec!["model", "add", path.to_str().expect("a UTF-8 path"), "--name", case.name];
        args.extend(["--dataset", case.dataset, "--licence", "none"]);
        args.extend(case.options);
        context.tinyassay(args)?;
        let Case { name, dataset, epsilon, .. } = case;
        let suite = format!(
            "version: 1\nname: {name}\ndataset: {{ name: {dataset}, split: test, samples: {samples} }}\nmodels: [{name}]\n\
             threat: {{ norm: linf, epsilon: {epsilon} }}\nattacks: [{}]\nseed: 0\n",
            attacks.join(", ")
        );
        let results = context.run_suite(name, &suite, &[])?;
        judge(case, &attacks, &results["models"][0], &mut findings)?;
    }
    Ok(findings)
}

/// Every attack ran and added up, and what is inconclusive is on record.
fn judge(case: &Case, attacks: &[&str], model: &Value, findings: &mut Findings) -> Result<()> {
    let name = case.name;
    let correct = number(model, "correct")?;
    findings.claim(correct > 0.0, || format!("{name}: no row is right, so nothing was attacked"));
    let mut table = serde_json::Map::new();
    for attack in attacks.iter().copied() {
        let result = named(&model["attacks"], attack)?;
        let [robust, attacked] = [number(result, "robust")?, number(result, "attacked")?];
        findings
            .claim(robust + attacked == correct, || format!("{name}, {attack}: {robust} and {attacked} of {correct}"));
        let outside = &result["flags"]["outside-ball"];
        findings
            .claim(outside.is_null(), || format!("{name}, {attack}: {outside} rows with proposals out of the ball"));
        table.insert(attack.to_owned(), json!([robust, result["found"], result["rejected"], result["inconclusive"]]));
    }
    findings.note(
        name,
        json!({ "epsilon_linf": case.epsilon, "rows": model["total"], "right": correct, "clean_auc": model["clean_auc"],
            "robust_found_rejected_inconclusive": table }),
    );
    Ok(())
}

/// Registers rows that are noise, with labels 0 and 1 in turns: pixels, or normal numbers times 20, as spectra in decibels spread.
fn random(context: &Context, name: &str, shape: &[usize], rows: usize, pixels: bool) -> Result<()> {
    let mut random = Splitmix::new(7);
    let shape: Vec<usize> = std::iter::once(rows).chain(shape.iter().copied()).collect();
    let count = shape.iter().product::<usize>();
    let file = format!("{name}.npz");
    let mut npz = NpzWriter::new(File::create(context.scratch.path().join(&file))?);
    if pixels {
        let x = (0..count).map(|_| random.uniform(0.0, 256.0) as u8).collect();
        npz.add_array("x", &ArrayD::from_shape_vec(IxDyn(&shape), x)?)?;
    } else {
        let normal = |random: &mut Splitmix| (0..12).map(|_| random.uniform(-0.5, 0.5)).sum::<f64>();
        let x = (0..count).map(|_| (20.0 * normal(&mut random)) as f32).collect();
        npz.add_array("x", &ArrayD::from_shape_vec(IxDyn(&shape), x)?)?;
    }
    npz.add_array("y", &(0..rows).map(|row| (row % 2) as i64).collect::<Array1<i64>>())?;
    npz.finish()?;
    let row = shape[1..].iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let layout: &[&str] = if pixels { &["--layout", "NHWC"] } else { &["--layout", "flat", "--raw"] };
    let mut args = vec!["data", "add", name, "--format", "npz", &file, "--shape", &row, "--classes", "a,b"];
    args.extend(layout);
    context.tinyassay(args).map(|_| ())
}
