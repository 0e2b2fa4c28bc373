//! What is measured along the way. How it is measured is the caller's.

use super::PlannedDataset;
use crate::recipe::document::EvaluateSection;
use attack::{AttackSpec, PRESETS, ThreatModel, preset};
use registry::yaml::{Located, Problem, list, suggestion};
use registry::{Dataset, Datasets};
use serde::Serialize;
use serde_json::Value;

/// What is measured after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The rows that are measured on.
    pub dataset: PlannedDataset,
    /// Every how many epochs.
    pub every: u32,
    /// What robust accuracy is measured with.
    pub attack: Option<PlannedAttack>,
    /// The probes.
    pub probes: Vec<PlannedProbe>,
}

/// A probe with every number, as the caller knows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedProbe {
    /// Its name.
    pub name: String,
    /// Its numbers.
    pub spec: Value,
}

/// The probes that the caller can measure.
#[derive(Clone, Copy)]
pub struct Probes<'a> {
    /// Their names.
    pub names: &'a [&'a str],
    /// The numbers of one of them under a threat model, or why there are none.
    pub resolve: &'a dyn Fn(&str, &ThreatModel) -> Result<Value, String>,
}

/// An attack with every number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedAttack {
    /// The preset.
    pub name: String,
    /// Its numbers.
    pub spec: AttackSpec,
    /// The revision of the attack's numbers.
    pub revision: u32,
}

/// Looks up the rows, the preset and the probes.
///
/// Errors: one of them is not there, or needs a threat model that there is not.
pub(super) fn resolve(
    section: &EvaluateSection,
    name: &Located<String>,
    threat: Option<&ThreatModel>,
    probes: Probes<'_>,
    datasets: &Datasets,
) -> Result<(Evaluation, Dataset), Problem> {
    let asked = datasets.asked(name, &section.split, Some(&section.samples))?;
    let attack = section.attack.as_ref().map(|attack| planned(attack, threat)).transpose()?;
    let probes = section.probes.iter().map(|name| probe(name, threat, probes)).collect::<Result<_, _>>()?;
    let data = asked.load()?;
    let dataset =
        PlannedDataset { name: data.name.clone(), split: data.split.clone(), digest: data.digest, rows: asked.samples };
    Ok((Evaluation { dataset, every: section.every.value, attack, probes }, data))
}

fn planned(name: &Located<String>, threat: Option<&ThreatModel>) -> Result<PlannedAttack, Problem> {
    let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    let Some(preset) = preset(name) else {
        let problem = Problem::new(format!("there is no preset `{}`", name.value));
        return Err(problem.hint(format!("the presets are {}", list(&names))).at(name.place));
    };
    let threat = threat.ok_or_else(|| no_threat(&format!("attack `{}`", name.value)).at(name.place))?;
    let spec = preset.resolve(threat).and_then(|spec| spec.check(threat).map(|()| spec));
    let spec = spec.map_err(|error| Problem::new(format!("failed to {error}")).at(name.place))?;
    Ok(PlannedAttack { name: name.value.clone(), revision: spec.revision(), spec })
}

fn probe(name: &Located<String>, threat: Option<&ThreatModel>, probes: Probes<'_>) -> Result<PlannedProbe, Problem> {
    if !probes.names.contains(&name.as_str()) {
        let problem = Problem::new(format!("there is no probe `{}`", name.value));
        return Err(problem.hint(suggestion(name, probes.names)).at(name.place));
    }
    let threat = threat.ok_or_else(|| no_threat(&format!("probe `{}`", name.value)).at(name.place))?;
    let spec = (probes.resolve)(name, threat).map_err(|reason| Problem::new(reason).at(name.place))?;
    Ok(PlannedProbe { name: name.value.clone(), spec })
}

pub(super) fn no_threat(what: &str) -> Problem {
    Problem::new(format!("{what} needs to know how far an input may be moved, and `threat` is missing"))
        .hint("add `threat: { norm: linf, epsilon: 8/255 }`")
}
