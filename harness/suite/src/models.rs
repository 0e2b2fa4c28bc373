//! From the entries of `models` to models that fit the data.

use crate::grid::moves_on_grid;
use crate::input_map::input_map;
use graph::InputMap;
use registry::yaml::Located;
use registry::yaml::Problem;
use registry::yaml::Source;
use registry::yaml::nearest;
use registry::{
    Dataset, Digest, InputAffine, InputSpec, ModelManifest, OutputSpec, RegisteredModel, Registry, is_glob,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// One model of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedModel {
    /// Its name, which no other model of the plan has.
    pub name: String,
    /// The digest over all its files.
    pub digest: Digest,
    /// The digest of each file.
    pub files: BTreeMap<String, Digest>,
    /// What the file wants.
    pub input: InputSpec,
    /// What the file gives.
    pub output: OutputSpec,
    /// For each class of the data set, the output that is right.
    pub labels: Vec<usize>,
    /// Whether inputs move on the data's grid: integer inputs do, and with `grid` in the threat all.
    pub grid: bool,
    /// How a row of the data becomes a row of the model.
    #[serde(skip)]
    pub map: InputMap,
    /// Where it is.
    #[serde(skip)]
    pub registered: RegisteredModel,
}

/// Finds every model that is named and checks it against the data, on whose grid all of them are attacked where they are held to it.
pub(crate) fn models(
    entries: &[Located<String>],
    source: &Source,
    registry: &Registry,
    dataset: &Dataset,
    held_to_grid: bool,
) -> Result<Vec<PlannedModel>, Problem> {
    let mut planned: Vec<(PlannedModel, &str)> = Vec::new();
    for entry in entries {
        let found = registry.find_from(source.folder(), entry).map_err(|error| not_found(entry, error, registry));
        for model in found.map_err(|problem| problem.at(entry.place))? {
            let name = model.manifest.name.clone();
            if let Some((_, other)) = planned.iter().find(|(planned, _)| planned.name == name) {
                let message = format!("model `{name}` is named twice, by `{other}` and by `{}`", entry.value);
                return Err(Problem::new(message).at(entry.place));
            }
            let model = fit(model, dataset, held_to_grid)
                .map_err(|reason| Problem::new(format!("model `{name}` does not fit: {reason}")).at(entry.place))?;
            planned.push((model, entry));
        }
    }
    Ok(planned.into_iter().map(|(model, _)| model).collect())
}

fn not_found(wanted: &str, error: registry::Error, registry: &Registry) -> Problem {
    let registry::Error::NoModel { root, hint, .. } = error else {
        return Problem::caused_by(format!("model `{wanted}` cannot be used"), error);
    };
    let names: Vec<String> = registry.list().into_iter().flatten().map(|(name, _)| name).collect();
    // The registry knows best what a glob, or a model that is only not trained yet, lacks.
    let understood = is_glob(wanted) || registry.untrained(wanted).is_ok_and(|untrained| !untrained.is_empty());
    let hint = match nearest(wanted, names.iter().map(String::as_str)) {
        Some(meant) if !understood => format!("did you mean `{meant}`?"),
        _ => hint,
    };
    Problem::new(format!("there is no model `{wanted}` in {}", root.display())).hint(hint)
}

fn fit(model: RegisteredModel, dataset: &Dataset, held_to_grid: bool) -> Result<PlannedModel, String> {
    let ModelManifest { name, files, input, output, dataset: declared, .. } = model.manifest.clone();
    if let Some(declared) = declared.filter(|declared| *declared != dataset.name) {
        return Err(format!("it is registered for data set `{declared}`, and the suite uses `{}`", dataset.name));
    }
    let labels = labels(&output, dataset)?;
    let map = input_map(&InputAffine::new(&input, &dataset.shape, dataset.layout, &dataset.domain)?);
    map.check().map_err(|error| format!("failed to {error}"))?;
    let grid = moves_on_grid(&map, dataset)? || held_to_grid;
    Ok(PlannedModel { name, digest: model.digest, files, input, output, labels, grid, map, registered: model })
}

/// The right output for each class of the data set.
fn labels(output: &OutputSpec, dataset: &Dataset) -> Result<Vec<usize>, String> {
    let (classes, outputs) = (dataset.classes.len(), output.classes);
    let labels = match &output.labels {
        Some(labels) => labels.clone(),
        None if outputs == classes => (0..classes).collect(),
        None => {
            return Err(format!(
                "it has {outputs} outputs, and `{}` has {classes} classes; `labels` in its manifest can say which is which",
                dataset.name
            ));
        }
    };
    if labels.len() != classes {
        return Err(format!("`labels` names {} classes, and `{}` has {classes}", labels.len(), dataset.name));
    }
    match labels.iter().find(|label| **label >= outputs) {
        Some(label) => Err(format!("`labels` names output {label}, and there are {outputs}, from 0")),
        None => Ok(labels),
    }
}
