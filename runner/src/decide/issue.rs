//! Whether a certificate is to be obtained.

use jiff::Timestamp;

use super::Memory;
use super::memory::Attempted;
use super::plan::{Occasion, Problem, Step, WhyIssue, WhyNot};
use crate::model::{CertificateName, Challenge, Leaf, Published};
use crate::observe::{CertificateView, ReplicaView, Snapshot, TargetView};

/// How long after a change of a service its replicas may be expected to be
/// still on their way. After that, those that run have to do.
const SETTLING: jiff::SignedDuration = jiff::SignedDuration::from_secs(120);

/// What to do about the certificate `name`.
pub(super) fn step(
    snapshot: &Snapshot,
    name: &CertificateName,
    view: &CertificateView,
    memory: &Memory,
    occasion: &Occasion<'_>,
    now: Timestamp,
) -> Step {
    // A person may ask earlier than a schedule or a failure would allow, but
    // not for something else than what is missing.
    let forced = occasion.forced.contains(name);
    match problem(snapshot, name, view, memory, now) {
        // That it is really gone is what a person says by forcing it.
        Some(Problem::RootForgotIt { .. }) if forced => {}
        Some(_) => return Step::Nothing(WhyNot::Problem),
        None => {}
    }
    let attempted = Attempted::Certificate(name.clone());
    let held = memory.held_until(&attempted);
    if let Some(until) = held.filter(|&until| now < until && !forced) {
        return Step::Nothing(WhyNot::BackingOff(until));
    }
    let Some(leaf) = view.published.leaf() else {
        return Step::PublishPlaceholder;
    };
    let why = if leaf.placeholder {
        WhyIssue::Placeholder
    } else if !leaf.is_for_exactly(&view.domains) {
        WhyIssue::NamesChanged
    } else if forced {
        return Step::Issue(WhyIssue::Forced);
    } else {
        return scheduled(memory.succeeded(&attempted), occasion, now);
    };
    if someone_can_answer(snapshot, name, now) {
        Step::Issue(why)
    } else {
        Step::Nothing(WhyNot::ReplicasStarting)
    }
}

/// Whether the schedule has come round since the engine was last asked and
/// answered. A start asks as well, and so does the end of a backoff.
fn scheduled(answered: Option<Timestamp>, occasion: &Occasion<'_>, now: Timestamp) -> Step {
    match answered.and_then(|answered| occasion.schedule.next_after(answered)) {
        Some(at) if now < at => Step::Nothing(WhyNot::AskAt(at)),
        _ => Step::Issue(WhyIssue::Scheduled),
    }
}

/// What makes it unsafe to touch the certificate `name` at all.
pub(super) fn problem(
    snapshot: &Snapshot,
    name: &CertificateName,
    view: &CertificateView,
    memory: &Memory,
    now: Timestamp,
) -> Option<Problem> {
    let found = match &view.published {
        Published::Broken(error) => {
            return Some(Problem::Broken {
                name: name.clone(),
                error: error.clone(),
            });
        }
        Published::Missing => "no certificate",
        Published::Pair(leaf) if leaf.placeholder => "only a placeholder",
        Published::Pair(_) => return None,
    };
    // A volume that is not mounted looks like one that is new. But a new one
    // was never served from.
    let mut served = served(snapshot, name);
    let Some((target, replica, leaf)) =
        served.find(|(_, _, leaf)| is_it(snapshot, name, view, leaf))
    else {
        return forgotten(name, found, memory, now);
    };
    Some(Problem::RootLostIt {
        name: name.clone(),
        found,
        target: target.target.name.clone(),
        replica: replica.replica.name(),
        serves: leaf.fingerprint,
    })
}

/// What it means that the root has no certificate where one was issued that would
/// still be good: the same, though no replica is left that serves it. Each start
/// with a wrong volume would order one more, until the authority refuses.
fn forgotten(
    name: &CertificateName,
    found: &'static str,
    memory: &Memory,
    now: Timestamp,
) -> Option<Problem> {
    let issued = memory.issued(name)?;
    (now < issued.not_after).then(|| Problem::RootForgotIt {
        name: name.clone(),
        found,
        issued: issued.fingerprint,
        at: issued.at,
    })
}

/// Whether a served leaf can be the certificate `name`, placeholders apart. A
/// server that does not know a name answers with another certificate of its
/// own: that one does not name it, or is published elsewhere, or is the other one
/// of a dual pair.
pub(super) fn is_it(
    snapshot: &Snapshot,
    name: &CertificateName,
    view: &CertificateView,
    leaf: &Leaf,
) -> bool {
    let names_it = view
        .domains
        .first()
        .is_some_and(|domain| leaf.is_for(domain));
    let elsewhere = snapshot.certificates.iter().any(|(other, view)| {
        let published = view.published.leaf();
        other != name && published.is_some_and(|it| it.fingerprint == leaf.fingerprint)
    });
    !leaf.placeholder && names_it && !elsewhere && !is_the_other(snapshot, name, view, leaf)
}

/// Whether a served leaf is of another kind than the certificate `name` and of
/// the kind of one for the same domains: a server that has no pair of the first
/// kind shows the other, of whatever version.
pub(super) fn is_the_other(
    snapshot: &Snapshot,
    name: &CertificateName,
    view: &CertificateView,
    leaf: &Leaf,
) -> bool {
    let is_other = |(other, it): (&CertificateName, &CertificateView)| {
        other != name && it.kind() == leaf.key && it.domains == view.domains
    };
    leaf.key != view.kind() && snapshot.certificates.iter().any(is_other)
}

fn served<'a>(
    snapshot: &'a Snapshot,
    name: &'a CertificateName,
) -> impl Iterator<Item = (&'a TargetView, &'a ReplicaView, &'a Leaf)> {
    snapshot.targets.iter().flat_map(move |target| {
        target.replicas.iter().filter_map(move |replica| {
            let leaf = replica.serving.get(name)?.leaf()?;
            Some((target, replica, leaf))
        })
    })
}

/// Whether a challenge can be answered: by a record, or some replica serves and none
/// that is wanted is still on its way, because the authority may ask any of them.
pub(super) fn someone_can_answer(
    snapshot: &Snapshot,
    name: &CertificateName,
    now: Timestamp,
) -> bool {
    if snapshot.ordering(name).challenge == Challenge::Dns01 {
        return true;
    }
    let serving = served(snapshot, name).count() as u64;
    let wanted: u64 = targets_of(snapshot, name)
        .map(|view| view.target.desired.unwrap_or(view.replicas.len() as u64))
        .sum();
    let settled = targets_of(snapshot, name)
        .all(|view| now.duration_since(view.target.updated_at) > SETTLING);
    serving > 0 && (serving >= wanted || settled)
}

fn targets_of<'a>(
    snapshot: &'a Snapshot,
    name: &'a CertificateName,
) -> impl Iterator<Item = &'a TargetView> {
    snapshot
        .targets
        .iter()
        .filter(move |view| view.target.certificates.iter().any(|c| &c.name == name))
}
