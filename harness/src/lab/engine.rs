//! The host's engine, on which the lab's containers run.

use std::fs;

use bollard::Docker;

use super::{LabError, owner::Process};

/// CAP_SYS_RESOURCE, in capability(7)'s numbering.
const SYS_RESOURCE: u32 = 24;

/// The host's engine, the same one that testcontainers speaks to.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    docker: Docker,
    privileged: bool,
}

impl Engine {
    /// Finds the engine and agrees with it on a version of its API.
    pub(crate) async fn connect() -> Result<Self, LabError> {
        let docker = reach().await.map_err(|source| LabError::NoEngine {
            address: address(),
            source,
        })?;
        Ok(Self {
            docker,
            privileged: privileged_containers_work(),
        })
    }

    pub(crate) fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Whether a container can be given every capability.
    pub(crate) fn privileged(&self) -> bool {
        self.privileged
    }
}

/// Where the engine is looked for, as `docker --host` takes it.
#[must_use]
pub fn address() -> String {
    let said = std::env::var("DOCKER_HOST").ok();
    let said = said.filter(|address| !address.is_empty());
    said.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned())
}

async fn reach() -> Result<Docker, Box<dyn std::error::Error + Send + Sync>> {
    let docker = testcontainers::core::client::docker_client_instance().await?;
    Ok(docker.negotiate_version().await?)
}

/// The process that this is, for labels.
pub(crate) fn this_process() -> Result<Process, LabError> {
    Process::this().map_err(|source| LabError::File {
        doing: "read",
        path: "/proc/self".into(),
        source,
    })
}

/// A capability outside the bounding set can be had by no process of this
/// machine, and the engine cannot start a privileged container, which asks for
/// all of them. It is this process's set that is looked at: an engine that has
/// more is not hurt by the lab asking for less.
fn privileged_containers_work() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| bounding_set_is_whole(&status))
}

/// Only CAP_SYS_RESOURCE is looked at: it is the one that hosted machines are
/// seen without, and the one that the lab's nodes can do without.
fn bounding_set_is_whole(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .is_some_and(|set| set >> SYS_RESOURCE & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::bounding_set_is_whole;

    #[test]
    fn a_bounding_set_without_sys_resource_is_not_whole() {
        assert!(bounding_set_is_whole(
            "Name:\tx\nCapBnd:\t000001ffffffffff\n"
        ));
        assert!(!bounding_set_is_whole(
            "Name:\tx\nCapBnd:\t000001fffeffffff\n"
        ));
        assert!(!bounding_set_is_whole("Name:\tx\n"));
    }
}
