use crate::probes::{Probe, Registered};
use crate::{
    Calibration, Clever, Error, FirstOrderRadius, JacobianNorm, KlGradient, KlInstability, LabelFlips, Lipschitz,
    LogitMargin,
};
use attack::{Cost, LossHead, Norm, ThreatModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One probe with every number explicit. Its canonical JSON is part of the key of its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeSpec {
    /// See [`KlInstability`].
    KlInstability(KlInstability),
    /// See [`LabelFlips`].
    LabelFlips(LabelFlips),
    /// See [`Calibration`].
    Calibration(Calibration),
    /// See [`Lipschitz`].
    Lipschitz(Lipschitz),
    /// See [`KlGradient`].
    KlGradient(KlGradient),
    /// See [`JacobianNorm`].
    JacobianNorm(JacobianNorm),
    /// See [`LogitMargin`].
    LogitMargin(LogitMargin),
    /// See [`FirstOrderRadius`].
    FirstOrderRadius(FirstOrderRadius),
    /// See [`Clever`].
    Clever(Clever),
}

impl ProbeSpec {
    pub(crate) fn probe(&self) -> &dyn Probe {
        match self {
            ProbeSpec::KlInstability(probe) => probe,
            ProbeSpec::LabelFlips(probe) => probe,
            ProbeSpec::Calibration(probe) => probe,
            ProbeSpec::Lipschitz(probe) => probe,
            ProbeSpec::KlGradient(probe) => probe,
            ProbeSpec::JacobianNorm(probe) => probe,
            ProbeSpec::LogitMargin(probe) => probe,
            ProbeSpec::FirstOrderRadius(probe) => probe,
            ProbeSpec::Clever(probe) => probe,
        }
    }

    /// Its line of the table.
    pub fn registered(&self) -> &'static Registered {
        self.probe().registered()
    }

    /// The probe's own id, such as `kl-instability`.
    pub fn name(&self) -> &'static str {
        self.registered().name
    }

    /// What this setting of it measures, in one line.
    pub fn about(&self) -> String {
        self.probe().about()
    }

    /// What its number is measured in.
    pub fn units(&self) -> &'static str {
        self.probe().units()
    }

    /// The norms `(of the input, of the logits)` whose Lipschitz constant no value of this probe exceeds.
    pub fn bounded_by(&self) -> Option<(Norm, Norm)> {
        self.probe().bounded_by()
    }

    /// How many bins of confidence its values are summed in, for one that measures calibration.
    pub fn bins(&self) -> Option<u32> {
        self.probe().bins()
    }

    /// Rises whenever the probe's numbers move.
    pub fn revision(&self) -> u32 {
        self.registered().revision
    }

    /// What one row costs at worst for a model of so many classes. Probes do not ask the judge.
    pub fn cost(&self, classes: usize) -> Cost {
        self.probe().cost(classes)
    }

    /// The loss heads whose gradients it needs.
    pub fn heads(&self) -> Vec<LossHead> {
        self.probe().head().into_iter().collect()
    }

    /// Refuses parameters that make no sense, or not with this threat model.
    pub fn check(&self, threat: &ThreatModel) -> Result<(), Error> {
        let refuse = |reason| Error::Spec { probe: self.name(), reason };
        self.probe().check(threat).map_err(refuse)
    }
}
