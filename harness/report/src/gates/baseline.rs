//! What a model is compared with, and whether the two can be compared at all.

use std::collections::BTreeMap;

use evidence::{Gate, MaxDrop, Metric, ModelResult, Results, Rule};
use serde_json::Value;

use crate::{Error, sources};

type Plan = BTreeMap<String, Value>;

/// Whether every baseline of these gates is there, and measured as `plan` measures: before a run begins.
///
/// Errors: [`Error::Gate`] that says what differs.
pub fn check_baselines(
    gates: &[Gate],
    file: &str,
    plan: &Plan,
    baselines: &BTreeMap<String, Results>,
) -> Result<(), Error> {
    for gate in gates {
        let Rule::MaxDrop(drop) = &gate.rule else { continue };
        for model in &gate.models {
            let compared = match other(drop, baselines) {
                Ok(Some(results)) => model_of(drop, model, results).and_then(|found| {
                    comparable(gate, (plan, model), (&results.plan, &found.name), &drop.baseline.to_string())
                }),
                Ok(None) => {
                    let same = drop.baseline.model.as_deref().unwrap_or(model);
                    comparable(gate, (plan, model), (plan, same), &drop.baseline.to_string())
                }
                Err(reason) => Err(reason),
            };
            compared.map_err(Error::gate(gate, model, file))?;
        }
    }
    Ok(())
}

/// The baseline's results of a model, which were measured as these were.
pub(super) fn find<'a>(
    gate: &Gate,
    drop: &MaxDrop,
    model: &str,
    results: &'a Results,
    baselines: &'a BTreeMap<String, Results>,
) -> Result<&'a ModelResult, String> {
    let of = other(drop, baselines)?.unwrap_or(results);
    let found = model_of(drop, model, of)?;
    comparable(gate, (&results.plan, model), (&of.plan, &found.name), &drop.baseline.to_string())?;
    Ok(found)
}

/// The results of another report; `None` for those that are judged.
fn other<'a>(drop: &MaxDrop, baselines: &'a BTreeMap<String, Results>) -> Result<Option<&'a Results>, String> {
    match &drop.baseline.report {
        Some(report) => {
            baselines.get(report).map(Some).ok_or_else(|| format!("the baseline report `{report}` was not read"))
        }
        None if drop.baseline.is_open() => Err(OPEN.to_owned()),
        None => Ok(None),
    }
}

const OPEN: &str = "which report its baseline is, is not said\nhint: name its folder with --baseline DIR";

fn model_of<'a>(drop: &MaxDrop, model: &str, results: &'a Results) -> Result<&'a ModelResult, String> {
    let name = drop.baseline.model.as_deref().unwrap_or(model);
    results.models.iter().find(|found| found.name == name).ok_or_else(|| {
        let names: Vec<&str> = results.models.iter().map(|model| model.name.as_str()).collect();
        format!("{} has no model `{name}`\nhint: it has {}", drop.baseline, names.join(", "))
    })
}

/// Whether two models were measured on the same rows in the same way. Each is a plan and a name.
fn comparable(gate: &Gate, here: (&Plan, &str), there: (&Plan, &str), baseline: &str) -> Result<(), String> {
    let [ours, theirs] = [here, there].map(|(plan, model)| decisive(gate, plan, model));
    match difference("", &ours, &theirs) {
        None => Ok(()),
        Some((path, ours, theirs)) => Err(format!(
            "{baseline} was not measured in the same way: `{path}` is {ours} here and {theirs} there\nhint: run the same suite, with the \
             same samples, on the baseline"
        )),
    }
}

/// What decides which rows a model gets, apart from the model itself: two of these that are equal can be compared row by row.
fn decisive(gate: &Gate, plan: &Plan, model: &str) -> Value {
    let section = |name: &str| plan.get(name).cloned().unwrap_or_default();
    let named = |section: &Value| -> serde_json::Map<String, Value> {
        let each = section.as_array().into_iter().flatten();
        each.filter_map(|one| Some((one["name"].as_str()?.to_owned(), one.clone()))).collect()
    };
    let mut wanted = serde_json::Map::new();
    for key in ["name", "split", "digest", "rows"] {
        wanted.insert(format!("dataset.{key}"), section("dataset")[key].clone());
    }
    let labels = named(&section("models")).get(model).map(|model| grouping(&model["labels"]));
    wanted.insert("classes that the model tells apart".to_owned(), labels.unwrap_or_default());
    if gate.metric != Metric::CleanAccuracy {
        let mut threat = section("threat");
        // Two ways to write one radius are no difference.
        threat.as_object_mut().and_then(|threat| threat.remove("epsilon"));
        wanted.insert("threat".to_owned(), threat);
        wanted.insert("seed".to_owned(), section("seed"));
        let mut attacks = named(&Value::Array(sources::attacks(plan)));
        // An attack that a model guides is not tried on that model.
        attacks.retain(|name, attack| gate.of.as_ref().is_none_or(|of| of == name) && attack["source"] != model);
        wanted.insert("attacks".to_owned(), Value::Object(attacks));
    }
    Value::Object(wanted)
}

/// Labels renumbered in the order in which they first come, so that only which classes are told apart counts.
fn grouping(labels: &Value) -> Value {
    let labels = labels.as_array().map(Vec::as_slice).unwrap_or_default();
    let first = |label: &Value| labels.iter().position(|other| other == label);
    labels.iter().map(|label| Value::from(first(label))).collect()
}

/// The first place at which two values differ, and what stands there.
fn difference(path: &str, a: &Value, b: &Value) -> Option<(String, String, String)> {
    if a == b {
        return None;
    }
    let (Some(ours), Some(theirs)) = (a.as_object(), b.as_object()) else {
        let told = |value: &Value| match value {
            Value::Null => "absent".to_owned(),
            other => other.to_string().chars().take(80).collect(),
        };
        return Some((path.to_owned(), told(a), told(b)));
    };
    let keys = ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key)));
    let mut each = keys.filter_map(|key| {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        difference(&path, ours.get(key).unwrap_or(&Value::Null), theirs.get(key).unwrap_or(&Value::Null))
    });
    each.next()
}
