//! From the entries of `attacks` to attacks with every number.

use crate::curve::{PlannedCurve, PlannedLevel, Radii};
use crate::entry::{Entry, Kind};
use crate::long_form::{LongForm, variant};
use crate::probes;
use crate::suite::check_name;
use crate::vocabulary::Vocabulary;
use registry::yaml::{Located, Problem};

use attack::{ATTACKS, AttackSpec, Cost, Ensemble, PRESETS, ThreatModel, preset};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

/// Attacks that a later version runs; naming one is no spelling mistake.
const LATER: &[&str] = &["transfer"];

/// One attack of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedAttack {
    /// The entry's name, which no other entry of the suite has.
    pub name: String,
    /// The attack with every number.
    pub spec: AttackSpec,
    /// The revision of the attack's numbers.
    pub revision: u32,
    /// The same at the radii of a curve.
    #[serde(skip_serializing_if = "PlannedCurve::is_none")]
    pub curve: PlannedCurve,
}

impl PlannedAttack {
    /// What one row of a model with so many classes costs at worst, at all radii together.
    pub fn cost(&self, classes: usize) -> Cost {
        self.curve.specs(&self.spec).map(|spec| spec.cost(classes)).fold(Cost::default(), Cost::plus)
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
        ATTACKS.iter().map(|attack| attack.name).collect()
    }

    fn read<'de, D: Deserializer<'de>>(long: &str, form: D) -> Result<AttackForm, D::Error> {
        match long {
            ENSEMBLE => EnsembleForm::deserialize(form).map(AttackForm::Ensemble),
            _ => variant(long, form).map(AttackForm::Single),
        }
    }

    fn forms(generator: &mut SchemaGenerator) -> Vec<LongForm> {
        let mut forms = LongForm::of::<AttackSpec>(generator);
        forms.push(LongForm { name: ENSEMBLE.to_owned(), form: generator.subschema_for::<EnsembleForm>() });
        forms
    }
}

/// The names of attacks.
pub(crate) fn vocabulary() -> Vocabulary {
    Vocabulary::of::<Attacks>("runs", LATER)
}

/// Gives every entry its numbers and a name of its own.
pub(crate) fn attacks(
    entries: &[Located<Entry<Attacks>>],
    threat: &ThreatModel,
    radii: &Radii,
) -> Result<Vec<PlannedAttack>, Problem> {
    let mut planned: Vec<PlannedAttack> = Vec::new();
    for entry in entries {
        let spec = resolve(entry, threat)?;
        let (name, place) = entry.own_name(entry.place, spec.name());
        check_name(&name, "attack name").map_err(|problem| problem.at(place))?;
        if planned.iter().any(|other| other.name == name) {
            return Err(Problem::new(format!("two attacks are named `{name}`"))
                .hint("give one of them another name, with `name:` in its long form")
                .at(place));
        }
        let level = |threat: &ThreatModel| Ok(PlannedLevel { threat: threat.clone(), spec: resolve(entry, threat)? });
        let curve = PlannedCurve {
            levels: radii.levels.iter().map(level).collect::<Result<_, _>>()?,
            unconstrained: radii.unconstrained.as_ref().map(level).transpose()?,
        };
        planned.push(PlannedAttack { name, revision: spec.revision(), spec, curve });
    }
    Ok(planned)
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
    resolve(entry, threat)
}

fn refused(error: attack::Error) -> Problem {
    match error {
        attack::Error::Spec { attack, reason } => Problem::new(format!("`{attack}` is refused: {reason}")),
        other => Problem::new(format!("the attack is refused: failed to {other}")),
    }
}
