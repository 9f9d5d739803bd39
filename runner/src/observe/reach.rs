//! At which address the runner reaches one replica and no other.

use std::net::{IpAddr, SocketAddr};

use bollard::models::{NodeSpecAvailabilityEnum as Availability, NodeState};
use serde::Deserialize;

use super::own::Own;
use crate::model::{NoJobs, Reach};

/// What one needs to know of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// Its host name.
    pub(super) name: Option<String>,
    /// Why no job can run there now; none if one can.
    pub(super) no_jobs: Option<NoJobs>,
    address: Option<IpAddr>,
}

impl From<bollard::models::Node> for Node {
    fn from(node: bollard::models::Node) -> Self {
        let no_jobs = no_jobs(&node);
        let seen = node.status.and_then(|status| status.addr);
        let seen = seen.and_then(|address| address.parse::<IpAddr>().ok());
        // A manager can say 0.0.0.0 of itself; where its peers reach it is then
        // the better answer.
        let manager = node.manager_status.and_then(|status| status.addr);
        let manager = manager.and_then(|address| address.parse::<SocketAddr>().ok());
        let usable = |address: &IpAddr| !address.is_unspecified();
        Self {
            no_jobs,
            name: node
                .description
                .and_then(|description| description.hostname),
            address: seen
                .filter(usable)
                .or_else(|| manager.map(|address| address.ip()).filter(usable)),
        }
    }
}

fn no_jobs(node: &bollard::models::Node) -> Option<NoJobs> {
    let state = node.status.as_ref().and_then(|status| status.state);
    let availability = node.spec.as_ref().and_then(|spec| spec.availability);
    match (state, availability) {
        (Some(NodeState::DOWN | NodeState::DISCONNECTED), _) => Some(NoJobs::Away),
        (_, Some(Availability::PAUSE)) => Some(NoJobs::Paused),
        (_, Some(Availability::DRAIN)) => Some(NoJobs::Drained),
        _ => None,
    }
}

