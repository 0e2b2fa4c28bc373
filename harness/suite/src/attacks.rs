//! From the entries of `attacks` to attacks with every number.

use crate::entry::{Entry, FgsmForm, KeepName, LossName, PgdForm, StartName, Targets};
use crate::probes;
use crate::suite::check_name;
use crate::threat::exact;
use crate::vocabulary::Vocabulary;
use registry::yaml::{Located, Problem};

use attack::{ATTACKS, AttackSpec, Fgsm, Keep, LossKind, PRESETS, Pgd, Start, ThreatModel, preset};
use serde::Serialize;

/// Attacks that a later version runs; naming one is no spelling mistake.
const LATER: &[&str] = &["apgd-ce", "apgd-dlr", "apgd-t", "cw", "ensemble", "ensemble-standard", "fab-t", "square"];

/// One attack of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedAttack {
    /// The entry's name, which no other entry of the suite has.
    pub name: String,
    /// The attack with every number.
    pub spec: AttackSpec,
    /// The revision of the attack's numbers.
    pub revision: u32,
}

/// The names of attacks.
pub(crate) fn vocabulary() -> Vocabulary {
    Vocabulary {
        kind: "attack",
        one: "an attack",
        verb: "runs",
        presets: PRESETS.iter().map(|preset| preset.name).collect(),
        long: ATTACKS.iter().map(|attack| attack.name).collect(),
        later: LATER,
    }
}

/// Gives every entry its numbers and a name of its own.
pub(crate) fn attacks(entries: &[Located<Entry>], threat: &ThreatModel) -> Result<Vec<PlannedAttack>, Problem> {
    let mut planned: Vec<PlannedAttack> = Vec::new();
    for entry in entries {
        let (name, place) = match long_name(entry) {
            Some(name) => (Some(name.value.clone()), name.place),
            None => (None, entry.place),
        };
        let spec = resolve(entry, threat).map_err(|problem| problem.at(entry.place))?;
        let name = name.unwrap_or_else(|| match &entry.value {
            Entry::Preset(name) => name.clone(),
            _ => spec.name().to_owned(),
        });
        check_name(&name, "attack name").map_err(|problem| problem.at(place))?;
        if planned.iter().any(|other| other.name == name) {
            return Err(Problem::new(format!("two attacks are named `{name}`"))
                .hint("give one of them another name, with `name:` in its long form")
                .at(place));
        }
        planned.push(PlannedAttack { name, revision: spec.revision(), spec });
    }
    Ok(planned)
}

fn long_name(entry: &Entry) -> Option<&Located<String>> {
    match entry {
        Entry::Fgsm(form) => form.name.as_ref(),
        Entry::Pgd(form) => form.name.as_ref(),
        Entry::Preset(_) | Entry::Unknown(_) => None,
    }
}

fn resolve(entry: &Located<Entry>, threat: &ThreatModel) -> Result<AttackSpec, Problem> {
    let spec = match &entry.value {
        Entry::Preset(name) => preset(name)
            .ok_or_else(|| vocabulary().no_preset(name, &probes::vocabulary()))?
            .resolve(threat)
            .map_err(refused)?,
        Entry::Fgsm(FgsmForm { loss, targets, .. }) => {
            AttackSpec::Fgsm(Fgsm { loss: loss_kind(*loss), targets: attack_targets(*targets) })
        }
        Entry::Pgd(form) => AttackSpec::Pgd(pgd(form)?),
        Entry::Unknown(name) => return Err(vocabulary().no_long_form(name, &probes::vocabulary()).at(name.place)),
    };
    spec.check(threat).map_err(refused)?;
    Ok(spec)
}

fn pgd(form: &PgdForm) -> Result<Pgd, Problem> {
    Ok(Pgd {
        steps: form.steps.value,
        step_size: exact(&form.step_size, "step_size")?,
        start: match form.start {
            StartName::None => Start::None,
            StartName::Random => Start::Random,
            StartName::RandomClipped => Start::RandomClipped,
        },
        restarts: form.restarts.value,
        loss: loss_kind(form.loss),
        targets: attack_targets(form.targets),
        keep: match form.keep {
            KeepName::Best => Keep::Best,
            KeepName::Last => Keep::Last,
        },
    })
}

fn loss_kind(loss: LossName) -> LossKind {
    match loss {
        LossName::CrossEntropy => LossKind::CrossEntropy,
        LossName::Margin => LossKind::Margin,
    }
}

fn attack_targets(targets: Targets) -> attack::Targets {
    match targets {
        Targets::None => attack::Targets::None,
        Targets::LeastLikely => attack::Targets::LeastLikely,
        Targets::Each => attack::Targets::Each,
    }
}

fn refused(error: attack::Error) -> Problem {
    match error {
        attack::Error::Spec { attack, reason } => Problem::new(format!("`{attack}` is refused: {reason}")),
        other => Problem::new(format!("the attack is refused: failed to {other}")),
    }
}
