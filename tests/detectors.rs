//! Detectors of anomalies: an autoencoder whose error against a threshold decides, on data whose every score is exact.

use crate::Test;
use crate::scratch::{Ran, Scratch, ensure};
use graph::{Attrs, DType, Graph, Tensor, ValueType};
use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("areas_and_accuracies_are_those_of_a_direct_computation", areas_and_accuracies_are_those_of_a_direct_computation),
    ("every_preset_attacks_a_detector", every_preset_attacks_a_detector),
    ("a_threshold_decides_and_is_in_the_keys", a_threshold_decides_and_is_in_the_keys),
    ("what_is_no_detector_is_refused_with_a_remedy", what_is_no_detector_is_refused_with_a_remedy),
];

/// Elements of a row: pairs, each of which is rebuilt as its mean.
const WIDTH: usize = 8;
/// Rows of the data set, every third of them anomalous.
const ROWS: usize = 300;
/// Scores above it are anomalous; some rows have exactly this one.
const THRESHOLD: f64 = 0.25;
/// How far an attack may move an element.
const EPSILON: f64 = 0.125;

const SUITE: &str = "\
version: 1
name: detectors
dataset: { name: pairs, split: test, samples: 300 }
models: [means]
threat: { norm: linf, epsilon: 1/8 }
attacks: [fgsm, pgd-20]
seed: 3
";

/// A row, and whether it is anomalous. Elements are multiples of 1/64, so that sums of their squares are exact.
type Row = ([f32; WIDTH], bool);

/// Pairs differ a little in normal rows and more in anomalous ones; the two kinds overlap, with many equal scores.
fn rows() -> Vec<Row> {
    let mut state = 11u32;
    let mut next = move |many: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) % many) as f32
    };
    let row = |row: usize| {
        let anomalous = row.is_multiple_of(3);
        let mut elements = [0.0; WIDTH];
        for pair in elements.chunks_mut(2) {
            let middle = (next(257) - 128.0) / 64.0;
            let apart = (1.0 + next(if anomalous { 100 } else { 60 })) / 64.0;
            // Pairs that are all 1 apart give exactly the threshold.
            let apart = if row % 50 == 7 { 1.0 } else { apart };
            let side = if next(2) == 0.0 { 1.0 } else { -1.0 };
            pair.copy_from_slice(&[middle + side * apart, middle]);
        }
        (elements, anomalous)
    };
    (0..ROWS).map(row).collect()
}

/// The mean squared error of a row whose pairs are `change`d: each element of a pair is half its difference off.
fn score(row: &[f32; WIDTH], change: impl Fn(f64) -> f64) -> f64 {
    let difference = |pair: &[f32]| change(f64::from((pair[0] - pair[1]).abs()));
    let squares = row.chunks(2).map(|pair| 2.0 * (difference(pair) / 2.0).powi(2));
    squares.sum::<f64>() / WIDTH as f64
}

/// The share of pairs of an anomalous and a normal row that are told apart, equal ones half.
fn area(scores: &[(f64, bool)]) -> f64 {
    let of = |wanted: bool| scores.iter().filter(move |(_, anomalous)| *anomalous == wanted).map(|(score, _)| *score);
    let pairs = of(true).flat_map(|a| of(false).map(move |b| (a, b)));
    let won: f64 = pairs.map(|(a, b)| f64::from(u8::from(a > b)) + 0.5 * f64::from(u8::from(a == b))).sum();
    won / (of(true).count() * of(false).count()) as f64
}

/// Whether a score is on the side of its row.
fn is_right((score, anomalous): (f64, bool)) -> bool {
    (score > THRESHOLD) == anomalous
}

/// The file: every element becomes the mean of its pair.
fn means() -> Result<Vec<u8>, Failed> {
    let mut graph = Graph::new("means");
    let x = graph.input("x", ValueType::new(DType::F32, [1, WIDTH]));
    let weight = |at: usize| if at / WIDTH / 2 == at % WIDTH / 2 { 0.5 } else { 0.0 };
    let weights = graph.constant("w", Tensor::f32(&[WIDTH, WIDTH], (0..WIDTH * WIDTH).map(weight)));
    let y = graph.add("MatMul", &[x, weights], Attrs::new())?;
    graph.rename(y, "reconstruction");
    graph.set_outputs(vec![y]);
    Ok(graph::encode_symbolic_batch(&graph))
}

