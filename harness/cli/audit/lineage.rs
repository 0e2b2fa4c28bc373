//! What the registry knows of the models of a report.

use evidence::{Digest, ModelResult, Results};
use registry::{RegisteredModel, Registry, Training};
use report::audit::{Found, Lineage};

/// One for each model of the report, in its order.
pub(super) fn lineage(results: &Results, registry: &Registry) -> Vec<Lineage> {
    results.models.iter().map(|model| of(model, registry)).collect()
}

fn of(model: &ModelResult, registry: &Registry) -> Lineage {
    // The name is from a file: it must not be a path or a pattern.
    let is_name = !model.name.is_empty()
        && !model.name.starts_with('.')
        && model.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let registered = is_name.then(|| registry.find_one(&model.name).ok()).flatten();
    let lineage = |found| Lineage { model: model.name.clone(), found, facts: Vec::new(), training_data: None };
    match registered {
        None => lineage(Found::Absent),
        Some(known) if Digest::from(*known.digest.as_bytes()) != model.digest => lineage(Found::Changed),
        Some(known) => Lineage {
            facts: facts(&known),
            training_data: known.manifest.training.as_ref().map(|of| Digest::from(*of.data.digest.as_bytes())),
            ..lineage(Found::Same)
        },
    }
}

fn facts(model: &RegisteredModel) -> Vec<(String, String)> {
    let manifest = &model.manifest;
    let stated = [
        ("provenance", &manifest.provenance),
        ("licence", &manifest.licence),
        ("made for data set", &manifest.dataset),
    ];
    let stated = stated.into_iter().filter_map(|(what, value)| Some((what.to_owned(), value.clone()?)));
    let trained = manifest.training.as_ref().map(|training| trained(model, training));
    stated.chain(trained.into_iter().flatten()).collect()
}

fn trained(model: &RegisteredModel, training: &Training) -> Vec<(String, String)> {
    let data = &training.data;
    let mut facts = Vec::new();
    let mut add = |what: &str, value: String| facts.push((what.to_owned(), value));
    add("trained on", format!("{} ({} split, {} rows)", data.name, data.split, data.rows));
    add("training data", data.digest.to_string());
    let runtime = &training.runtime;
    add("epochs", training.epochs.to_string());
    add("seed", training.seed.to_string());
    if let Some(digest) = training.files.get(Training::RECIPE) {
        add("recipe", digest.to_string());
    }
    for key in ["architecture", "objective"] {
        if let Some(value) = of_recipe(model, key) {
            add(key, value);
        }
    }
    add("training plan", training.plan.to_string());
    add("trained by Tinyassay", training.tinyassay.clone());
    add(
        "on",
        format!(
            "{} with ONNX Runtime {}, {}, {} threads",
            runtime.provider, runtime.onnxruntime, runtime.instruction_set, runtime.threads
        ),
    );
    facts
}

/// A key of the verified recipe, where it stands on one line.
fn of_recipe(model: &RegisteredModel, key: &str) -> Option<String> {
    let recipe = String::from_utf8(model.beside(Training::RECIPE).ok()??).ok()?;
    let value = recipe.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}
