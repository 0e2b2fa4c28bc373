//! Attacks on classifiers that are known only through an [`Oracle`], and the judge that decides what counts.
//!
//! This crate holds the threat model (an exact epsilon, the exact ball), the losses, the attacks and their table, and
//! the judge. It must not know ONNX, suites, reports or clocks. Rows are flattened canonical tensors `[N, D]`.
//!
//! Every loss is maximised; the loops only ascend. An attack proposes, the judge decides: it checks the ball bit for
//! bit, predicts again with the registered bytes, and confirms or rejects.

mod ascent;
mod attacks;
mod ball;
mod boundary;
mod budget;
mod curve;
mod decision;
mod descent;
mod epsilon;
mod error;
mod exact;
mod grid;
mod hyperplane;
mod inner;
mod interval;
mod judge;
mod l1;
mod lanes;
#[cfg(test)]
mod laws;
mod linear;
mod loss;
mod metered;
mod moves;
mod on_grid;
mod oracle;
mod outcome;
mod picture;
mod presets;
mod run;
mod seeds;
mod spec;
#[cfg(test)]
mod testing;
mod threat;
mod watch;

pub use ascent::{Keep, Start, Targets};
pub use attacks::apgd::Apgd;
pub use attacks::boundary::BoundaryWalk;
pub use attacks::cw_l2::CwL2;
pub use attacks::cw_linf::CwLinf;
pub use attacks::deepfool::Deepfool;
pub use attacks::ensemble::Ensemble;
pub use attacks::fab::Fab;
pub use attacks::fgsm::Fgsm;
pub use attacks::hop_skip_jump::HopSkipJump;
pub use attacks::mi_fgsm::MiFgsm;
pub use attacks::noise::{Noise, NoiseKind};
pub use attacks::pgd::Pgd;
pub use attacks::spsa::{Directions, Spsa, Update};
pub use attacks::square::Square;
pub use attacks::{ATTACKS, Registered};
pub use ball::{Ball, Balls};
pub use budget::Budget;
pub use curve::{Curve, Level, run_curve};
pub use epsilon::Epsilon;
pub use error::Error;
pub use grid::Grid;
pub use inner::{Inner, InnerStart, Iterate, Uphill};
pub use judge::{Judge, Proposal, Refusal, Ruling};
pub use linear::linear_worst_margin;
pub use loss::{Loss, LossHead, LossKind};
pub use metered::{Cost, Metered};
pub use on_grid::OnGrid;
pub use oracle::{Gradient, Oracle, OracleError, Predictor, argmax, margin};
pub use outcome::{Rejections, RowOutcome};
pub use picture::Picture;
pub use presets::{PRESETS, Preset, preset};
pub use run::{Rows, Setting, run};
pub use seeds::{Stream, bell, neighbours, stream, symmetric, unit};
pub use spec::AttackSpec;
pub use threat::{Domain, Norm, ThreatModel};
