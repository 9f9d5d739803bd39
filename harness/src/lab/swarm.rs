//! Making a swarm of the nodes.

use std::{collections::HashSet, time::Duration};

use bollard::{
    models::{Node as SwarmNode, NodeState, SwarmInitRequest, SwarmJoinRequest},
    query_parameters::ListNodesOptions,
};
use futures_util::future::join_all;

use super::{LabError, Node, error::Doing, wait};

const MEMBERS_DEADLINE: Duration = Duration::from_secs(60);
const LISTEN: &str = "0.0.0.0:2377";

/// Makes a swarm: the first node is its manager, the others are workers.
pub(crate) async fn form(nodes: &[Node]) -> Result<(), LabError> {
    let Some((manager, workers)) = nodes.split_first() else {
        return Ok(());
    };
    let token = init(manager).await?;
    let joined = join_all(workers.iter().map(|worker| join(worker, manager, &token))).await;
    joined.into_iter().collect::<Result<(), LabError>>()?;
    all_ready(manager, nodes).await
}

async fn init(manager: &Node) -> Result<String, LabError> {
    let doing = || format!("make a swarm on {}", manager.name());
    let request = SwarmInitRequest {
        listen_addr: Some(LISTEN.to_owned()),
        advertise_addr: Some(manager.address().to_string()),
        ..Default::default()
    };
    manager.docker().init_swarm(request).await.doing(doing)?;
    let swarm = manager.docker().inspect_swarm().await.doing(doing)?;
    Ok(swarm
        .join_tokens
        .and_then(|tokens| tokens.worker)
        .unwrap_or_default())
}

async fn join(worker: &Node, manager: &Node, token: &str) -> Result<(), LabError> {
    let request = SwarmJoinRequest {
        listen_addr: Some(LISTEN.to_owned()),
        advertise_addr: Some(worker.address().to_string()),
        remote_addrs: Some(vec![format!("{}:2377", manager.address())]),
        join_token: Some(token.to_owned()),
        ..Default::default()
    };
    let joined = worker.docker().join_swarm(request).await;
    joined.doing(|| format!("let {} join the swarm of {}", worker.name(), manager.name()))
}

async fn all_ready(manager: &Node, nodes: &[Node]) -> Result<(), LabError> {
    let what = format!("{} nodes ready in the swarm", nodes.len());
    Ok(wait::until(what, MEMBERS_DEADLINE, async || {
        let listed = manager.docker().list_nodes(None::<ListNodesOptions>).await;
        let listed = listed.map_err(|error| error.to_string())?;
        let ready: HashSet<&str> = listed.iter().filter_map(ready_name).collect();
        let missing: Vec<&str> = nodes
            .iter()
            .map(Node::name)
            .filter(|name| !ready.contains(name))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("not ready: {}", missing.join(", ")))
        }
    })
    .await?)
}

fn ready_name(node: &SwarmNode) -> Option<&str> {
    let ready = node.status.as_ref()?.state == Some(NodeState::READY);
    node.description
        .as_ref()?
        .hostname
        .as_deref()
        .filter(|_| ready)
}
