//! What a restart must not forget of a certificate. All that is kept of the
//! [`Memory`] goes through here.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Memory;
use super::held_back::HeldBack;
use super::memory::{Attempt, Attempted, AttemptedRollout, Backoff};
use super::renewal::{History, WEEK};
use crate::model::{CertificateName, Fingerprint, Leaf};

/// How much is kept of why an attempt failed: what an engine printed can be long.
const LONGEST_REASON: usize = 1000;
/// A record has its limit, and a certificate can be that of hundreds of services, or one
/// of thousands of a service: of more rollouts, or of more certificates in all of them,
/// those are kept that failed last. This process remembers the others.
const MOST_ROLLOUTS: usize = 50;
const MOST_OF_THEM: usize = 500;

/// What is kept of one certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The attempts that have failed since one last succeeded.
    pub(crate) failing: Option<Failing>,
    /// What was issued last.
    pub(crate) issued: Option<Issued>,
    /// What the runner's own policy decides by, where it decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<Arc<History>>,
    /// The version that no replica came to serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held_back: Option<HeldBack>,
    /// The rollouts that have failed since one last succeeded; one of several
    /// certificates is kept with one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rollouts: Vec<FailingRollout>,
}

/// Failures in a row to make a service serve certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailingRollout {
    #[serde(flatten)]
    of: AttemptedRollout,
    #[serde(flatten)]
    failing: Failing,
    backoff: Backoff,
}

/// Failures in a row to obtain it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failing {
    /// When the last one was.
    pub(crate) at: Timestamp,
    pub(crate) failures: usize,
    pub(crate) why: String,
}

/// A certificate that an engine has published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Issued {
    /// When that was seen.
    pub(crate) at: Timestamp,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) not_after: Timestamp,
}

impl Kept {
    /// Whether it decides nothing any more where nobody asks for the certificate: what
    /// was issued has expired, and all that was tried is older than any limit counts.
    pub(crate) fn is_outlived(&self, now: Timestamp) -> bool {
        // The limits of authorities, and the runner's own budget, look back so far.
        let long_ago = |at: Timestamp| now.duration_since(at) > WEEK;
        let expired = self.issued.as_ref().map(|it| long_ago(it.not_after));
        let rollouts = self.rollouts.iter().map(|rollout| rollout.failing.at);
        let failed = self.failing.as_ref().map(|it| it.at).into_iter();
        let failed = failed.chain(rollouts).max().map(long_ago);
        match (expired, failed) {
            (None, None) => false,
            (expired, failed) => expired.unwrap_or(true) && failed.unwrap_or(true),
        }
    }
}

impl Memory {
    /// Forgets all of a certificate that nobody asks for.
    pub(crate) fn forget(&mut self, name: &CertificateName) {
        self.forget_failures(&Attempted::Certificate(name.clone()));
        self.forget_rollouts_with(name);
        self.set_issued(name, None);
        self.forget_history(name);
        self.held_back.remove(name);
    }

    /// What is to be kept of that certificate.
    pub(crate) fn kept(&self, name: &CertificateName) -> Kept {
        let attempt = self.attempt(&Attempted::Certificate(name.clone()));
        let failing = attempt.filter(|attempt| attempt.failures > 0);
        Kept {
            failing: failing.map(Failing::from),
            rollouts: self.kept_rollouts(name),
            issued: self.issued(name).cloned(),
            history: self.shared_history(name),
            held_back: self.held_back(name).cloned(),
        }
    }

    fn kept_rollouts(&self, name: &CertificateName) -> Vec<FailingRollout> {
        let failed = self.failed_rollouts(name);
        let mut rollouts: Vec<_> = failed
            .map(|(rollout, attempt)| FailingRollout {
                of: rollout.clone(),
                failing: Failing::from(attempt),
                backoff: attempt.backoff,
            })
            .collect();
        rollouts.sort_by_key(|rollout| std::cmp::Reverse(rollout.failing.at));
        let mut certificates = 0;
        let few = rollouts.into_iter().take(MOST_ROLLOUTS);
        let few = few.filter(|rollout| {
            let all = certificates + rollout.of.certificates.len();
            let fits = all <= MOST_OF_THEM;
            if fits {
                certificates = all;
            }
            fits
        });
        few.collect()
    }

