//! Every attack there is, through the whole program.

use crate::Test;
use crate::scratch::{SUITE, Scratch, ensure, tiny_rows};
use attack::{Epsilon, Norm, PRESETS, ThreatModel};
use evidence::{read_blocks, read_witnesses};
use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("every_preset_runs_on_every_norm_that_it_has", every_preset_runs_on_every_norm_that_it_has),
    ("a_threat_on_the_grid_finds_images_of_8_bits", a_threat_on_the_grid_finds_images_of_8_bits),
    ("a_threat_on_the_grid_needs_samples_on_it", a_threat_on_the_grid_needs_samples_on_it),
    ("an_ensemble_breaks_what_its_stages_break", an_ensemble_breaks_what_its_stages_break),
];

/// The suite with these attacks on its first rows.
fn suite(norm: Norm, epsilon: &str, attacks: &str) -> Result<String, Failed> {
    let (head, tail) = SUITE.split_once("attacks:\n").ok_or("the suite has attacks")?;
    let seed = tail.lines().last().ok_or("the suite has a seed")?;
    let head = head.replace("linf", &norm.to_string()).replace("8/255", epsilon).replace("samples: 300", "samples: 40");
    Ok(format!("{head}attacks:\n{attacks}{seed}\n"))
}

fn every_preset_runs_on_every_norm_that_it_has() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let mut ran: Vec<&str> = Vec::new();
    for (norm, epsilon) in [(Norm::Linf, "8/255"), (Norm::L2, "0.2"), (Norm::Linf, "0.031")] {
        let threat = ThreatModel { norm, epsilon: epsilon.parse::<Epsilon>()? };
        let fits = |preset: &&attack::Preset| preset.resolve(&threat).is_ok_and(|spec| spec.check(&threat).is_ok());
        let names: Vec<&str> = PRESETS.iter().filter(fits).map(|preset| preset.name).collect();
        let entries: String = names.iter().map(|name| format!("  - {name}\n")).collect();
        scratch.write("tiny.yaml", suite(norm, epsilon, &entries)?)?;
        let results = scratch.results(&[])?;
        for model in list(&results["models"])? {
            let found: Vec<&str> =
                list(&model["attacks"])?.iter().filter_map(|attack| attack["name"].as_str()).collect();
            ensure(found == names, format!("{found:?}, not {names:?}"))?;
            // What is found by search is never more than there is: the worst case of all bounds each.
            for attack in list(&model["attacks"])? {
                let (robust, worst) = (&attack["robust"], &model["worst_case"]["robust"]);
                ensure(robust.as_u64() >= worst.as_u64() && robust.is_u64(), format!("{attack}"))?;
            }
        }
        ran.extend(names);
    }
    let missing: Vec<&str> = PRESETS.iter().map(|preset| preset.name).filter(|name| !ran.contains(name)).collect();
    ensure(missing.is_empty(), format!("nothing here runs {missing:?}"))
}

fn a_threat_on_the_grid_finds_images_of_8_bits() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let free = scratch.results(&[])?;
    ensure(!scratch.read("out/results.json")?.contains("k / 255"), "a grid that nobody asked for")?;
    scratch.edit("tiny.yaml", "epsilon: 8/255", "epsilon: 8/255, grid: 255")?;
    let ran = scratch.run(["run", "tiny.yaml", "--out", "out"])?;
    ran.expect(
        0,
        &["threat  linf, epsilon 8/255, on the grid k / 255", "linf within 8/255 (pixels in [0, 1]), on the grid k"],
    )?;
    let held = scratch.json("out/results.json")?;
    ensure(held["threat"]["grid"] == "k / 255" && held["plan"]["threat"]["grid"] == 255, "results say so")?;
    ensure(held["plan_digest"] != free["plan_digest"], "another plan")?;
    let report = scratch.read("out/report.md")?;
    ensure(report.contains("only to inputs whose every element is k / 255"), report)?;
    // Predictions are what they were; no block of an attack serves both.
    let observations = scratch.json("out/observations.json")?;
    let counts = [&observations["blocks_computed"], &observations["blocks_reused"]];
    ensure(counts == [8, 4], format!("{counts:?} blocks are new and old"))?;
    let rows = tiny_rows();
    let (mut points, mut others) = (0, 0);
    let folder = scratch.path("out/evidence");
    for block in read_blocks(&folder)? {
        let held = block.key_material["check"]["grid"] == true;
        for (row, witness) in read_witnesses(&folder, &block)?.iter().flat_map(|witnesses| witnesses.iter()) {
            let levels: Vec<f32> = witness.iter().map(|x| (x * 255.0).round()).collect();
            let is_image = witness.iter().zip(&levels).all(|(x, level)| *x == level / 255.0);
            let near = |(level, pixel): (&f32, &u8)| (level - f32::from(*pixel)).abs() <= 8.0;
            let in_ball = levels.iter().zip(&rows[row as usize].0).all(near);
            ensure(!held || (is_image && in_ball), format!("row {row}: {witness:?}"))?;
            (points, others) = if held { (points + 1, others) } else { (points, others + usize::from(!is_image)) };
        }
    }
    ensure(points > 0 && others > 0, format!("{points} on the grid and {others} off it test little"))?;
    // Fewer inputs are not more dangerous to a linear model, whose worst case FGSM finds.
    let robust = |results: &Value| results["models"][0]["attacks"][0]["robust"].as_u64();
    ensure(robust(&held) >= robust(&free), format!("{:?} and {:?}", robust(&held), robust(&free)))
}

