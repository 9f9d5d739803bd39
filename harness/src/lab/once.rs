//! A container that runs one command to its end and is gone.

use bollard::{
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{CreateContainerOptions, RemoveContainerOptionsBuilder},
};
use futures_util::TryStreamExt;

use super::{Engine, LabError, Owner, error::Doing, exec, images};

/// The image that has the tools: that of the lab's nodes.
pub(crate) fn tools() -> String {
    images::own("node")
}

/// Runs `command` in a new container of the nodes' image, waits for its end, and
/// removes the container; what it wrote, whatever its exit code.
pub(crate) async fn run_once(
    engine: &Engine,
    owner: &Owner,
    command: &[&str],
    host_config: HostConfig,
) -> Result<String, LabError> {
    let doing = || format!("run {} in a container of its own", command[0]);
    let docker = engine.docker();
    let body = ContainerCreateBody {
        image: Some(tools()),
        entrypoint: Some(command.iter().map(|&word| word.to_owned()).collect()),
        labels: Some(owner.labels()),
        host_config: Some(host_config),
        ..Default::default()
    };
    let created = docker.create_container(None::<CreateContainerOptions>, body);
    let id = created.await.doing(doing)?.id;
    let ran = async {
        docker.start_container(&id, None).await.doing(doing)?;
        let ended = docker.wait_container(&id, None).try_collect::<Vec<_>>();
        match ended.await {
            // How it ended is told by what it wrote.
            Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. }) => {}
            Err(error) => return Err(error).doing(doing),
        }
        exec::log(docker, &id, None).await
    };
    let ran = ran.await;
    let remove = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    let removed = docker.remove_container(&id, Some(remove)).await;
    let said = ran?;
    removed.doing(doing)?;
    Ok(said)
}
