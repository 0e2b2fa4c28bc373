//! Golden run, and the laws that results keep whatever the models are.

use crate::Test;
use crate::scratch::{SUITE, Scratch, ensure, same};
use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("results_equal_the_committed_ones", results_equal_the_committed_ones),
    ("jobs_change_nothing", jobs_change_nothing),
    ("more_samples_later_are_more_samples_at_once", more_samples_later_are_more_samples_at_once),
    ("models_do_not_influence_each_other", models_do_not_influence_each_other),
    ("numbers_add_up", numbers_add_up),
    ("epsilon_0_changes_nothing", epsilon_0_changes_nothing),
    ("a_larger_ball_is_not_safer", a_larger_ball_is_not_safer),
];

/// Where the committed results are, from the repository's root.
const GOLDEN: &str = "tests/golden.json";

/// The results without the runtime that computed them, which differs between machines.
fn masked(mut results: Value) -> Result<String, Failed> {
    results["runtime"] = "any".into();
    Ok(serde_json::to_string_pretty(&results)? + "\n")
}

/// `TINYASSAY_BLESS=1` writes the file anew; a change of it belongs into CHANGELOG.md under "numbers changed".
fn results_equal_the_committed_ones() -> Result<(), Failed> {
    let found = masked(Scratch::tiny()?.results(&[])?)?;
    let path = crate::root().join(GOLDEN);
    if std::env::var_os("TINYASSAY_BLESS").is_some() {
        return Ok(std::fs::write(&path, found)?);
    }
    let wanted = std::fs::read_to_string(&path).map_err(|error| format!("{GOLDEN}: {error}"))?;
    let only = |mark: &str, these: &str, others: &str| -> Vec<String> {
        let new = these.lines().filter(|line| !others.lines().any(|other| other == *line));
        new.map(|line| format!("{mark} {}", line.trim())).collect()
    };
    let differ = [only("found", &found, &wanted), only("committed", &wanted, &found)].concat();
    let hint = "bless with TINYASSAY_BLESS=1 if numbers are meant to move, and say so in CHANGELOG.md";
    ensure(found == wanted, format!("{GOLDEN}: {}\n{hint}", differ.join("\n")))
}

fn jobs_change_nothing() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    for (folder, jobs) in [("one", "1"), ("two", "2"), ("five", "5")] {
        scratch.run(["run", "tiny.yaml", "--out", folder, "--jobs", jobs])?.expect(0, &[])?;
        same(&format!("--jobs {jobs}"), &scratch.outcome("one")?, &scratch.outcome(folder)?)?;
    }
    Ok(())
}

fn more_samples_later_are_more_samples_at_once() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.run(["run", "tiny.yaml", "--out", "once", "--samples", "600"])?.expect(0, &[])?;
    for samples in ["250", "500", "600"] {
        scratch.run(["run", "tiny.yaml", "--out", "grown", "--samples", samples])?.expect(0, &[])?;
    }
    let observations = scratch.json("grown/observations.json")?;
    ensure(observations["blocks_computed"] == 6, "500 samples do not serve 600: only the last block is new")?;
    same("250, 500, 600 samples", &scratch.outcome("once")?, &scratch.outcome("grown")?)
}

fn models_do_not_influence_each_other() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let results = scratch.results(&[])?;
    let models = list(&results["models"])?;
    for (order, expected) in [("conv, linear", [1, 0].as_slice()), ("linear", &[0]), ("\"con*\"", &[1])] {
        scratch.write("tiny.yaml", SUITE.replace("linear, conv", order))?;
        let results = scratch.results(&[])?;
        let found = list(&results["models"])?;
        let wanted: Vec<&Value> = expected.iter().map(|&index| &models[index]).collect();
        ensure(found.iter().eq(wanted), format!("models: [{order}] gives other numbers"))?;
        ensure(scratch.json("out/observations.json")?["blocks_computed"] == 0, format!("{order}: blocks are new"))?;
    }
    Ok(())
}

fn numbers_add_up() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let results = scratch.results(&[])?;
    let mut attacked = 0;
    for model in list(&results["models"])? {
        let (correct, total) = (count(model, "correct")?, count(model, "total")?);
        for attack in list(&model["attacks"])? {
            let part = |name| count(attack, name);
            let whole = part("wrong")? + part("attacked")? + part("certified")? + part("unknown")?;
            let name = format!("{} on {}", attack["name"], model["name"]);
            ensure(whole == total && part("total")? == total, format!("{name}: {whole} of {total}"))?;
            ensure(part("robust")? == part("certified")? + part("unknown")?, format!("{name}: robust"))?;
            ensure(part("robust")? <= correct, format!("{name}: more robust than correct"))?;
            ensure(part("wrong")? == total - correct, format!("{name}: wrong"))?;
            ensure(part("found")? == part("confirmed")? + part("rejected")?, format!("{name}: found"))?;
            ensure(part("robust")? >= count(&model["worst_case"], "robust")?, format!("{name}: worst case"))?;
            let share = part("robust")? as f64 / total as f64;
            ensure(attack["robust_accuracy"].as_f64() == Some(share), format!("{name}: robust_accuracy"))?;
            attacked += part("attacked")?;
        }
        ensure(correct > 0 && correct < total, format!("{}: {correct} of {total} tests little", model["name"]))?;
    }
    ensure(attacked > 0, "no row was attacked")
}

fn epsilon_0_changes_nothing() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    for norm in ["linf", "l2"] {
        scratch.write("tiny.yaml", SUITE.replace("8/255", "0").replace("linf", norm))?;
        let results = scratch.results(&[])?;
        for model in list(&results["models"])? {
            for attack in list(&model["attacks"])? {
                let name = format!("{norm}: {} on {}", attack["name"], model["name"]);
                ensure(
                    count(attack, "robust")? == count(model, "correct")?,
                    format!("{name} breaks rows at epsilon 0"),
                )?;
                ensure(count(attack, "attacked")? == 0, name)?;
            }
        }
    }
    Ok(())
}

/// One step on the margin to every class finds the worst case of a linear model, so its numbers are monotone exactly.
fn a_larger_ball_is_not_safer() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let exact = "  - fgsm: { name: each, loss: margin, targets: each }\n";
    let (head, tail) = SUITE.split_once("attacks:\n").ok_or("no attacks")?;
    let seed = tail.lines().last().ok_or("no seed")?;
    let mut last = u64::MAX;
    for epsilon in ["0", "2/255", "4/255", "8/255", "16/255", "32/255"] {
        let head = head.replace("linear, conv", "linear").replace("8/255", epsilon);
        scratch.write("tiny.yaml", format!("{head}attacks:\n{exact}{seed}\n"))?;
        let results = scratch.results(&[])?;
        let robust = count(&results["models"][0]["attacks"][0], "robust")?;
        ensure(robust <= last, format!("{robust} rows are robust at {epsilon}, {last} in a smaller ball"))?;
        last = robust;
    }
    ensure(last < 100, format!("{last} rows are robust at 32/255"))
}

fn list(value: &Value) -> Result<&Vec<Value>, Failed> {
    value.as_array().ok_or_else(|| format!("expected a list, found {value}").into())
}

fn count(value: &Value, field: &str) -> Result<u64, Failed> {
    value[field].as_u64().ok_or_else(|| format!("no whole number `{field}` in {value}").into())
}
