use attack::Epsilon;
use registry::yaml::{Amount, Located, Problem};

/// An exact number out of its text.
pub(crate) fn exact(amount: &Located<Amount>, key: &str) -> Result<Epsilon, Problem> {
    amount.0.parse().map_err(|error| {
        let reason = match error {
            attack::Error::Epsilon { reason, .. } => reason.to_owned(),
            other => other.to_string(),
        };
        Problem::new(format!("`{key}` is `{}`: {reason}", amount.0)).at(amount.place)
    })
}
