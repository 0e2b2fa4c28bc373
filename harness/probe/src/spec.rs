use crate::probes::{Probe, Registered};
use crate::{Error, KlInstability, LipschitzL1Linf};
use attack::{Cost, LossHead, ThreatModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One probe with every number explicit. Its canonical JSON is part of the key of its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeSpec {
    /// See [`KlInstability`].
    KlInstability(KlInstability),
    /// See [`LipschitzL1Linf`].
    LipschitzL1Linf(LipschitzL1Linf),
}

impl ProbeSpec {
    pub(crate) fn probe(&self) -> &dyn Probe {
        match self {
            ProbeSpec::KlInstability(probe) => probe,
            ProbeSpec::LipschitzL1Linf(probe) => probe,
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

    /// Rises whenever the probe's numbers move.
    pub fn revision(&self) -> u32 {
        self.registered().revision
    }

    /// What one row costs at worst. Probes do not ask the judge.
    pub fn cost(&self) -> Cost {
        self.probe().cost()
    }

    /// The loss heads whose gradients it needs.
    pub fn heads(&self) -> Vec<LossHead> {
        vec![self.probe().head()]
    }

    /// Refuses parameters that make no sense, or not with this threat model.
    pub fn check(&self, threat: &ThreatModel) -> Result<(), Error> {
        let refuse = |reason| Error::Spec { probe: self.name(), reason };
        self.probe().check(threat).map_err(refuse)
    }
}
