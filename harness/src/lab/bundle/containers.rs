//! The containers of every node.

use std::fmt::Write;

use bollard::{models::ContainerSummary, query_parameters::ListContainersOptionsBuilder};

use super::Bundle;
use crate::lab::{Lab, LabError, Node, error::Doing, exec};

const TASK: &str = "com.docker.swarm.task.name";

pub(super) async fn write(bundle: &Bundle<'_>, lab: &Lab) -> Result<(), LabError> {
    let mut list = String::new();
    for node in lab.nodes() {
        match of(node).await {
            Err(error) => {
                let _ = writeln!(list, "{}: failed to {error}", node.name());
            }
            Ok(containers) => {
                for container in containers {
                    list += &line(node, &container);
                    one(bundle, node, &container).await?;
                }
            }
        }
    }
    bundle.save("containers.txt", Ok(list))
}

async fn of(node: &Node) -> Result<Vec<ContainerSummary>, LabError> {
    let options = ListContainersOptionsBuilder::new().all(true).build();
    let containers = node.docker().list_containers(Some(options)).await;
    containers.doing(|| format!("list the containers of {}", node.name()))
}

fn line(node: &Node, container: &ContainerSummary) -> String {
    format!(
        "{} {} {} {}: {}\n",
        node.name(),
        container.id.as_deref().unwrap_or_default(),
        name(container),
        container.image.as_deref().unwrap_or_default(),
        container.status.as_deref().unwrap_or_default(),
    )
}

/// A task's log is in its service's; what no service has started has a file of
/// its own, such as certbot that the runner runs.
async fn one(
    bundle: &Bundle<'_>,
    node: &Node,
    container: &ContainerSummary,
) -> Result<(), LabError> {
    let (id, name) = (container.id.as_deref().unwrap_or_default(), name(container));
    let labels = container.labels.as_ref();
    if !labels.is_some_and(|labels| labels.contains_key(TASK)) {
        let log = exec::log(node.docker(), id, None).await;
        return bundle.save(&format!("{}.{name}.log", node.name()), log);
    }
    // Where there is none, or the task has ended, there is nothing to show.
    let said = exec::run(node.docker(), id, &["nginx", "-T"]).await;
    match said {
        Ok(said) if !said.stdout.is_empty() && said.stderr.contains("nginx:") => {
            let text = format!("{}\n# {}\n", said.stdout, said.stderr.replace('\n', "\n# "));
            bundle.save(&format!("nginx/{name}.conf"), Ok(text))
        }
        _ => Ok(()),
    }
}

fn name(container: &ContainerSummary) -> String {
    let names = container.names.as_deref().unwrap_or_default();
    let name = names.first().map(String::as_str).unwrap_or_default();
    name.trim_start_matches('/').to_owned()
}
