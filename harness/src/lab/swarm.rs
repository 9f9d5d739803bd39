//! Making a swarm of the nodes.

use std::{collections::HashSet, time::Duration};

use bollard::{
    models::{JoinTokens, Node as SwarmNode, NodeState, SwarmInitRequest, SwarmJoinRequest},
    query_parameters::{ListNodesOptions, UpdateNodeOptionsBuilder},
};
use futures_util::future::join_all;

use super::{LabError, Node, error::Doing, wait};

const MEMBERS_DEADLINE: Duration = Duration::from_secs(60);
const LISTEN: &str = "0.0.0.0:2377";

/// Makes a swarm: the first `managers` of the nodes manage it, the others are
/// workers.
pub(crate) async fn form(nodes: &[Node], managers: usize) -> Result<(), LabError> {
    let Some((first, others)) = nodes.split_first() else {
        return Ok(());
    };
    let (managers, workers) = others.split_at(managers.saturating_sub(1).min(others.len()));
    let tokens = init(first).await?;
    // One after the other: each changes how many make a majority.
    for manager in managers {
        join(manager, first, tokens.manager.as_deref()).await?;
    }
    let token = tokens.worker.as_deref();
    let joined = join_all(workers.iter().map(|worker| join(worker, first, token))).await;
    joined.into_iter().collect::<Result<(), LabError>>()?;
    all_ready(first, nodes).await
}

async fn init(manager: &Node) -> Result<JoinTokens, LabError> {
    let doing = || format!("make a swarm on {}", manager.name());
    let request = SwarmInitRequest {
        listen_addr: Some(LISTEN.to_owned()),
        advertise_addr: Some(manager.address().to_string()),
        ..Default::default()
    };
    manager.docker().init_swarm(request).await.doing(doing)?;
    let swarm = manager.docker().inspect_swarm().await.doing(doing)?;
    Ok(swarm.join_tokens.unwrap_or_default())
}

async fn join(node: &Node, manager: &Node, token: Option<&str>) -> Result<(), LabError> {
    let request = SwarmJoinRequest {
        listen_addr: Some(LISTEN.to_owned()),
        advertise_addr: Some(node.address().to_string()),
        remote_addrs: Some(vec![format!("{}:2377", manager.address())]),
        join_token: token.map(str::to_owned),
        ..Default::default()
    };
    let joined = node.docker().join_swarm(request).await;
    joined.doing(|| format!("let {} join the swarm of {}", node.name(), manager.name()))
}

/// Gives a node of the swarm labels, beside those that it has.
pub(crate) async fn label(
    manager: &Node,
    node: &str,
    labels: &[(String, String)],
) -> Result<(), LabError> {
    let doing = || format!("give {node} its labels");
    let docker = manager.docker();
    let found = docker.inspect_node(node).await.doing(doing)?;
    let mut spec = found.spec.unwrap_or_default();
    spec.labels
        .get_or_insert_default()
        .extend(labels.iter().cloned());
    let version = found.version.and_then(|version| version.index);
    let options = UpdateNodeOptionsBuilder::new()
        .version(version.unwrap_or_default().try_into().unwrap_or_default())
        .build();
    docker.update_node(node, spec, options).await.doing(doing)
}

async fn all_ready(manager: &Node, nodes: &[Node]) -> Result<(), LabError> {
    let names: Vec<String> = nodes.iter().map(|node| node.name().to_owned()).collect();
    wait_ready(manager, &names).await
}

/// Waits until the manager sees every node of those names ready.
pub(crate) async fn wait_ready(manager: &Node, names: &[String]) -> Result<(), LabError> {
    let what = format!("{} nodes ready in the swarm", names.len());
    Ok(wait::until(what, MEMBERS_DEADLINE, async || {
        let ready = ready_names(manager).await.map_err(|e| e.to_string())?;
        let missing: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|&name| !ready.contains(name))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("not ready: {}", missing.join(", ")))
        }
    })
    .await?)
}

/// The names of the nodes that the manager sees ready.
pub(crate) async fn ready_names(manager: &Node) -> Result<HashSet<String>, LabError> {
    let listed = manager.docker().list_nodes(None::<ListNodesOptions>).await;
    let listed = listed.doing(|| format!("list the nodes that {} knows", manager.name()))?;
    Ok(listed
        .iter()
        .filter_map(ready_name)
        .map(str::to_owned)
        .collect())
}

fn ready_name(node: &SwarmNode) -> Option<&str> {
    let ready = node.status.as_ref()?.state == Some(NodeState::READY);
    node.description
        .as_ref()?
        .hostname
        .as_deref()
        .filter(|_| ready)
}

/// The name of the node that leads the swarm, as this manager knows it.
pub(crate) async fn leader_name(manager: &Node) -> Result<Option<String>, LabError> {
    let listed = manager.docker().list_nodes(None::<ListNodesOptions>).await;
    let listed = listed.doing(|| format!("list the nodes that {} knows", manager.name()))?;
    let leads = |node: &SwarmNode| {
        let manages = node.manager_status.as_ref();
        manages.and_then(|status| status.leader) == Some(true)
    };
    let leader = listed.into_iter().find(leads);
    Ok(leader.and_then(|node| node.description?.hostname))
}
