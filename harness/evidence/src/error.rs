use std::path::{Path, PathBuf};

/// What can go wrong with evidence. Every message is a lower-case fragment that follows "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A value has no canonical JSON form that keeps its meaning.
    #[error("write canonical JSON: {0}")]
    Canonical(String),
    /// Text that should be a SHA-256 digest.
    #[error("read digest `{0}`: expected 64 lower-case hexadecimal digits")]
    Digest(String),
    /// Text that should be a set of rows.
    #[error(
        "read set of rows `{0}`: expected how many there are, a colon, and a bit for each in lower-case hexadecimal digits"
    )]
    RowSet(String),
    /// A block, or the rows it is made of, contradicts itself.
    #[error("use block: {0}")]
    Block(String),
    /// Confirmed inputs that do not fit their block.
    #[error("use witnesses: {0}")]
    Witnesses(String),
    /// A file of evidence that is not what it was when it was written.
    #[error("use {}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Blocks that do not make up the results that are asked for.
    #[error("summarise `{check}` of model `{model}`: {reason}")]
    Summary {
        /// The model.
        model: String,
        /// The check, or `clean`.
        check: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// A JSON file that is not what it should be.
    #[error("read {what}: {reason}")]
    Json {
        /// Which file.
        what: &'static str,
        /// What the parser said, with line and column.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