    /// Takes over what was kept, by this process or one before it.
    ///
    /// When an engine was last asked with success is not kept: a start asks again,
    /// which costs nothing, and the engine knows whether it is due.
    pub(crate) fn restore(&mut self, name: &CertificateName, kept: Kept) {
        let attempted = Attempted::Certificate(name.clone());
        match kept.failing {
            Some(failing) => self.put(attempted, failing.into_attempt(Backoff::Patient)),
            None => self.forget_failures(&attempted),
        }
        for known in self.kept_rollouts(name) {
            self.forget_failures(&Attempted::Rollout(known.of));
        }
        for rollout in kept.rollouts {
            let FailingRollout {
                of,
                failing,
                backoff,
            } = rollout;
            self.put(Attempted::Rollout(of), failing.into_attempt(backoff));
        }
        self.set_issued(name, kept.issued);
        match kept.held_back {
            Some(held_back) => self.held_back.insert(name.clone(), held_back),
            None => self.held_back.remove(name),
        };
        if let Some(history) = kept.history {
            self.set_history(name, history);
        }
    }

    /// Remembers that this certificate is published after an engine has run, and
    /// when that was first seen.
    pub(crate) fn record_issued(&mut self, name: &CertificateName, leaf: &Leaf, at: Timestamp) {
        let known = self.issued(name);
        if known.is_some_and(|issued| issued.fingerprint == leaf.fingerprint) {
            return;
        }
        let issued = Issued {
            at,
            fingerprint: leaf.fingerprint,
            not_after: leaf.not_after,
        };
        self.set_issued(name, Some(issued));
    }

    /// Forgets what was issued: a placeholder stands there now, as a person wants.
    pub(crate) fn forget_issued(&mut self, name: &CertificateName) {
        self.set_issued(name, None);
    }
}

impl Failing {
    fn into_attempt(self, backoff: Backoff) -> Attempt {
        Attempt {
            at: self.at,
            failures: self.failures,
            backoff,
            why: Some(self.why),
        }
    }
}

impl From<&Attempt> for Failing {
    fn from(attempt: &Attempt) -> Self {
        Self {
            at: attempt.at,
            failures: attempt.failures,
            why: shortened(attempt.why.as_deref().unwrap_or_default()),
        }
    }
}

