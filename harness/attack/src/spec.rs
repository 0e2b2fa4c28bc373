use crate::attacks::ensemble::{ENSEMBLE, Ensemble};
use crate::attacks::{Attack, Registered};
use crate::{
    Apgd, BoundaryWalk, Cost, CwL2, CwLinf, Deepfool, Error, Fab, Fgsm, HopSkipJump, LossHead, MiFgsm, Noise, PRESETS,
    Pgd, Spsa, Square, ThreatModel,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One attack with every number explicit. Its canonical JSON is part of the key of its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttackSpec {
    /// See [`Apgd`].
    Apgd(Apgd),
    /// See [`BoundaryWalk`].
    Boundary(BoundaryWalk),
    /// See [`CwL2`].
    CwL2(CwL2),
    /// See [`CwLinf`].
    CwLinf(CwLinf),
    /// See [`Deepfool`].
    Deepfool(Deepfool),
    /// See [`Ensemble`].
    #[schemars(skip)]
    Ensemble(Ensemble),
    /// See [`Fab`].
    Fab(Fab),
    /// See [`Fgsm`].
    Fgsm(Fgsm),
    /// See [`HopSkipJump`].
    HopSkipJump(HopSkipJump),
    /// See [`MiFgsm`].
    MiFgsm(MiFgsm),
    /// See [`Noise`].
    Noise(Noise),
    /// See [`Pgd`].
    Pgd(Pgd),
    /// See [`Spsa`].
    Spsa(Spsa),
    /// See [`Square`].
    Square(Square),
}

impl AttackSpec {
    /// What runs, one after the other: the attack, or those of an ensemble.
    pub(crate) fn stages(&self) -> Vec<&dyn Attack> {
        match self {
            AttackSpec::Apgd(apgd) => vec![apgd],
            AttackSpec::Boundary(boundary) => vec![boundary],
            AttackSpec::CwL2(cw_l2) => vec![cw_l2],
            AttackSpec::CwLinf(cw_linf) => vec![cw_linf],
            AttackSpec::Deepfool(deepfool) => vec![deepfool],
            AttackSpec::Ensemble(ensemble) => ensemble.stages.iter().flat_map(AttackSpec::stages).collect(),
            AttackSpec::Fab(fab) => vec![fab],
            AttackSpec::Fgsm(fgsm) => vec![fgsm],
            AttackSpec::HopSkipJump(hop_skip_jump) => vec![hop_skip_jump],
            AttackSpec::MiFgsm(mi_fgsm) => vec![mi_fgsm],
            AttackSpec::Noise(noise) => vec![noise],
            AttackSpec::Pgd(pgd) => vec![pgd],
            AttackSpec::Spsa(spsa) => vec![spsa],
            AttackSpec::Square(square) => vec![square],
        }
    }

    /// Its line of the table.
    pub fn registered(&self) -> &'static Registered {
        match (self, self.stages().first()) {
            (AttackSpec::Ensemble(_), _) | (_, None) => &ENSEMBLE,
            (_, Some(attack)) => attack.registered(),
        }
    }

    /// The attack's own id, such as `pgd`.
    pub fn name(&self) -> &'static str {
        self.registered().name
    }

    /// What the attacks of an ensemble are called: the preset's name where it is one, otherwise the attack's. Empty for a
    /// single attack.
    pub fn stage_names(&self, threat: &ThreatModel) -> Vec<String> {
        let name = |stage: &AttackSpec| {
            let preset = PRESETS.iter().find(|preset| preset.resolve(threat).is_ok_and(|spec| spec == *stage));
            preset.map_or(stage.name(), |preset| preset.name).to_owned()
        };
        match self {
            AttackSpec::Ensemble(ensemble) => ensemble.stages.iter().map(name).collect(),
            _ => Vec::new(),
        }
    }

    /// Rises whenever the attack's numbers move, or those of one of its stages.
    pub fn revision(&self) -> u32 {
        let own = if matches!(self, AttackSpec::Ensemble(_)) { ENSEMBLE.revision } else { 0 };
        own + self.stages().iter().map(|stage| stage.registered().revision).sum::<u32>()
    }

    /// Whether it looks for the nearest misclassified input, in the ball or not, so that outcomes say how far that is.
    pub fn minimises(&self) -> bool {
        !matches!(self, AttackSpec::Ensemble(_)) && self.stages().iter().all(|stage| stage.minimises())
    }

    /// What one row costs at worst.
    pub fn cost(&self, classes: usize) -> Cost {
        self.stages().iter().map(|stage| stage.cost(classes)).fold(Cost::default(), Cost::plus)
    }

    /// How many gradients a row costs at worst in each of its stages; a single attack is one. A black box takes none.
    pub fn gradients(&self, classes: usize) -> Vec<u64> {
        self.stages().iter().map(|stage| stage.cost(classes).backwards).collect()
    }

    /// Whether a model with so many classes is too small for a loss that it is said to ascend, so that it ascends another.
    pub fn is_substituted(&self, classes: usize) -> bool {
        self.stages().iter().any(|stage| stage.is_substituted(classes))
    }

    /// The loss heads whose gradients it needs of a model with so many classes, in order.
    pub fn heads(&self, classes: usize) -> Vec<LossHead> {
        let mut heads: Vec<LossHead> = self.stages().iter().flat_map(|stage| stage.heads(classes)).collect();
        heads.sort();
        heads.dedup();
        heads
    }

    /// Refuses parameters that make no sense, or not with this threat model.
    pub fn check(&self, threat: &ThreatModel) -> Result<(), Error> {
        if let AttackSpec::Ensemble(ensemble) = self {
            ensemble.check()?;
        }
        self.stages().iter().try_for_each(|stage| stage.check(threat))
    }
}
