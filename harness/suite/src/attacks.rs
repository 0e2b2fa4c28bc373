//! From the entries of `attacks` to attacks with every number.

use crate::curve::{PlannedCurve, PlannedLevel, Radii};
use crate::entry::{Entry, Kind};
use crate::long_form::{LongForm, variant};
use crate::probes;
use crate::suite::check_name;
use crate::transfer::TransferForm;
use crate::vocabulary::Vocabulary;
use registry::yaml::{Located, Place, Problem};

use attack::{ATTACKS, AttackSpec, Budget, Cost, Ensemble, PRESETS, ThreatModel, preset};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

/// One attack of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedAttack {
    /// The entry's name, which no other entry of the suite has.
    pub name: String,
    /// The attack with every number.
    pub spec: AttackSpec,
    /// The revision of the attack's numbers.
    pub revision: u32,
    /// The model that guides it, where that is not the one that is attacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The same at the radii of a curve.
    #[serde(skip_serializing_if = "PlannedCurve::is_none")]
    pub curve: PlannedCurve,
}

impl PlannedAttack {
    /// What one row of a model with so many classes costs at worst, at all radii together.
    pub fn cost(&self, classes: usize, budget: Budget) -> Cost {
        self.curve.specs(&self.spec).map(|spec| budget.caps(spec.cost(classes))).fold(Cost::default(), Cost::plus)
    }
}

/// The entries of `attacks`.
#[derive(Clone, Debug)]
pub struct Attacks;

/// What the long form of an attack says.
#[derive(Clone, Debug)]
pub enum AttackForm {
    /// Attacks that may be presets, whose numbers depend on the threat model.
    Ensemble(EnsembleForm),
    /// An attack that may be a preset, and the models that guide it.
    Transfer(TransferForm),
    /// Any other attack: every number stands there.
    Single(AttackSpec),
}

/// Attacks one after the other, each from the sample and on the rows that are still unbroken.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Ensemble")]
pub struct EnsembleForm {
    /// The attacks, in their order: presets and long forms without a `name`, none of them an ensemble.
    #[schemars(length(min = 1))]
    pub stages: Vec<Located<Entry<Attacks>>>,
}

/// The one attack whose parameters are entries themselves.
const ENSEMBLE: &str = "ensemble";
/// No attack of its own, but another one guided by another model.
const TRANSFER: &str = "transfer";

impl Kind for Attacks {
    type Form = AttackForm;
    const NAME: &'static str = "attack";
    const ONE: &'static str = "an attack";
    const PRESET: &'static str = "pgd-20";
    const LONG: &'static str = "pgd";

    fn presets() -> Vec<&'static str> {
        PRESETS.iter().map(|preset| preset.name).collect()
    }

    fn long() -> Vec<&'static str> {
        ATTACKS.iter().map(|attack| attack.name).chain([TRANSFER]).collect()
    }

    fn read<'de, D: Deserializer<'de>>(long: &str, form: D) -> Result<AttackForm, D::Error> {
        match long {
            ENSEMBLE => EnsembleForm::deserialize(form).map(AttackForm::Ensemble),
            TRANSFER => TransferForm::deserialize(form).map(AttackForm::Transfer),
            _ => variant(long, form).map(AttackForm::Single),
        }
    }

    fn forms(generator: &mut SchemaGenerator) -> Vec<LongForm> {
        let mut forms = LongForm::of::<AttackSpec>(generator);
        forms.push(LongForm { name: ENSEMBLE.to_owned(), form: generator.subschema_for::<EnsembleForm>() });
        forms.push(LongForm { name: TRANSFER.to_owned(), form: generator.subschema_for::<TransferForm>() });
        forms
    }
}

/// The names of attacks.
pub(crate) fn vocabulary() -> Vocabulary {
    Vocabulary::of::<Attacks>("runs", &[])
}

