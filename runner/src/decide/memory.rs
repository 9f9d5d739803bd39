//! What neither the swarm nor the files can tell: when something was last tried,
//! how that went, and since when a replica was seen to be behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::held_back::HeldBack;
use super::kept::Issued;
use super::renewal::{History, Pace};
use super::standing::{Standing, standings};
use crate::model::{CertificateName, Digest, Fingerprint, Published};
use crate::observe::Snapshot;

/// How long to wait after the first, second, third failure in a row to obtain
/// a certificate, or to restart replicas; then daily.
const PATIENT: [Duration; 4] = [
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(6000),
    Duration::from_secs(86_400),
];
/// The same for what costs nobody anything.
const EAGER: [Duration; 4] = [
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(600),
];

/// What was tried.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Attempted {
    /// To have this certificate obtained, renewed, or its placeholder published.
    Certificate(CertificateName),
    /// To make a service serve certificates.
    Rollout(AttemptedRollout),
}

/// What a service was to serve, as people asked it of that service then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct AttemptedRollout {
    /// Swarm's ID of it.
    pub(super) service: String,
    pub(super) asked: Digest,
    pub(super) certificates: BTreeMap<CertificateName, Fingerprint>,
}

impl Attempted {
    /// The certificate with which it is kept: of several, one.
    pub(crate) fn kept_with(&self) -> Option<&CertificateName> {
        match self {
            Self::Certificate(name) => Some(name),
            Self::Rollout(rollout) => rollout.kept_with(),
        }
    }
}

impl AttemptedRollout {
    fn kept_with(&self) -> Option<&CertificateName> {
        self.certificates.keys().next()
    }
}

/// What this process remembers: its attempts, and what it saw.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    #[serde(with = "pairs")]
    attempts: BTreeMap<Attempted, Attempt>,
    #[serde(with = "pairs")]
    behind: BTreeMap<Behind, Timestamp>,
    /// Since when files under a certificate's name are no pair.
    #[serde(default)]
    broken: BTreeMap<CertificateName, Timestamp>,
    /// Where the runner decides what is due: what it must know of each
    /// certificate to do so. It is worth keeping across restarts. Shared with what
    /// is kept, and with what tells people: there may be thousands.
    #[serde(default)]
    histories: BTreeMap<CertificateName, Arc<History>>,
    /// The pace of the account's orders.
    #[serde(default)]
    pace: Pace,
    /// What an engine has published last.
    issued: BTreeMap<CertificateName, Issued>,
    /// The versions that no replica came to serve.
    #[serde(default)]
    pub(super) held_back: BTreeMap<CertificateName, HeldBack>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) at: Timestamp,
    pub(super) failures: usize,
    pub(super) backoff: Backoff,
    /// Why it failed, if it did.
    pub(super) why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Backoff {
    Patient,
    Eager,
}

impl Backoff {
    /// Until when the last of so many failures in a row, at `at`, holds the next
    /// attempt back; none without a failure.
    pub(super) fn until(self, failures: usize, at: Timestamp) -> Option<Timestamp> {
        let nth = failures.checked_sub(1)?;
        let waits: &[Duration] = match self {
            Self::Patient => &PATIENT,
            Self::Eager => &EAGER,
        };
        let wait = waits.get(nth).or(waits.last())?;
        at.checked_add(*wait).ok()
    }
}

/// A replica that serves another version than the published one. Another
/// version on either side is another story.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Behind {
    task: String,
    certificate: CertificateName,
    serves: Fingerprint,
    published: Fingerprint,
}

impl Memory {
    /// Remembers an attempt, and why it failed if it did.
    pub(crate) fn record(&mut self, what: Attempted, at: Timestamp, failed: Option<String>) {
        self.note(what, at, failed, Backoff::Patient);
    }

    /// Remembers an attempt that may be made again soon.
    pub(crate) fn record_eager(&mut self, what: Attempted, at: Timestamp, failed: Option<String>) {
        self.note(what, at, failed, Backoff::Eager);
    }

    fn note(&mut self, what: Attempted, at: Timestamp, why: Option<String>, backoff: Backoff) {
        let before = self.failures(&what);
        if let Attempted::Rollout(rollout) = &what {
            // Of a service the last one counts: before it, something else was asked of it.
            self.forget_rollouts(|other| other.service == rollout.service);
            // One that succeeded is not asked for again: other replicas that are behind,
            // or other certificates, are another one.
            if why.is_none() {
                return;
            }
        }
        let attempt = Attempt {
            at,
            failures: why.as_ref().map_or(0, |_| before.saturating_add(1)),
            backoff,
            why,
        };
        self.attempts.insert(what, attempt);
    }

