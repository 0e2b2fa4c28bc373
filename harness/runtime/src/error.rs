use crate::provision;
use std::path::PathBuf;

/// What can go wrong between a model's bytes and ONNX Runtime's answers.
///
/// Every message is a lower-case fragment that follows "failed to …".
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// There is no ONNX Runtime library to load.
    #[error(transparent)]
    Provision(#[from] provision::Error),
    /// The library is there and cannot be used.
    #[error("load ONNX Runtime from `{}`: {reason}", path.display())]
    Load {
        /// The library.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// A provider that this version cannot run on.
    #[error("use provider `{provider}`: {reason}")]
    ProviderUnavailable {
        /// The provider that was asked for.
        provider: String,
        /// Why it is not available.
        reason: String,
    },
    /// ONNX Runtime refuses a model or a run.
    #[error("{action}: {reason}")]
    Ort {
        /// What was tried.
        action: String,
        /// ONNX Runtime's words.
        reason: String,
    },
    /// The model is not what its manifest says.
    #[error("use the model: {0}")]
    Model(String),
    /// A resident program is used as it can't be.
    #[error("use the program: {0}")]
    Program(String),
    /// The graph crate refuses the model.
    #[error(transparent)]
    Graph(#[from] graph::Error),
}

/// What the system's loader says, which the error itself keeps for its source.
pub(crate) fn loader_words(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

impl Error {
    pub(crate) fn ort(action: &str, error: &dyn std::fmt::Display) -> Self {
        Self::Ort { action: action.to_owned(), reason: error.to_string() }
    }
}
