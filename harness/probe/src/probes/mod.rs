//! The probes, one file each, and their table. A probe is a file, its `mod` line and its line in [`PROBES`].

use crate::path::Path;
use crate::run::{Job, RowValue};
use crate::{Error, ProbeSpec};
use attack::{Cost, LossHead, Oracle, ThreatModel};

pub(crate) mod kl_instability;
pub(crate) mod lipschitz_l1_linf;

/// Every probe.
pub static PROBES: &[&Registered] = &[&kl_instability::KL_INSTABILITY, &lipschitz_l1_linf::LIPSCHITZ_L1_LINF];

/// What the table knows of a probe.
#[derive(Debug)]
pub struct Registered {
    /// Its id in evidence, and the name of its file.
    pub name: &'static str,
    /// What it measures, with its source.
    pub about: &'static str,
    /// What its number says about the truth.
    pub bound: Bound,
    /// What its number is measured in.
    pub units: &'static str,
    /// Rises whenever its numbers move; a test holds it against a digest of values.
    pub revision: u32,
    /// Settings that the tests run, each parameter at work in one of them.
    pub cases: fn() -> Vec<ProbeSpec>,
}

/// What a number says about the truth, which is here what a search without end would find in the ball.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The truth is at most this.
    Upper,
    /// The truth is at least this: a point of the ball has it.
    Lower,
    /// Neither.
    Estimate,
}

/// What every probe does.
pub(crate) trait Probe {
    fn registered(&self) -> &'static Registered;

    /// What this setting measures, in one line.
    fn about(&self) -> String;

    /// Why these parameters make no sense, or not with this threat model.
    fn check(&self, threat: &ThreatModel) -> Result<(), String>;

    /// The loss head whose gradients it needs.
    fn head(&self) -> LossHead;

    /// What one row costs at worst.
    fn cost(&self) -> Cost;

    /// Measures every row of the job; what a row gets does not depend on the others.
    fn run(&self, job: &Job<'_>, oracle: &mut dyn Oracle) -> Result<Vec<RowValue>, Error>;
}

/// Why a path makes no sense; `flat` says that what it ascends has no gradient at the sample itself.
pub(crate) fn check_path(path: &Path, flat: bool, threat: &ThreatModel) -> Result<(), String> {
    let reason = if path.steps == 0 {
        "`steps` is 0; expected at least 1"
    } else if path.step_size.is_zero() && !threat.epsilon.is_zero() {
        "`step_size` is 0; expected more"
    } else if path.start.is_sample() && flat {
        "what it ascends is flat at the sample itself; expected `start: random` or `start: { gaussian: 0.001 }`"
    } else {
        return Ok(());
    };
    Err(reason.to_owned())
}
