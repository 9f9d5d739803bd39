//! Why a lab could not do what it was asked.

use std::{io, path::PathBuf};

use super::{NoSubnet, Subnet, wait::TimedOut};

/// Why a lab could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// No engine answers on this machine.
    #[error(
        "reach a Docker engine at {address}: the lab's nodes are its containers. \
         Run ci/engine, or install one (Debian: apt-get install docker.io) and start it"
    )]
    NoEngine {
        /// Where it was looked for.
        address: String,
        /// What the client said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An engine (the host's or a node's) refused.
    #[error("{doing}")]
    Docker {
        /// What was asked for.
        doing: String,
        /// What the engine answered.
        source: Box<bollard::errors::Error>,
    },
    /// A container of the lab did not start.
    #[error("start the container {name}")]
    Container {
        /// The container's name.
        name: String,
        /// What testcontainers said.
        source: Box<testcontainers::TestcontainersError>,
    },
    /// A file or directory.
    #[error("{doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A condition did not come true in time.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// A container ended, or did not get ready; the end of its log says why.
    #[error("get {name} ready: {reason}; the end of its log:\n{log}")]
    NotReady {
        /// The container.
        name: String,
        /// What was seen.
        reason: String,
        /// The last lines that it wrote.
        log: String,
    },
    /// Every subnet that the lab may take is in use.
    #[error("find a free subnet for the lab in {range}: all overlap with others")]
    NoRoom {
        /// Where it was looked for.
        range: Subnet,
    },
    /// A range of addresses was not understood.
    #[error("read the range of addresses for labs: {0}")]
    Subnet(#[from] NoSubnet),
    /// No lab of that run stands.
    #[error("find the lab {run}: {}", standing(known))]
    NoLab {
        /// The run.
        run: String,
        /// Those that stand.
        known: Vec<String>,
    },
    /// A lab of which no more is left than some of its parts.
    #[error("use the lab {run}: it never came up, or is being taken down; remove it (down {run})")]
    NotWhole {
        /// The run.
        run: String,
    },
    /// A lab with a volume that lags cannot outlive the process that made it.
    #[error(
        "leave the lab up: its volume lags because this process carries changes from node to \
         node, and that would end with it; expected the volume bind or gluster"
    )]
    CannotStand,
    /// An image that the lab needs is not on the engine.
    #[error(
        "find the image {image} on this machine's engine; fixtures/images/build makes the \
         lab's own"
    )]
    NoImage {
        /// Its reference.
        image: String,
    },
    /// The images' sources were not found.
    #[error(
        "find fixtures/images/build in the current directory, above it, or where the lab was \
         compiled; \
         set ROLLOVER_LAB_FIXTURES to the fixtures directory"
    )]
    NoFixtures,
    /// A program ended with a failure.
    #[error("run {command}: {status}\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote to stderr.
        output: String,
    },
    /// A daemon does not answer: its node is frozen, or cut off.
    #[error("ask the daemon of {node}: no answer within {} s", waited.as_secs())]
    Silent {
        /// The node's name.
        node: String,
        /// How long.
        waited: std::time::Duration,
    },
    /// A server of the lab (registry, ACME) answered what was not expected.
    #[error("{doing} at {address}: expected {expected}, found {found}")]
    Answer {
        /// What was asked for.
        doing: &'static str,
        /// The server.
        address: String,
        /// What was expected.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// A certificate of the lab's own authority.
    #[error("make the certificate of the ACME server")]
    Certificate(#[from] rcgen::Error),
    /// The lab has no node of that name.
    #[error("find the node {name} in the lab: it has {}", known.join(", "))]
    NoNode {
        /// The name.
        name: String,
        /// The nodes that there are.
        known: Vec<String>,
    },
    /// The swarm did not carry an update to its end.
    #[error("update {service}: the swarm has {state} it: {message}")]
    Update {
        /// The service.
        service: String,
        /// What became of it: `paused`, `rollback_completed`, …
        state: String,
        /// What the swarm says of it.
        message: String,
    },
    /// No task of a service runs where one was looked for.
    #[error("find a running task of {service}: none is {sought}")]
    NoTask {
        /// The service.
        service: String,
        /// What was looked for, such as `in slot 2`.
        sought: String,
    },
    /// This machine, or this kind of lab, cannot do it.
    #[error("{what}: unsupported here: {reason}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// What is missing.
        reason: String,
    },
    /// A task has no container to act on.
    #[error("act on task {task}: it has no container on a node of the lab (its state is {state})")]
    NoContainer {
        /// The task.
        task: String,
        /// Its state.
        state: String,
    },
}

fn standing(known: &[String]) -> String {
    match known {
        [] => "no lab stands".to_owned(),
        known => format!("those that stand are {}", known.join(", ")),
    }
}

/// Names what was asked of an engine.
pub(crate) trait Doing<T> {
    /// Says what was being done, in words that follow "failed to".
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, LabError>;
}

impl<T> Doing<T> for Result<T, bollard::errors::Error> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, LabError> {
        self.map_err(|source| LabError::Docker {
            doing: what(),
            source: Box::new(source),
        })
    }
}

/// Names the file that an operation was about.
pub(crate) trait At<T> {
    /// Says what was tried on which path.
    fn at(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, LabError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, LabError> {
        self.map_err(|source| LabError::File {
            doing,
            path: path.into(),
            source,
        })
    }
}

/// Whether an engine says that what was named does not exist (any more).
pub(crate) fn not_found(error: &bollard::errors::Error) -> bool {
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}
