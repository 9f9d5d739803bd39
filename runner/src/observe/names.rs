//! What replicas show who asks by the other names of a certificate. Everything else
//! asks by the first: of thousands of certificates every name each minute would be too
//! much.

use futures_util::StreamExt;
use futures_util::stream::iter;

use super::own::Own;
use super::probe::{Question, probe};
use super::swarm::{SwarmError, replicas};
use crate::docker::Manager;
use crate::model::{CertificateSpec, DomainName, Replica, Serving, Target};
use crate::preflight::{AskedName, Shows};

/// Certificates of replicas that are asked about at the same time.
const AT_ONCE: usize = 8;
/// Names of each that are asked by at the same time: a certificate may have a hundred.
const NAMES_AT_ONCE: usize = 8;

/// Which replicas are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Every one that runs.
    EveryReplica,
    /// One that runs. By a service's specification all are configured the same.
    OneReplica,
}

/// Asks running replicas of `target` by every further name of its certificates.
///
/// # Errors
/// When the swarm cannot be read. What does not answer is no error.
pub(crate) async fn ask_by_other_names(
    manager: &Manager,
    own: Option<&Own>,
    target: &Target,
    who: Who,
) -> Result<Vec<AskedName>, SwarmError> {
    if !target.has_other_names() {
        return Ok(Vec::new());
    }
    let running = replicas(manager, &target.id, own).await?.into_iter();
    let running = running.filter(|replica| replica.running);
    let running: Vec<Replica> = match who {
        Who::EveryReplica => running.collect(),
        Who::OneReplica => running.take(1).collect(),
    };
    let certificates = target.certificates.iter();
    let certificates = certificates.filter(|it| it.other_names().next().is_some());
    let each = certificates.flat_map(|it| running.iter().map(move |replica| (it, replica)));
    let asked =
        iter(each.map(async |(certificate, replica)| ask(target, certificate, replica).await));
    let asked: Vec<_> = asked.buffered(AT_ONCE).collect().await;
    Ok(asked.into_iter().flatten().collect())
}

pub(super) async fn ask(
    target: &Target,
    certificate: &CertificateSpec,
    replica: &Replica,
) -> Vec<AskedName> {
    let first = match certificate.asked_by() {
        Some(name) => shown(target, certificate, replica, name).await,
        None => return Vec::new(),
    };
    let others = certificate.other_names().map(async |name| AskedName {
        replica: replica.name(),
        name: name.as_str().to_owned(),
        shows: compared(
            name,
            &first,
            shown(target, certificate, replica, name).await,
        ),
    });
    iter(others).buffered(NAMES_AT_ONCE).collect().await
}

async fn shown(
    target: &Target,
    certificate: &CertificateSpec,
    replica: &Replica,
    domain: &DomainName,
) -> Serving {
    let Some(address) = replica.endpoint(target.probe.port) else {
        return Serving::Unreachable("the runner cannot reach it".to_owned());
    };
    let question = Question {
        domain,
        probe: target.probe,
        kind: Some(certificate.ordering.key.kind()),
    };
    probe(address, question).await
}

fn compared(name: &DomainName, first: &Serving, other: Serving) -> Shows {
    match (first, other) {
        (Serving::Leaf(first), Serving::Leaf(other)) if first.fingerprint == other.fingerprint => {
            Shows::TheSame
        }
        (Serving::Leaf(first), Serving::Leaf(other)) => Shows::Another {
            shown: other.fingerprint.short(),
            first: first.fingerprint.short(),
        },
        // A server may have some names below a wildcard and refuse the one that was made up.
        (Serving::Leaf(first), Serving::Unreachable(why)) if !name.is_wildcard() => {
            Shows::Refused {
                why,
                first: first.fingerprint.short(),
            }
        }
        (_, Serving::Unreachable(why)) => Shows::Nothing(why),
        (Serving::Unreachable(why), _) => Shows::Nothing(format!("by the first name: {why}")),
    }
}
