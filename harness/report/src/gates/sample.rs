//! Verdicts and results made by hand, for tests.

use evidence::{
    AttackResult, Decision, Gate, GateResult, GateVerdict as Verdict, Limit, Metric, ModelResult, On, Results, RowSet,
    Rule,
};
use serde_json::json;

use crate::sample::{model, results};

fn gate(decision: Decision, model: &str, gate: &str, message: &str) -> GateResult {
    GateResult {
        gate: gate.into(),
        metric: "robust_accuracy".into(),
        model: model.into(),
        decision,
        message: message.into(),
        measured: Some(0.312),
        ci_low: Some(0.2834),
        ci_high: Some(0.3417),
        threshold: Some(0.4),
        p: None,
        file: "suites/my gate.yaml".into(),
        line: 12,
    }
}

/// One gate of each decision.
pub(crate) fn verdict() -> Verdict {
    let asked = "robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %)";
    let gates = vec![
        gate(Decision::Pass, "net", "clean_accuracy at least 0.3 (point)", "measured 31.2 %; asked is at least 30 %"),
        gate(Decision::Inconclusive, "small", asked, "measured 39 %: more samples would tell"),
        gate(Decision::Fail, "net", asked, "measured 31.2 %; asked is a lower limit ≥ 40 %"),
    ];
    Verdict::of("ci-gate", gates)
}

/// Text that means something in every format.
pub(crate) const HOSTILE: &str = "a<b>&\"'|`*[x](y)\\ %25\r\n::error::,: \u{1b}[31m\u{0}\u{fffe}]]> -->";

/// A verdict all of whose texts are hostile.
pub(crate) fn hostile() -> Verdict {
    let each = [Decision::Fail, Decision::Inconclusive, Decision::Pass].map(|decision| GateResult {
        metric: HOSTILE.into(),
        file: format!("suites\\{HOSTILE}"),
        line: 0,
        measured: None,
        ..gate(decision, HOSTILE, HOSTILE, HOSTILE)
    });
    Verdict::of(HOSTILE, each.into())
}

/// So many gates that fail.
pub(crate) fn many(count: usize) -> Verdict {
    let each = (0..count)
        .map(|at| gate(Decision::Fail, &format!("model-{at}"), "macs at most 1 (point)", &"long ".repeat(50)));
    Verdict::of("many", each.chain([gate(Decision::Pass, "good", "macs at most 2 (point)", "fine")]).collect())
}

/// A gate on the model `net`.
pub(super) fn ask(metric: Metric, of: Option<&str>, rule: Rule) -> Gate {
    Gate { metric, of: of.map(str::to_owned), robust: false, models: vec!["net".into()], rule, line: 3 }
}

/// A threshold at 95 % confidence.
pub(super) fn limit(threshold: f64, on: On) -> Limit {
    Limit { threshold, on, confidence: (on != On::Point).then_some(0.95) }
}

/// The results of models with these rows right and robust under `pgd`, out of as many as the sets have.
pub(super) fn measured(models: &[(&str, &RowSet, &RowSet)]) -> Results {
    let each = models.iter().map(|(name, correct, robust)| one(name, correct, robust));
    let mut results = results(each.collect());
    let planned: Vec<_> = models.iter().map(|(name, ..)| json!({ "name": name, "labels": [0, 1, 2] })).collect();
    let plan = json!({
        "dataset": { "name": "d", "split": "test", "digest": "00", "rows": [[0, 100]] },
        "threat": { "norm": "linf", "epsilon": "8/255", "epsilon_fraction": "8/255" },
        "seed": "0",
        "models": planned,
        "attacks": [{ "name": "pgd", "revision": 1, "spec": { "pgd": { "steps": 20 } } }],
    });
    results.plan = serde_json::from_value(plan).expect("an object");
    results
}

fn one(name: &str, correct: &RowSet, robust: &RowSet) -> ModelResult {
    let total = correct.rows();
    let made = model(name, correct.count(), &[("pgd", robust.count())]);
    let attacks = made.attacks.into_iter().map(|attack| AttackResult {
        robust_rows: robust.clone(),
        total,
        robust_accuracy: robust.count() as f64 / total as f64,
        ..attack
    });
    let worst = made.worst_case.map(|worst| evidence::WorstCase { robust_rows: robust.clone(), total, ..worst });
    ModelResult { attacks: attacks.collect(), worst_case: worst, total, correct_rows: correct.clone(), ..made }
}
