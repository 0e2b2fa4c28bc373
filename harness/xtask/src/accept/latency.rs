//! Latency relative to another model: does the same ratio come out again?

use super::{Check, Context, Findings};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

pub(super) const CHECK: Check = Check {
    id: "latency",
    claim: "the ratio of two models' latencies, the median of five windows that take turns, comes out again within 5 % on an idle machine",
    needs_data: false,
    run,
};

const MODEL: &str = "signs32-mobilenet-standard";
const REFERENCE: &str = "signs32-cnn-standard";
/// The largest ratio may exceed the smallest by this part.
const WITHIN: f64 = 0.05;

fn run(context: &Context) -> Result<Findings> {
    let mut findings = Findings::default();
    for model in [MODEL, REFERENCE] {
        context.take_model(model)?;
    }
    let repeats = if context.small { 1 } else { 3 };
    let (mut ratios, mut idle) = (Vec::new(), true);
    for repeat in 0..repeats {
        let measured = context.tinyassay(["latency", MODEL, "--reference", REFERENCE, "--quick", "--json"])?;
        let measured: Value = serde_json::from_str(&measured)?;
        idle &= measured["flags"].as_array().is_some_and(Vec::is_empty);
        let model =
            measured["models"].as_array().and_then(|models| models.iter().find(|model| model["model"] == MODEL));
        let model = model.with_context(|| format!("no latency of `{MODEL}`"))?;
        ratios.push(model["ratio"]["median"].as_f64().context("no ratio")?);
        findings.note(
            &format!("repeat_{repeat}"),
            json!({ "ratio": model["ratio"], "latency_ns": model["latency_ns"], "flags": model["flags"],
                "idleness": measured["idleness"], "flags_of_all": measured["flags"] }),
        );
    }
    let [smallest, largest] =
        [ratios.iter().copied().fold(f64::INFINITY, f64::min), ratios.iter().copied().fold(0.0, f64::max)];
    findings.note("ratios", json!(ratios));
    findings.note("machine_was_idle", json!(idle));
    findings.note("apart", json!(largest / smallest - 1.0));
    // A network with fewer multiply-accumulates a layer, but more layers; which is slower is not claimed.
    findings.claim(smallest > 0.0 && largest.is_finite(), || format!("a ratio is no number: {ratios:?}"));
    match idle {
        true => {
            findings.claim(largest <= (1.0 + WITHIN) * smallest, || format!("ratios of {ratios:?} are too far apart"))
        }
        false => {
            println!("accept latency: the machine was not idle, so that nothing is claimed; the ratios were {ratios:?}")
        }
    }
    Ok(findings)
}