/// The data set `pairs`, the file `means.onnx`, and a suite.
fn prepared() -> Result<Scratch, Failed> {
    let scratch = Scratch::new()?;
    let rows = rows();
    let x: Vec<f32> = rows.iter().flat_map(|(elements, _)| *elements).collect();
    let y: ndarray::Array1<i64> = rows.iter().map(|(_, anomalous)| i64::from(*anomalous)).collect();
    let mut writer = ndarray_npy::NpzWriter::new_compressed(std::fs::File::create(scratch.path("pairs.npz"))?);
    writer.add_array("x", &ndarray::Array2::from_shape_vec((ROWS, WIDTH), x)?)?;
    writer.add_array("y", &y)?;
    writer.finish()?;
    let data = ["data", "add", "pairs", "--format", "npz", "--shape", "8", "--layout", "flat", "--raw"];
    scratch.run(data.iter().chain(&["--classes", "normal,anomalous", "pairs.npz"]))?.expect(0, &[])?;
    scratch.write("means.onnx", means()?)?;
    scratch.write("detectors.yaml", SUITE)?;
    Ok(scratch)
}

fn add(scratch: &Scratch, options: &[&str]) -> Result<Ran, Failed> {
    scratch.run(["model", "add", "means.onnx", "--dataset", "pairs"].iter().chain(options))
}

fn detector() -> Result<Scratch, Failed> {
    let scratch = prepared()?;
    add(&scratch, &["--output-kind", "score", "--threshold", "0.25"])?.expect(0, &["registered means"])?;
    Ok(scratch)
}

fn run(scratch: &Scratch) -> Result<(Value, Ran), Failed> {
    let ran = scratch.run(["run", "detectors.yaml", "--out", "out"])?;
    ran.expect(0, &["report: out"])?;
    Ok((scratch.json("out/results.json")?["models"][0].clone(), ran))
}

fn number(value: &Value, field: &str) -> Result<f64, Failed> {
    value[field].as_f64().ok_or_else(|| format!("no number `{field}` in {value}").into())
}

fn near(what: &str, found: f64, expected: f64) -> Result<(), Failed> {
    ensure((found - expected).abs() < 1e-12, format!("{what} is {found}, by hand {expected}"))
}

