//! The models of the quickstart: linear classifiers on `signs32`, solved in closed form and written as ONNX.
//!
//! For a linear model the worst case in every L∞ ball is known exactly, so these models stay as an oracle.

use crate::ridge::{Linear, Sums};
use anyhow::{Context, Result, bail, ensure};
use graph::{Attrs, DType, Graph, Tensor, ValueType};
use registry::{
    Dataset, Datasets, Digest, ElementType, InputSpec, Layout, ModelManifest, OutputKind, OutputSpec, signs32, yaml,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A model of the quickstart.
struct Recipe {
    name: &'static str,
    penalty: f64,
    labels: Option<[usize; 10]>,
}

const RECIPES: [Recipe; 3] = [
    Recipe { name: "signs32-linear10", penalty: 100.0, labels: None },
    Recipe { name: "signs32-linear10-smooth", penalty: 3000.0, labels: None },
    Recipe { name: "signs32-linear2", penalty: 100.0, labels: Some(signs32::GROUPS) },
];

/// Writes `models/signs32-*`, or with `check` only compares: every byte must be the same.
///
/// Errors: a file can't be written; with `check`, a file is stale (all are named).
pub(crate) fn generate(check: bool) -> Result<()> {
    let datasets = Datasets::open(None, "data");
    let (train, test) = (datasets.load("signs32", "train")?, datasets.load("signs32", "test")?);
    let sums = Sums::new(&bytes(&train)?, train.row_len());
    let mut stale = Vec::new();
    let mut factor = None;
    let mut order: Vec<&Recipe> = RECIPES.iter().collect();
    order.sort_by(|a, b| a.penalty.total_cmp(&b.penalty));
    for recipe in order {
        if factor.as_ref().is_none_or(|(penalty, _)| *penalty != recipe.penalty) {
            factor = Some((recipe.penalty, sums.factor(recipe.penalty)));
        }
        let (_, factor) = factor.as_ref().expect("it was just set");
        let outputs = recipe.labels.map_or(train.classes.len(), |labels| labels.iter().max().map_or(0, |max| max + 1));
        let right = |class: usize| recipe.labels.map_or(class, |labels| labels[class]);
        let labels: Vec<usize> = train.labels().map(right).collect();
        let model = factor.solve(&labels, outputs);
        for (file, wanted) in files(recipe, &model, &train.shape)? {
            let path = Path::new("models").join(recipe.name).join(file);
            if fs::read(&path).is_ok_and(|found| found == wanted) {
                continue;
            }
            if check {
                stale.push(path.display().to_string());
                continue;
            }
            let folder = path.parent().context("a file has a folder")?;
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
            fs::write(&path, wanted).with_context(|| format!("write {}", path.display()))?;
            println!("wrote {}", path.display());
        }
        if !check {
            let correct = count_correct(&model, outputs, &test, right)?;
            println!("{}: {correct} of {} test pictures are right", recipe.name, test.len());
        }
    }
    if !stale.is_empty() {
        bail!("stale: {}; run `cargo xtask models` and commit", stale.join(", "));
    }
    Ok(())
}

/// All rows as bytes.
fn bytes(dataset: &Dataset) -> Result<Vec<u8>> {
    ensure!(dataset.domain.levels == Some(255), "pixels must be bytes");
    let rows = dataset.rows(0..dataset.len())?;
    Ok(rows.x.iter().map(|value| (value * 255.0).round() as u8).collect())
}

/// The files of one model: name and bytes.
fn files(recipe: &Recipe, model: &Linear, shape: &[usize]) -> Result<[(&'static str, Vec<u8>); 2]> {
    let onnx = onnx(model, shape)?;
    let input = InputSpec {
        name: "input".to_owned(),
        dtype: ElementType::Float32,
        layout: Layout::Nchw,
        shape: shape.to_vec(),
        range: Some([0.0, 1.0]),
        mean: None,
        std: None,
        scale: None,
        zero_point: None,
        units: None,
    };
    let output = OutputSpec {
        name: "logits".to_owned(),
        kind: OutputKind::Logits,
        classes: model.bias.len(),
        threshold: None,
        labels: recipe.labels.map(Vec::from),
    };
    let manifest = ModelManifest {
        name: recipe.name.to_owned(),
        files: BTreeMap::from([("model.onnx".to_owned(), Digest::of(&onnx))]),
        input,
        output,
        dataset: Some("signs32".to_owned()),
        licence: Some("Apache-2.0".to_owned()),
        provenance: Some(format!(
            "ridge regression on the training split of signs32, penalty {}, by `cargo xtask models`",
            recipe.penalty
        )),
        training: None,
    };
    manifest.check().map_err(anyhow::Error::msg)?;
    let text = format!("# Written by `cargo xtask models`.\n{}", yaml::to_string(recipe.name, &manifest)?);
    Ok([("model.onnx", onnx), ("manifest.yaml", text.into_bytes())])
}

fn onnx(model: &Linear, shape: &[usize]) -> Result<Vec<u8>> {
    let mut graph = Graph::new("linear");
    let batched: Vec<usize> = [1].iter().chain(shape).copied().collect();
    let input = graph.input("input", ValueType::new(DType::F32, batched));
    let (outputs, pixels) = (model.bias.len(), shape.iter().product());
    let weights = graph.constant("weights", Tensor::f32(&[outputs, pixels], model.weights.iter().copied()).rounded());
    let bias = graph.constant("bias", Tensor::f32(&[outputs], model.bias.iter().copied()).rounded());
    let row = graph.add("Flatten", &[input], Attrs::new().int("axis", 1))?;
    let logits = graph.add("Gemm", &[row, weights, bias], Attrs::new().int("transB", 1))?;
    graph.rename(logits, "logits");
    graph.set_outputs(vec![logits]);
    Ok(graph::encode_symbolic_batch(&graph))
}

fn count_correct(model: &Linear, outputs: usize, test: &Dataset, right: impl Fn(usize) -> usize) -> Result<usize> {
    let samples = test.rows(0..test.len())?;
    let rows = samples.x.chunks_exact(test.row_len());
    let correct = rows.zip(&samples.labels).filter(|(row, label)| {
        let score = |output: usize| {
            let weights = &model.weights[output * row.len()..(output + 1) * row.len()];
            weights.iter().zip(*row).map(|(weight, x)| weight * f64::from(*x)).sum::<f64>() + model.bias[output]
        };
        (0..outputs).max_by(|a, b| score(*a).total_cmp(&score(*b))) == Some(right(**label))
    });
    Ok(correct.count())
}
