//! Models beside each other through the whole program: published numbers, correlations, curves of training.

use crate::Test;
use crate::scratch::{SUITE, Scratch, ensure, linear};
use libtest_mimic::Failed;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("published_numbers_stand_beside_ours_and_decide_nothing", published_numbers_stand_beside_ours_and_decide_nothing),
    ("three_models_are_compared", three_models_are_compared),
    ("trained_models_bring_their_curves", trained_models_bring_their_curves),
    ("a_glob_without_models_says_how_to_train", a_glob_without_models_says_how_to_train),
];

const PUBLISHED: &str = "\
published:
  source: A. Author 2023, table 1
  models:
    conv: { clean_accuracy: 0.75, robust_accuracy: { fgsm: 0.5 }, params_without_bn: 404e3 }
    linear: { clean_accuracy: 0.5 }
";

fn published_numbers_stand_beside_ours_and_decide_nothing() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let without = scratch.results(&[])?;
    scratch.write("tiny.yaml", format!("{SUITE}{PUBLISHED}"))?;
    let with = scratch.results(&[])?;
    ensure(scratch.json("out/observations.json")?["blocks_computed"] == 0, "every block is found again")?;
    ensure(with["models"] == without["models"], "our numbers are the same")?;
    ensure(without.get("published").is_none() && without["plan"].get("published").is_none(), "it may be left out")?;
    for published in [&with["published"], &with["plan"]["published"]] {
        ensure(published["source"] == "A. Author 2023, table 1", format!("{published}"))?;
        ensure(published["models"][0]["params_without_bn"] == 404_000.0, format!("{published}"))?;
    }
    let report = scratch.read("out/report.md")?;
    let clean = 100.0 * with["models"][1]["clean_accuracy"].as_f64().ok_or("no accuracy")?;
    let difference = format!("{:+.2}", clean - 75.0);
    let row = report.lines().find(|line| line.contains("75.00 %")).ok_or("no row of the published accuracy")?;
    ensure(row.contains("conv") && row.contains(&difference), format!("{row}: {difference}"))
}

fn three_models_are_compared() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let two = scratch.results(&[])?;
    ensure(two.get("analysis").is_none(), "two models are too few")?;
    scratch.add_model("again", &linear()?, &[])?;
    scratch.edit("tiny.yaml", "[linear, conv]", "[linear, conv, again]")?;
    let three = scratch.results(&[])?;
    let correlations = three["analysis"]["correlations"].as_array().ok_or("no correlations")?;
    // Parameters, MACs, memory, clean accuracy and two attacks.
    ensure(correlations.len() == 15, format!("{correlations:?}"))?;
    // Two of the three are one and the same model: two values in either order.
    ensure(correlations[0]["spearman"]["rho"] == 1.0, format!("{}", correlations[0]))?;
    let report = scratch.read("out/report.md")?;
    for part in ["## How the measures go together", "n = 3 models", "## Cost", "MACs (torchprofile)"] {
        ensure(report.contains(part), format!("report.md has no `{part}`"))?;
    }
    Ok(())
}

const RECIPE: &str = "\
version: 1
architecture: { small-cnn: { filters: 4 } }
dataset: { name: signs32, split: train, samples: 64 }
objective: { standard: {} }
optimiser: { sgd: { momentum: 0.9, nesterov: true } }
learning_rate: 0.05
schedule: { cosine: { end: 0 } }
epochs: 2
batch_size: 32
seed: 0
threads: 1
evaluate: { split: test, samples: 20, every: 1 }
export: { fold_batch_norm: true }
";

fn trained_models_bring_their_curves() -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    scratch.write("models/net/recipe.yaml", RECIPE)?;
    let suite = SUITE.replace("name: tiny, split: test, samples: 300", "name: signs32, split: test, samples: 20");
    scratch.write("tiny.yaml", suite.replace("linear, conv", "net"))?;
    scratch.run(["run", "tiny.yaml"])?.expect(2, &["hint: `tinyassay train models/net` trains it from its recipe"])?;
    scratch.run(["train", "models/net"])?.expect(0, &["registered net"])?;
    scratch.results(&[])?;
    let (svg, report) = (scratch.read("out/training.svg")?, scratch.read("out/report.md")?);
    ensure(svg.contains("natural accuracy") && svg.contains("net"), "the curve is drawn")?;
    ensure(report.contains("(training.svg)"), "the report shows it")?;
    ensure(scratch.read("out/SHA256SUMS")?.contains("  training.svg\n"), "its digest is listed")?;
    scratch.edit("models/net/metrics.jsonl", "\"epoch\":1", "\"epoch\":3")?;
    scratch.run(["run", "tiny.yaml", "--out", "out"])?.expect(2, &["metrics.jsonl", "the manifest pins"])?;
    std::fs::remove_file(scratch.path("models/net/metrics.jsonl"))?;
    scratch.results(&[])?;
    ensure(!scratch.path("out/training.svg").exists(), "without metrics there is no figure, nor an old one")
}

fn a_glob_without_models_says_how_to_train() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.edit("tiny.yaml", "[linear, conv]", "[\"mobilenet-*\"]")?;
    scratch.run(["run", "tiny.yaml"])?.expect(2, &["no model `mobilenet-*`", "`tinyassay train models/NAME`"])?;
    scratch.write("models/mobilenet-a/recipe.yaml", RECIPE)?;
    scratch.run(["run", "tiny.yaml"])?.expect(2, &["`tinyassay train models/mobilenet-a`"])
}
