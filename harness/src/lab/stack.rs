//! Deploying a stack, with the command that everybody uses.

use std::{collections::HashMap, path::Path, process::Stdio, time::Duration};

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListServicesOptionsBuilder,
};
use tokio::{process::Command, sync::OnceCell};

use super::{
    LabError, Node,
    error::{At, Doing},
    wait,
};

/// The longest stop grace period that a stack is expected to have, and more.
const REMOVAL_DEADLINE: Duration = Duration::from_secs(120);

/// Deploys a stack on the swarm of `manager`.
pub(crate) async fn deploy(
    manager: &Node,
    file: &Path,
    name: &str,
    environment: &[(&str, &str)],
) -> Result<(), LabError> {
    let mut command = docker(manager);
    command.args(["stack", "deploy"]);
    if knows_detach().await {
        command.arg("--detach=true");
    }
    command
        .arg("-c")
        .arg(file)
        .arg(name)
        .envs(environment.iter().copied());
    run(command).await
}

/// Removes a stack, and waits until no node has anything of it.
pub(crate) async fn remove(nodes: &[Node], name: &str) -> Result<(), LabError> {
    let Some(manager) = nodes.first() else {
        return Ok(());
    };
    wait::until(
        format!("the stack {name} be removed"),
        REMOVAL_DEADLINE,
        async || match removed(manager, name).await {
            // A job that belongs to the stack and ends by itself may be listed and
            // then be gone; the command stops there, and leaves the rest.
            Err(LabError::Command { output, .. }) if output.contains("not found") => Err(output),
            other => Ok(other),
        },
    )
    .await??;
    Ok(wait::until(
        format!("the stack {name} gone"),
        REMOVAL_DEADLINE,
        async || {
            for node in nodes {
                if let Some(left) = left_on(node, manager, name)
                    .await
                    .map_err(|e| e.to_string())?
                {
                    return Err(left);
                }
            }
            Ok(())
        },
    )
    .await?)
}

async fn removed(manager: &Node, name: &str) -> Result<(), LabError> {
    let mut command = docker(manager);
    command.args(["stack", "rm", name]);
    run(command).await
}

/// What a node still has of the stack, in words.
async fn left_on(node: &Node, manager: &Node, stack: &str) -> Result<Option<String>, LabError> {
    let doing = || format!("look for what {} has of the stack {stack}", node.name());
    let label = format!("com.docker.stack.namespace={stack}");
    let filters = HashMap::from([("label", vec![label])]);
    let mut left = Vec::new();

    let containers = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let containers = node
        .docker()
        .list_containers(Some(containers))
        .await
        .doing(doing)?;
    left.push((containers.len(), "containers"));
    let networks = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = node
        .docker()
        .list_networks(Some(networks))
        .await
        .doing(doing)?;
    left.push((networks.len(), "networks"));
    if node.name() == manager.name() {
        let services = ListServicesOptionsBuilder::new().filters(&filters).build();
        let services = node
            .docker()
            .list_services(Some(services))
            .await
            .doing(doing)?;
        left.push((services.len(), "services"));
    }

    left.retain(|&(count, _)| count > 0);
    let words: Vec<String> = left
        .iter()
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    Ok((!words.is_empty()).then(|| format!("{} has {}", node.name(), words.join(", "))))
}

fn docker(manager: &Node) -> Command {
    let mut command = Command::new("docker");
    command
        .arg("-H")
        .arg(format!("unix://{}", manager.socket().display()))
        // These would contradict -H, or be refused beside it.
        .env_remove("DOCKER_HOST")
        .env_remove("DOCKER_CONTEXT")
        .env_remove("DOCKER_TLS_VERIFY")
        .env_remove("DOCKER_API_VERSION")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn run(mut command: Command) -> Result<(), LabError> {
    let output = command.output().await.at("run", "docker")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        // "Ignoring unsupported options" is said here and nowhere else.
        for line in stderr.lines() {
            tracing::warn!("docker: {line}");
        }
        return Ok(());
    }
    let line = command.as_std();
    let words = std::iter::once(line.get_program()).chain(line.get_args());
    Err(LabError::Command {
        command: words
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" "),
        status: output.status.to_string(),
        output: stderr.into_owned(),
    })
}

/// Docker 26 brought the option to wait, and its default is to change: say what
/// is meant, where it can be said.
async fn knows_detach() -> bool {
    static KNOWS: OnceCell<bool> = OnceCell::const_new();
    *KNOWS
        .get_or_init(async || {
            let help = Command::new("docker")
                .args(["stack", "deploy", "--help"])
                .output()
                .await;
            help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--detach"))
        })
        .await
}
