use crate::oracle::OracleError;

/// What can go wrong in this crate. Each message is a fragment that follows "failed to ...".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An epsilon or step size that is not an exact non-negative number.
    #[error("read `{text}` as an exact number: {reason}")]
    Epsilon {
        /// What was written.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A threat model or input domain that cannot be.
    #[error("set up the threat model: {0}")]
    Threat(String),
    /// A sample that has no ball around it.
    #[error("bound the sample: element {element} is {value}, {reason}")]
    Sample {
        /// Index in the flattened row.
        element: usize,
        /// Its value.
        value: f32,
        /// Why that cannot be.
        reason: String,
    },
    /// An error at one row.
    #[error("attack row {row}: {source}")]
    Row {
        /// Index within the rows given.
        row: usize,
        /// What went wrong.
        source: Box<Error>,
    },
    /// Arrays that do not fit together.
    #[error("match the shapes: {0}")]
    Shape(String),
    /// Parameters that an attack refuses.
    #[error("set up `{attack}`: {reason}")]
    Spec {
        /// The attack or preset.
        attack: &'static str,
        /// What was found and what is allowed.
        reason: String,
    },
    /// The oracle or the predictor failed.
    #[error(transparent)]
    Oracle(#[from] OracleError),
    /// The attack's own count of oracle calls differs from the metered one.
    #[error("account for oracle calls: {0}")]
    Account(String),
}
