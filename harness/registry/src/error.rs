use crate::Digest;
use crate::yaml::Complaint;
use std::io;
use std::path::{Path, PathBuf};

/// Why a model or a data set is not served. Each message follows "failed to ...".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused.
    #[error("read or write {}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A document can't be read at all.
    #[error("read {}: {reason}", path.display())]
    Document {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A document is not the YAML that is wanted.
    #[error("{0}")]
    Yaml(Box<Complaint>),
    /// A manifest is well-formed but says something that cannot be.
    #[error("accept {place}: {reason}")]
    Invalid {
        /// The manifest, or what was given for one.
        place: String,
        /// Which key, what was found, what is allowed.
        reason: String,
    },
    /// The bytes of a file are not those that the manifest pins.
    #[error("verify {}: its SHA-256 digest is {found}, the manifest pins {expected}", path.display())]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// What the manifest says.
        expected: Digest,
        /// What the file has.
        found: Digest,
    },
    /// A path would leave its folder.
    #[error("read `{location}` in {}: {reason}", folder.display())]
    Confined {
        /// The folder that it must stay in.
        folder: PathBuf,
        /// What was asked for.
        location: String,
        /// Why not.
        reason: String,
    },
    /// No model has that name.
    #[error("find a model for `{wanted}` in {}\nhint: {hint}", root.display())]
    NoModel {
        /// A name, a glob or a path.
        wanted: String,
        /// The folder of models.
        root: PathBuf,
        /// What there is.
        hint: String,
    },
    /// The name is taken.
    #[error("register `{name}`: {} exists already", path.display())]
    Exists {
        /// The name.
        name: String,
        /// What has it.
        path: PathBuf,
    },
    /// A model is not removed.
    #[error("remove {}: {reason}", path.display())]
    NotRemovable {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No data set has that name, or it lacks that split.
    #[error("find {wanted}\nhint: {hint}")]
    NoDataset {
        /// The data set or split.
        wanted: String,
        /// What there is.
        hint: String,
    },
    /// The files of a data set are not there.
    #[error("open data set `{name}`: {reason}\nhint: {hint}")]
    MissingData {
        /// The data set.
        name: String,
        /// Which file is missing where, or that the folder is not known.
        reason: String,
        /// Where to get it.
        hint: String,
    },
    /// The contents of a data file are not what its manifest says.
    #[error("read data set `{name}`: {reason}")]
    Data {
        /// The data set.
        name: String,
        /// File, found, allowed.
        reason: String,
    },
}

/// Names, sorted, each with what it stands for or why that cannot be read.
pub type Listed<T> = Vec<(String, Result<T, Error>)>;

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn invalid(place: impl ToString, reason: impl ToString) -> Self {
        Self::Invalid { place: place.to_string(), reason: reason.to_string() }
    }
}
