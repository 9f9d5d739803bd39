//! Changing a service, as `docker service update` does.

use std::time::Duration;

use bollard::models::ServiceUpdateStatusStateEnum;

use crate::lab::managers::Managers;
use crate::lab::{Lab, LabError, Node, Service, wait};

/// A rolling update of a few replicas, each with its drain and health checks.
const TO_SETTLE: Duration = Duration::from_secs(300);

/// A service that faults change.
#[derive(Clone)]
pub(super) struct Update {
    nodes: Vec<Node>,
    managers: usize,
    service: String,
}

impl Update {
    pub(super) fn of(lab: &Lab, service: &str) -> Self {
        Self {
            nodes: lab.nodes().to_vec(),
            managers: lab.managers().len(),
            service: service.to_owned(),
        }
    }

    fn service(&self) -> Service<'_> {
        let managers = Managers(&self.nodes[..self.managers]);
        Service::new(&self.nodes, managers, &self.service)
    }

    /// Changes it, and waits for nothing.
    pub(super) async fn begin(&self, change: &[String]) -> Result<(), LabError> {
        self.service().update(change).await
    }

    /// Changes it, and waits until as many tasks as it wants run as it says now.
    pub(super) async fn change(&self, change: &[String]) -> Result<(), LabError> {
        self.begin(change).await?;
        self.settled().await
    }

    async fn settled(&self) -> Result<(), LabError> {
        let service = self.service();
        let what = format!("{} run as it was changed", self.service);
        Ok(wait::until(what, TO_SETTLE, async || {
            let text = |error: LabError| error.to_string();
            let current = service.up_to_date().await.map_err(text)?;
            let Some(wanted) = wanted(&service).await.map_err(text)? else {
                return global_settled(&service, current).await;
            };
            if current >= wanted {
                return Ok(());
            }
            Err(format!("{current} of {wanted} do"))
        })
        .await?)
    }
}

/// A global service has no number of tasks: all that run must be `current`, and
/// the swarm must have said that its update is over. Right after a change it has
/// not begun to say anything, but then earlier tasks still run.
async fn global_settled(service: &Service<'_>, current: u64) -> Result<(), String> {
    let text = |error: LabError| error.to_string();
    let running = service.running().await.map_err(text)?.len() as u64;
    let status = service.inspect().await.map_err(text)?;
    let state = status.and_then(|service| service.update_status?.state);
    let over = state != Some(ServiceUpdateStatusStateEnum::UPDATING);
    if over && current > 0 && current == running {
        return Ok(());
    }
    Err(format!(
        "{current} of {running} do, the update is {state:?}"
    ))
}

/// How many replicas a service is to have; none if there is no such service, or
/// it is global.
pub(super) async fn wanted(service: &Service<'_>) -> Result<Option<u64>, LabError> {
    let spec = service.inspect().await?.and_then(|service| service.spec);
    let replicas = spec.and_then(|spec| spec.mode?.replicated?.replicas);
    Ok(replicas.and_then(|count| count.try_into().ok()))
}
