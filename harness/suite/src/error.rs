//! What can be wrong with a suite, said with the place.

use registry::yaml::{Complaint, Problem, Source};

/// Why a suite cannot run. Its text follows "failed to ...".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] registry::Error),
    /// Something in the file is wrong, or asks for something that is not there.
    #[error("{0}")]
    Suite(Box<Complaint>),
}

impl Error {
    /// A problem found while the file was read.
    pub(crate) fn reading(source: &Source) -> impl FnOnce(Problem) -> Error {
        |problem| Error::Suite(Box::new(problem.read_from(source)))
    }

    /// A problem found while what the file asks for was looked up.
    pub(crate) fn planning(source: &Source) -> impl FnOnce(Problem) -> Error {
        |problem| Error::Suite(Box::new(problem.planned_from(source)))
    }
}
