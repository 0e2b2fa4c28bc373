//! Every attack there is, through the whole program.

use crate::Test;
use crate::scratch::{SUITE, Scratch, ensure, linear, saturated, staircase, tiny_rows};
use attack::{Epsilon, Norm, PRESETS, ThreatModel};
use evidence::{read_blocks, read_witnesses};
use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("every_preset_runs_on_every_norm_that_it_has", every_preset_runs_on_every_norm_that_it_has),
    ("a_threat_on_the_grid_finds_images_of_8_bits", a_threat_on_the_grid_finds_images_of_8_bits),
    ("a_threat_on_the_grid_needs_samples_on_it", a_threat_on_the_grid_needs_samples_on_it),
    ("a_budget_cuts_searches_short_and_says_so", a_budget_cuts_searches_short_and_says_so),
    ("an_ensemble_breaks_what_its_stages_break", an_ensemble_breaks_what_its_stages_break),
    ("a_curve_falls_and_agrees_with_each_radius_alone", a_curve_falls_and_agrees_with_each_radius_alone),
    (
        "what_transfers_from_a_copy_is_what_is_found_on_the_model",
        what_transfers_from_a_copy_is_what_is_found_on_the_model,
    ),
    ("masked_gradients_are_caught_and_an_honest_model_is_not", masked_gradients_are_caught_and_an_honest_model_is_not),
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

fn a_budget_cuts_searches_short_and_says_so() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.write("tiny.yaml", suite(Norm::Linf, "8/255", "  - fgsm\n  - ensemble-standard\n")?)?;
    let free = scratch.results(&[])?;
    scratch.edit("tiny.yaml", "epsilon: 8/255", "epsilon: 8/255, budget: { forwards: 300, backwards: 120 }")?;
    let ran = scratch.run(["run", "tiny.yaml", "--out", "out"])?;
    ran.expect(0, &["300 forwards and 120 backwards a row at most\n", "time at most: about "])?;
    let capped = scratch.json("out/results.json")?;
    ensure(capped["threat"]["budget"] == "300 forwards and 120 backwards", capped["threat"].to_string())?;
    let report = scratch.read("out/report.md")?;
    ensure(report.contains("may spend 300 forwards and 120 backwards on a row"), report)?;
    for (free, capped) in list(&free["models"])?.iter().zip(list(&capped["models"])?) {
        let (before, after) = (list(&free["attacks"])?, list(&capped["attacks"])?);
        let robust = |attack: &Value| attack["robust"].as_u64();
        ensure(after[0] == before[0], format!("one step is within the budget: {} and {}", before[0], after[0]))?;
        ensure(robust(&after[1]) >= robust(&before[1]), "what is cut short finds more")?;
        let (stopped, withstood) = (&after[1]["flags"]["out-of-budget"], &after[1]["robust"]);
        ensure(
            stopped == withstood && before[1]["flags"]["out-of-budget"].is_null(),
            format!("{stopped} of {withstood}"),
        )?;
        let most = 300 * capped["correct"].as_u64().ok_or("a count")?;
        ensure(after[1]["forwards"].as_u64() <= Some(most), format!("{} of {most} forwards", after[1]["forwards"]))?;
    }
    Ok(())
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

