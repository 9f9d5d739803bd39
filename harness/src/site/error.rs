//! Why a site could not be brought into a state, or asked.

use crate::lab::LabError;
use crate::lab::wait::TimedOut;

/// Why a site could not be brought into a state, or asked. A lost request is no
/// error: it is what a record is there to count.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// The lab did not do what it was asked.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A condition did not come true in time.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// The traffic could not be started.
    #[error("start the traffic: {0}")]
    TrafficStart(#[from] crate::traffic::StartError),
    /// The traffic could not be ended.
    #[error("end the traffic: {0}")]
    TrafficStop(#[from] crate::traffic::StopError),
    /// The client could not keep its schedule, so what it saw proves nothing.
    #[error("the traffic does not count: {0}")]
    Dishonest(#[from] crate::traffic::Dishonest),
    /// The runner failed, or said something that was not expected.
    #[error("rollover {command}: {found}")]
    Runner {
        /// Its arguments.
        command: String,
        /// How it ended and what it wrote.
        found: String,
    },
    /// There is no stack file.
    #[error("find stack.yml in {} or above it", .0.display())]
    NoStack(std::path::PathBuf),
    /// Swarm did not carry a change of the stack to its end.
    #[error("change the stack: {0}")]
    Change(String),
    /// A file on the shared volume.
    #[error("{doing} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// Which file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
