use serde_json::{Value, json};

use super::{Agreement, CheckPair, Comparison, LatencyPair, MeasurePair, Share, Word};
use crate::Error;

/// The version of the layout of the JSON form.
const SCHEMA_VERSION: u32 = 1;

/// The comparison for machines: fields in alphabetical order.
///
/// Errors: none, in practice.
pub fn json(comparison: &Comparison) -> Result<String, Error> {
    let [baseline, candidate] = &comparison.suites;
    let [only_baseline, only_candidate] = &comparison.only;
    let models = comparison
        .models
        .iter()
        .map(|pair| json!({ "baseline": pair.baseline, "candidate": pair.candidate, "same_file": pair.is_same_file }));
    let value = json!({
        "schema_version": SCHEMA_VERSION,
        "baseline": baseline,
        "candidate": candidate,
        "significance": evidence::SIGNIFICANCE,
        "regressions": comparison.count(Word::Regression),
        "improvements": comparison.count(Word::Improvement),
        "models": models.collect::<Vec<_>>(),
        "agreements": comparison.agreements.iter().map(agreement).collect::<Vec<_>>(),
        "checks": comparison.checks.iter().map(|check| one(comparison, check)).collect::<Vec<_>>(),
        "measures": comparison.measures.iter().map(|of| measure(comparison, of)).collect::<Vec<_>>(),
        "latency": comparison.latency.iter().map(|of| latency(comparison, of)).collect::<Vec<_>>(),
        "only_baseline": only_baseline,
        "only_candidate": only_candidate,
    });
    let text = serde_json::to_string_pretty(&value).map_err(|error| Error::Compare { reason: error.to_string() })?;
    Ok(text + "\n")
}

fn agreement(of: &Agreement) -> Value {
    json!({ "what": of.what, "baseline": of.baseline, "candidate": of.candidate, "agrees": of.agrees() })
}

fn share(of: &Share) -> Value {
    json!({ "share": of.share, "ci_low": of.ci_low, "ci_high": of.ci_high, "count": of.count, "total": of.total })
}

fn one(comparison: &Comparison, of: &CheckPair) -> Value {
    let mut value = json!({
        "model": comparison.models[of.pair].baseline,
        "check": of.check,
        "word": of.word().name(),
        "baseline": share(&of.baseline),
        "candidate": share(&of.candidate),
        "inconclusive": of.doubts,
    });
    match &of.test {
        Err(reason) => value["not_compared"] = json!(reason),
        Ok(test) => {
            value["test"] = json!({
                "difference": test.difference,
                "ci_low": test.interval.low,
                "ci_high": test.interval.high,
                "p": test.p,
                "p_holm": test.p_holm,
                "only_baseline": test.rows.only_b,
                "only_candidate": test.rows.only_a,
                "both": test.rows.both,
                "neither": test.rows.neither,
            });
        }
    }
    value
}

fn measure(comparison: &Comparison, of: &MeasurePair) -> Value {
    json!({
        "model": comparison.models[of.pair].baseline,
        "name": of.name,
        "units": of.units,
        "bound": of.bound_name(),
        "baseline": of.baseline,
        "candidate": of.candidate,
        "ratio": of.ratio(),
    })
}

fn latency(comparison: &Comparison, of: &LatencyPair) -> Value {
    json!({
        "model": comparison.models[of.pair].baseline,
        "name": of.name,
        "baseline_ns": of.baseline_ns,
        "candidate_ns": of.candidate_ns,
        "ratio": of.ratio(),
        "same_machine": of.is_same_machine,
        "flags": of.flags,
    })
}
