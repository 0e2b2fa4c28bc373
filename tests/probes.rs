//! Probes through the whole program.

use crate::Test;
use crate::scratch::{SUITE, Scratch, ensure};
use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("they_leave_attacks_and_their_blocks_alone", they_leave_attacks_and_their_blocks_alone),
    ("jobs_interruptions_and_company_change_nothing", jobs_interruptions_and_company_change_nothing),
    ("results_and_reports_say_what_a_number_is", results_and_reports_say_what_a_number_is),
    ("a_linear_model_is_measured_exactly", a_linear_model_is_measured_exactly),
];

const PROBES: &str = "probes: [kl-instability, kl-instability-max, lipschitz-l1-linf]\n";

/// Every preset but the long CLEVER.
const ALL: &str = "probes: [kl-instability, kl-instability-max, lipschitz-l1-linf, label-flips, calibration, calibration-pgd-20, \
                   lipschitz-yang, lipschitz-l2, lipschitz-wu, jacobian-frobenius, jacobian-spectral, logit-margin, \
                   first-order-radius, clever-quick]\n";

fn with_probes(probes: &str) -> Result<Scratch, Failed> {
    let scratch = Scratch::tiny()?;
    scratch.write("tiny.yaml", format!("{SUITE}{probes}"))?;
    Ok(scratch)
}

fn list<'a>(value: &'a Value, field: &str) -> Result<&'a Vec<Value>, Failed> {
    value[field].as_array().ok_or_else(|| format!("no list `{field}` in {value}").into())
}

fn they_leave_attacks_and_their_blocks_alone() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let mut without = scratch.results(&[])?;
    let computed = scratch.json("out/observations.json")?["blocks_computed"].clone();
    scratch.write("tiny.yaml", format!("{SUITE}{PROBES}"))?;
    let mut with = scratch.results(&[])?;
    let observations = scratch.json("out/observations.json")?;
    ensure(observations["blocks_reused"] == computed, "blocks of attacks and clean predictions are found again")?;
    // Two models, three probes, two blocks of 300 rows.
    ensure(observations["blocks_computed"] == 12, "the blocks of the probes are new")?;
    for model in with["models"].as_array_mut().into_iter().flatten() {
        let probes = model.as_object_mut().and_then(|model| model.remove("probes"));
        ensure(probes.is_some_and(|probes| probes.as_array().is_some_and(|list| list.len() == 3)), "three probes")?;
    }
    ensure(with["models"].take() == without["models"].take(), "the rest of a model's results is the same")
}

fn jobs_interruptions_and_company_change_nothing() -> Result<(), Failed> {
    let scratch = with_probes(ALL)?;
    scratch.run_in_every_way()?;
    let together = scratch.json("one/results.json")?;
    for probe in list(&together["models"][0], "probes")? {
        let (calibrates, bounded) = (probe["ece"].is_f64(), probe["upper"].is_f64());
        ensure(calibrates == (probe["probe"] == "calibration"), format!("{probe}"))?;
        let ratio = probe["probe"] == "lipschitz" || probe["name"] == "jacobian-spectral";
        // Values are of float32 logits and gradients.
        let upper = probe["upper"].as_f64().map(|upper| upper * (1.0 + 1e-6));
        ensure(bounded == ratio && (!ratio || probe["max"].as_f64() <= upper), format!("{probe}"))?;
    }
    scratch.write("tiny.yaml", format!("{}probes: [lipschitz-l1-linf]\n", SUITE.replace("linear, conv", "conv")))?;
    let alone = scratch.results(&[])?;
    ensure(alone["models"][0]["probes"][0] == together["models"][1]["probes"][2], "a probe alone has the same numbers")
}

fn results_and_reports_say_what_a_number_is() -> Result<(), Failed> {
    let scratch = with_probes(PROBES)?;
    scratch.run(["run", "tiny.yaml", "--dry-run"])?.expect(
        0,
        &["probe   kl-instability: kl-instability with inner cross-entropy, keep last", "start gaussian 0.001"],
    )?;
    let ran = scratch.run(["run", "tiny.yaml", "--out", "out"])?;
    ran.expect(0, &["lipschitz-l1-linf", "mean, worst 5 %", "[nats; lower bound]", "[logits per unit; lower bound]"])?;
    let report = scratch.read("out/report.md")?;
    for part in ["| kl-instability (nats) |", "## Probes", "lower bound", "≥ "] {
        ensure(report.contains(part), format!("report.md has no `{part}`"))?;
    }
    for model in list(&scratch.json("out/results.json")?, "models")? {
        for probe in list(model, "probes")? {
            let number = |field: &str| probe[field].as_f64().ok_or_else(|| format!("no `{field}` in {probe}"));
            let (mean, p95, max) = (number("mean")?, number("p95")?, number("max")?);
            ensure(0.0 < mean && mean <= max && p95 <= max, format!("{mean}, {p95}, {max}"))?;
            ensure(probe["measured"] == 300 && probe["total"] == 300, "every row is measured, right or wrong")?;
            ensure(probe["bound"] == "lower" && probe["max_row"].is_u64(), format!("{probe}"))?;
            ensure(probe["revision"] == 1 && probe["parameters"]["steps"] == 20, format!("{probe}"))?;
        }
    }
    Ok(())
}

/// The change of the logits of a linear model is largest in a corner of the ball, where the ratio is the same at every
/// epsilon; no ascent finds more.
fn a_linear_model_is_measured_exactly() -> Result<(), Failed> {
    let probes = "probes:\n  - lipschitz-l1-linf\n  - lipschitz: { name: numerator, outputs: logits, numerator: l1, \
                  denominator: linf, inner: difference, steps: 20, step_size: 2/255, start: { gaussian: 0.001 }, restarts: 1 }\n  - jacobian-spectral\n";
    let scratch = with_probes(probes)?;
    let largest = |results: &Value, probe: usize| results["models"][0]["probes"][probe]["max"].as_f64();
    let at_8 = scratch.results(&[])?;
    scratch.edit("tiny.yaml", "8/255", "4/255")?;
    let at_4 = scratch.results(&[])?;
    let (numerator_8, numerator_4) = (largest(&at_8, 1), largest(&at_4, 1));
    let (Some(exact), Some(again)) = (numerator_8, numerator_4) else { return Err("no values".into()) };
    // Logits are float32.
    ensure((exact - again).abs() < 1e-3 * exact, format!("{exact} at 8/255, {again} at 4/255"))?;
    ensure(largest(&at_8, 0).is_some_and(|ratio| ratio <= exact * (1.0 + 1e-3)), "no ratio is above the constant")?;
    // Of one layer the bound is the constant but for signs: at least it, and in l2 the spectral norm that every Jacobian has.
    let upper = |probe: usize| at_8["models"][0]["probes"][probe]["upper"].as_f64();
    ensure(
        upper(0) == upper(1) && upper(1).is_some_and(|upper| upper >= exact * (1.0 - 1e-4)),
        "the bound is above all",
    )?;
    let (spectral, bound) = (largest(&at_8, 2), upper(2));
    let both = spectral.zip(bound).is_some_and(|(found, bound)| (bound - found).abs() < 1e-5 * bound);
    ensure(both, format!("{spectral:?} beside {bound:?}"))
}
