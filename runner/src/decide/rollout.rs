//! Whether a target's replicas are to be made to serve what is published.

use jiff::Timestamp;

use super::plan::{Expected, Problem, RolloutStep, Stale};
use super::{Memory, issue};
use crate::model::{CertificateName, Leaf, Serving};
use crate::observe::{CertificateView, ReplicaView, Snapshot, TargetView};

/// What to do about one target. Only a difference of fingerprints, seen by a
/// probe, is a reason to touch replicas; that an engine ran is none.
///
/// A signal or a restart loads every certificate that the target serves. So if
/// one of them must not be loaded, none is.
pub(super) fn step(
    snapshot: &Snapshot,
    view: &TargetView,
    memory: &Memory,
    now: Timestamp,
) -> (Option<RolloutStep>, Vec<Problem>) {
    let (mut expected, mut stale, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let mut safe = true;
    for wanted in &view.target.certificates {
        let name = &wanted.name;
        problems.extend(unseen(view, name));
        let Some(certificate) = snapshot.certificates.get(name) else {
            continue;
        };
        safe &= issue::problem(snapshot, name, certificate).is_none();
        let Some(leaf) = certificate.published.leaf() else {
            continue;
        };
        let look = Look {
            snapshot,
            view,
            name,
            certificate,
            leaf,
        };
        match look.compare(now) {
            Compared::Differs(found) => {
                stale.extend(found);
                expected.push(Expected {
                    certificate: name.clone(),
                    leaf: leaf.clone(),
                });
            }
            // It is not this certificate that is served there: nothing that a
            // rollout could mend, and nothing that it would harm.
            Compared::Another(problem) => problems.push(problem),
            Compared::Unsafe(problem) => {
                safe = false;
                problems.extend(problem);
            }
        }
    }
    if stale.is_empty() || !safe {
        return (None, problems);
    }
    let step = RolloutStep {
        target: view.target.clone(),
        expected,
        stale,
    };
    match memory.held_until(&step.attempted()) {
        Some(until) if now < until => {
            problems.push(Problem::RolloutHeld {
                target: view.target.name.clone(),
                until,
            });
            (None, problems)
        }
        _ => (Some(step), problems),
    }
}

/// Whether every replica that is wanted was seen to serve what is published,
/// and there is at least one.
pub(super) fn all_served(snapshot: &Snapshot) -> bool {
    let serves = |replica: &ReplicaView, name: &CertificateName| {
        let certificate = snapshot.certificates.get(name);
        let published = certificate.and_then(|certificate| certificate.published.leaf());
        let served = replica.serving.get(name).and_then(Serving::leaf);
        published.is_some() && served.map(|it| it.fingerprint) == published.map(|it| it.fingerprint)
    };
    let complete = |view: &TargetView| {
        let wanted = view.target.desired.unwrap_or(1).max(1);
        let certificates = &view.target.certificates;
        view.replicas.len() as u64 >= wanted
            && view.replicas.iter().all(|replica| {
                let mut names = certificates.iter().map(|certificate| &certificate.name);
                names.all(|name| serves(replica, name))
            })
    };
    !snapshot.targets.is_empty() && snapshot.targets.iter().all(complete)
}

/// How the running replicas compare with what is published.
enum Compared {
    /// Those that serve another version; none if all serve it.
    Differs(Vec<Stale>),
    /// One answers with some other certificate.
    Another(Problem),
    /// It would be wrong to load what is published; why, if not said already.
    Unsafe(Option<Problem>),
}

/// One certificate of one target.
struct Look<'a> {
    snapshot: &'a Snapshot,
    view: &'a TargetView,
    name: &'a CertificateName,
    certificate: &'a CertificateView,
    leaf: &'a Leaf,
}

impl Look<'_> {
    fn compare(&self, now: Timestamp) -> Compared {
        let mut stale = Vec::new();
        for replica in &self.view.replicas {
            let Some(served) = replica.serving.get(self.name).and_then(Serving::leaf) else {
                continue;
            };
            if served.fingerprint == self.leaf.fingerprint {
                continue;
            }
            if let Some(reason) = self.left_alone(replica, served, now) {
                return reason;
            }
            stale.push(Stale {
                certificate: self.name.clone(),
                task: replica.replica.task.clone(),
                replica: replica.replica.name(),
                serves: served.fingerprint,
            });
        }
        Compared::Differs(stale)
    }

    /// Why this replica is not to be made to serve what is published.
    fn left_alone(&self, replica: &ReplicaView, served: &Leaf, now: Timestamp) -> Option<Compared> {
        let (target, name) = (self.view.target.name.clone(), self.name.clone());
        if served.placeholder {
            return None;
        }
        if !issue::is_it(self.snapshot, self.name, self.certificate, served) {
            return Some(Compared::Another(Problem::ServesAnother {
                name,
                target,
                replica: replica.replica.name(),
                serves: served.fingerprint,
            }));
        }
        // Said for the certificate already: a root that lost it, or expired.
        if self.leaf.placeholder || self.leaf.not_after < now {
            return Some(Compared::Unsafe(None));
        }
        if served.not_before > self.leaf.not_before {
            return Some(Compared::Unsafe(Some(Problem::ServesNewer {
                name,
                target,
                replica: replica.replica.name(),
            })));
        }
        None
    }
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