fn a_curve_falls_and_agrees_with_each_radius_alone() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let attacks = "  - pgd-20\n  - ensemble-fast\n";
    let at = |epsilon: &str, curve: &str| -> Result<Value, Failed> {
        let text = suite(Norm::Linf, epsilon, attacks)?.replace("attacks:", &format!("{curve}attacks:"));
        scratch.write("tiny.yaml", text)?;
        scratch.results(&[])
    };
    let radii = ["2/255", "8/255", "20/255"];
    let curve = at("8/255", "curve: { epsilons: [20/255, 2/255], unconstrained: true }\n")?;
    let report = scratch.read("out/report.md")?;
    ensure(report.contains("## Robustness curves"), "the report shows the curve")?;
    ensure(scratch.read("out/robustness.svg")?.contains("ensemble-fast"), "there is a picture of it")?;
    let mut drops = 0;
    for (index, radius) in radii.iter().enumerate() {
        let alone = at(radius, "")?;
        for (model, lone) in list(&curve["models"])?.iter().zip(list(&alone["models"])?) {
            for (attack, lone) in list(&model["attacks"])?.iter().zip(list(&lone["attacks"])?) {
                let points = list(&attack["curve"])?;
                ensure(points.len() == 3 && points[index]["epsilon"] == *radius, format!("{points:?}"))?;
                let robust = |value: &Value| value["robust"].as_u64().ok_or_else(|| format!("{value}"));
                // What a smaller radius found counts, which a search in a larger ball may miss.
                ensure(robust(&points[index])? <= robust(lone)?, format!("{radius}: {attack}, alone {lone}"))?;
                ensure(index == 0 || robust(&points[index])? <= robust(&points[index - 1])?, "a curve falls")?;
                ensure(index != 1 || points[1]["robust"] == attack["robust"], "its own radius is the result")?;
                ensure(index != 0 || points[0]["robust"] == lone["robust"], "the first radius is the attack alone")?;
                ensure(attack["inconclusive"].is_null(), format!("an honest model is conclusive: {attack}"))?;
                drops += u64::from(index > 0 && robust(&points[index])? < robust(&points[index - 1])?);
            }
        }
        ensure(scratch.run(["run", "tiny.yaml", "--out", "out"])?.code == Some(0), "it runs again")?;
        ensure(!scratch.path("out/robustness.svg").exists(), "without a curve there is no picture of one")?;
    }
    ensure(drops > 0, "a larger radius breaks more, or this tests little")?;
    for (curve, message) in [
        ("{ epsilons: [0, 1/255] }", "a radius of the curve is 0"),
        ("{ epsilons: [1/255, 2/510] }", "the radius 2/510 comes twice"),
        ("{}", "`curve` has no radius"),
    ] {
        let text = suite(Norm::Linf, "8/255", attacks)?.replace("attacks:", &format!("curve: {curve}\nattacks:"));
        scratch.write("tiny.yaml", text)?;
        scratch.run(["run", "tiny.yaml", "--dry-run"])?.expect(2, &[message, "tiny.yaml:"])?;
    }
    Ok(())
}

