//! What neither the swarm nor the files can tell: when something was last tried,
//! and how that went.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{CertificateName, Fingerprint};

/// How long to wait after the first, second, third failure in a row to obtain
/// a certificate, or to restart replicas; then daily.
const PATIENT: [Duration; 4] = [
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(6000),
    Duration::from_secs(86_400),
];
/// The same for what costs nobody anything.
const EAGER: [Duration; 3] = [
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(600),
];

/// What was tried.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Attempted {
    /// To have this certificate obtained, renewed, or its placeholder published.
    Certificate(CertificateName),
    /// To make a service serve these certificates.
    Rollout(String, Vec<Fingerprint>),
}

/// The attempts of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    attempts: BTreeMap<Attempted, Attempt>,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    at: Timestamp,
    failures: usize,
    backoff: &'static [Duration],
}

impl Memory {
    /// Remembers an attempt and whether it failed.
    pub(crate) fn record(&mut self, what: Attempted, at: Timestamp, failed: bool) {
        self.note(what, at, failed, &PATIENT);
    }

    /// Remembers an attempt that may be made again soon.
    pub(crate) fn record_eager(&mut self, what: Attempted, at: Timestamp, failed: bool) {
        self.note(what, at, failed, &EAGER);
    }

    fn note(&mut self, what: Attempted, at: Timestamp, failed: bool, backoff: &'static [Duration]) {
        let before = self
            .attempts
            .get(&what)
            .map_or(0, |attempt| attempt.failures);
        let attempt = Attempt {
            at,
            failures: if failed { before.saturating_add(1) } else { 0 },
            backoff,
        };
        self.attempts.insert(what, attempt);
    }

    /// When it last succeeded, if the last attempt did.
    pub(crate) fn succeeded(&self, what: &Attempted) -> Option<Timestamp> {
        let attempt = self.attempts.get(what)?;
        (attempt.failures == 0).then_some(attempt.at)
    }

    /// Until when a failure holds the next attempt back.
    pub(crate) fn held_until(&self, what: &Attempted) -> Option<Timestamp> {
        self.attempts.get(what)?.held_until()
    }

    /// The next moment after `now` at which something that failed may be tried
    /// again.
    pub(crate) fn next_retry(&self, now: Timestamp) -> Option<Timestamp> {
        let held = self.attempts.values().filter_map(Attempt::held_until);
        held.filter(|&until| until > now).min()
    }
}

impl Attempt {
    fn held_until(&self) -> Option<Timestamp> {
        let nth = self.failures.checked_sub(1)?;
        let wait = self.backoff.get(nth).or(self.backoff.last())?;
        self.at.checked_add(*wait).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    fn certificate() -> Attempted {
        let domain = DomainName::parse("example.org").unwrap();
        Attempted::Certificate(CertificateName::of(&domain))
    }

    #[test]
    fn failures_back_off_and_a_success_forgets_them() {
        let start: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let mut memory = Memory::default();
        assert_eq!(memory.held_until(&certificate()), None);
        for expected in [60, 600, 6000, 86_400, 86_400] {
            memory.record(certificate(), start, true);
            let held = memory.held_until(&certificate()).unwrap();
            assert_eq!(held.as_second() - start.as_second(), expected);
            assert_eq!(memory.succeeded(&certificate()), None);
            assert_eq!(memory.next_retry(start), Some(held));
            assert_eq!(memory.next_retry(held), None, "what is past calls nobody");
        }
        memory.record(certificate(), start, false);
        assert_eq!(memory.held_until(&certificate()), None);
        assert_eq!(memory.succeeded(&certificate()), Some(start));
    }

    #[test]
    fn another_certificate_to_roll_out_is_another_attempt() {
        let rollout =
            |der: &[u8]| Attempted::Rollout("service1".into(), vec![Fingerprint::of_der(der)]);
        let mut memory = Memory::default();
        memory.record_eager(rollout(b"a"), Timestamp::UNIX_EPOCH, true);
        assert!(memory.held_until(&rollout(b"a")).is_some());
        assert_eq!(memory.held_until(&rollout(b"b")), None);
    }
}
