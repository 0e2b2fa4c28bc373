//! Every attack there is, through the whole program.

use crate::Test;
use crate::scratch::{SUITE, Scratch, ensure};
use attack::{Epsilon, Norm, PRESETS, ThreatModel};
use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("every_preset_runs_on_every_norm_that_it_has", every_preset_runs_on_every_norm_that_it_has),
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
