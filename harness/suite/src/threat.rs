//! The threat model that a suite or a recipe states, and its exact numbers.

use crate::document::{NormName, ThreatSection};
use attack::{Epsilon, Norm, ThreatModel};
use registry::yaml::{Amount, Located, Problem};

/// The threat model, with epsilon read exactly.
///
/// Errors: epsilon is no exact number.
pub fn threat_model(section: &ThreatSection) -> Result<ThreatModel, Problem> {
    let norm = match section.norm.value {
        NormName::Linf => Norm::Linf,
        NormName::L2 => Norm::L2,
    };
    Ok(ThreatModel { norm, epsilon: exact(&section.epsilon, "epsilon")? })
}

/// An exact number out of its text.
///
/// Errors: it is none; the message names the `key` that it stands at.
pub fn exact(amount: &Located<Amount>, key: &str) -> Result<Epsilon, Problem> {
    amount.0.parse().map_err(|error| {
        let reason = match error {
            attack::Error::Epsilon { reason, .. } => reason.to_owned(),
            other => other.to_string(),
        };
        Problem::new(format!("`{key}` is `{}`: {reason}", amount.0)).at(amount.place)
    })
}