fn what_transfers_from_a_copy_is_what_is_found_on_the_model() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.add_model("copy", &linear()?, &[])?;
    scratch.add_model("saturated", &saturated()?, &[])?;
    let run = |attacks: &str, models: &str| -> Result<Value, Failed> {
        let text = suite(Norm::Linf, "12/255", attacks)?
            .replace("[linear, conv]", models)
            .replace("samples: 40", "samples: 300");
        scratch.write("tiny.yaml", text)?;
        scratch.results(&[])
    };
    let results = run("  - pgd-20\n  - transfer: { attack: pgd-20 }\n", "[linear, conv, copy]")?;
    let models = list(&results["models"])?;
    for model in models {
        let names: Vec<&str> = list(&model["attacks"])?.iter().filter_map(|attack| attack["name"].as_str()).collect();
        let own = model["name"].as_str().ok_or("a name")?;
        let mut wanted = vec!["pgd-20".to_owned()];
        wanted.extend(
            ["linear", "conv", "copy"].iter().filter(|name| **name != own).map(|name| format!("pgd-20-from-{name}")),
        );
        ensure(names == wanted, format!("{names:?} are not {wanted:?}"))?;
        let worst = model["worst_case"]["robust"].as_u64();
        for attack in list(&model["attacks"])? {
            ensure(attack["robust"].as_u64() >= worst, "the worst case counts transfers")?;
            ensure(attack["flags"]["unconfirmed"].is_null() || attack["source"].is_null(), "a rejection is no doubt")?;
        }
    }
    let attack = |model: usize, name: &str| -> Result<&Value, Failed> {
        let found = list(&models[model]["attacks"])?.iter().find(|attack| attack["name"] == name);
        found.ok_or_else(|| format!("no {name}").into())
    };
    let (own, twin) = (attack(0, "pgd-20")?, attack(0, "pgd-20-from-copy")?);
    for count in ["robust", "attacked", "found", "confirmed", "rejected", "forwards", "backwards", "judge_forwards"] {
        ensure(own[count] == twin[count], format!("{count}: {own} {twin}"))?;
    }
    ensure(twin["source"] == "copy" && own["source"].is_null(), "a transfer names its source")?;
    let other = attack(1, "pgd-20-from-linear")?;
    ensure(other["rejected"].as_u64() > Some(0), format!("not all transfers, or this tests little: {other}"))?;
    ensure(scratch.read("out/report.md")?.contains("## Transfer"), "the report has the matrix")?;
    // A source that is no target, from which more is found than from the model's own masked gradients.
    let results = run("  - pgd-20\n  - transfer: { name: t, from: [linear], attack: pgd-20 }\n", "[saturated]")?;
    let masked = &results["models"][0]["attacks"][0];
    let flagged = masked["inconclusive"]
        .as_array()
        .is_some_and(|flags| flags.iter().any(|flag| flag == "transfer-beats-white-box"));
    ensure(flagged, format!("{masked}"))?;
    ensure(results["models"][0]["attacks"][1]["name"] == "t-from-linear", "an entry may have a name")?;
    for (attacks, message) in [
        ("transfer: { attack: pgd-20 }", "`saturated` is the only model"),
        ("transfer: { from: [], attack: pgd-20 }", "`from` is empty"),
        ("transfer: { from: [nothing], attack: pgd-20 }", "there is no model `nothing`"),
        ("transfer: { from: [linear], attack: transfer: { attack: pgd-20 } }", "tiny.yaml"),
        (
            "transfer: { from: [linear], attack: { transfer: { attack: pgd-20 } } }",
            "the attack of a transfer is a transfer",
        ),
        ("ensemble: { name: e, stages: [transfer: { attack: pgd-20 }] }", "an ensemble has one model"),
    ] {
        let text = suite(Norm::Linf, "8/255", &format!("  - {attacks}\n"))?.replace("[linear, conv]", "[saturated]");
        scratch.write("tiny.yaml", text)?;
        scratch.run(["run", "tiny.yaml", "--dry-run"])?.expect(2, &[message])?;
    }
    Ok(())
}

fn masked_gradients_are_caught_and_an_honest_model_is_not() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.add_model("honest", &linear()?, &[])?;
    scratch.add_model("saturated", &saturated()?, &[])?;
    scratch.add_model("staircase", &staircase()?, &[])?;
    let attacks = "  - pgd-20\n  - square\n  - ensemble-standard\n";
    let text = suite(Norm::Linf, "12/255", attacks)?.replace("[linear, conv]", "[honest, conv, saturated, staircase]");
    scratch.write("tiny.yaml", text)?;
    let results = scratch.results(&[])?;
    let models = list(&results["models"])?;
    let raised = |model: usize, attack: usize| &models[model]["attacks"][attack]["inconclusive"];
    for (model, name) in ["honest", "conv"].iter().enumerate() {
        ensure(models[model]["inconclusive"].is_null(), format!("{name}: {}", models[model]["inconclusive"]))?;
        for attack in 0..3 {
            ensure(raised(model, attack).is_null(), format!("{name}, attack {attack}: {}", raised(model, attack)))?;
        }
    }
    let table = [
        (2, 0, "stood-still"),
        (2, 0, "black-box-beats-white-box"),
        (3, 0, "stood-still"),
        (3, 0, "black-box-beats-white-box"),
        (3, 2, "black-box-beats-white-box"),
    ];
    for (model, attack, flag) in table {
        let found = raised(model, attack).as_array().is_some_and(|flags| flags.iter().any(|found| found == flag));
        ensure(
            found,
            format!("{} under attack {attack} lacks {flag}: {}", models[model]["name"], models[model]["attacks"]),
        )?;
    }
    let report = scratch.read("out/report.md")?;
    ensure(report.contains("**Inconclusive**: staircase under pgd-20: stood-still on"), "the report says so")
}

fn list(value: &Value) -> Result<&Vec<Value>, Failed> {
    value.as_array().ok_or_else(|| format!("expected a list, found {value}").into())
}
