/// Why a network can't be built or trained. Each message follows "failed to ...".
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
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
    /// A graph could not be built.
    #[error(transparent)]
    Graph(#[from] graph::Error),
}