/// One step moves each element by epsilon away from or toward its twin, so that under FGSM all is known; PGD, whose
/// steps are shorter, ends within epsilon of the worst, which is known too.
fn areas_and_accuracies_are_those_of_a_direct_computation() -> Result<(), Failed> {
    let scratch = detector()?;
    let (model, ran) = run(&scratch)?;
    let rows = rows();
    let clean: Vec<(f64, bool)> = rows.iter().map(|(row, anomalous)| (score(row, |d| d), *anomalous)).collect();
    let right = clean.iter().filter(|row| is_right(**row)).count();
    near("the clean accuracy", number(&model, "clean_accuracy")?, right as f64 / ROWS as f64)?;
    near("the clean area", number(&model, "clean_auc")?, area(&clean))?;
    let ties = clean.iter().filter(|(score, _)| *score == THRESHOLD).count();
    ensure(ties > 0 && model["ties"] == ties, format!("{} rows at the threshold, {ties} by hand", model["ties"]))?;
    let attacked = |moved: &dyn Fn(f64, bool) -> f64| -> Vec<(f64, bool)> {
        let with = |((row, _), &before): (&Row, &(f64, bool))| {
            let after = (score(row, |d| moved(d, before.1)), before.1);
            if is_right(before) && !is_right(after) { after } else { before }
        };
        rows.iter().zip(&clean).map(with).collect()
    };
    let step = 2.0 * EPSILON;
    let fgsm = attacked(&|d, anomalous| if anomalous { (d - step).abs() } else { d + step });
    let worst = attacked(&|d, anomalous| if anomalous { (d - step).max(0.0) } else { d + step });
    let [one, many] = [&model["attacks"][0], &model["attacks"][1]];
    near("the area under fgsm", number(one, "auc")?, area(&fgsm))?;
    let robust = |rows: &[(f64, bool)]| rows.iter().filter(|row| is_right(**row)).count() as f64 / ROWS as f64;
    near("the accuracy under fgsm", number(one, "robust_accuracy")?, robust(&fgsm))?;
    near("the accuracy under pgd-20", number(many, "robust_accuracy")?, robust(&worst))?;
    let (under, least) = (number(many, "auc")?, area(&worst));
    let (all, before) = (number(&model["worst_case"], "auc")?, area(&clean));
    ensure(least <= under && under < before, format!("pgd-20 leaves {under}, at least {least}, before {before}"))?;
    ensure(least <= all && all <= under.min(number(one, "auc")?), format!("all attacks leave {all}"))?;
    let report = scratch.read("out/report.md")?;
    ensure(report.contains("- **AUC** is the area") && report.contains(", AUC ≤ 0."), report)?;
    ran.expect(0, &["AUC 0.", "AUC ≤ 0.", "in place of their samples"])?;
    let evidence = scratch.files("out/evidence")?;
    let blocks = evidence.values().filter_map(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let margins = blocks.filter(|block| block["outcome"]["attack"]["margin"].is_array()).count();
    ensure(margins == 4, format!("{margins} of two blocks of two attacks have margins of witnesses"))
}

/// Each lowers the score of an anomaly below the threshold or raises that of a normal row above it, for some rows.
fn every_preset_attacks_a_detector() -> Result<(), Failed> {
    let scratch = detector()?;
    // The presets that a norm has, but for those of AutoAttack that are made of the others.
    let presets = [
        (
            "linf",
            "1/4",
            "apgd-ce, apgd-dlr, apgd-t, cw-linf, cw-pgd, deepfool, ensemble-fast, fab, fab-t, fgsm, mi-fgsm, nes, \
                         pgd-20, spsa, square, uniform-noise",
        ),
        (
            "l2",
            "1",
            "apgd-ce, apgd-dlr, apgd-t, boundary, cw-l2, deepfool, ensemble-standard, fab, fgsm, gaussian-noise, \
                     hop-skip-jump, mi-fgsm, nes, pgd-20, square",
        ),
        ("l1", "2", "apgd-ce, apgd-t, ensemble-standard, fab, fgsm, pgd-20, square"),
    ];
    for (norm, epsilon, attacks) in presets {
        let suite = SUITE.replace("linf", norm).replace("1/8", epsilon).replace("fgsm, pgd-20", attacks);
        scratch.write("detectors.yaml", suite.replace("samples: 300", "samples: 12"))?;
        let (model, _) = run(&scratch)?;
        let before = number(&model, "clean_auc")?;
        for attack in model["attacks"].as_array().ok_or("no attacks")? {
            let (name, auc) = (&attack["name"], number(attack, "auc")?);
            ensure(attack["attacked"].as_u64() > Some(0), format!("{norm}: {name} breaks nothing: {attack}"))?;
            ensure(auc <= before, format!("{norm}: {name} raises the area from {before} to {auc}"))?;
        }
    }
    Ok(())
}

fn a_threshold_decides_and_is_in_the_keys() -> Result<(), Failed> {
    let scratch = detector()?;
    let (model, _) = run(&scratch)?;
    scratch.run(["model", "show", "means"])?.expect(0, &["kind: score", "threshold: 0.25"])?;
    run(&scratch)?;
    ensure(scratch.json("out/observations.json")?["blocks_computed"] == 0, "the same threshold has other keys")?;
    scratch.edit("models/means/manifest.yaml", "threshold: 0.25", "threshold: 0.5")?;
    let (other, _) = run(&scratch)?;
    ensure(scratch.json("out/observations.json")?["blocks_reused"] == 0, "another threshold has the same keys")?;
    ensure(model["clean_accuracy"] != other["clean_accuracy"], "the threshold decides nothing")?;
    near("the area at another threshold", number(&other, "clean_auc")?, number(&model, "clean_auc")?)
}

fn what_is_no_detector_is_refused_with_a_remedy() -> Result<(), Failed> {
    let scratch = prepared()?;
    let cases: [(&[&str], &str); 4] = [
        (&["--output-kind", "score"], "--output-kind score needs --threshold"),
        (&["--output-kind", "score", "--threshold", "0"], "`threshold: 0` must be positive"),
        (&["--threshold", "1"], "--threshold belongs to --output-kind score"),
        (&["--output-kind", "score", "--threshold", "1", "--labels", "0,2"], "`labels` has 2, outputs are 0 to 1"),
    ];
    for (options, complaint) in cases {
        add(&scratch, options)?.expect(2, &[complaint])?;
    }
    let mut graph = Graph::new("classifier");
    let x = graph.input("x", ValueType::new(DType::F32, [1, WIDTH]));
    let weights = graph.constant("w", Tensor::f32(&[WIDTH, 2], [0.5; 2 * WIDTH]));
    let y = graph.add("MatMul", &[x, weights], Attrs::new())?;
    graph.set_outputs(vec![y]);
    scratch.write("means.onnx", graph::encode_symbolic_batch(&graph))?;
    add(&scratch, &["--output-kind", "score", "--threshold", "1"])?
        .expect(2, &["its rows are [8], those of the output [2]", "hint: "])?;
    ensure(!scratch.path("models/means").exists(), "a refused model was registered")?;
    scratch.write("means.onnx", means()?)?;
    add(&scratch, &["--output-kind", "score", "--threshold", "1"])?.expect(0, &[])?;
    scratch.write("detectors.yaml", SUITE.replace("seed", "probes: [kl-instability]\nseed"))?;
    scratch
        .run(["run", "detectors.yaml"])?
        .expect(2, &["cannot measure model `means`", "no logits of a class distribution"])
}