    /// What is known of a certificate's orders, if anything is.
    pub(crate) fn history(&self, name: &CertificateName) -> Option<&History> {
        self.histories.get(name).map(AsRef::as_ref)
    }

    /// The history of a certificate, to add to it.
    pub(crate) fn history_mut(&mut self, name: &CertificateName) -> &mut History {
        Arc::make_mut(self.histories.entry(name.clone()).or_default())
    }

    /// The history of a certificate, to be kept beside this.
    pub(super) fn shared_history(&self, name: &CertificateName) -> Option<Arc<History>> {
        self.histories.get(name).cloned()
    }

    pub(super) fn forget_history(&mut self, name: &CertificateName) {
        self.histories.remove(name);
    }

    pub(super) fn set_history(&mut self, name: &CertificateName, history: Arc<History>) {
        self.histories.insert(name.clone(), history);
    }

    /// Counts what the histories tell of the account's orders, as after a restart.
    pub(crate) fn count_orders(&mut self) {
        let histories = self.histories.values();
        let orders = histories.flat_map(|history| history.orders_that_count());
        let counted = Pace::of(orders.collect());
        if counted > self.pace {
            self.pace = counted;
        }
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(crate) fn pace_mut(&mut self) -> &mut Pace {
        &mut self.pace
    }

    /// Since when, in all looks, the files under that name are no pair.
    pub(crate) fn broken_since(&self, name: &CertificateName) -> Option<Timestamp> {
        self.broken.get(name).copied()
    }

    /// Remembers which replicas were behind in a look of `at`, and which files
    /// were broken, and forgets those that no longer are, and the failed rollouts of
    /// services that are gone.
    pub(crate) fn saw(&mut self, snapshot: &Snapshot, at: Timestamp) {
        let is_there = |id: &str| snapshot.targets.iter().any(|view| view.target.id == id);
        self.forget_rollouts(|rollout| !is_there(&rollout.service));
        let before = std::mem::take(&mut self.broken);
        let certificates = snapshot.certificates.iter();
        let broken = certificates.filter(|(_, it)| matches!(it.published, Published::Broken(_)));
        self.broken = broken
            .map(|(name, _)| (name.clone(), before.get(name).copied().unwrap_or(at)))
            .collect();
        let before = std::mem::take(&mut self.behind);
        for view in &snapshot.targets {
            for (replica, name, standing) in standings(snapshot, view, at) {
                let behind = behind(snapshot, &replica.replica.task, name, &standing);
                let since = behind.map(|it| (before.get(&it).copied().unwrap_or(at), it));
                self.behind.extend(since.map(|(since, it)| (it, since)));
            }
        }
    }

    /// When a replica that is behind was first seen to be so, in all looks since.
    pub(crate) fn behind_since(
        &self,
        snapshot: &Snapshot,
        task: &str,
        name: &CertificateName,
        standing: &Standing,
    ) -> Option<Timestamp> {
        let behind = behind(snapshot, task, name, standing)?;
        self.behind.get(&behind).copied()
    }

    /// What an engine has published last under that name.
    pub(crate) fn issued(&self, name: &CertificateName) -> Option<&Issued> {
        self.issued.get(name)
    }

    pub(super) fn set_issued(&mut self, name: &CertificateName, issued: Option<Issued>) {
        match issued {
            Some(issued) => self.issued.insert(name.clone(), issued),
            None => self.issued.remove(name),
        };
    }

    pub(super) fn attempt(&self, what: &Attempted) -> Option<&Attempt> {
        self.attempts.get(what)
    }

    pub(super) fn put(&mut self, what: Attempted, attempt: Attempt) {
        self.attempts.insert(what, attempt);
    }

    pub(super) fn forget_failures(&mut self, what: &Attempted) {
        if self.failures(what) > 0 {
            self.attempts.remove(what);
        }
    }

    /// Lets the rollouts of this version of a certificate begin at once, whatever came of
    /// them; with which certificates that is to be kept.
    pub(super) fn forget_rollouts_of(
        &mut self,
        name: &CertificateName,
        fingerprint: Fingerprint,
    ) -> BTreeSet<CertificateName> {
        let mut kept_with = BTreeSet::new();
        self.forget_rollouts(|rollout| {
            let is_of_it = rollout.certificates.get(name) == Some(&fingerprint);
            if is_of_it {
                kept_with.extend(rollout.kept_with().cloned());
            }
            is_of_it
        });
        kept_with
    }

    /// The failed rollouts that are kept with a certificate.
    pub(super) fn failed_rollouts<'a>(
        &'a self,
        name: &'a CertificateName,
    ) -> impl Iterator<Item = (&'a AttemptedRollout, &'a Attempt)> {
        let attempts = self.attempts.iter();
        attempts.filter_map(move |(what, attempt)| match what {
            Attempted::Rollout(rollout) if rollout.kept_with() == Some(name) => {
                Some((rollout, attempt))
            }
            _ => None,
        })
    }

