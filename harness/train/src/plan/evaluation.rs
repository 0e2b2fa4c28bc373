//! What is measured along the way. How it is measured is the caller's.

use super::PlannedDataset;
use crate::recipe::document::EvaluateSection;
use attack::{AttackSpec, PRESETS, ThreatModel, preset};
use registry::yaml::{Located, Problem, list, suggestion};
use registry::{Dataset, Datasets};
use serde::Serialize;

/// What is measured after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The rows that are measured on.
    pub dataset: PlannedDataset,
    /// Every how many epochs.
    pub every: u32,
    /// What robust accuracy is measured with.
    pub attack: Option<PlannedAttack>,
    /// The probes, by name.
    pub probes: Vec<String>,
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
    probes: &[&str],
    datasets: &Datasets,
) -> Result<(Evaluation, Dataset), Problem> {
    let asked = datasets.asked(name, &section.split, Some(&section.samples))?;
    let attack = section.attack.as_ref().map(|attack| planned(attack, threat)).transpose()?;
    for probe in &section.probes {
        if !probes.contains(&probe.as_str()) {
            let problem = Problem::new(format!("there is no probe `{}`", probe.value));
            return Err(problem.hint(suggestion(probe, probes)).at(probe.place));
        }
        if threat.is_none() {
            return Err(no_threat(&format!("probe `{}`", probe.value)).at(probe.place));
        }
    }
    let data = asked.load()?;
    let dataset =
        PlannedDataset { name: data.name.clone(), split: data.split.clone(), digest: data.digest, rows: asked.samples };
    let probes = section.probes.iter().map(|probe| probe.value.clone()).collect();
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

pub(super) fn no_threat(what: &str) -> Problem {
    Problem::new(format!("{what} needs to know how far an input may be moved, and `threat` is missing"))
        .hint("add `threat: { norm: linf, epsilon: 8/255 }`")
}
