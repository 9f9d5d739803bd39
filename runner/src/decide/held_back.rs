//! A version that no replica came to serve: the one before it is published again,
//! so that a replica that starts by itself finds what works, and the new one is
//! kept for another try. It is still the newest, so nothing is ordered meanwhile.
//!
//! What a version is, the archive tells; that one is held back, and why, the
//! memory. From these two follows what is to be done, after a crash too:
//!
//! | published | remembered of the newest | then |
//! |---|---|---|
//! | the newest | nothing | it is rolled out as ever |
//! | the newest | no replica came to serve it | the one before is published again |
//! | the one before | the same, or that it is tried | the newest is published at its time |
//! | the newest | it is tried | it is rolled out as ever |

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::issue;
use super::kept::shortened;
use super::memory::{Backoff, Memory};
use super::plan::{Plan, Problem, RolloutStep, Turn, VersionStep, WhyAgain};
use crate::model::{
    CertificateName, Digest, Fingerprint, Leaf, Published, Serving, Strategy, Update,
};
use crate::observe::{Archived, CertificateView, ReplicaView, Snapshot, TargetView};

/// How long swarm may take to begin an update: until then nothing tells it from a change
/// that replaces no replica.
const TAKEN_UP: SignedDuration = SignedDuration::from_secs(5);

/// What is remembered of a version that no replica came to serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldBack {
    pub(crate) fingerprint: Fingerprint,
    /// What the replicas served all the while.
    instead: Fingerprint,
    /// When that was first found.
    since: Timestamp,
    /// When it was last found, and how often in a row.
    at: Timestamp,
    failures: usize,
    backoff: Backoff,
    why: String,
    /// It is published for another try, or about to be.
    trying: bool,
    /// The service that did not come to serve it, by swarm's ID, and what was asked of it
    /// then; nothing once it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused_by: Option<(String, Digest)>,
}

impl Memory {
    /// What is remembered of a version of that certificate that no replica came to
    /// serve.
    pub(crate) fn held_back(&self, name: &CertificateName) -> Option<&HeldBack> {
        self.held_back.get(name)
    }

    /// The certificates of which something is held back.
    pub(crate) fn names_held_back(&self) -> BTreeSet<CertificateName> {
        self.held_back.keys().cloned().collect()
    }

    /// Remembers that the replica that goes first in `step` did not come to serve
    /// what it was given, once the attempt itself is [recorded](Self::record); of
    /// which certificates that is to be kept.
    ///
    /// By secret there is nothing to go back to: a task finds what the service
    /// names, whatever is published.
    pub(crate) fn record_refused(
        &mut self,
        step: &RolloutStep,
        at: Timestamp,
        why: &str,
    ) -> Vec<CertificateName> {
        let backoff = match step.target.strategy {
            Strategy::Signal { .. } => Backoff::Eager,
            Strategy::Restart(_) => Backoff::Patient,
            Strategy::Secret(_) => return Vec::new(),
        };
        let attempts = self.failures(&step.attempted()).max(1);
        let mut refused = Vec::new();
        for expected in &step.expected {
            let (name, fingerprint) = (&expected.certificate, expected.leaf.fingerprint);
            let Some(instead) = served_before(step, name).filter(|it| *it != fingerprint) else {
                continue;
            };
            let before = self.held_back.remove(name);
            let before = before.filter(|before| before.fingerprint == fingerprint);
            let held_back = HeldBack {
                fingerprint,
                instead,
                since: before.as_ref().map_or(at, |before| before.since),
                at,
                failures: before.map_or(attempts, |it| attempts.max(it.failures + 1)),
                backoff,
                why: shortened(why),
                trying: false,
                refused_by: Some((step.target.id.clone(), step.target.asked)),
            };
            self.held_back.insert(name.clone(), held_back);
            refused.push(name.clone());
        }
        refused
    }

    /// Remembers that a version that was held back is tried again, whatever came of
    /// its rollouts before; with which certificates that is to be kept.
    pub(crate) fn record_tried(&mut self, name: &CertificateName) -> BTreeSet<CertificateName> {
        let Some(held_back) = self.held_back.get_mut(name) else {
            return BTreeSet::new();
        };
        held_back.trying = true;
        held_back.refused_by = None;
        let fingerprint = held_back.fingerprint;
        let mut changed = self.forget_rollouts_of(name, fingerprint);
        changed.insert(name.clone());
        changed
    }

