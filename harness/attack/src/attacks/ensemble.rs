use crate::attacks::Registered;
use crate::{Apgd, AttackSpec, Error, LossKind};
use serde::{Deserialize, Serialize};

/// Several attacks, one after the other, each from the sample and on the rows that are still unbroken. A row is broken
/// once any of them breaks it.
///
/// Source: Croce and Hein 2020, arXiv:2003.01690, section 6, for the standard one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ensemble {
    /// The attacks, in their order; none of them an ensemble.
    pub stages: Vec<AttackSpec>,
}

pub(crate) static ENSEMBLE: Registered = Registered {
    name: "ensemble",
    about: "Attacks one after the other, each on the rows that are still unbroken. Croce and Hein 2020, arXiv:2003.01690.",
    revision: 1,
    cases: || {
        let apgd = |loss, targets| AttackSpec::Apgd(Apgd { steps: 5, loss, targets, restarts: 1, eot: 1 });
        let stages = vec![apgd(LossKind::CrossEntropy, 0), apgd(LossKind::Dlr, 3)];
        vec![AttackSpec::Ensemble(Ensemble { stages })]
    },
};

impl Ensemble {
    /// Refuses an ensemble that is empty, or one of ensembles.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let nested = |stage: &AttackSpec| matches!(stage, AttackSpec::Ensemble(_));
        let reason = if self.stages.is_empty() {
            "`stages` is empty; expected at least one attack"
        } else if self.stages.iter().any(nested) {
            "a stage is an ensemble; expected single attacks"
        } else {
            return Ok(());
        };
        Err(Error::Spec { attack: ENSEMBLE.name, reason: reason.to_owned() })
    }
}
