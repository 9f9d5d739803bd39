//! The way to the Docker engine, and what every caller needs of its errors.

mod elements;
mod login;
mod raw;

use bollard::Docker;
use bollard::errors::Error;

pub(crate) use login::{LoginError, login};
#[cfg(test)]
pub(crate) use raw::Endpoint;
pub(crate) use raw::{Raw, RawError};

use crate::config::SettingError;
use crate::state::Fence;

/// The engine of a swarm manager.
#[derive(Clone, Debug)]
pub(crate) struct Manager {
    /// The typed client, for almost everything.
    pub(crate) docker: Docker,
    /// The untyped one, for what the models leave out.
    pub(crate) raw: Raw,
    /// What an act that changes the swarm, or spends an authority's limits, passes
    /// right before it does.
    pub(crate) fence: Fence,
}

/// Why the engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(
        "cannot reach the Docker engine at {host}: {why}; is the socket mounted, and may this \
         user use it?"
    )]
    Unreachable { host: String, why: String },
    #[error(
        "the Docker engine at {host} is not a manager of a swarm ({state}); place the runner by \
         `node.role == manager`, or run `docker swarm init`"
    )]
    NotManager { host: String, state: String },
}

/// Connects to the engine at `host` and sees that it is a swarm manager.
pub(crate) async fn connect_to_manager(host: &str) -> Result<Manager, ConnectError> {
    let docker = connect(host).await?;
    let info = docker
        .info()
        .await
        .map_err(|error| unreachable(host, &error))?;
    let swarm = info.swarm.unwrap_or_default();
    if swarm.control_available == Some(true) {
        let raw = Raw::new(endpoint(host)?, docker.client_version().to_string());
        return Ok(Manager {
            docker,
            raw,
            fence: Fence::default(),
        });
    }
    let state = swarm.local_node_state.map_or_else(
        || "unknown".to_owned(),
        |state| format!("its swarm state is {state}, without control"),
    );
    Err(ConnectError::NotManager {
        host: host.to_owned(),
        state,
    })
}

/// Connects to the engine at `host`, which need not be a manager.
pub(crate) async fn connect(host: &str) -> Result<Docker, ConnectError> {
    endpoint(host)?;
    let docker = Docker::connect_with_host(host).map_err(|error| unreachable(host, &error))?;
    docker
        .negotiate_version()
        .await
        .map_err(|error| unreachable(host, &error))
}

fn endpoint(host: &str) -> Result<raw::Endpoint, SettingError> {
    let given = |scheme| host.strip_prefix(scheme).filter(|rest| !rest.is_empty());
    if let Some(path) = given("unix://") {
        return Ok(raw::Endpoint::Unix(path.into()));
    }
    let tcp = given("tcp://").filter(|rest| rest.contains(':'));
    tcp.map(|address| raw::Endpoint::Tcp(address.to_owned()))
        .ok_or_else(|| SettingError::DockerHost(host.to_owned()))
}

fn unreachable(host: &str, error: &Error) -> ConnectError {
    ConnectError::Unreachable {
        host: host.to_owned(),
        why: describe(error),
    }
}

/// An error of the Docker API as one line, causes included: bollard's own
/// text often ends before the cause.
pub(crate) fn describe(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Whether the engine answered that the object does not exist.
pub(crate) fn is_not_found(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}