fn a_threat_on_the_grid_needs_samples_on_it() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let rows = tiny_rows();
    let x: Vec<f32> = rows.iter().flat_map(|(pixels, _)| pixels.map(|pixel| f32::from(pixel) / 300.0)).collect();
    let y: ndarray::Array1<i64> = rows.iter().map(|(_, label)| i64::from(*label)).collect();
    let mut writer = ndarray_npy::NpzWriter::new_compressed(std::fs::File::create(scratch.path("floats.npz"))?);
    writer.add_array("x", &ndarray::Array4::from_shape_vec((rows.len(), 1, 4, 4), x)?)?;
    writer.add_array("y", &y)?;
    writer.finish()?;
    let add = ["data", "add", "floats", "--format", "npz", "--shape", "1,4,4", "--classes", "0,1,2", "floats.npz"];
    scratch.run(add)?.expect(0, &[])?;
    for model in ["linear", "conv"] {
        scratch.edit(&format!("models/{model}/manifest.yaml"), "dataset: tiny", "dataset: floats")?;
    }
    scratch.edit("tiny.yaml", "name: tiny,", "name: floats,")?;
    scratch.run(["run", "tiny.yaml", "--dry-run"])?.expect(0, &["epsilon 8/255\n"])?;
    scratch.edit("tiny.yaml", "epsilon: 8/255", "epsilon: 8/255, grid: 255")?;
    let refused = ["asks for inputs k / 255, and the samples of `floats` are floats", "hint: take `grid` out"];
    scratch.run(["run", "tiny.yaml"])?.expect(2, &refused)?;
    ensure(!scratch.path("reports").exists(), "a report of what was refused")
}

fn an_ensemble_breaks_what_its_stages_break() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let stages = "apgd: { steps: 3, loss: cross-entropy, targets: 0, restarts: 1, eot: 1 }, fab-t, apgd-ce";
    let attacks = format!("  - fab-t\n  - apgd-ce\n  - ensemble: {{ name: all, stages: [{stages}] }}\n");
    scratch.write("tiny.yaml", suite(Norm::Linf, "8/255", &attacks)?.replace("samples: 40", "samples: 300"))?;
    let results = scratch.results(&[])?;
    let mut added = 0;
    for model in list(&results["models"])? {
        let [fab, apgd, all] = &list(&model["attacks"])?[..] else { return Err(format!("{model}").into()) };
        let robust = |value: &Value| value["robust"].as_u64().ok_or_else(|| format!("{value}"));
        ensure(robust(all)? <= robust(fab)?.min(robust(apgd)?), "an ensemble is at least as strong as each stage")?;
        let stages = list(&all["stages"])?;
        let names: Vec<&str> = stages.iter().filter_map(|stage| stage["name"].as_str()).collect();
        ensure(names == ["apgd", "fab-t", "apgd-ce"], format!("{names:?}"))?;
        let mut left = model["correct"].as_u64().ok_or("a count")?;
        for (index, stage) in stages.iter().enumerate() {
            let attacked = stage["attacked"].as_u64().ok_or("a count")?;
            left -= attacked;
            added += if index > 0 { attacked } else { 0 };
            ensure(robust(stage)? == left, format!("{left} rows are left, not {stage}"))?;
        }
        ensure(left == robust(all)?, "what the stages leave is what the ensemble leaves")?;
    }
    ensure(added > 0, "a later stage broke a row that the first did not, or this tests little")?;
    let report = scratch.read("out/report.md")?;
    ensure(report.contains("## Ensembles"), "the report says what each stage added")
}

fn list(value: &Value) -> Result<&Vec<Value>, Failed> {
    value.as_array().ok_or_else(|| format!("expected a list, found {value}").into())
}