    /// Remembers that it could not even be published.
    pub(crate) fn record_not_tried(&mut self, name: &CertificateName, at: Timestamp, why: &str) {
        if let Some(held_back) = self.held_back.get_mut(name) {
            held_back.trying = false;
            held_back.at = at;
            held_back.failures += 1;
            held_back.why = shortened(why);
        }
    }

    /// Forgets that a version was held back.
    pub(crate) fn release(&mut self, name: &CertificateName) {
        self.held_back.remove(name);
    }

    /// How often in a row no replica came to serve what `step` would have them
    /// serve, as far as it is remembered across restarts.
    pub(super) fn times_refused(&self, step: &RolloutStep) -> usize {
        let expected = step.expected.iter();
        let refused = expected.filter_map(|expected| {
            let held_back = self.held_back(&expected.certificate)?;
            let same = held_back.fingerprint == expected.leaf.fingerprint;
            same.then_some(held_back.failures)
        });
        refused.max().unwrap_or(0)
    }
}

/// What every replica served of that certificate when `step` was planned; none if
/// they did not serve the same.
fn served_before(step: &RolloutStep, name: &CertificateName) -> Option<Fingerprint> {
    let stale = step.stale.iter().filter(|it| &it.certificate == name);
    let served: BTreeSet<Fingerprint> = stale.map(|it| it.serves).collect();
    let mut served = served.into_iter();
    served.next().filter(|_| served.next().is_none())
}

/// One certificate of which something is remembered.
struct Look<'a> {
    snapshot: &'a Snapshot,
    name: &'a CertificateName,
    view: &'a CertificateView,
    held_back: &'a HeldBack,
    now: Timestamp,
}

/// How the version that is remembered stands.
enum State<'a> {
    /// It is not to be seen now whether it is there.
    Unknown,
    /// It is worth nothing any more: gone, expired, or there is a newer one.
    Over,
    /// It is published.
    Published,
    /// It waits in the archive.
    Held(&'a Archived),
}

/// The version that is held back and when it is tried again, if one is.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<'a> {
    pub(crate) leaf: &'a Leaf,
    pub(crate) since: Timestamp,
    /// How often in a row no replica came to serve it.
    pub(crate) failures: usize,
    pub(crate) why: &'a str,
    pub(crate) until: Timestamp,
}

/// What waits of the certificate `name`.
pub(crate) fn waiting<'a>(
    snapshot: &'a Snapshot,
    name: &'a CertificateName,
    memory: &'a Memory,
    now: Timestamp,
) -> Option<Waiting<'a>> {
    let look = look(snapshot, name, memory, now)?;
    let State::Held(version) = look.state() else {
        return None;
    };
    Some(Waiting {
        leaf: &version.leaf,
        since: look.held_back.since,
        failures: look.held_back.failures,
        why: &look.held_back.why,
        until: look.until(),
    })
}

fn look<'a>(
    snapshot: &'a Snapshot,
    name: &'a CertificateName,
    memory: &'a Memory,
    now: Timestamp,
) -> Option<Look<'a>> {
    Some(Look {
        snapshot,
        name,
        view: snapshot.certificates.get(name)?,
        held_back: memory.held_back(name)?,
        now,
    })
}

/// Adds to `plan` which versions are to change places, and what is held back.
/// Nothing of what is `left_alone` changes places: who is told of it must find it, and
/// who obtains it finds what it began with.
pub(super) fn decide(
    plan: &mut Plan,
    snapshot: &Snapshot,
    memory: &Memory,
    left_alone: &BTreeSet<&CertificateName>,
    now: Timestamp,
) {
    let mut tries = Vec::new();
    for name in snapshot.certificates.keys() {
        let Some(look) = look(snapshot, name, memory, now) else {
            continue;
        };
        match look.state() {
            State::Unknown => {}
            State::Over => plan.released.push(name.clone()),
            State::Published if left_alone.contains(name) => {}
            State::Published => match look.published() {
                Some(step) => plan.versions.push(step),
                None if look.held_back.trying && !look.is_served() => {}
                None => plan.released.push(name.clone()),
            },
            State::Held(version) => {
                plan.problems.push(look.problem(version));
                let times = [Some(look.until()), look.changed_at()]
                    .into_iter()
                    .flatten();
                plan.tries_at.extend(times.filter(|&at| at > now));
                let begins = look.could_begin() && !left_alone.contains(name);
                let why = look.why_now().filter(|_| begins);
                tries.extend(why.map(|why| (look.held_back.at, look.again(version, why))));
            }
        }
    }
    tries.sort_by_key(|(at, step)| (*at, step.name.clone()));
    let mut under_way: Vec<&CertificateName> = tried(snapshot, memory).collect();
    for (_, step) in &tries {
        if !under_way
            .iter()
            .any(|it| share_a_target(snapshot, it, &step.name))
        {
            under_way.push(&step.name);
            plan.versions.push(step.clone());
        }
    }
}