/// Gives every entry its numbers and a name of its own; a transfer becomes one attack for each of its sources, which
/// `sources` names.
pub(crate) fn attacks(
    entries: &[Located<Entry<Attacks>>],
    threat: &ThreatModel,
    radii: &Radii,
    sources: &mut dyn FnMut(&TransferForm) -> Result<Vec<String>, Problem>,
) -> Result<Vec<PlannedAttack>, Problem> {
    let mut planned: Vec<PlannedAttack> = Vec::new();
    for entry in entries {
        let spec = resolve(entry, threat)?;
        let (own_name, place) = named(entry, &spec);
        let sources = match &entry.value {
            Entry::Long(_, AttackForm::Transfer(form)) => sources(form)?.into_iter().map(Some).collect(),
            _ => vec![None],
        };
        let level = |threat: &ThreatModel| Ok(PlannedLevel { threat: threat.clone(), spec: resolve(entry, threat)? });
        let curve = PlannedCurve {
            levels: radii.levels.iter().map(level).collect::<Result<_, _>>()?,
            // What does not transfer says nothing of the attack.
            unconstrained: match &entry.value {
                Entry::Long(_, AttackForm::Transfer(_)) => None,
                _ => radii.unconstrained.as_ref().map(level).transpose()?,
            },
        };
        for source in sources {
            let name = source.as_ref().map_or(own_name.clone(), |source| format!("{own_name}-from-{source}"));
            check_name(&name, "attack name").map_err(|problem| problem.at(place))?;
            if planned.iter().any(|other| other.name == name) {
                return Err(Problem::new(format!("two attacks are named `{name}`"))
                    .hint("give one of them another name, with `name:` in its long form")
                    .at(place));
            }
            let (spec, curve) = (spec.clone(), curve.clone());
            planned.push(PlannedAttack { name, revision: spec.revision(), source, spec, curve });
        }
    }
    Ok(planned)
}

/// What an entry is called, and where that is written; a transfer is called as its attack.
fn named(entry: &Located<Entry<Attacks>>, spec: &AttackSpec) -> (String, Place) {
    match &entry.value {
        Entry::Long(None, AttackForm::Transfer(form)) => named(&form.attack, spec),
        value => value.own_name(entry.place, spec.name()),
    }
}

fn resolve(entry: &Located<Entry<Attacks>>, threat: &ThreatModel) -> Result<AttackSpec, Problem> {
    let spec = match &entry.value {
        Entry::Preset(name) => preset(name)
            .ok_or_else(|| vocabulary().no_preset(name, &probes::vocabulary()))
            .and_then(|preset| preset.resolve(threat).map_err(refused))
            .map_err(|problem| problem.at(entry.place))?,
        Entry::Long(_, AttackForm::Single(spec)) => spec.clone(),
        Entry::Long(_, AttackForm::Ensemble(form)) => {
            let stages = form.stages.iter().map(|stage| resolve_stage(stage, threat)).collect::<Result<_, _>>()?;
            AttackSpec::Ensemble(Ensemble { stages })
        }
        Entry::Long(_, AttackForm::Transfer(form)) => {
            match &form.attack.value {
                Entry::Long(_, AttackForm::Transfer(_)) => {
                    return Err(Problem::new("the attack of a transfer is a transfer").at(form.attack.place));
                }
                Entry::Long(Some(name), _) => {
                    return Err(Problem::new("the attack of a transfer has no name of its own")
                        .hint("give the transfer the name: `transfer: { name: ..., attack: ... }`")
                        .at(name.place));
                }
                _ => {}
            }
            resolve(&form.attack, threat)?
        }
        Entry::Unknown(name) => return Err(vocabulary().no_long_form(name, &probes::vocabulary()).at(name.place)),
    };
    spec.check(threat).map_err(|error| refused(error).at(entry.place))?;
    Ok(spec)
}

fn resolve_stage(entry: &Located<Entry<Attacks>>, threat: &ThreatModel) -> Result<AttackSpec, Problem> {
    if let Entry::Long(Some(name), _) = &entry.value {
        return Err(Problem::new("an attack of an ensemble has no name of its own")
            .hint("take `name` out")
            .at(name.place));
    }
    if let Entry::Long(_, AttackForm::Transfer(_)) = &entry.value {
        return Err(Problem::new("an ensemble has one model, and a transfer brings another")
            .hint("make the transfer an entry of its own")
            .at(entry.place));
    }
    resolve(entry, threat)
}

fn refused(error: attack::Error) -> Problem {
    match error {
        attack::Error::Spec { attack, reason } => Problem::new(format!("`{attack}` is refused: {reason}")),
        other => Problem::new(format!("the attack is refused: failed to {other}")),
    }
}