    fn forget_rollouts(&mut self, mut which: impl FnMut(&AttemptedRollout) -> bool) {
        self.attempts.retain(|what, _| match what {
            Attempted::Rollout(rollout) => !which(rollout),
            Attempted::Certificate(_) => true,
        });
    }

    /// Forgets the rollouts that are kept with a certificate.
    pub(super) fn forget_rollouts_with(&mut self, name: &CertificateName) {
        self.forget_rollouts(|rollout| rollout.kept_with() == Some(name));
    }

    /// When it last succeeded, if the last attempt did.
    pub(crate) fn succeeded(&self, what: &Attempted) -> Option<Timestamp> {
        let attempt = self.attempts.get(what)?;
        (attempt.failures == 0).then_some(attempt.at)
    }

    /// How often in a row it failed, up to now.
    pub(crate) fn failures(&self, what: &Attempted) -> usize {
        self.attempts
            .get(what)
            .map_or(0, |attempt| attempt.failures)
    }

    /// Until when a failure holds the next attempt back.
    pub(crate) fn held_until(&self, what: &Attempted) -> Option<Timestamp> {
        self.attempts.get(what)?.held_until()
    }

    /// Why the last attempt failed, if it did.
    pub(crate) fn why(&self, what: &Attempted) -> Option<&str> {
        self.attempts.get(what)?.why.as_deref()
    }

    /// The next moment after `now` at which something that failed may be tried
    /// again.
    pub(crate) fn next_retry(&self, now: Timestamp) -> Option<Timestamp> {
        let held = self.attempts.values().filter_map(Attempt::held_until);
        held.filter(|&until| until > now).min()
    }
}

fn behind(
    snapshot: &Snapshot,
    task: &str,
    name: &CertificateName,
    standing: &Standing,
) -> Option<Behind> {
    let Standing::Stale { serves } = standing else {
        return None;
    };
    let published = snapshot.certificates.get(name)?.published.leaf()?;
    Some(Behind {
        task: task.to_owned(),
        certificate: name.clone(),
        serves: *serves,
        published: published.fingerprint,
    })
}

impl Attempt {
    fn held_until(&self) -> Option<Timestamp> {
        self.backoff.until(self.failures, self.at)
    }
}

