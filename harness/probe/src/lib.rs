//! Probes: how sensitive a classifier is, measured through an oracle. One file per probe, one line in the table. Beside
//! them common corruptions, pictures in and pictures out, in a table of their own.
//!
//! A probe gives a number per row; what the number says about the truth, and its units, stand in the table. Rows are
//! flattened canonical tensors `[N, D]`, and what a row gets does not depend on the others. This crate must not know
//! ONNX, suites, reports or clocks.

mod corruptions;
mod divergence;
mod error;
#[cfg(test)]
mod laws;
mod path;
mod presets;
mod probes;
mod rows;
mod run;
mod spec;
mod spectral;
#[cfg(test)]
mod testing;
mod weibull;

pub use corruptions::{CORRUPTIONS, Corruption, MOST_SEVERE, Parameter, corruption};
pub use divergence::{kl_divergence, log_softmax, softmax};
pub use error::Error;
pub use path::{Keep, Start};
pub use presets::{PRESETS, Preset, preset};
pub use probes::calibration::{At, Calibration};
pub use probes::clever::{Clever, Rivals};
pub use probes::first_order_radius::FirstOrderRadius;
pub use probes::jacobian_norm::{JacobianNorm, MatrixNorm};
pub use probes::kl_gradient::KlGradient;
pub use probes::kl_instability::{KlInner, KlInstability};
pub use probes::label_flips::LabelFlips;
pub use probes::lipschitz::{Lipschitz, Outputs, RatioInner};
pub use probes::logit_margin::LogitMargin;
pub use probes::{Bound, PROBES, Registered};
pub use run::{RowValue, run};
pub use spec::ProbeSpec;
