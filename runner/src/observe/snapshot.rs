//! Everything that deciding needs, at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures_util::future::join_all;
use serde::Serialize;

use super::files;
use super::own::Own;
use super::probe::{Question, probe, probe_public};
use super::secrets::own_secrets;
use super::swarm::{self, SwarmError};
use crate::config::Engine;
use crate::docker::Manager;
use crate::model::{
    CertificateName, CertificateSpec, DomainName, KeyKind, LabelError, Leaf, Ordering, Published,
    Replica, Serving, Strategy, Target, Version, mounted,
};

/// The kind of key that each certificate is published with, or is wanted with:
/// what a server that has one of each kind is to be asked for.
pub(crate) type Kinds = BTreeMap<CertificateName, KeyKind>;

/// The world as it was seen.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Snapshot {
    /// Each certificate that some target wants.
    pub(crate) certificates: BTreeMap<CertificateName, CertificateView>,
    pub(crate) targets: Vec<TargetView>,
    /// Labels that could not be understood.
    pub(crate) labels: Vec<LabelError>,
}

impl Snapshot {
    /// How the certificate is to be ordered: as the first target says that wants it.
    pub(crate) fn ordering(&self, name: &CertificateName) -> Ordering {
        let targets = self.targets.iter();
        let mut specs = targets.flat_map(|view| &view.target.certificates);
        let spec = specs.find(|spec| spec.name == *name);
        spec.map(|spec| spec.ordering.clone()).unwrap_or_default()
    }
}

/// A certificate as it is wanted and as it is published.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CertificateView {
    pub(crate) domains: Vec<DomainName>,
    /// The kind that its key is to be of.
    pub(crate) key: KeyKind,
    pub(crate) published: Published,
    /// The versions in the archive, where they are asked for and can be read: there
    /// the newest may not be the published one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) versions: Option<Vec<Archived>>,
}

/// A version in the archive, seen to be a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Archived {
    /// Its number, which names its directory.
    pub(crate) number: u64,
    pub(crate) leaf: Leaf,
}

impl CertificateView {
    /// The kind of its key, or that which it is to be.
    pub(crate) fn kind(&self) -> KeyKind {
        self.published.leaf().map_or(self.key, |leaf| leaf.key)
    }
}

/// A target with its replicas.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TargetView {
    pub(crate) target: Target,
    pub(crate) replicas: Vec<ReplicaView>,
    /// For `secret`: what new tasks would find, by the service's specification.
    pub(crate) mounted: BTreeMap<CertificateName, Version>,
    /// What its public address serves, if it is to be probed. It may lead to any
    /// replica, or to something in front of them all: so it is told, and nothing
    /// is decided by it.
    pub(crate) public: Option<PublicView>,
}

/// What a target serves to the public.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PublicView {
    pub(crate) address: String,
    pub(crate) serving: BTreeMap<CertificateName, Serving>,
}

/// A replica and what it serves for each certificate of its target.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReplicaView {
    pub(crate) replica: Replica,
    pub(crate) serving: BTreeMap<CertificateName, Serving>,
}

