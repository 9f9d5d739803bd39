//! Everything that deciding needs, at one moment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use futures_util::future::join_all;
use serde::Serialize;

use super::files;
use super::own::Own;
use super::probe::probe;
use super::swarm::{self, SwarmError};
use crate::docker::Manager;
use crate::model::{
    CertificateName, CertificateSpec, DomainName, LabelError, Published, Replica, Serving, Target,
};

/// The world as it was seen.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Snapshot {
    /// Each certificate that some target wants.
    pub(crate) certificates: BTreeMap<CertificateName, CertificateView>,
    pub(crate) targets: Vec<TargetView>,
    /// Labels that could not be understood.
    pub(crate) labels: Vec<LabelError>,
}

/// A certificate as it is wanted and as it is published.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CertificateView {
    pub(crate) domains: Vec<DomainName>,
    pub(crate) published: Published,
}

/// A target with its replicas.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TargetView {
    pub(crate) target: Target,
    pub(crate) replicas: Vec<ReplicaView>,
}

/// A replica and what it serves for each certificate of its target.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReplicaView {
    pub(crate) replica: Replica,
    pub(crate) serving: BTreeMap<CertificateName, Serving>,
}

/// Looks at the swarm, at the files below `root`, and at every replica.
///
/// # Errors
/// When the swarm cannot be read. A replica that cannot be reached and a file
/// that cannot be used are not errors but part of what was seen.
pub(crate) async fn observe(
    manager: &Manager,
    root: &Path,
    own: Option<&Own>,
) -> Result<Snapshot, SwarmError> {
    let (found, mut labels) = swarm::targets(&manager.docker).await?;
    let (found, certificates) = agree_on_certificates(found, root, &mut labels);
    let mut targets = Vec::new();
    for target in found {
        let replicas = replicas_of(manager, &target, own).await?;
        targets.push(TargetView { target, replicas });
    }
    Ok(Snapshot {
        certificates,
        targets,
        labels,
    })
}

/// The certificates that all targets together want. Two targets may share one
/// if they agree on its names; the second that does not is told.
fn agree_on_certificates(
    targets: Vec<Target>,
    root: &Path,
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
                        published: files::published(root, &wanted.name),
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
) -> Result<Vec<ReplicaView>, SwarmError> {
    let replicas = swarm::replicas(manager, &target.id, own).await?;
    Ok(join_all(replicas.into_iter().map(|replica| view_of(replica, target))).await)
}

async fn view_of(replica: Replica, target: &Target) -> ReplicaView {
    let looks = target.certificates.iter().map(|certificate| async {
        let serving = look(&replica, target.port, &certificate.domains).await;
        (certificate.name.clone(), serving)
    });
    let serving = join_all(looks).await.into_iter().collect();
    ReplicaView { replica, serving }
}

async fn look(replica: &Replica, port: u16, domains: &[DomainName]) -> Serving {
    if !replica.running {
        return Serving::Unreachable(format!("swarm says {}", replica.state));
    }
    match (replica.address, domains.first()) {
        (Some(address), Some(domain)) => probe(SocketAddr::new(address, port), domain).await,
        _ => Serving::Unreachable(
            "the runner shares no network with it; attach both services to one overlay network"
                .to_owned(),
        ),
    }
}
