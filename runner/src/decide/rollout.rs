//! Whether a target's replicas are to be made to serve what is published.

use jiff::Timestamp;

use super::plan::{Expected, Problem, RolloutStep, Stale};
use crate::model::{CertificateName, Leaf, Serving};
use crate::observe::{ReplicaView, Snapshot, TargetView};

/// What to do about one target. Only a difference of fingerprints, seen by a
/// probe, is a reason to touch replicas; that an engine ran is none.
pub(super) fn step(
    snapshot: &Snapshot,
    view: &TargetView,
    now: Timestamp,
) -> (Option<RolloutStep>, Vec<Problem>) {
    let (mut expected, mut stale, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for certificate in &view.target.certificates {
        let name = &certificate.name;
        let published = snapshot
            .certificates
            .get(name)
            .and_then(|certificate| certificate.published.leaf());
        problems.extend(unseen(view, name));
        let Some(leaf) = published else { continue };
        match differing(view, name, leaf, now) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                stale.extend(found);
                expected.push(Expected {
                    certificate: name.clone(),
                    leaf: leaf.clone(),
                });
            }
            Err(problem) => problems.extend(problem),
        }
    }
    let step = (!stale.is_empty()).then(|| RolloutStep {
        target: view.target.clone(),
        expected,
        stale,
    });
    (step, problems)
}

/// The running replicas that serve another certificate than `leaf`, or why
/// they are not to be touched.
fn differing(
    view: &TargetView,
    name: &CertificateName,
    leaf: &Leaf,
    now: Timestamp,
) -> Result<Vec<Stale>, Option<Problem>> {
    let mut stale = Vec::new();
    for replica in &view.replicas {
        let Some(served) = replica.serving.get(name).and_then(Serving::leaf) else {
            continue;
        };
        if served.fingerprint == leaf.fingerprint {
            continue;
        }
        unsafe_because(view, replica, name, served, leaf, now)?;
        stale.push(Stale {
            certificate: name.clone(),
            task: replica.replica.task.clone(),
            replica: replica.replica.name(),
            serves: served.fingerprint,
        });
    }
    Ok(stale)
}

/// Why it would be wrong to make this replica serve what is published.
fn unsafe_because(
    view: &TargetView,
    replica: &ReplicaView,
    name: &CertificateName,
    served: &Leaf,
    published: &Leaf,
    now: Timestamp,
) -> Result<(), Option<Problem>> {
    if served.placeholder {
        return Ok(());
    }
    if published.placeholder {
        // Said once, for the certificate, as a root that lost it.
        return Err(None);
    }
    if published.not_after < now {
        return Err(Some(Problem::Expired {
            name: name.clone(),
            at: published.not_after,
        }));
    }
    if served.not_before > published.not_before {
        return Err(Some(Problem::ServesNewer {
            name: name.clone(),
            target: view.target.name.clone(),
            replica: replica.replica.name(),
        }));
    }
    Ok(())
}

/// Replicas that swarm says run, and that no probe could see. One that is on
/// its way is no problem yet.
fn unseen<'a>(
    view: &'a TargetView,
    name: &'a CertificateName,
) -> impl Iterator<Item = Problem> + 'a {
    view.replicas
        .iter()
        .filter(|replica| replica.replica.running)
        .filter_map(move |replica| match replica.serving.get(name)? {
            Serving::Leaf(_) => None,
            Serving::Unreachable(why) => Some(Problem::Unreachable {
                name: name.clone(),
                target: view.target.name.clone(),
                replica: replica.replica.name(),
                why: why.clone(),
            }),
        })
}
