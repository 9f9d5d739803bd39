//! Taking a container away on the engine that it is on, and giving it back.

use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerState;
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder,
};

use super::How;
use crate::lab::{Doing, LabError, Task, not_found, wait};

/// What a stop may take before it becomes a kill: longer than the grace of the
/// tasks within a node.
const GRACE_SECONDS: i32 = 30;
const DEADLINE: Duration = Duration::from_secs(45);

/// A container and its engine.
#[derive(Clone)]
pub(super) struct Place {
    docker: Docker,
    id: String,
}

impl Place {
    pub(super) fn new(docker: &Docker, id: &str) -> Self {
        Self {
            docker: docker.clone(),
            id: id.to_owned(),
        }
    }

    /// A task's container.
    pub(super) fn of(task: &Task) -> Result<Self, LabError> {
        let place = task.place().zip(task.container.as_deref());
        place
            .map(|(node, container)| Self::new(node.docker(), container))
            .ok_or_else(|| LabError::NoContainer {
                task: task.id.clone(),
                state: task.state.to_string(),
            })
    }

    /// Takes it away, and waits until the engine sees it so.
    pub(super) async fn take(&self, how: How) -> Result<(), LabError> {
        let taken = match how {
            How::Killed => {
                let kill = KillContainerOptionsBuilder::new().signal("KILL").build();
                self.docker.kill_container(&self.id, Some(kill)).await
            }
            How::Stopped => {
                let stop = StopContainerOptionsBuilder::new().t(GRACE_SECONDS).build();
                self.docker.stop_container(&self.id, Some(stop)).await
            }
            How::Paused => self.pause().await?,
        };
        taken.doing(|| format!("have the container {} {how}", self.id))?;
        self.wait_away(how).await
    }

    /// Freezes it. A control group in which processes come and go can escape the
    /// engine, which then says so and is asked again.
    async fn pause(&self) -> Result<Result<(), bollard::errors::Error>, LabError> {
        let what = format!("the container {} paused", self.id);
        Ok(wait::until(what, DEADLINE, async || {
            match self.docker.pause_container(&self.id).await {
                Err(error) if error.to_string().contains("unable to freeze") => Err(error),
                other => Ok(other),
            }
        })
        .await?)
    }

    async fn wait_away(&self, how: How) -> Result<(), LabError> {
        let what = format!("the container {} {how}", self.id);
        Ok(wait::until(what, DEADLINE, async || {
            match (self.state().await, how) {
                (Err(error), _) => Err(error.to_string()),
                (Ok(Some(state)), How::Paused) if state.paused != Some(true) => {
                    Err("it is not paused".to_owned())
                }
                (Ok(Some(state)), How::Killed | How::Stopped) if state.running == Some(true) => {
                    Err("it runs".to_owned())
                }
                // A task's container that has ended may be removed already.
                (Ok(_), _) => Ok(()),
            }
        })
        .await?)
    }

    /// Lets it go on if it is paused; one that has gone meanwhile is let go.
    pub(super) async fn unpause(&self) -> Result<(), LabError> {
        let paused = |state: ContainerState| state.paused == Some(true);
        if !self.state().await?.is_some_and(paused) {
            return Ok(());
        }
        match self.docker.unpause_container(&self.id).await {
            Err(error) if not_found(&error) => Ok(()),
            other => other.doing(|| format!("let the container {} go on", self.id)),
        }
    }

    /// Starts it, or leaves it running.
    pub(super) async fn start(&self) -> Result<(), LabError> {
        let started = self
            .docker
            .start_container(&self.id, None::<StartContainerOptions>);
        started
            .await
            .doing(|| format!("start the container {}", self.id))
    }

    /// The state that the engine sees it in; none if it has no such container.
    async fn state(&self) -> Result<Option<ContainerState>, LabError> {
        let seen = self
            .docker
            .inspect_container(&self.id, None::<InspectContainerOptions>);
        match seen.await {
            Err(error) if not_found(&error) => Ok(None),
            other => Ok(other
                .doing(|| format!("inspect the container {}", self.id))?
                .state),
        }
    }
}
