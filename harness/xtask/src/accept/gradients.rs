//! Gradients of every float network at hand: the rules against central differences in f64, ONNX Runtime's float32
//! against the f64 gradient.

use super::{Check, Context, Findings};
use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use graph::check::{GradientCheck, check_gradient};
use graph::{Graph, Head, Model, NoExternalData};
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

/// Rows of one batch; four batches make the 32 random inputs.
const ROWS: usize = 8;

fn run(context: &Context) -> Result<Findings> {
    let mut findings = Findings::default();
    for path in files(context)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = read(&path)?;
        if context.small && bytes.len() > 400_000 {
            continue;
        }
        let batches = if context.small { 1 } else { 4 };
        let classifier = classifier(&bytes).with_context(|| path.display().to_string())?;
        let mut heads = serde_json::Map::new();
        for head in Head::ALL {
            let check = check_gradient(&classifier, *head, &OrtExecutor::default(), range(&name), batches, 1)
                .with_context(|| format!("{name}: {head:?}"))?;
            heads.insert(format!("{head:?}"), report(&check));
            judge(&mut findings, &name, &check);
        }
        findings.note(&name, heads.into());
    }
    Ok(findings)
}

fn judge(findings: &mut Findings, name: &str, check: &GradientCheck) {
    let label = format!("{name} {:?}", check.head);
    let (error, median) = (check.directional_error, check.median_executor_error());
    findings.claim(error <= 1e-6, || format!("{label}: relative error {error:.1e} against central differences"));
    findings.claim(check.rows > 0, || format!("{label}: every row is at a kink"));
    findings.claim(median <= 1e-5, || format!("{label}: median relative L2 of ONNX Runtime's gradient {median:.1e}"));
    findings.claim(check.share_within(1e-2) >= 0.99, || {
        format!("{label}: {:.1} % of gradients within 1e-2", 100.0 * check.share_within(1e-2))
    });
}

fn report(check: &GradientCheck) -> serde_json::Value {
    json!({
        "rows": check.rows, "kinks": check.kinks, "directional_error": check.directional_error,
        "onnxruntime_median": check.median_executor_error(), "onnxruntime_share_within_1e-2": check.share_within(1e-2),
    })
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
