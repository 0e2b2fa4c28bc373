//! The radii of a curve, and an attack's numbers at each of them.

use crate::document::CurveSection;
use attack::{AttackSpec, Curve, Domain, Epsilon, Level, Norm, ThreatModel};
use registry::yaml::{Located, Problem};
use serde::{Serialize, Serializer};

/// The radii of a plan's curve.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Radii {
    /// Every radius, rising, that of the threat model among them; none without a curve.
    pub levels: Vec<ThreatModel>,
    /// A radius from which every input is in reach.
    pub unconstrained: Option<ThreatModel>,
}

/// An attack at one radius of a curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedLevel {
    /// Norm and radius; the norm is that of the plan.
    #[serde(rename = "epsilon", serialize_with = "fraction")]
    pub threat: ThreatModel,
    /// The attack with every number.
    pub spec: AttackSpec,
}

/// An attack at every radius of a curve.
#[derive(Clone, Debug, PartialEq, Serialize, Default)]
pub struct PlannedCurve {
    /// Rising; none without a curve.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<PlannedLevel>,
    /// Where every input is in reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconstrained: Option<PlannedLevel>,
}

fn fraction<S: Serializer>(threat: &ThreatModel, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&threat.epsilon.fraction())
}

impl PlannedLevel {
    fn as_level(&self) -> Level<'_> {
        Level { threat: &self.threat, spec: &self.spec }
    }
}

impl PlannedCurve {
    /// Whether there is nothing but the threat model's own radius.
    pub fn is_none(&self) -> bool {
        self.levels.is_empty() && self.unconstrained.is_none()
    }

    /// Its levels as attacks take them.
    pub fn levels(&self) -> Vec<Level<'_>> {
        self.levels.iter().map(PlannedLevel::as_level).collect()
    }

    /// The curve as attacks take it.
    pub fn with<'a>(&'a self, levels: &'a [Level<'a>]) -> Curve<'a> {
        Curve { levels, unconstrained: self.unconstrained.as_ref().map(PlannedLevel::as_level) }
    }

    /// What runs of an attack: it at every radius, or it alone.
    pub(crate) fn specs<'a>(&'a self, own: &'a AttackSpec) -> impl Iterator<Item = &'a AttackSpec> {
        let own = self.levels.is_empty().then_some(own);
        own.into_iter().chain(self.levels.iter().chain(&self.unconstrained).map(|level| &level.spec))
    }
}

/// The radii that a suite asks for.
///
/// Errors: a radius is 0 or comes twice; there is no radius from which every input is in reach.
pub(crate) fn radii(
    section: Option<&Located<CurveSection>>,
    threat: &ThreatModel,
    domain: &Domain,
    row_len: usize,
) -> Result<Radii, Problem> {
    let Some(section) = section else { return Ok(Radii::default()) };
    let mut levels: Vec<ThreatModel> = Vec::new();
    for epsilon in &section.epsilons {
        let refused = if epsilon.is_zero() {
            "a radius of the curve is 0, at which nothing can be attacked; clean accuracy is in every report".to_owned()
        } else if levels.iter().any(|other| other.epsilon == epsilon.value) {
            format!("the radius {} comes twice", epsilon.value)
        } else {
            levels.push(ThreatModel { epsilon: epsilon.value.clone(), ..threat.clone() });
            continue;
        };
        return Err(Problem::new(refused).hint("take it out").at(epsilon.place));
    }
    if levels.is_empty() && !section.unconstrained {
        return Err(Problem::new("`curve` has no radius")
            .hint("write `curve: { epsilons: [1/255, 2/255] }`, or take it out")
            .at(section.place));
    }
    if !levels.is_empty() && levels.iter().all(|level| level.epsilon != threat.epsilon) {
        levels.push(threat.clone());
    }
    levels.sort_by(|a, b| a.epsilon.cmp(&b.epsilon));
    let unconstrained = match section.unconstrained {
        true => Some(reach(threat, domain, row_len).map_err(|problem| problem.at(section.place))?),
        false => None,
    };
    Ok(Radii { levels, unconstrained })
}

/// A ball that holds every input of the domain, wherever its centre is.
fn reach(threat: &ThreatModel, domain: &Domain, row_len: usize) -> Result<ThreatModel, Problem> {
    let width = f64::from(domain.upper) - f64::from(domain.lower);
    let times = match threat.norm {
        Norm::Linf => 1.0,
        Norm::L2 => (row_len as f64).sqrt().ceil(),
        Norm::L1 => row_len as f64,
    };
    let reach = (width * times).ceil();
    let epsilon = if reach.is_finite() { format!("{reach}").parse::<Epsilon>().ok() } else { None };
    let epsilon = epsilon.ok_or_else(|| {
        Problem::new("`unconstrained` needs inputs with bounds, and those of this data set have none")
            .hint("take `unconstrained` out")
    })?;
    Ok(ThreatModel { epsilon, ..threat.clone() })
}
