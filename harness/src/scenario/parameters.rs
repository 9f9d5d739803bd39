//! What a scenario is played with.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Shape;
use crate::acme::Acme;
use crate::site::{Engine, Load, Strategy};
use crate::volume::Volume;

/// What a scenario is played with.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Nodes of the lab.
    pub nodes: u8,
    /// How many of them are managers.
    pub managers: u8,
    /// Replicas of the load balancer, at most one on each node.
    pub replicas: u8,
    /// Requests a second in each lane.
    pub rate: u32,
    /// So many requests at least, where a renewal is what is played.
    pub requests: u64,
    /// The volume that the nodes mount.
    pub volume: Volume,
    /// How certificates reach the replicas.
    pub strategy: Strategy,
    /// The ACME server.
    pub acme: Acme,
    /// What obtains certificates.
    pub engine: Engine,
    /// How many renewals in a row, where there is more than one.
    pub renewals: u32,
    /// How long a scenario without an end of its own goes on.
    pub length: Duration,
    /// What chance is made of: the same seed, the same choices.
    pub seed: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            nodes: 3,
            managers: 1,
            replicas: 3,
            // In all lanes together 200 a second.
            rate: 62,
            requests: 0,
            volume: Volume::default(),
            strategy: Strategy::Signal,
            acme: Acme::default(),
            engine: Engine::default(),
            renewals: 3,
            length: Duration::from_secs(60),
            seed: 1,
        }
    }
}

impl Parameters {
    /// The default ones with certbot: where the daemon itself is to find a
    /// certificate due, or certbot is the subject.
    #[must_use]
    pub(super) fn with_certbot() -> Self {
        Self {
            engine: Engine::Certbot,
            ..Self::default()
        }
    }

    /// One node, one replica, and the scripted authority: where what the runner asks of
    /// that is the subject.
    #[must_use]
    pub(super) fn small_with_mock() -> Self {
        Self {
            nodes: 1,
            replicas: 1,
            acme: Acme::Mock,
            ..Self::default()
        }
    }

    /// The lab that it takes.
    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape {
            nodes: self.nodes,
            managers: self.managers,
            volume: self.volume.clone(),
            acme: self.acme,
        }
    }

    /// The traffic that it takes.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            rate: self.rate,
            least: self.requests,
            ..Load::default()
        }
    }

    /// Each by its name, as a report shows them.
    #[must_use]
    pub fn named(&self) -> BTreeMap<String, String> {
        let named = [
            ("nodes", self.nodes.to_string()),
            ("managers", self.managers.to_string()),
            ("replicas", self.replicas.to_string()),
            ("rate", self.rate.to_string()),
            ("requests", self.requests.to_string()),
            ("volume", self.volume.to_string()),
            ("strategy", self.strategy.label().to_owned()),
            ("acme", self.acme.to_string()),
            ("engine", self.engine.name().to_owned()),
            ("renewals", self.renewals.to_string()),
            ("minutes", (self.length.as_secs_f64() / 60.0).to_string()),
            ("seed", self.seed.to_string()),
        ];
        named.map(|(name, value)| (name.to_owned(), value)).into()
    }
}
