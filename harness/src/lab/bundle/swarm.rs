//! What the swarm says of itself.

use std::fmt::Write;

use bollard::{
    models::Service,
    query_parameters::{ListNodesOptions, ListServicesOptionsBuilder},
};
use serde_json::json;

use super::Bundle;
use crate::lab::{Lab, LabError, error::Doing, managers::Managers, service};

pub(super) async fn write(bundle: &Bundle<'_>, lab: &Lab) -> Result<(), LabError> {
    bundle.save("nodes.txt", nodes(lab).await)?;
    let services = services(lab).await.map(|services| {
        let text = serde_json::to_string_pretty(&services);
        text.unwrap_or_else(|error| error.to_string())
    });
    bundle.save("services.json", services)?;
    bundle.save("tasks.txt", tasks(lab).await)
}

/// Every service, with the state of its last update.
pub(super) async fn services(lab: &Lab) -> Result<Vec<Service>, LabError> {
    let options = ListServicesOptionsBuilder::new().status(true).build();
    let services = lab.manager().docker().list_services(Some(options)).await;
    services.doing(|| "list the services".to_owned())
}

async fn nodes(lab: &Lab) -> Result<String, LabError> {
    let docker = lab.manager().docker();
    let nodes = docker.list_nodes(None::<ListNodesOptions>).await;
    let mut text = String::new();
    for node in nodes.doing(|| "list the nodes".to_owned())? {
        let spec = node.spec.unwrap_or_default();
        let status = node.status.unwrap_or_default();
        let description = node.description.unwrap_or_default();
        let _ = writeln!(
            text,
            "{} {}: {:?} {:?} {:?} {} {:?} {:?}",
            node.id.unwrap_or_default(),
            description.hostname.unwrap_or_default(),
            spec.role,
            status.state,
            spec.availability,
            status.message.unwrap_or_default(),
            node.manager_status,
            spec.labels.unwrap_or_default(),
        );
    }
    Ok(text)
}

async fn tasks(lab: &Lab) -> Result<String, LabError> {
    let mut text = String::new();
    for task in service::tasks(lab.nodes(), Managers(lab.managers()), &json!({})).await? {
        let _ = writeln!(
            text,
            "{} {}.{} on {}: {} (desired {}) since {}: {} {}",
            task.id,
            task.service,
            task.slot.unwrap_or_default(),
            task.node,
            task.state,
            task.desired,
            task.updated.map(|at| at.to_string()).unwrap_or_default(),
            task.message,
            task.error.as_deref().unwrap_or_default(),
        );
    }
    Ok(text)
}
