use std::path::{Path, PathBuf};

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
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