/// A task's place in a network.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireAttachment {
    network: WireNetwork,
    #[serde(default)]
    addresses: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireNetwork {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    spec: WireNetworkSpec,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct WireNetworkSpec {
    #[serde(default)]
    ingress: bool,
}

/// The ports of its node that lead to a task: those of host mode.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WirePortStatus {
    #[serde(default)]
    ports: Option<Vec<WirePort>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePort {
    #[serde(default)]
    protocol: String,
    #[serde(default)]
    publish_mode: String,
    target_port: u16,
    #[serde(default)]
    published_port: u16,
}

/// How the runner reaches a task: on an overlay network that both are on, or
/// by what the task publishes at its node.
///
/// A runner that is in no container is on no overlay network, and so tries the
/// node first.
pub(super) fn reach(
    attachments: Vec<WireAttachment>,
    published: WirePortStatus,
    node: Option<&Node>,
    own: Option<&Own>,
) -> Option<Reach> {
    let overlay = overlay(attachments, own);
    let host = host(published, node);
    match own {
        Some(_) => overlay.or(host),
        None => host.or(overlay),
    }
}

fn host(published: WirePortStatus, node: Option<&Node>) -> Option<Reach> {
    let ports = published.ports.unwrap_or_default().into_iter();
    // A port of the routing mesh leads to any replica, so it proves nothing of
    // this one.
    let ports = ports
        .filter(|port| port.publish_mode == "host" && port.protocol == "tcp")
        .filter(|port| port.published_port != 0)
        .map(|port| (port.target_port, port.published_port))
        .collect::<std::collections::BTreeMap<_, _>>();
    (!ports.is_empty()).then_some(())?;
    Some(Reach::Host {
        node: node?.address?,
        ports,
    })
}

/// The task's address on a network that the runner is on too. Ingress carries
/// no traffic between containers, so it never counts.
fn overlay(attachments: Vec<WireAttachment>, own: Option<&Own>) -> Option<Reach> {
    attachments
        .into_iter()
        .filter(|attachment| !attachment.network.spec.ingress)
        .filter(|attachment| own.is_none_or(|own| own.networks.contains(&attachment.network.id)))
        .find_map(|attachment| {
            let address = attachment.addresses?.into_iter().next()?;
            let (address, _prefix) = address.split_once('/')?;
            Some(Reach::Overlay {
                address: address.parse().ok()?,
                network: attachment.network.id,
            })
        })
}

#[cfg(test)]
mod tests {
    use bollard::models::{ManagerStatus, NodeDescription, NodeStatus};
    use serde_json::json;

    use super::*;

    fn node(seen: &str, manager: Option<&str>) -> Node {
        Node::from(bollard::models::Node {
            status: Some(NodeStatus {
                addr: Some(seen.to_owned()),
                ..NodeStatus::default()
            }),
            manager_status: manager.map(|address| ManagerStatus {
                addr: Some(address.to_owned()),
                ..ManagerStatus::default()
            }),
            description: Some(NodeDescription {
                hostname: Some("node-1".to_owned()),
                ..NodeDescription::default()
            }),
            ..bollard::models::Node::default()
        })
    }

    fn own(networks: &[&str]) -> Own {
        Own {
            name: "patch_rollover.1.task".into(),
            stack: None,
            image: String::new(),
            service: None,
            networks: networks.iter().map(|&network| network.to_owned()).collect(),
            mounts: Vec::new(),
        }
    }

    /// A task as an engine 20.10 tells of it: on ingress and on a network, with
    /// one port of each mode.
    fn reached(own: Option<&Own>) -> Option<Reach> {
        let attachments = json!([
            {"Network": {"ID": "mesh", "Spec": {"Ingress": true}}, "Addresses": ["10.0.0.7/24"]},
            {"Network": {"ID": "frontend", "Spec": {"Name": "patch_frontend"}},
             "Addresses": ["10.0.1.7/24"]},
        ]);
        let published = json!({"Ports": [
            {"Protocol": "tcp", "TargetPort": 443, "PublishedPort": 8443, "PublishMode": "host"},
            {"Protocol": "udp", "TargetPort": 443, "PublishedPort": 443, "PublishMode": "host"},
            {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 80, "PublishMode": "ingress"},
        ]});
        reach(
            serde_json::from_value(attachments).unwrap(),
            serde_json::from_value(published).unwrap(),
            Some(&node("192.0.2.1", None)),
            own,
        )
    }

    fn at_its_node() -> Option<Reach> {
        Some(Reach::Host {
            node: [192, 0, 2, 1].into(),
            ports: [(443, 8443)].into(),
        })
    }

    #[test]
    fn on_a_shared_network_at_its_own_address() {
        let shared = own(&["frontend"]);
        let own_address = Some(Reach::Overlay {
            address: [10, 0, 1, 7].into(),
            network: "frontend".into(),
        });
        assert_eq!(reached(Some(&shared)), own_address);
    }

    #[test]
    fn without_one_at_its_node_by_the_ports_of_host_mode() {
        assert_eq!(reached(Some(&own(&["other", "mesh"]))), at_its_node());
        assert_eq!(reached(None), at_its_node());
    }

    #[test]
    fn without_either_not_at_all() {
        let other = own(&["other"]);
        let node = node("192.0.2.1", None);
        let nothing = reach(
            Vec::new(),
            WirePortStatus::default(),
            Some(&node),
            Some(&other),
        );
        assert_eq!(nothing, None);
    }

    #[test]
    fn a_manager_that_says_no_address_of_itself_is_where_its_peers_reach_it() {
        let address = |seen, manager| node(seen, manager).address.map(|it| it.to_string());
        assert_eq!(address("192.0.2.1", None).as_deref(), Some("192.0.2.1"));
        let manager = address("0.0.0.0", Some("192.0.2.9:2377"));
        assert_eq!(manager.as_deref(), Some("192.0.2.9"));
        assert_eq!(address("0.0.0.0", None), None);
    }
}
