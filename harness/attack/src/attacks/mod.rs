//! The attacks, one file each, and their table. An attack is a file, its `mod` line and its line in [`ATTACKS`].

use crate::lanes::{Row, Search};
use crate::{AttackSpec, Cost, Error, LossHead, ThreatModel};
use std::rc::Rc;

pub(crate) mod apgd;
pub(crate) mod boundary;
pub(crate) mod cw_l2;
pub(crate) mod cw_linf;
pub(crate) mod deepfool;
pub(crate) mod ensemble;
pub(crate) mod fab;
pub(crate) mod fgsm;
pub(crate) mod hop_skip_jump;
pub(crate) mod mi_fgsm;
pub(crate) mod noise;
pub(crate) mod pgd;
pub(crate) mod spsa;
pub(crate) mod square;

/// Every attack.
pub static ATTACKS: &[&Registered] = &[
    &apgd::APGD,
    &boundary::BOUNDARY,
    &cw_l2::CW_L2,
    &cw_linf::CW_LINF,
    &deepfool::DEEPFOOL,
    &ensemble::ENSEMBLE,
    &fab::FAB,
    &fgsm::FGSM,
    &hop_skip_jump::HOP_SKIP_JUMP,
    &mi_fgsm::MI_FGSM,
    &noise::NOISE,
    &pgd::PGD,
    &spsa::SPSA,
    &square::SQUARE,
];

/// What the table knows of an attack.
#[derive(Debug)]
pub struct Registered {
    /// Its name in the literature, its id in random streams and evidence, and the name of its file.
    pub name: &'static str,
    /// What it does, with its source.
    pub about: &'static str,
    /// Rises whenever its numbers move; a test holds it against a digest of outcomes.
    pub revision: u32,
    /// Settings that the tests run, each parameter at work in one of them.
    pub cases: fn() -> Vec<AttackSpec>,
}

/// What every attack does.
pub(crate) trait Attack {
    fn registered(&self) -> &'static Registered;

    /// Refuses parameters that make no sense, or not with this threat model.
    fn check(&self, threat: &ThreatModel) -> Result<(), Error>;

    /// The loss heads whose gradients it needs of a model with so many classes: none for a black box.
    fn heads(&self, _classes: usize) -> Vec<LossHead> {
        Vec::new()
    }

    /// Whether a model with so many classes is too small for the loss that it is said to ascend, so that it ascends another.
    fn is_substituted(&self, _classes: usize) -> bool {
        false
    }

    /// What one row costs at worst.
    fn cost(&self, classes: usize) -> Cost;

    /// Whether it looks for the nearest misclassified input, in the ball or not.
    fn minimises(&self) -> bool {
        false
    }

    /// The search of one row, which ends early once the judge confirms a point.
    fn search<'a>(&'a self, row: Rc<Row>) -> Search<'a>;
}

/// Why the first of these counts that is 0 is refused.
pub(crate) fn refuse_zero(counts: &[(&str, u32)]) -> Option<String> {
    let (name, _) = counts.iter().find(|(_, count)| *count == 0)?;
    Some(format!("`{name}` is 0; expected at least 1"))
}