/// What is held back of the certificates of `view`, to be tried at once, as a
/// person forces it.
pub(super) fn forced(
    snapshot: &Snapshot,
    view: &TargetView,
    memory: &Memory,
    now: Timestamp,
) -> Vec<VersionStep> {
    let wanted = view.target.certificates.iter();
    let looks = wanted.filter_map(|wanted| look(snapshot, &wanted.name, memory, now));
    looks
        .filter_map(|look| match look.state() {
            State::Held(version) => Some(look.again(version, WhyAgain::Forced)),
            _ => None,
        })
        .collect()
}

/// The certificates of which a version is published for another try.
fn tried<'a>(
    snapshot: &'a Snapshot,
    memory: &'a Memory,
) -> impl Iterator<Item = &'a CertificateName> {
    let certificates = snapshot.certificates.iter();
    let tried = certificates.filter(|(name, view)| {
        let published = view.published.leaf().map(|leaf| leaf.fingerprint);
        memory
            .held_back(name)
            .is_some_and(|it| it.trying && published == Some(it.fingerprint))
    });
    tried.map(|(name, _)| name)
}

/// Whether some target loads both: which of the two it refuses cannot be told
/// then, so that they are tried one after the other.
fn share_a_target(snapshot: &Snapshot, one: &CertificateName, other: &CertificateName) -> bool {
    let has = |view: &TargetView, name| view.target.certificates.iter().any(|it| &it.name == name);
    let mut targets = snapshot.targets.iter();
    targets.any(|view| has(view, one) && has(view, other))
}

