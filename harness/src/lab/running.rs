//! A lab that is up.

use std::{collections::BTreeSet, path::Path};

use super::{
    LabBuilder, LabError, Node, Resources, attach, bundle, failures,
    managers::Managers,
    network::LabNetwork,
    pulls::{self, Pull},
    registry::{self, Registry},
    service::Service,
    stack,
    stages::Stage,
    swarm,
    timeline::{Event, Events, Recorder},
};
use crate::{
    acme::{AcmeServer, Client, Pebble, mock::Mock},
    event::Journal,
    volume::Mounted,
};

/// A running lab; dropping it takes it down.
///
/// One that is dropped before it was [`stop`](Self::stop)ped, as by a test that panics or
/// returns early, leaves its [`bundle`](Self::bundle) under [`failures`](super::failures).
///
/// SIGINT, SIGTERM, SIGQUIT and SIGHUP take it down and end the process; what a
/// SIGKILL leaves is removed when the next lab starts.
#[derive(Debug)]
pub struct Lab {
    pub(super) recorder: Recorder,
    pub(super) journal: Journal,
    /// The managers first.
    pub(super) nodes: Vec<Node>,
    pub(super) managers: usize,
    pub(super) registry: Registry,
    pub(super) stages: Vec<Stage>,
    pub(super) acme: Option<AcmeServer>,
    pub(super) volume: Mounted,
    pub(super) network: LabNetwork,
    /// Whether it leaves its bundle when it is dropped.
    pub(super) explained: bool,
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

    /// Where the lab has its files on this machine: the nodes' sockets, the ACME
    /// server's authority. It goes when the lab goes.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.resources.directory()
    }

    /// The name of its network on the host's engine.
    #[must_use]
    pub fn network(&self) -> &str {
        &self.network.name
    }

    /// This machine's address on it.
    #[must_use]
    pub fn gateway(&self) -> std::net::Ipv4Addr {
        self.network.gateway()
    }

    /// Its nodes, the managers first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes that manage the swarm.
    #[must_use]
    pub fn managers(&self) -> &[Node] {
        &self.nodes[..self.managers]
    }

    /// The node that made the swarm, and is asked about it.
    #[must_use]
    pub fn manager(&self) -> &Node {
        // A lab has at least one node: the builder sees to it.
        &self.nodes[0]
    }

    /// The manager that leads the swarm just now.
    ///
    /// # Errors
    /// When no manager answers, or none leads, as between two elections.
    pub async fn leader(&self) -> Result<&Node, LabError> {
        let managers = Managers(self.managers());
        let name = managers.ask(swarm::leader_name).await?.unwrap_or_default();
        self.node(&name).ok_or_else(|| LabError::NoNode {
            name: "the swarm's leader".to_owned(),
            known: self
                .managers()
                .iter()
                .map(|it| it.name().to_owned())
                .collect(),
        })
    }

    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name() == name)
    }

    /// The volume that every node mounts.
    #[must_use]
    pub fn volume(&self) -> &Mounted {
        &self.volume
    }

    /// The ACME server, if it is Pebble.
    #[must_use]
    pub fn pebble(&self) -> Option<&Pebble> {
        match &self.acme {
            Some(AcmeServer::Pebble(pebble)) => Some(pebble),
            _ => None,
        }
    }

    /// The ACME server, if it is the mock, to be told what to answer.
    #[must_use]
    pub fn mock(&self) -> Option<&Mock> {
        match &self.acme {
            Some(AcmeServer::Mock(mock)) => Some(mock),
            _ => None,
        }
    }

    /// The ACME server.
    ///
    /// # Panics
    /// When the lab was asked to have none.
    #[must_use]
    pub fn acme(&self) -> &AcmeServer {
        self.acme
            .as_ref()
            .expect("the lab was built with Acme::None and has no ACME server")
    }

    /// Starts a container of the lab's image `rollover-lab/IMAGE` on the lab's
    /// network that does nothing by itself; each has a number of its own, from 1
    /// to 17.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn client(&self, number: u8, image: &str) -> Result<Client, LabError> {
        Client::start(&self.resources, &self.network, number, image).await
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
        Service::new(&self.nodes, Managers(self.managers()), name)
    }

    /// Brings an image of this machine's engine into the lab's registry, as
    /// [`images`](LabBuilder::images) does before the start.
    ///
    /// # Errors
    /// When the engine does not have it, or the registry does not take it.
    pub async fn push(&self, image: &str) -> Result<(), LabError> {
        self.registry.push(image).await
    }

    /// What the nodes call an image that was brought in: `web` is
    /// `registry:5000/web:latest`, `shop:2` is `registry:5000/shop:2`.
    #[must_use]
    pub fn image(&self, image: &str) -> String {
        registry::in_lab(image)
    }

    /// What nodes have pulled from the lab's registry until now, in order.
    ///
    /// # Errors
    /// When the registry's log cannot be read.
    pub async fn pulls(&self) -> Result<Vec<Pull>, LabError> {
        let log = self.registry.log().await?;
        let mut configurations = BTreeSet::new();
        for (repository, reference) in pulls::manifests(&log) {
            let digest = self.registry.configuration(&repository, &reference).await?;
            configurations.extend(digest);
        }
        Ok(pulls::read(&log, &configurations, |from| {
            let mut nodes = self.nodes.iter();
            let node = nodes.find(|node| node.address() == from);
            node.map(|node| node.name().to_owned())
        }))
    }

    /// Where the time of its start went; nothing for one that was
    /// [`attach`](Self::attach)ed.
    #[must_use]
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// What happened to containers on all nodes since the lab came up, in order.
    #[must_use]
    pub fn timeline(&self) -> Vec<Event> {
        self.recorder.events()
    }

    /// What happens to containers on all nodes from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.recorder.follow()
    }

    /// Where scenarios and faults write down what they do.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Writes what may explain a failure into a directory: the logs of daemons,
    /// services and containers, what the swarm says of itself, the timeline and
    /// the journal, each nginx's configuration as it runs, and the certificates
    /// that the volume shows. No key is among it.
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
    pub async fn stop(mut self) -> Result<(), LabError> {
        self.recorder.stop();
        // What carries changes from node to node ends before there is nothing
        // to carry.
        self.volume.end();
        self.resources.remove()
    }

    /// The same lab, which leaves no [`bundle`](Self::bundle) when it is dropped: where
    /// that is no failure.
    #[must_use]
    pub fn without_bundle(mut self) -> Self {
        self.explained = false;
        self
    }

    /// Leaves the lab up beyond the end of this process, until it is
    /// [`remove`](super::remove)d; [`reap`](super::reap) leaves it alone. Another
    /// process finds it by [`attach`](Self::attach).
    ///
    /// # Errors
    /// When the volume is one that this process keeps going, or when it cannot be
    /// written down; the lab is taken down then.
    pub fn detach(mut self) -> Result<(), LabError> {
        if !self.volume.can_stand_alone() {
            return Err(LabError::CannotStand);
        }
        self.resources.release()
    }

    /// A handle to a lab that stands: one that was [`detach`](Self::detach)ed, or
    /// that another process has up. Dropping the handle leaves the lab; only
    /// [`stop`](Self::stop) takes it down. Its timeline begins now.
    ///
    /// # Errors
    /// When there is no such lab, or it never came up whole.
    pub async fn attach(run: &str) -> Result<Self, LabError> {
        attach::attach(run).await
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // One that was stopped or detached, or that another process has up, is no more to
        // be removed from here.
        if self.explained && self.resources.are_removed_on_drop() {
            failures::explain(self);
        }
    }
}
