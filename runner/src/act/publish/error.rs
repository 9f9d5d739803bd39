//! Why something was not published.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::PairError;

/// Why a version was not published. What was live before is still so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error("{doing} {path}: {source}", path = path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("what is to be published must not be served: {0}")]
    Unfit(PairError),
    #[error(
        "find version {number} in {archive}: expected one of {there:?}",
        archive = archive.display()
    )]
    NoVersion {
        number: u64,
        archive: PathBuf,
        there: Vec<u64>,
    },
    #[error(
        "look at {path}: expected a directory or a link to one, found something else; move it away",
        path = path.display()
    )]
    InTheWay { path: PathBuf },
}

/// Says what was done with which path when it failed.
pub(super) trait At<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, PublishError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, PublishError> {
        self.map_err(|source| PublishError::Io {
            doing,
            path: path.to_owned(),
            source,
        })
    }
}
