//! From the entries of `probes` to probes with every number.

use crate::attacks::{self, PlannedAttack};
use crate::models::PlannedModel;
use crate::probe_entry::{KlInnerName, ProbeEntry, ProbeKeep, ProbeStart, RatioInnerName};
use crate::suite::check_name;
use crate::threat::exact;
use crate::vocabulary::Vocabulary;
use registry::yaml::Located;
use registry::yaml::Problem;

use attack::ThreatModel;
use probe::{Keep, KlInner, KlInstability, LipschitzL1Linf, PRESETS, PROBES, ProbeSpec, RatioInner, Start, preset};
use registry::OutputKind;
use serde::Serialize;

/// Probes that a later version runs; naming one is no spelling mistake.
const LATER: &[&str] = &["clever", "clever-quick"];

/// One probe of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedProbe {
    /// The entry's name, which no other entry of the suite has.
    pub name: String,
    /// The probe with every number.
    pub spec: ProbeSpec,
    /// The revision of the probe's numbers.
    pub revision: u32,
}

/// The names of probes.
pub(crate) fn vocabulary() -> Vocabulary {
    Vocabulary {
        kind: "probe",
        one: "a probe",
        verb: "measures",
        presets: PRESETS.iter().map(|preset| preset.name).collect(),
        long: PROBES.iter().map(|probe| probe.name).collect(),
        later: LATER,
    }
}

/// Gives every entry its numbers and a name that no other entry and no attack has.
pub(crate) fn probes(
    entries: &[Located<ProbeEntry>],
    threat: &ThreatModel,
    attacks: &[PlannedAttack],
) -> Result<Vec<PlannedProbe>, Problem> {
    let mut planned: Vec<PlannedProbe> = Vec::new();
    for entry in entries {
        let (name, place) = match long_name(entry) {
            Some(name) => (Some(name.value.clone()), name.place),
            None => (None, entry.place),
        };
        let spec = resolve(entry, threat).map_err(|problem| problem.at(entry.place))?;
        let name = name.unwrap_or_else(|| match &entry.value {
            ProbeEntry::Preset(name) => name.clone(),
            _ => spec.name().to_owned(),
        });
        check_name(&name, "probe name").map_err(|problem| problem.at(place))?;
        let twice = match () {
            () if planned.iter().any(|other| other.name == name) => format!("two probes are named `{name}`"),
            () if attacks.iter().any(|other| other.name == name) => {
                format!("an attack and a probe are named `{name}`")
            }
            () => {
                planned.push(PlannedProbe { name, revision: spec.revision(), spec });
                continue;
            }
        };
        return Err(Problem::new(twice).hint("give one of them another name, with `name:` in its long form").at(place));
    }
    Ok(planned)
}

/// Refuses models whose outputs no probe can speak about: they need logits.
pub(crate) fn check_models(models: &[PlannedModel], probes: &[PlannedProbe]) -> Result<(), Problem> {
    for (model, probe) in models.iter().flat_map(|model| probes.iter().map(move |probe| (model, probe))) {
        check_output(model.output.kind).map_err(|reason| {
            Problem::new(format!("probe `{}` cannot measure model `{}`: {reason}", probe.name, model.name))
        })?;
    }
    Ok(())
}

fn check_output(kind: OutputKind) -> Result<(), String> {
    match kind {
        OutputKind::Sigmoid | OutputKind::Score => {
            Err("it has no logits of a class distribution; only outputs of kind `logits` and `softmax` do".to_owned())
        }
        OutputKind::Logits | OutputKind::Softmax => Ok(()),
    }
}

fn long_name(entry: &ProbeEntry) -> Option<&Located<String>> {
    match entry {
        ProbeEntry::KlInstability(form) => form.name.as_ref(),
        ProbeEntry::LipschitzL1Linf(form) => form.name.as_ref(),
        ProbeEntry::Preset(_) | ProbeEntry::Unknown(_) => None,
    }
}

fn resolve(entry: &Located<ProbeEntry>, threat: &ThreatModel) -> Result<ProbeSpec, Problem> {
    let spec = match &entry.value {
        ProbeEntry::Preset(name) => preset(name)
            .ok_or_else(|| vocabulary().no_preset(name, &attacks::vocabulary()))?
            .resolve(threat)
            .map_err(refused)?,
        ProbeEntry::KlInstability(form) => ProbeSpec::KlInstability(KlInstability {
            inner: match form.inner {
                KlInnerName::CrossEntropy => KlInner::CrossEntropy,
                KlInnerName::Kl => KlInner::Kl,
            },
            steps: form.steps.value,
            step_size: exact(&form.step_size, "step_size")?,
            start: start(&form.start)?,
            keep: match form.keep {
                ProbeKeep::Best => Keep::Best,
                ProbeKeep::Last => Keep::Last,
            },
        }),
        ProbeEntry::LipschitzL1Linf(form) => ProbeSpec::LipschitzL1Linf(LipschitzL1Linf {
            inner: match form.inner {
                RatioInnerName::Ratio => RatioInner::Ratio,
                RatioInnerName::LogitDifference => RatioInner::LogitDifference,
                RatioInnerName::CrossEntropy => RatioInner::CrossEntropy,
            },
            steps: form.steps.value,
            step_size: exact(&form.step_size, "step_size")?,
            start: start(&form.start)?,
        }),
        ProbeEntry::Unknown(name) => {
            return Err(vocabulary().no_long_form(name, &attacks::vocabulary()).at(name.place));
        }
    };
    spec.check(threat).map_err(refused)?;
    Ok(spec)
}

fn start(start: &ProbeStart) -> Result<Start, Problem> {
    Ok(match start {
        ProbeStart::None => Start::None,
        ProbeStart::Random => Start::Random,
        ProbeStart::RandomClipped => Start::RandomClipped,
        ProbeStart::Gaussian(sigma) => Start::Gaussian(exact(sigma, "gaussian")?),
    })
}

fn refused(error: probe::Error) -> Problem {
    match error {
        probe::Error::Spec { probe, reason } => Problem::new(format!("`{probe}` is refused: {reason}")),
        other => Problem::new(format!("the probe is refused: failed to {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_without_a_class_distribution_are_refused() {
        for kind in [OutputKind::Logits, OutputKind::Softmax] {
            assert!(check_output(kind).is_ok());
        }
        for kind in [OutputKind::Sigmoid, OutputKind::Score] {
            assert!(check_output(kind).is_err_and(|reason| reason.contains("no logits")));
        }
    }
}
