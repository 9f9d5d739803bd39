//! Why a stack file could not be looked at.

use rollover::preflight::Place;

/// Why a stack file could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LintError {
    /// It cannot be read.
    #[error("read {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no stack file.
    #[error("{place}: expected {expected}, found {found}")]
    Wrong {
        /// Where.
        place: Place,
        /// What is to stand there.
        expected: String,
        /// What does.
        found: String,
    },
}
