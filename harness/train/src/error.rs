use registry::yaml::{Complaint, Problem, Source};

/// Why a network can't be built or trained. Each message follows "failed to ...".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An architecture that can't be built as it was asked for.
    #[error("build {architecture}: {reason}\nhint: {hint}")]
    Architecture {
        /// Its name.
        architecture: String,
        /// What was found and what is allowed.
        reason: String,
        /// How to mend it.
        hint: String,
    },
    /// The recipe is wrong, or asks for something that is not there.
    #[error("{0}")]
    Recipe(Box<Complaint>),
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] registry::Error),
    /// A graph could not be built.
    #[error(transparent)]
    Graph(#[from] graph::Error),
    /// An inner attack could not be made.
    #[error(transparent)]
    Attack(#[from] attack::Error),
    /// ONNX Runtime refuses a graph or a run.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// The bytes of a checkpoint can't be used.
    #[error("read the checkpoint: {0}")]
    Checkpoint(String),
    /// A checkpoint that belongs to another training.
    #[error("resume: {reason}\nhint: {hint}")]
    Resume {
        /// What differs.
        reason: String,
        /// How to go on.
        hint: String,
    },
    /// The training has left the range in which numbers mean something.
    #[error(
        "go on training: epoch {epoch} diverged at step {step}: {reason}\nhint: lower `learning_rate`, add `warmup_epochs`, or set `clip_norm`"
    )]
    Diverged {
        /// Counted from 1.
        epoch: u32,
        /// The step of the epoch, counted from 1.
        step: u32,
        /// What was found.
        reason: String,
    },
}

impl Error {
    /// A problem found while the recipe was read.
    pub(crate) fn reading(source: &Source) -> impl FnOnce(Problem) -> Error {
        |problem| Error::Recipe(Box::new(problem.read_from(source)))
    }

    /// A problem found while what the recipe asks for was looked up.
    pub(crate) fn planning(source: &Source) -> impl FnOnce(Problem) -> Error {
        |problem| Error::Recipe(Box::new(problem.planned_from(source)))
    }
}