impl<'a> Look<'a> {
    fn state(&self) -> State<'a> {
        let Some(versions) = &self.view.versions else {
            return State::Unknown;
        };
        let live = match &self.view.published {
            Published::Pair(leaf) if leaf.fingerprint == self.held_back.fingerprint => {
                return State::Published;
            }
            Published::Pair(leaf) if !leaf.placeholder => Some(leaf),
            Published::Broken(_) => None,
            // That the root lost what it had is said, and mended by nobody.
            Published::Pair(_) | Published::Missing => return State::Unknown,
        };
        let wanted = self.held_back.fingerprint;
        let mut versions = versions.iter();
        let Some(version) = versions.find(|it| it.leaf.fingerprint == wanted) else {
            return State::Over;
        };
        let newer = live.is_none_or(|live| live.not_before <= version.leaf.not_before);
        if newer && self.now < version.leaf.not_after {
            State::Held(version)
        } else {
            State::Over
        }
    }

    /// What to do about a version that is published, and that no replica serves,
    /// unless it is tried just now: the one before takes its place, if it is good
    /// and nothing else is served.
    fn published(&self) -> Option<VersionStep> {
        if self.held_back.trying || self.is_served() {
            return None;
        }
        let instead = self.held_back.instead;
        let mut versions = self.view.versions.iter().flatten();
        let version = versions.find(|it| it.leaf.fingerprint == instead)?;
        let Leaf {
            not_before,
            not_after,
            placeholder,
            ..
        } = version.leaf;
        let good = !placeholder && not_before <= self.now && self.now < not_after;
        let mut served = self.served();
        if !good || self.is_secret() || served.any(|leaf| leaf.fingerprint != instead) {
            return None;
        }
        Some(VersionStep {
            name: self.name.clone(),
            from: Some(self.held_back.fingerprint),
            to: instead,
            number: version.number,
            turn: Turn::Back(self.held_back.why.clone()),
        })
    }

    fn again(&self, version: &Archived, why: WhyAgain) -> VersionStep {
        VersionStep {
            name: self.name.clone(),
            from: self.view.published.leaf().map(|leaf| leaf.fingerprint),
            to: version.leaf.fingerprint,
            number: version.number,
            turn: Turn::Again(why),
        }
    }

    /// Why it is tried now, if it is.
    fn why_now(&self) -> Option<WhyAgain> {
        if self.is_served() {
            return Some(WhyAgain::Served);
        }
        match self.view.published.leaf() {
            None => Some(WhyAgain::NothingElse),
            Some(live) if live.not_after <= self.now => Some(WhyAgain::NothingElse),
            Some(_) if self.changed_at().is_some_and(|at| at <= self.now) => {
                Some(WhyAgain::Changed)
            }
            Some(_) => (self.until() <= self.now).then_some(WhyAgain::InItsTurn),
        }
    }

    /// When it is tried again because people have changed the service that did not come to
    /// serve it, if they have: not before swarm has replaced its replicas, and in a window.
    fn changed_at(&self) -> Option<Timestamp> {
        let (service, asked) = self.held_back.refused_by.as_ref()?;
        let target = &self.targets().find(|it| &it.target.id == service)?.target;
        let changed = target.asked != *asked && !target.update.is_running();
        changed.then(|| self.opened(target.updated_at + TAKEN_UP))
    }

    /// When it is tried again: after its backoff and in a target's window; when
    /// what is published nears its expiry, and it was not tried since, at once.
    fn until(&self) -> Timestamp {
        let HeldBack {
            at,
            failures,
            backoff,
            ..
        } = *self.held_back;
        let waited = backoff.until(failures, at).unwrap_or(at);
        let nears = self.view.published.leaf().map(Leaf::nearing_expiry_at);
        match nears {
            Some(nears) if at < nears => self.opened(waited).min(nears),
            _ => waited,
        }
    }

    /// The first moment from `waited` on at which some target may be touched.
    fn opened(&self, waited: Timestamp) -> Timestamp {
        let from = waited.max(self.now);
        let opened = self.targets().filter_map(|view| match &view.target.window {
            None => Some(waited),
            Some(window) if window.is_open(from) => Some(waited),
            Some(window) => window.open_from(from),
        });
        opened.min().unwrap_or(waited)
    }

    /// Whether some target would be touched if it were published now: else it would
    /// only lie there for whoever starts by itself.
    fn could_begin(&self) -> bool {
        let idle = |update: &Update| !update.is_running() && update.stopped().is_none();
        self.targets().any(|view| match view.target.strategy {
            Strategy::Signal { .. } => view
                .replicas
                .iter()
                .any(|it| it.replica.no_jobs.is_none() && self.served_by(it).is_some()),
            Strategy::Restart(_) => idle(&view.target.update),
            Strategy::Secret(_) => true,
        })
    }

    fn is_served(&self) -> bool {
        let fingerprint = self.held_back.fingerprint;
        self.served().any(|leaf| leaf.fingerprint == fingerprint)
    }

    fn is_secret(&self) -> bool {
        self.targets()
            .any(|view| matches!(view.target.strategy, Strategy::Secret(_)))
    }

    /// What replicas serve that can be this certificate.
    fn served(&self) -> impl Iterator<Item = &'a Leaf> {
        let replicas = self.targets().flat_map(|view| &view.replicas);
        let served = replicas.filter_map(|replica| self.served_by(replica));
        served.filter(|leaf| issue::is_it(self.snapshot, self.name, self.view, leaf))
    }

    fn served_by(&self, replica: &'a ReplicaView) -> Option<&'a Leaf> {
        replica.serving.get(self.name).and_then(Serving::leaf)
    }

    fn targets(&self) -> impl Iterator<Item = &'a TargetView> {
        let targets = self.snapshot.targets.iter();
        targets.filter(|view| {
            let mut wanted = view.target.certificates.iter();
            wanted.any(|wanted| &wanted.name == self.name)
        })
    }

    fn problem(&self, version: &Archived) -> Problem {
        let targets = self.targets().map(|view| view.target.name.clone());
        Problem::HeldBack {
            name: self.name.clone(),
            fingerprint: version.leaf.fingerprint,
            since: self.held_back.since,
            until: self.until(),
            targets: targets.collect(),
            why: self.held_back.why.clone(),
        }
    }
}
