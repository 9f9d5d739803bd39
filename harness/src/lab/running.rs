//! A lab that is up.

use std::path::Path;

use super::{
    LabBuilder, LabError, Node, Resources, bundle,
    network::LabNetwork,
    service::Service,
    stack,
    timeline::{Event, Recorder},
};
use crate::{acme::Pebble, volume};

/// A running lab; dropping it takes it down.
///
/// SIGINT, SIGTERM, SIGQUIT and SIGHUP take it down and end the process; what a
/// SIGKILL leaves is removed when the next lab starts.
#[derive(Debug)]
pub struct Lab {
    pub(super) recorder: Recorder,
    pub(super) nodes: Vec<Node>,
    pub(super) pebble: Option<Pebble>,
    pub(super) volume: volume::Prepared,
    pub(super) network: LabNetwork,
    /// Last: what the others use is removed after them.
    pub(super) resources: Resources,
}

impl Lab {
    /// Describes a lab, by default of three nodes, with Pebble.
    pub fn builder() -> LabBuilder {
        LabBuilder::default()
    }

    /// The ID of its run, which is in the names of all that it made.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.resources.owner().run
    }

    /// The name of its network on the host's engine.
    #[must_use]
    pub fn network(&self) -> &str {
        &self.network.name
    }

    /// Its nodes, the manager first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node that manages the swarm.
    #[must_use]
    pub fn manager(&self) -> &Node {
        // A lab has at least one node: the builder sees to it.
        &self.nodes[0]
    }

    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name() == name)
    }

    /// Where this machine sees the volume that every node mounts.
    #[must_use]
    pub fn certificates(&self) -> &Path {
        self.volume.directory()
    }

    /// The ACME server, if the lab has one.
    #[must_use]
    pub fn pebble(&self) -> Option<&Pebble> {
        self.pebble.as_ref()
    }

    /// The ACME server.
    ///
    /// # Panics
    /// When the lab was asked to have none; [`pebble`](Self::pebble) does not.
    #[must_use]
    pub fn acme(&self) -> &Pebble {
        self.pebble
            .as_ref()
            .expect("the lab was built with Acme::None and has no ACME server")
    }

    /// Deploys a stack with the real `docker stack deploy`; its file may use the
    /// variables of `environment` and of this process.
    ///
    /// It does not wait for the services to run.
    ///
    /// # Errors
    /// With what the command wrote to stderr.
    pub async fn deploy(
        &self,
        file: &Path,
        name: &str,
        environment: &[(&str, &str)],
    ) -> Result<(), LabError> {
        stack::deploy(self.manager(), file, name, environment).await
    }

    /// Removes a stack, and waits until its containers and networks are gone from
    /// every node.
    ///
    /// # Errors
    /// With what the command wrote, or what was left when the time was over.
    pub async fn remove_stack(&self, name: &str) -> Result<(), LabError> {
        stack::remove(&self.nodes, name).await
    }

    /// A service, by its full name (`patch_loadbalancer`).
    #[must_use]
    pub fn service<'lab>(&'lab self, name: &'lab str) -> Service<'lab> {
        Service::new(&self.nodes, name)
    }

    /// What happened to containers on all nodes since the lab came up, in order.
    #[must_use]
    pub fn timeline(&self) -> Vec<Event> {
        self.recorder.events()
    }

    /// Writes what may explain a failure into a directory: the nodes' and
    /// services' logs, the tasks, the timeline.
    ///
    /// # Errors
    /// When a file cannot be written; what cannot be had is said in its file.
    pub async fn bundle(&self, directory: &Path) -> Result<(), LabError> {
        bundle::write(self, directory).await
    }

    /// Takes the lab down, and waits until it is gone.
    ///
    /// # Errors
    /// When something could not be removed.
    pub async fn stop(self) -> Result<(), LabError> {
        let Self {
            recorder,
            mut resources,
            ..
        } = self;
        drop(recorder);
        resources.remove()
    }

    /// Leaves the lab up beyond the end of this process, which must then end
    /// without a signal; build it with [`keep`](LabBuilder::keep).
    pub fn detach(self) {
        let Self { mut resources, .. } = self;
        resources.release();
    }
}