/// A map as a list of pairs, because a key of JSON is only ever a text.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let pairs = Vec::<(K, V)>::deserialize(deserializer)?;
        Ok(pairs.into_iter().collect())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::decide::renewal::Order;
    use crate::decide::tests::{all, leaf, world};
    use crate::model::DomainName;

    fn certificate() -> Attempted {
        let domain = DomainName::parse("example.org").unwrap();
        Attempted::Certificate(CertificateName::of(&domain))
    }

    fn certificates(der: &[u8]) -> BTreeMap<CertificateName, Fingerprint> {
        let name = CertificateName::of(&DomainName::parse("example.org").unwrap());
        BTreeMap::from([(name, Fingerprint::of_der(der))])
    }

    pub(in crate::decide) fn to_serve(
        service: &str,
        certificates: BTreeMap<CertificateName, Fingerprint>,
    ) -> Attempted {
        Attempted::Rollout(AttemptedRollout {
            service: service.to_owned(),
            asked: Digest::of(&[]),
            certificates,
        })
    }

    #[test]
    fn failures_back_off_and_a_success_forgets_them() {
        let start: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let mut memory = Memory::default();
        assert_eq!(memory.held_until(&certificate()), None);
        for expected in [60, 600, 6000, 86_400, 86_400] {
            memory.record(certificate(), start, Some("no answer".into()));
            let held = memory.held_until(&certificate()).unwrap();
            assert_eq!(held.as_second() - start.as_second(), expected);
            assert_eq!(memory.succeeded(&certificate()), None);
            assert_eq!(memory.next_retry(start), Some(held));
            assert_eq!(memory.next_retry(held), None, "what is past calls nobody");
        }
        memory.record(certificate(), start, None);
        assert_eq!(memory.held_until(&certificate()), None);
        assert_eq!(memory.succeeded(&certificate()), Some(start));
    }

    #[test]
    fn another_certificate_or_something_else_asked_of_the_service_is_another_attempt() {
        let failed = || Some("no answer".to_owned());
        let rollout = |der: &[u8], asked| {
            Attempted::Rollout(AttemptedRollout {
                service: "service1".to_owned(),
                asked: Digest::of(&[asked]),
                certificates: certificates(der),
            })
        };
        let first = rollout(b"a", "restart");
        let mut memory = Memory::default();
        memory.record(first.clone(), Timestamp::UNIX_EPOCH, failed());
        memory.record(first.clone(), Timestamp::UNIX_EPOCH, failed());
        assert_eq!(memory.failures(&first), 2);
        for other in [rollout(b"b", "restart"), rollout(b"a", "signal")] {
            assert_eq!(memory.held_until(&other), None);
            memory.record(other.clone(), Timestamp::UNIX_EPOCH, failed());
            assert!(memory.held_until(&other).is_some());
            assert_eq!(memory.held_until(&first), None, "the last one counts");
        }
    }

    /// A service with a thousand certificates rolls out several times a day.
    #[test]
    fn of_rollouts_the_failed_ones_are_remembered_as_long_as_their_service_is_there() {
        let at: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let world = world(Published::Pair(leaf(1)), all(&leaf(1)));
        let rollout = |service: &str| to_serve(service, certificates(b"a"));
        let mut memory = Memory::default();
        for service in ["service1", "gone"] {
            memory.record(rollout(service), at, Some("no answer".into()));
        }
        memory.saw(&world, at);
        assert_eq!(
            memory.attempts.keys().collect::<Vec<_>>(),
            [&rollout("service1")]
        );
        memory.record(rollout("service1"), at, None);
        assert!(memory.attempts.is_empty());
    }

    /// `rollover status` reads it in another process.
    #[test]
    fn it_is_the_same_after_a_way_through_json() {
        let start: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let mut memory = Memory::default();
        memory.record(certificate(), start, Some("no answer".into()));
        let rollout = to_serve("service1", certificates(b"a"));
        memory.record_eager(rollout.clone(), start, Some("no job".into()));
        let name = CertificateName::of(&DomainName::parse("example.org").unwrap());
        let order = Order {
            authority: Digest::of_authority("https://acme.example/directory"),
            names: Digest::of_names(["example.org"]),
            replaced: None,
            exempt: false,
        };
        let issued = Fingerprint::of_der(b"a");
        memory.history_mut(&name).issued(start, &order, issued);
        memory.pace_mut().ordered(start);
        let text = serde_json::to_string(&memory).unwrap();
        let again: Memory = serde_json::from_str(&text).unwrap();
        assert_eq!(
            again.held_until(&certificate()),
            memory.held_until(&certificate())
        );
        assert_eq!(again.why(&certificate()), Some("no answer"));
        assert_eq!(again.history(&name), memory.history(&name));
        assert_eq!(again.pace(), memory.pace());
        assert_eq!(again.held_until(&rollout), memory.held_until(&rollout));
    }

    #[test]
    fn the_pace_is_counted_anew_from_the_histories() {
        let start: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let order = |exempt| Order {
            authority: Digest::of_authority("https://acme.example/directory"),
            names: Digest::of_names(["example.org"]),
            replaced: None,
            exempt,
        };
        let mut memory = Memory::default();
        let mut orders = |first: u32, exempt| {
            for nth in first..first + 200 {
                let name = format!("host{nth}.example.org");
                let name = CertificateName::of(&DomainName::parse(&name).unwrap());
                let issued = Fingerprint::of_der(&nth.to_be_bytes());
                let history = memory.history_mut(&name);
                history.issued(start, &order(exempt), issued);
            }
            memory.count_orders();
            memory.pace().free_at()
        };
        assert!(orders(0, true) <= start, "those count against no limit");
        let held = orders(200, false);
        assert!(held > start);
        assert!(orders(400, false) > held);
    }
}