/// As much of a reason as is kept.
pub(super) fn shortened(why: &str) -> String {
    let mut end = LONGEST_REASON.min(why.len());
    while !why.is_char_boundary(end) {
        end -= 1;
    }
    why[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::SignedDuration;

    use super::*;
    use crate::decide::memory::tests::to_serve;
    use crate::decide::tests::{leaf, name, now};
    use crate::model::DomainName;

    #[test]
    fn failures_are_the_same_after_a_restart_and_a_success_forgets_them() {
        let (name, attempted) = (name(), Attempted::Certificate(name()));
        let mut memory = Memory::default();
        memory.record(attempted.clone(), now(), Some("no answer".into()));
        memory.record(attempted.clone(), now(), Some("no answer".into()));
        let mut after = Memory::default();
        after.restore(&name, memory.kept(&name));
        assert_eq!(after.held_until(&attempted), memory.held_until(&attempted));
        assert_eq!(after.why(&attempted), Some("no answer"));

        memory.record(attempted.clone(), now(), None);
        after.restore(&name, memory.kept(&name));
        assert_eq!(after.held_until(&attempted), None);
        assert_eq!(
            memory.succeeded(&attempted),
            Some(now()),
            "what this process asked is not forgotten by reading it back"
        );
        memory.restore(&name, memory.kept(&name));
        assert_eq!(memory.succeeded(&attempted), Some(now()));
    }

    #[test]
    fn failed_rollouts_are_the_same_after_a_restart() {
        let rollout = |service: &str, number| {
            let certificates = BTreeMap::from([(name(), leaf(number).fingerprint)]);
            to_serve(service, certificates)
        };
        let later = now() + SignedDuration::from_secs(1);
        let mut memory = Memory::default();
        memory.record_eager(rollout("web", 1), now(), Some("no answer".into()));
        memory.record(rollout("web", 2), later, Some("paused".into()));
        memory.record(rollout("web", 2), later, Some("paused".into()));
        memory.record_eager(rollout("api", 2), now(), Some("no job".into()));

        let text = serde_json::to_string(&memory.kept(&name())).unwrap();
        let mut after = Memory::default();
        after.restore(&name(), serde_json::from_str(&text).unwrap());
        for attempted in [rollout("web", 2), rollout("api", 2)] {
            assert_eq!(after.held_until(&attempted), memory.held_until(&attempted));
            assert_eq!(after.why(&attempted), memory.why(&attempted));
        }
        assert_eq!(after.held_until(&rollout("web", 1)), None);

        memory.record(rollout("web", 2), later, None);
        after.restore(&name(), memory.kept(&name()));
        assert_eq!(after.held_until(&rollout("web", 2)), None);
        assert!(after.held_until(&rollout("api", 2)).is_some());
        after.forget(&name());
        assert_eq!(after.kept(&name()), Kept::default());
    }

    /// Before all others, so that rollouts are kept with it.
    fn first() -> CertificateName {
        CertificateName::of(&DomainName::parse("a.example.org").unwrap())
    }

    #[test]
    fn rollouts_that_are_too_much_for_a_record_are_remembered_by_this_process() {
        let mut certificates: BTreeMap<_, _> = (0..MOST_OF_THEM)
            .map(|number| {
                let domain = DomainName::parse(&format!("n{number}.example.org")).unwrap();
                (CertificateName::of(&domain), leaf(1).fingerprint)
            })
            .collect();
        certificates.insert(first(), leaf(1).fingerprint);
        let large = to_serve("large", certificates);
        let small = BTreeMap::from([(first(), leaf(1).fingerprint)]);
        let small = to_serve("small", small);
        let mut memory = Memory::default();
        memory.record_eager(large.clone(), now(), Some("no answer".into()));
        memory.record_eager(small.clone(), now(), Some("no answer".into()));
        let kept = memory.kept(&first());
        let services: Vec<_> = kept
            .rollouts
            .iter()
            .map(|it| it.of.service.as_str())
            .collect();
        assert_eq!(services, ["small"]);
        memory.restore(&first(), kept);
        assert!(memory.held_until(&large).is_some());
        assert!(memory.held_until(&small).is_some());
    }

    #[test]
    fn what_was_issued_is_kept_until_it_is_forgotten_on_purpose() {
        let mut memory = Memory::default();
        memory.record_issued(&name(), &leaf(1), now());
        let kept = memory.kept(&name());
        assert_eq!(
            kept.issued.as_ref().unwrap().fingerprint,
            leaf(1).fingerprint
        );
        memory.restore(&name(), kept.clone());
        assert_eq!(memory.kept(&name()), kept);
        memory.forget_issued(&name());
        assert_eq!(memory.kept(&name()), Kept::default());
    }

    #[test]
    fn what_nobody_asks_for_is_of_no_use_a_week_after_it_has_expired() {
        let (name, day) = (name(), SignedDuration::from_hours(24));
        let mut memory = Memory::default();
        assert!(!memory.kept(&name).is_outlived(now() + day * 1000));
        memory.record_issued(&name, &leaf(1), now());
        let expires = leaf(1).not_after;
        assert!(!memory.kept(&name).is_outlived(expires + day * 6));
        assert!(memory.kept(&name).is_outlived(expires + day * 8));
        let attempted = Attempted::Certificate(name.clone());
        memory.record(attempted, expires + day * 7, Some("no answer".into()));
        assert!(!memory.kept(&name).is_outlived(expires + day * 8));
        assert!(memory.kept(&name).is_outlived(expires + day * 15));
        memory.forget(&name);
        assert_eq!(memory.kept(&name), Kept::default());
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let mut memory = Memory::default();
        let why = "ü".repeat(LONGEST_REASON);
        memory.record(Attempted::Certificate(name()), now(), Some(why));
        let kept = memory.kept(&name()).failing.unwrap();
        assert!(kept.why.len() <= LONGEST_REASON && kept.why.ends_with('ü'));
    }
}
