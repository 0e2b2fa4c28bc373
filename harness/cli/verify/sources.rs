//! The models and the data that a report is about, where they are here.

use super::step::{Step, count};
use super::stored::Stored;
use crate::needed::list;
use crate::places::Places;
use registry::{Error, FileState, RegisteredModel};
use serde_json::Value;
use std::collections::BTreeMap;
use suite::Suite;

/// The registered files of every model and source of the plan: their digests, and that they are those of the report.
pub(super) fn models(stored: &Stored, suite: Option<&Suite>, places: &Places) -> Step {
    let mut step = Step::new("models");
    let (registry, mut named) = (places.registry(), BTreeMap::new());
    for entry in suite.iter().flat_map(|suite| suite.document().models.iter().map(move |entry| (suite, entry))) {
        let found = registry.find_from(entry.0.source().folder(), entry.1);
        named.extend(found.into_iter().flatten().map(|model| (model.manifest.name.clone(), model)));
    }
    let recorded = ["models", "sources"].map(|section| list(&stored.plan, section).map_or(&[][..], Vec::as_slice));
    let (mut models, mut files) = (0, 0);
    for recorded in recorded.into_iter().flatten() {
        let name = recorded["name"].as_str().unwrap_or_default();
        // A path or a pattern would find something, but not what the report calls by a name.
        if name.contains(['/', '\\', '*', '?', '[']) || name.starts_with('.') || name.is_empty() {
            step.wrong.push(format!("results.json: {name:?} is no name of a model"));
            continue;
        }
        let found = named.remove(name).map_or_else(|| registry.find_one(name), Ok);
        match found {
            Ok(model) => {
                models += 1;
                files += of_model(&model, recorded, &mut step);
            }
            Err(Error::NoModel { .. }) => {
                step.unchecked.push(format!("model `{name}`: it is not registered here"));
            }
            Err(error) => step.wrong.push(format!("model `{name}`: failed to {error}")),
        }
    }
    if models > 0 {
        step.checked = format!("{} of {} against their digests", count(files, "file"), count(models, "model"));
    }
    step
}

/// Checks one model and returns how many files were looked at.
fn of_model(model: &RegisteredModel, recorded: &Value, step: &mut Step) -> usize {
    let (name, folder) = (&model.manifest.name, model.folder.display());
    if recorded["digest"] != model.digest.to_string() {
        step.wrong.push(format!(
            "{folder}/manifest.yaml: model `{name}` has digest {} here, and the report is about {}",
            model.digest,
            super::difference::shown(&recorded["digest"])
        ));
    }
    match model.verify() {
        Ok(verification) => {
            let files = verification.files.iter().filter(|file| model.manifest.files.contains_key(&file.name));
            for file in files {
                if let FileState::Failed(error) = &file.state {
                    step.wrong.push(format!("{folder}/{}: failed to {error}", file.name));
                }
            }
            model.manifest.files.len()
        }
        Err(error) => {
            step.wrong.push(format!("{folder}: failed to {error}"));
            0
        }
    }
}

/// The data set, every file of the split, and that it is that of the report.
pub(super) fn data(stored: &Stored, places: &Places) -> Step {
    let (mut step, facts, datasets) = (Step::new("data"), &stored.results.dataset, places.datasets());
    let (name, split) = (&facts.name, &facts.split);
    let missing = match datasets.missing(name) {
        Ok(missing) => missing.map(|reason| format!("its files are not here ({reason})")),
        Err(Error::NoDataset { .. }) => Some("it is not known here".to_owned()),
        Err(error) => {
            step.wrong.push(format!("data set `{name}`: failed to {error}"));
            return step;
        }
    };
    if let Some(reason) = missing {
        step.unchecked.push(format!("data set `{name}`: {reason}"));
        return step;
    }
    match datasets.load(name, split) {
        Ok(data) => {
            step.checked = format!("split `{split}` of data set `{name}`, {}", count(data.len(), "row"));
            if data.digest.to_string() != facts.digest.to_string() {
                let (here, there) = (data.digest, facts.digest);
                step.wrong.push(format!(
                    "data set `{name}`: split `{split}` has digest {here} here, and the report is about {there}"
                ));
            }
        }
        Err(error) => step.wrong.push(format!("data set `{name}`: failed to {error}")),
    }
    step
}
