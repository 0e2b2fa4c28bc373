/// What can go wrong in this crate. Each message is a fragment that follows "failed to ...".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Parameters that a probe refuses.
    #[error("set up `{probe}`: {reason}")]
    Spec {
        /// The probe.
        probe: &'static str,
        /// What was found and what is allowed.
        reason: String,
    },
    /// A row without a ball around it.
    #[error("probe row {row}: {source}")]
    Row {
        /// Index within the rows given.
        row: usize,
        /// What went wrong.
        source: attack::Error,
    },
    /// A row that a corruption is not defined on.
    #[error("corrupt a row by `{corruption}`: {reason}")]
    Corruption {
        /// The corruption.
        corruption: &'static str,
        /// What was found and what is allowed.
        reason: String,
    },
    /// Rows that do not fit the model, an ascent or an oracle that failed.
    #[error(transparent)]
    Attack(#[from] attack::Error),
    /// The probe's own count of oracle calls differs from the metered one.
    #[error("account for oracle calls: {0}")]
    Account(String),
}

impl From<attack::OracleError> for Error {
    fn from(error: attack::OracleError) -> Error {
        Error::Attack(error.into())
    }
}
