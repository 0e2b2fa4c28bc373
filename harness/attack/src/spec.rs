use crate::attacks::{Attack, Registered};
use crate::{Apgd, Cost, Error, Fgsm, LossHead, Pgd, ThreatModel};
use serde::{Deserialize, Serialize};

/// One attack with every number explicit. Its canonical JSON is part of the key of its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttackSpec {
    /// See [`Apgd`].
    Apgd(Apgd),
    /// See [`Fgsm`].
    Fgsm(Fgsm),
    /// See [`Pgd`].
    Pgd(Pgd),
}

impl AttackSpec {
    pub(crate) fn attack(&self) -> &dyn Attack {
        match self {
            AttackSpec::Apgd(apgd) => apgd,
            AttackSpec::Fgsm(fgsm) => fgsm,
            AttackSpec::Pgd(pgd) => pgd,
        }
    }

    /// Its line of the table.
    pub fn registered(&self) -> &'static Registered {
        self.attack().registered()
    }

    /// The attack's own id, such as `pgd`.
    pub fn name(&self) -> &'static str {
        self.registered().name
    }

    /// Rises whenever the attack's numbers move.
    pub fn revision(&self) -> u32 {
        self.registered().revision
    }

    /// What one row costs at worst.
    pub fn cost(&self, classes: usize) -> Cost {
        self.attack().cost(classes)
    }

    /// The loss heads whose gradients it needs of a model with so many classes.
    pub fn heads(&self, classes: usize) -> Vec<LossHead> {
        self.attack().heads(classes)
    }

    /// Refuses parameters that make no sense, or not with this threat model.
    pub fn check(&self, threat: &ThreatModel) -> Result<(), Error> {
        self.attack().check(threat)
    }
}