/// Looks at the swarm, at the files below `root`, and at every replica; at the
/// versions of those certificates too of which `held_back` has the name.
///
/// # Errors
/// When the swarm cannot be read. A replica that cannot be reached and a file
/// that cannot be used are not errors but part of what was seen.
pub(crate) async fn observe(
    manager: &Manager,
    root: &Path,
    own: Option<&Own>,
    engine: Engine,
    held_back: &BTreeSet<CertificateName>,
) -> Result<Snapshot, SwarmError> {
    let (mut found, mut labels) = swarm::targets(manager).await?;
    if engine == Engine::Certbot {
        labels.extend(found.iter_mut().flat_map(take_out_what_certbot_cannot));
    }
    let published = files::all_published(root, &wanted(&found)).await;
    let (found, mut certificates) = agree_on_certificates(found, published, &mut labels);
    for (name, view) in &mut certificates {
        if held_back.contains(name) {
            view.versions = files::versions(root, name).ok();
        }
    }
    let secrets = if found.iter().any(is_by_secret) {
        own_secrets(&manager.docker).await?
    } else {
        Vec::new()
    };
    let wanted = certificates.iter();
    let kinds: Kinds = wanted
        .map(|(name, view)| (name.clone(), view.kind()))
        .collect();
    let mut targets = Vec::new();
    for target in found {
        let replicas = replicas_of(manager, &target, own, &kinds);
        let (replicas, public) = tokio::join!(replicas, public_of(&target, &kinds));
        targets.push(TargetView {
            replicas: replicas?,
            public,
            mounted: mounted(&target.certificates, &target.secrets, &secrets),
            target,
        });
    }
    Ok(Snapshot {
        certificates,
        targets,
        labels,
    })
}

/// Takes out what only the engine acme obtains: why, of each.
fn take_out_what_certbot_cannot(target: &mut Target) -> Vec<LabelError> {
    let Target {
        name, certificates, ..
    } = target;
    let refused = |wanted: &CertificateSpec| {
        let is_first = wanted.domains.first().map(CertificateName::of) == Some(wanted.name.clone());
        let (label, value, why) = if !is_first {
            let key = wanted.ordering.key.to_string();
            ("rollover.key", key, "one kind of key")
        } else if wanted.domains.iter().any(|domain| domain.ip().is_some()) {
            let domains = list(&wanted.domains);
            ("rollover.domains", domains, "domain names and no address")
        } else {
            return None;
        };
        Some(LabelError {
            service: name.clone(),
            label: label.to_owned(),
            value,
            expected: format!("{why}, as the engine certbot obtains no more (--engine acme does)"),
        })
    };
    let errors = certificates.iter().filter_map(refused).collect();
    certificates.retain(|wanted| refused(wanted).is_none());
    errors
}

fn is_by_secret(target: &Target) -> bool {
    matches!(target.strategy, Strategy::Secret(_))
}

/// The names of the certificates that the targets want, each once.
fn wanted(targets: &[Target]) -> Vec<CertificateName> {
    let wanted = targets.iter().flat_map(|target| &target.certificates);
    let names: BTreeSet<&CertificateName> = wanted.map(|wanted| &wanted.name).collect();
    names.into_iter().cloned().collect()
}

/// The certificates that all targets together want. Two targets may share one
/// if they agree on its names; the second that does not is told.
fn agree_on_certificates(
    targets: Vec<Target>,
    mut published: BTreeMap<CertificateName, Published>,
    errors: &mut Vec<LabelError>,
) -> (Vec<Target>, BTreeMap<CertificateName, CertificateView>) {
    let mut certificates: BTreeMap<CertificateName, CertificateView> = BTreeMap::new();
    let mut agreed = Vec::new();
    for mut target in targets {
        target.certificates.retain(|wanted| {
            let known =
                certificates
                    .entry(wanted.name.clone())
                    .or_insert_with(|| CertificateView {
                        domains: wanted.domains.clone(),
                        key: wanted.ordering.key.kind(),
                        published: published.remove(&wanted.name).unwrap_or(Published::Missing),
                        versions: None,
                    });
            let agrees = known.domains == wanted.domains;
            if !agrees {
                errors.push(disagreement(&target.name, wanted, &known.domains));
            }
            agrees
        });
        agreed.push(target);
    }
    (agreed, certificates)
}

fn disagreement(service: &str, wanted: &CertificateSpec, first: &[DomainName]) -> LabelError {
    LabelError {
        service: service.to_owned(),
        label: "rollover.domains".to_owned(),
        value: list(&wanted.domains),
        expected: format!(
            "the same names as another service gives the certificate {}: {}",
            wanted.name,
            list(first)
        ),
    }
}

