use std::path::{Path, PathBuf};

use evidence::Gate;

/// What can go wrong with a report. Every message is a lower-case fragment that follows "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds things that are no report.
    #[error("write a report into {}: it holds other files\nhint: give an empty folder with --out", folder.display())]
    NotAReport {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds no report.
    #[error("read a report in {}: there is no results.json\nhint: name the folder that `tinyassay run` wrote, such as reports/NAME", folder.display())]
    NoReport {
        /// The folder.
        folder: PathBuf,
    },
    /// A file of a report that is not what it should be.
    #[error("read the report in {}: {source}", folder.display())]
    Within {
        /// The folder.
        folder: PathBuf,
        /// Which file, and what is wrong with it.
        source: evidence::Error,
    },
    /// Writing a file or its JSON.
    #[error(transparent)]
    Evidence(#[from] evidence::Error),
    /// A file or folder could not be read.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Reports that cannot stand beside each other.
    #[error("compare the reports: {reason}")]
    Compare {
        /// Why not.
        reason: String,
    },
    /// Files of a report that are not what its list of digests says.
    #[error(
        "render {} again: {names} changed since the report was written, and a new SHA256SUMS would hide that\nhint: `tinyassay verify` says what is wrong; run the suite again", folder.display()
    )]
    Changed {
        /// The folder.
        folder: PathBuf,
        /// The files.
        names: String,
    },
    /// A column that no model has a number in.
    #[error("find column `{id}`: there are {known}")]
    NoColumn {
        /// What was asked for.
        id: String,
        /// The columns that there are.
        known: String,
    },
    /// Two reports about the same bytes, the same rows and the same attacks that say different things.
    #[error(
        "merge {first} and {second}: model `{model}` has the same digest in both and other results ({reason})\nhint: see which runtime computed each; name only one of the two, or run the suites again on one machine"
    )]
    Disagree {
        /// One report.
        first: String,
        /// The other.
        second: String,
        /// The model.
        model: String,
        /// What differs.
        reason: String,
    },
    /// A picture of a report that is not what it should be.
    #[error("read the pictures in {}: {reason}", folder.display())]
    Pictures {
        /// The folder of the pictures.
        folder: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Curves that can't be drawn.
    #[error("draw `{title}`: {reason}")]
    Plot {
        /// What the plot is called.
        title: String,
        /// Why not.
        reason: String,
    },
    /// A gate that cannot be judged: what it asks about was not measured, or not in the same way.
    #[error("judge `{model}` by the gate in {file}:{line}, {gate}: {reason}")]
    Gate {
        /// What the gate asks for.
        gate: String,
        /// The model.
        model: String,
        /// The file that the gate stands in.
        file: String,
        /// Its line, from 1.
        line: u64,
        /// Why not, with a hint.
        reason: String,
    },
    /// Something in a report folder that a list of digests cannot cover.
    #[error("list {}: {reason}", path.display())]
    Unlistable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// A `SHA256SUMS` that cannot be read.
    #[error("read {} line {line}: {reason}", path.display())]
    Sums {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What was found and what was expected.
        reason: String,
    },
    /// A key that cannot be used, or a place where none may be.
    #[error("use key {}: {reason}", path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// Why not, with a hint where there is a remedy.
        reason: String,
    },
    /// The system gave no random numbers for a new key.
    #[error("make a key: the system gives no random numbers: {0}")]
    Random(String),
    /// An envelope, a bundle or a statement that is not what its format says.
    #[error("read {what}: {reason}")]
    Signed {
        /// `envelope`, `statement` or `model signature`.
        what: &'static str,
        /// What was found and what was expected.
        reason: String,
    },
    /// No signature is that of a key that was given: the content is not what was signed, or another key signed it.
    #[error("verify the signature: {0}")]
    Unverified(String),
    /// A report folder about which nothing is signed.
    #[error("attest {}: {reason}", folder.display())]
    Attest {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A folder that holds a private key.
    #[error("sign {}: it holds a private key\nhint: move it out of the folder; if anybody may have seen it, make a new one", path.display())]
    Secret {
        /// The file with the key.
        path: PathBuf,
    },
    /// Results that have no form in the format that is asked for.
    #[error("export: {0}")]
    Export(String),
}

impl Error {
    /// A gate that cannot be judged, and why not.
    pub(crate) fn gate(gate: &Gate, model: &str, file: &str) -> impl FnOnce(String) -> Self {
        let (gate, line, model, file) = (gate.to_string(), gate.line, model.to_owned(), file.to_owned());
        move |reason| Self::Gate { gate, model, file, line, reason }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
