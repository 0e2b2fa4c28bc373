//! The probes, one file each, and their table. A probe is a file, its `mod` line and its line in [`PROBES`].

use crate::path::Path;
use crate::run::{Job, RowValue};
use crate::{Error, ProbeSpec};
use attack::{Cost, LossHead, Norm, Oracle, ThreatModel};

pub(crate) mod calibration;
pub(crate) mod clever;
pub(crate) mod first_order_radius;
pub(crate) mod jacobian_norm;
pub(crate) mod kl_gradient;
pub(crate) mod kl_instability;
pub(crate) mod label_flips;
pub(crate) mod lipschitz;
pub(crate) mod logit_margin;

/// Every probe.
pub static PROBES: &[&Registered] = &[
    &kl_instability::KL_INSTABILITY,
    &label_flips::LABEL_FLIPS,
    &calibration::CALIBRATION,
    &lipschitz::LIPSCHITZ,
    &kl_gradient::KL_GRADIENT,
    &jacobian_norm::JACOBIAN_NORM,
    &logit_margin::LOGIT_MARGIN,
    &first_order_radius::FIRST_ORDER_RADIUS,
    &clever::CLEVER,
];

/// What the table knows of a probe.
#[derive(Debug)]
pub struct Registered {
    /// Its id in evidence, and the name of its file.
    pub name: &'static str,
    /// What it measures, with its source.
    pub about: &'static str,
    /// What its number says about the truth.
    pub bound: Bound,
    /// Whether its smallest values are the worst, as those of a distance; of the others the largest are.
    pub falls: bool,
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
    /// Neither. No gate may rest on it.
    Estimate,
    /// It is the truth, up to rounding: nothing was searched.
    Exact,
}

/// What every probe does.
pub(crate) trait Probe {
    fn registered(&self) -> &'static Registered;

    /// What its number is measured in.
    fn units(&self) -> &'static str;

    /// What this setting measures, in one line.
    fn about(&self) -> String;

    /// Why these parameters make no sense, or not with this threat model.
    fn check(&self, threat: &ThreatModel) -> Result<(), String>;

    /// The loss head whose gradients it needs, if any.
    fn head(&self) -> Option<LossHead>;

    /// What one row costs at worst for a model of so many classes.
    fn cost(&self, classes: usize) -> Cost;

    /// The norms `(of the input, of the logits)` whose Lipschitz constant no value of this probe exceeds.
    fn bounded_by(&self) -> Option<(Norm, Norm)> {
        None
    }

    /// How many bins of confidence its values are summed in; see [`crate::Calibration`].
    fn bins(&self) -> Option<u32> {
        None
    }

    /// Measures every row of the job; what a row gets does not depend on the others.
    fn run(&self, job: &Job<'_>, oracle: &mut dyn Oracle) -> Result<Vec<RowValue>, Error>;
}

/// Why a path makes no sense; `flat` says that what it ascends has no gradient at the sample itself.
pub(crate) fn check_path(path: &Path, flat: bool, threat: &ThreatModel) -> Result<(), String> {
    let reason = if path.steps == 0 {
        "`steps` is 0; expected at least 1"
    } else if path.restarts == 0 {
        "`restarts` is 0; expected at least 1"
    } else if path.restarts > 1 && path.start.is_sample() {
        "every restart would begin at the sample itself; expected `restarts: 1` or a random start"
    } else if path.step_size.is_zero() && !threat.epsilon.is_zero() {
        "`step_size` is 0; expected more"
    } else if path.start.is_sample() && flat {
        "what it ascends is flat at the sample itself; expected `start: random` or `start: { gaussian: 0.001 }`"
    } else {
        return Ok(());
    };
    Err(reason.to_owned())
}
