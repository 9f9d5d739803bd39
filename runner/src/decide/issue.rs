//! Whether a certificate is to be obtained.

use jiff::Timestamp;

use super::Memory;
use super::plan::{Occasion, Problem, Step, WhyIssue, WhyNot};
use crate::model::{CertificateName, Leaf, Published};
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
    if problem(snapshot, name, view).is_some() {
        return Step::Nothing(WhyNot::Problem);
    }
    if view.published == Published::Missing {
        return Step::PublishPlaceholder;
    }
    let forced = occasion.forced.contains(name);
    let why = match why_issue(view, name, memory, occasion, now) {
        _ if forced => WhyIssue::Forced,
        Ok(why) => why,
        Err(why_not) => return Step::Nothing(why_not),
    };
    if let Some(until) = memory
        .held_until(name)
        .filter(|&until| now < until && !forced)
    {
        return Step::Nothing(WhyNot::BackingOff(until));
    }
    if !someone_can_answer(snapshot, name, now) {
        return Step::Nothing(WhyNot::ReplicasStarting);
    }
    Step::Issue(why)
}

fn why_issue(
    view: &CertificateView,
    name: &CertificateName,
    memory: &Memory,
    occasion: &Occasion<'_>,
    now: Timestamp,
) -> Result<WhyIssue, WhyNot> {
    let leaf = view.published.leaf().ok_or(WhyNot::Problem)?;
    if leaf.placeholder {
        return Ok(WhyIssue::Placeholder);
    }
    if !leaf.is_for_exactly(&view.domains) {
        return Ok(WhyIssue::NamesChanged);
    }
    let due = memory
        .asked(name)
        .and_then(|asked| occasion.schedule.next_after(asked));
    match due {
        Some(at) if now < at => Err(WhyNot::AskAt(at)),
        // Never asked by this process: a start looks as well.
        _ => Ok(WhyIssue::Scheduled),
    }
}

/// What makes it unsafe to touch the certificate `name` at all.
pub(super) fn problem(
    snapshot: &Snapshot,
    name: &CertificateName,
    view: &CertificateView,
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
    let (target, replica, leaf) = served(snapshot, name).find(|(_, _, leaf)| !leaf.placeholder)?;
    Some(Problem::RootLostIt {
        name: name.clone(),
        found,
        target: target.target.name.clone(),
        replica: replica.replica.name(),
        serves: leaf.fingerprint,
    })
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

/// Whether a challenge can be answered: some replica serves, and none that is
/// wanted is still on its way, because the authority may ask any of them.
fn someone_can_answer(snapshot: &Snapshot, name: &CertificateName, now: Timestamp) -> bool {
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
