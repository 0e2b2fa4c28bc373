//! Gradients of every float network at hand: the rules against central differences in f64, ONNX Runtime's float32
//! against the f64 gradient.

use super::{Check, Context, Findings};
use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use graph::check::{self, DirectionalCheck, ExecutorCheck, Splitmix};
use graph::{Executor, Graph, Head, Model, NoExternalData, Profile, Program, Tensor, gradient_graph};
use registry::Datasets;
use runtime::OrtExecutor;
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};

pub(super) const CHECK: Check = Check {
    id: "gradients",
    claim: "directional derivatives agree with central differences to 1e-6, ONNX Runtime's gradients with the f64 ones",
    needs_data: true,
    run,
};

/// Rows of one batch.
const ROWS: usize = 8;

/// Batches of random inputs for central differences: 32 rows.
const RANDOM_BATCHES: usize = 4;

/// Batches of images for ONNX Runtime's gradients: 400 rows.
const IMAGE_BATCHES: usize = 50;

fn run(context: &Context) -> Result<Findings> {
    let mut findings = Findings::default();
    for path in files(context)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = read(&path)?;
        if context.small && bytes.len() > 400_000 {
            continue;
        }
        let classifier = classifier(&bytes).with_context(|| path.display().to_string())?;
        let mut heads = serde_json::Map::new();
        for head in Head::ALL {
            let numbers = compare(context, &mut findings, &name, &classifier, *head)
                .with_context(|| format!("{name}: {head:?}"))?;
            heads.insert(format!("{head:?}"), numbers);
        }
        findings.note(&name, heads.into());
    }
    Ok(findings)
}

fn compare(
    context: &Context,
    findings: &mut Findings,
    name: &str,
    classifier: &Graph,
    head: Head,
) -> Result<serde_json::Value> {
    let built = gradient_graph(classifier, head)?;
    let mut random = Splitmix::new(1);
    let mut differences = DirectionalCheck::default();
    let shape = built.input().shape.clone();
    for _ in 0..if context.small { 1 } else { RANDOM_BATCHES } {
        let [low, high] = range(name);
        let x = random.tensor(&shape, low, high);
        let weights = check::head_weights(classifier, head, &x, &mut random)?;
        check::compare_differences(&mut differences, &built, &x, &weights, [low, high], &mut random)?;
    }
    let programs: Result<Vec<Box<dyn Program>>, graph::Error> =
        Profile::ALL.iter().map(|profile| OrtExecutor::default().compile(&profile.lower(&built.graph)?)).collect();
    let mut programs = programs?;
    let mut kernels = vec![ExecutorCheck::default(); programs.len()];
    let (inputs, source) = inputs(context, name, &shape, &mut random)?;
    for x in inputs {
        let weights = check::head_weights(classifier, head, &x, &mut random)?;
        for (check, program) in kernels.iter_mut().zip(&mut programs) {
            check::compare_executor(check, &built, program.as_mut(), &x, &weights)?;
        }
    }
    let label = format!("{name} {head:?}");
    let DirectionalCheck { rows, skipped, error } = differences;
    findings.claim(error <= 1e-6, || format!("{label}: relative error {error:.1e} against central differences"));
    findings.claim(rows > 0, || format!("{label}: every row is at a kink"));
    let mut numbers = json!({
        "random_rows": rows, "at_a_kink": skipped, "directional_error": error, "inputs": source,
        "rows": kernels[0].errors.len(),
    });
    for (check, profile) in kernels.iter().zip(Profile::ALL) {
        let label = format!("{label} {profile:?}");
        let (median, share) = (check.median(), check.share_within(1e-2));
        findings
            .claim(median <= 1e-5, || format!("{label}: median relative L2 of ONNX Runtime's gradient {median:.1e}"));
        let within = context.small || share >= 0.99;
        findings.claim(within, || format!("{label}: {:.1} % of {source} within 1e-2", 100.0 * share));
        numbers[format!("{profile:?}").to_lowercase()] = json!({ "median": median, "share_within_1e-2": share });
    }
    Ok(numbers)
}

/// What ONNX Runtime's gradients are compared on: images of the data set that the network is for, or random inputs.
fn inputs(
    context: &Context,
    name: &str,
    shape: &[usize],
    random: &mut Splitmix,
) -> Result<(Vec<Tensor>, &'static str)> {
    let batches = if context.small { 2 } else { IMAGE_BATCHES };
    let (dataset, scale, channels_last) = match name {
        name if name.contains("vww") || name.contains("ad01") => {
            let [low, high] = range(name);
            return Ok(((0..batches).map(|_| random.tensor(shape, low, high)).collect(), "random inputs"));
        }
        name if name.contains("kws") => ("kws01", 1.0, false),
        name if name.contains("cifar10") => ("cifar10", 255.0, shape.last() == Some(&3)),
        name if name.contains("cifar") => ("cifar10", 1.0, false),
        _ => ("mnist", 1.0, false),
    };
    let data = Datasets::open(context.data.clone(), "data").load(dataset, "test")?;
    let batches = (0..batches).map(|batch| {
        let x = data.rows(batch * ROWS..(batch + 1) * ROWS)?.x;
        let x: Vec<f64> = x.iter().map(|x| f64::from(x * scale)).collect();
        let x = if channels_last { to_channels_last(&x, 3) } else { x };
        Ok(Tensor::f32(shape, x))
    });
    Ok((batches.collect::<Result<_>>()?, dataset))
}

/// Rows of channel planes to rows of pixels.
fn to_channels_last(x: &[f64], channels: usize) -> Vec<f64> {
    let row = x.len() / ROWS;
    let plane = row / channels;
    (0..x.len()).map(|i| x[i / row * row + i % channels * plane + i % row / channels]).collect()
}

/// The logits of a file: batch norms folded, a final softmax cut.
fn classifier(bytes: &[u8]) -> Result<Graph> {
    let graph = Model::parse(bytes, &NoExternalData)?.graph(ROWS)?;
    Ok(graph::cut_softmax(&graph::fold_batch_norm(&graph)?)?.0)
}

/// Inputs of the size that the network was trained on.
fn range(name: &str) -> [f64; 2] {
    match name {
        name if name.contains("cifar10") || name.contains("vww") => [0.0, 255.0],
        name if name.contains("kws") => [-120.0, 25.0],
        name if name.contains("ad01") => [-40.0, 10.0],
        // Noise of full range leaves hardly any unit of this network active.
        name if name.contains("mnist-net") => [0.0, 0.2],
        _ => [0.0, 1.0],
    }
}

fn files(context: &Context) -> Result<Vec<PathBuf>> {
    let folders = ["models/mlperf_tiny", "models/verified", "vnncomp/mnist_fc/onnx", "vnncomp/oval21/onnx"]
        .map(|p| context.data(p));
    let mut files = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let name = path.to_string_lossy();
            if (name.ends_with(".onnx") || name.ends_with(".onnx.gz")) && !name.contains("int8") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    if path.extension().is_none_or(|extension| extension != "gz") {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain)?;
    Ok(plain)
}