fn list(domains: &[DomainName]) -> String {
    let names: Vec<&str> = domains.iter().map(DomainName::as_str).collect();
    names.join(",")
}

/// The replicas of one target and what each serves now.
pub(crate) async fn replicas_of(
    manager: &Manager,
    target: &Target,
    own: Option<&Own>,
    kinds: &Kinds,
) -> Result<Vec<ReplicaView>, SwarmError> {
    let replicas = swarm::replicas(manager, &target.id, own).await?;
    let views = replicas
        .into_iter()
        .map(|replica| view_of(replica, target, kinds));
    Ok(join_all(views).await)
}

pub(crate) async fn view_of(replica: Replica, target: &Target, kinds: &Kinds) -> ReplicaView {
    let looks = target.certificates.iter().map(|certificate| async {
        let serving = look(&replica, target, certificate, kinds).await;
        (certificate.name.clone(), serving)
    });
    let serving = join_all(looks).await.into_iter().collect();
    ReplicaView { replica, serving }
}

async fn look(
    replica: &Replica,
    target: &Target,
    certificate: &CertificateSpec,
    kinds: &Kinds,
) -> Serving {
    if !replica.running {
        return Serving::Unreachable(swarm_says(replica, target));
    }
    let question = question(target, certificate, kinds);
    match (replica.endpoint(target.probe.port), question) {
        (Some(address), Some(question)) => probe(address, question).await,
        _ => Serving::Unreachable(format!(
            "the runner shares no network with it, and it publishes port {} at no port of its \
             node; attach both services to one overlay network, or publish the port in host mode",
            target.probe.port
        )),
    }
}

/// Why a replica does not run. One that waits for a port while its service is changed
/// in a way that leaves tasks as they are (a label, say) is never tried again by swarm,
/// which calls the update completed (`noSuitableNode` in swarmkit's scheduler).
fn swarm_says(replica: &Replica, target: &Target) -> String {
    let (state, service) = (&replica.state, &target.name);
    if state.starts_with("pending") && state.contains("host-mode port already in use") {
        return format!(
            "swarm says {state}; if a node has that port free, swarm has given this replica up, \
             and `docker service update --force {service}` has it try again"
        );
    }
    format!("swarm says {state}")
}

fn question<'a>(
    target: &'a Target,
    certificate: &'a CertificateSpec,
    kinds: &Kinds,
) -> Option<Question<'a>> {
    Some(Question {
        domain: certificate.asked_by()?,
        probe: target.probe,
        kind: kinds.get(&certificate.name).copied(),
    })
}

async fn public_of(target: &Target, kinds: &Kinds) -> Option<PublicView> {
    let address = target.public.as_ref()?.as_str();
    let looks = target.certificates.iter().map(|certificate| async {
        let question = question(target, certificate, kinds)?;
        let serving = probe_public(address, question).await;
        Some((certificate.name.clone(), serving))
    });
    let serving = join_all(looks).await.into_iter().flatten().collect();
    Some(PublicView {
        address: address.to_owned(),
        serving,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::{all, leaf, world};

    #[test]
    fn a_replica_that_swarm_may_have_given_up_is_told_with_what_helps() {
        let mut seen = world(Published::Pair(leaf(1)), all(&leaf(1)))
            .targets
            .remove(0);
        let mut replica = seen.replicas.remove(2).replica;
        replica.node = String::new();
        "pending: no suitable node (host-mode port already in use on 3 nodes)"
            .clone_into(&mut replica.state);
        insta::assert_snapshot!(
            format!("{}: {}", replica.name(), swarm_says(&replica, &seen.target)),
            @"replica 3 without a node: swarm says pending: no suitable node (host-mode port already in use on 3 nodes); if a node has that port free, swarm has given this replica up, and `docker service update --force patch_loadbalancer` has it try again"
        );
        "starting".clone_into(&mut replica.state);
        assert_eq!(swarm_says(&replica, &seen.target), "swarm says starting");
    }
}
