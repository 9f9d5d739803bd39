//! What the runner can learn of its own container: its image, its networks,
//! and what is mounted at the certificate root.

use std::path::Path;

use bollard::Docker;
use bollard::models::ContainerInspectResponse;

use crate::docker::{describe, is_not_found};

/// The runner's own container. Absent when it runs outside of one.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    /// What no other container of the swarm is called: the task's name, or else
    /// its own with its ID.
    pub(crate) name: String,
    /// The stack that it belongs to, if any.
    pub(crate) stack: Option<String>,
    /// The image that it runs, with its digest if swarm resolved one.
    pub(crate) image: String,
    /// The ID of the service that it is a task of, if it is one.
    pub(crate) service: Option<String>,
    /// The IDs of the networks that it is attached to.
    pub(crate) networks: Vec<String>,
    /// What it mounts: (path inside, source on the host or name of a volume).
    pub(crate) mounts: Vec<(String, String)>,
}

impl Own {
    /// Looks at the container in which this process runs.
    ///
    /// # Errors
    /// When the engine does not answer, or does not know the container: what
    /// the runner mounts could then not be given to certbot's container. A
    /// process outside of a container is no error: `Ok(None)`.
    pub(crate) async fn look(docker: &Docker) -> Result<Option<Self>, String> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let Some(id) = container_id(&mounts) else {
            return Ok(None);
        };
        match docker.inspect_container(&id, None).await {
            Ok(container) => Ok(Some(Self::from(container))),
            Err(error) if is_not_found(&error) => Err(format!(
                "the engine does not know it ({id}); the runner and its --docker-host / \
                 ROLLOVER_DOCKER_HOST must be on the same node"
            )),
            Err(error) => Err(describe(&error)),
        }
    }

    /// What another container must mount to see what this one sees at `path`.
    pub(crate) fn source_of(&self, path: &Path) -> Option<&str> {
        let (_, source) = self
            .mounts
            .iter()
            .find(|(inside, _)| Path::new(inside) == path)?;
        Some(source)
    }
}

impl From<ContainerInspectResponse> for Own {
    fn from(container: ContainerInspectResponse) -> Self {
        let networks = container
            .network_settings
            .and_then(|settings| settings.networks)
            .unwrap_or_default();
        let mounts = container.mounts.unwrap_or_default().into_iter();
        let config = container.config.unwrap_or_default();
        let mut labels = config.labels.unwrap_or_default();
        let (id, name) = (container.id.unwrap_or_default(), container.name);
        let by_itself = || {
            let name = name.unwrap_or_default();
            format!("{}-{id:.12}", name.trim_start_matches('/'))
        };
        Self {
            name: labels
                .remove("com.docker.swarm.task.name")
                .unwrap_or_else(by_itself),
            stack: labels.remove("com.docker.stack.namespace"),
            image: config.image.unwrap_or_default(),
            service: labels.remove("com.docker.swarm.service.id"),
            networks: networks
                .into_values()
                .filter_map(|network| network.network_id)
                .collect(),
            mounts: mounts
                .filter_map(|mount| {
                    let source = match mount.typ.as_deref() {
                        Some("volume") => mount.name,
                        _ => mount.source,
                    };
                    Some((mount.destination?, source?))
                })
                .collect(),
        }
    }
}

/// What this runner is called among all that may run in the swarm. Processes of one
/// container have one name: what keeps those apart is `cli/exclusive.rs`, and so
/// it is outside of a container with those of one network namespace.
pub(crate) fn name(own: Option<&Own>) -> String {
    if let Some(own) = own {
        return own.name.clone();
    }
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let host = read("/proc/sys/kernel/hostname");
    let boot = read("/proc/sys/kernel/random/boot_id");
    let namespace = std::fs::read_link("/proc/self/ns/net").unwrap_or_default();
    let namespace: String = namespace
        .to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    format!("{}-{:.8}-{namespace}", host.trim(), boot.trim())
}

/// The ID of the container, from the files that Docker mounts into each one
/// (`…/containers/ID/hostname`). Unlike the host name and the cgroup's path,
/// these hold for both cgroup versions and for any `hostname:` of a stack.
fn container_id(mountinfo: &str) -> Option<String> {
    mountinfo.lines().find_map(|line| {
        let root = line.split(' ').nth(3)?;
        let (_, rest) = root.rsplit_once("/containers/")?;
        let (id, _) = rest.split_once('/')?;
        let is_id = id.len() == 64 && id.chars().all(|c| c.is_ascii_hexdigit());
        is_id.then(|| id.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_its_container_among_the_mounts() {
        let id = "0123456789abcdef".repeat(4);
        let line = format!(
            "612 601 254:0 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/vda rw"
        );
        assert_eq!(container_id(&line), Some(id));
        assert_eq!(container_id("22 1 254:0 / / rw - ext4 /dev/vda rw"), None);
        assert_eq!(container_id(""), None);
    }
}
