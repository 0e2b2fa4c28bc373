//! From the entries of `probes` to probes with every number.

use crate::attacks::{self, PlannedAttack};
use crate::entry::{Entry, Kind};
use crate::long_form::{LongForm, variant};
use crate::models::PlannedModel;
use crate::suite::check_name;
use crate::vocabulary::Vocabulary;
use registry::yaml::{Located, Problem};

use attack::ThreatModel;
use probe::{PRESETS, PROBES, ProbeSpec, preset};
use registry::OutputKind;
use schemars::SchemaGenerator;
use serde::{Deserializer, Serialize};

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

/// The entries of `probes`.
#[derive(Clone, Debug)]
pub struct Probes;

impl Kind for Probes {
    type Form = ProbeSpec;
    const NAME: &'static str = "probe";
    const ONE: &'static str = "a probe";
    const PRESET: &'static str = "kl-instability";
    const LONG: &'static str = "kl-instability";

    fn presets() -> Vec<&'static str> {
        PRESETS.iter().map(|preset| preset.name).collect()
    }

    fn long() -> Vec<&'static str> {
        PROBES.iter().map(|probe| probe.name).collect()
    }

    fn read<'de, D: Deserializer<'de>>(long: &str, form: D) -> Result<ProbeSpec, D::Error> {
        variant(long, form)
    }

    fn forms(generator: &mut SchemaGenerator) -> Vec<LongForm> {
        LongForm::of::<ProbeSpec>(generator)
    }
}

/// The names of probes.
pub(crate) fn vocabulary() -> Vocabulary {
    Vocabulary::of::<Probes>("measures", &[])
}

/// Gives every entry its numbers and a name that no other entry and no attack has.
pub(crate) fn probes(
    entries: &[Located<Entry<Probes>>],
    threat: &ThreatModel,
    attacks: &[PlannedAttack],
) -> Result<Vec<PlannedProbe>, Problem> {
    let mut planned: Vec<PlannedProbe> = Vec::new();
    for entry in entries {
        let spec = resolve(entry, threat).map_err(|problem| problem.at(entry.place))?;
        let (name, place) = entry.own_name(entry.place, spec.name());
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
        OutputKind::Score => {
            Err("it has no logits of a class distribution; only outputs of kind `logits`, `softmax` and \
                                  `sigmoid` do"
                .to_owned())
        }
        OutputKind::Logits | OutputKind::Softmax | OutputKind::Sigmoid => Ok(()),
    }
}

fn resolve(entry: &Located<Entry<Probes>>, threat: &ThreatModel) -> Result<ProbeSpec, Problem> {
    let spec = match &entry.value {
        Entry::Preset(name) => preset(name)
            .ok_or_else(|| vocabulary().no_preset(name, &attacks::vocabulary()))?
            .resolve(threat)
            .map_err(refused)?,
        Entry::Long(_, spec) => spec.clone(),
        Entry::Unknown(name) => {
            return Err(vocabulary().no_long_form(name, &attacks::vocabulary()).at(name.place));
        }
    };
    spec.check(threat).map_err(refused)?;
    Ok(spec)
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
        for kind in [OutputKind::Logits, OutputKind::Softmax, OutputKind::Sigmoid] {
            assert!(check_output(kind).is_ok());
        }
        assert!(check_output(OutputKind::Score).is_err_and(|reason| reason.contains("no logits")));
    }
}
