//! Why a stack file could not be looked at.

use rollover::preflight::Place;

use super::node::Wrong;

/// Why a stack file could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
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

impl StackError {
    pub(in crate::gate) fn of(file: &str, wrong: Wrong) -> Self {
        Self::Wrong {
            place: wrong.at.within(file),
            expected: wrong.expected,
            found: wrong.found,
        }
    }
}
