//! Latency: observed after the checks of a suite, or by a verb of its own. Nothing here depends on how long anything takes.

use crate::Test;
use crate::scratch::{SUITE, Scratch, ensure};
use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_suite_measures_and_results_stay_the_same", a_suite_measures_and_results_stay_the_same),
    ("what_cannot_be_measured_is_said_before_any_check", what_cannot_be_measured_is_said_before_any_check),
    ("the_verb_measures_registered_models", the_verb_measures_registered_models),
];

const COST: &str = "\
cost:
  - macs
  - latency: { name: one, windows: 2, seconds: 0, iterations: 3, warm_ups: 1, threads: 1, batch: 1, reference: linear }
  - latency: { name: two, windows: 3, seconds: 0, iterations: 700, warm_ups: 0, threads: 2, batch: 1 }
seed:";

fn a_suite_measures_and_results_stay_the_same() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let plain = scratch.results(&[])?;
    let before = scratch.json("out/observations.json")?;
    ensure(before.get("latency").is_none(), "nothing was measured")?;
    let report = scratch.read("out/report.md")?;
    scratch.write("tiny.yaml", SUITE.replace("seed:", COST))?;
    let parts =
        ["cost    macs", "one: latency with windows 2", "reference linear", "inferences/s", "few-queries", "p90"];
    let ran = scratch.run(["run", "tiny.yaml", "--out", "out"])?;
    ran.expect(0, &parts)?;
    // Every block is found again: latency is in no key.
    let observed = scratch.json("out/observations.json")?;
    ensure(observed["blocks_computed"] == 0, "`cost` changed a key")?;
    let mut with = scratch.json("out/results.json")?;
    let cost = with["plan"].as_object_mut().and_then(|plan| plan.remove("cost"));
    let cost = cost.ok_or("the plan has no cost")?;
    ensure(cost["static"][0] == "macs" && cost["latency"][1]["threads"] == 2, cost.to_string())?;
    for digest in [&["plan_digest"][..], &["plan", "suite", "digest"]] {
        let place = digest.iter().try_fold(&mut with, |value, key| value.get_mut(key)).ok_or("no digest")?;
        let wanted = digest.iter().try_fold(&plain, |value, key| value.get(key)).ok_or("no digest")?;
        ensure(&*place != wanted, format!("{digest:?} must tell the suites apart"))?;
        *place = wanted.clone();
    }
    ensure(serde_json::to_string(&with)? == serde_json::to_string(&plain)?, "latency changed results")?;
    check_observed(&observed["latency"])?;
    let told = scratch.read("out/report.md")?;
    ensure(told.contains("\n## Observed on one machine\n") && !report.contains("Observed on"), told)?;
    // The same suite without the section writes the very report of before.
    scratch.write("tiny.yaml", SUITE)?;
    scratch.results(&[])?;
    ensure(scratch.read("out/report.md")? == report, "a latency of an earlier run is left in the report")
}

fn check_observed(latency: &Value) -> Result<(), Failed> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let names: Vec<Value> = list(latency).iter().map(|entry| entry["name"].clone()).collect();
    ensure(names == ["one", "two"], format!("{names:?}"))?;
    for (entry, windows, iterations) in [(&latency[0], 2, 3), (&latency[1], 3, 700)] {
        let models = list(&entry["models"]);
        ensure(models.len() == 2 && models[0]["model"] == "linear" && models[1]["model"] == "conv", entry.to_string())?;
        ensure(entry["machine"]["batch"] == 1 && entry["machine"]["provider"] == "cpu", entry.to_string())?;
        ensure(entry["input"] == "row 0 of data set `tiny`, split test", entry["input"].to_string())?;
        for model in &models {
            let seconds =
                list(&model["windows"]).iter().map(|window| window["seconds"].as_f64()).collect::<Option<Vec<_>>>();
            let counted = list(&model["windows"]).iter().all(|window| window["iterations"] == iterations);
            let mut seconds = seconds.ok_or("a window has no seconds")?;
            ensure(
                counted && seconds.len() == windows && model["inferences"] == iterations * windows as u64,
                model.to_string(),
            )?;
            // The rate is what the windows say: their median.
            seconds.sort_by(|a, b| b.total_cmp(a));
            let rates: Vec<f64> = seconds.iter().map(|seconds| iterations as f64 / seconds.max(1e-9)).collect();
            let median = (rates[(windows - 1) / 2] + rates[windows / 2]) / 2.0;
            let rate = model["inferences_per_second"].as_f64().ok_or("no rate")?;
            ensure((rate / median - 1.0).abs() < 1e-9, format!("{rate} is not the median of {rates:?}"))?;
            let percentiles = ["p50_ns", "p90_ns", "p99_ns"].map(|key| model[key].as_u64());
            ensure(percentiles.is_sorted() && percentiles[0].is_some(), model.to_string())?;
            let estimates = list(&model["early_stopping"]);
            for (estimate, needed) in estimates.iter().zip([64, 662]) {
                let enough = iterations * windows as u64 >= needed;
                ensure(
                    estimate["queries_needed"] == needed && estimate["estimate_ns"].is_u64() == enough,
                    model.to_string(),
                )?;
            }
            let flags = list(&model["flags"]);
            ensure(flags.contains(&"not-mlperf".into()), model.to_string())?;
            ensure(flags.contains(&"few-queries".into()) == (iterations == 3), model.to_string())?;
            let compared = entry["reference"] == "linear" && model["model"] == "conv";
            ensure(model["ratio"]["median"].is_f64() == compared, model.to_string())?;
        }
    }
    Ok(())
}

fn what_cannot_be_measured_is_said_before_any_check() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.write("tiny.yaml", SUITE.replace("seed:", &COST.replace("reference: linear", "reference: linaer")))?;
    scratch
        .run(["run", "tiny.yaml", "--dry-run"])?
        .expect(2, &["no model `linaer`", "hint: did you mean `linear`?"])?;
    scratch.write("tiny.yaml", SUITE.replace("seed:", "cost: [latncy]\nseed:"))?;
    scratch.run(["run", "tiny.yaml", "--dry-run"])?.expect(2, &["there is no cost `latncy`", "did you mean `latency`?"])
}

fn the_verb_measures_registered_models() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    scratch.run(["latency"])?.expect(2, &["<NAME>"])?;
    scratch.run(["latency", "linaer", "--quick"])?.expect(2, &["linaer"])?;
    scratch
        .run(["latency", "linear", "--reference", "linear", "--quick"])?
        .expect(2, &["the reference is the only model"])?;
    scratch.run(["latency", "linear", "--threads", "0"])?.expect(2, &["--threads"])?;
    let ran = scratch.run(["latency", "linear", "--quick", "--json"])?;
    ran.expect(0, &[])?;
    let measured: Value = serde_json::from_str(&ran.stdout)?;
    let protocol = &measured["protocol"];
    ensure(protocol["windows"] == 5 && protocol["seconds"] == 1 && protocol["warm_ups"] == 10, protocol.to_string())?;
    let model = &measured["models"][0];
    let long = model["windows"].as_array().is_some_and(|windows| {
        windows.len() == 5
            && windows.iter().all(|window| window["seconds"].as_f64().is_some_and(|seconds| seconds >= 1.0))
    });
    ensure(long && model["model"] == "linear", "five windows of at least a second")?;
    ensure(
        model["flags"].as_array().is_some_and(|flags| flags.contains(&"not-mlperf".into())),
        model["flags"].to_string(),
    )?;
    ensure(measured["input"] == "row 0 of data set `tiny`, split test", measured["input"].to_string())
}
