//! What neither the swarm nor the files can tell: when a certificate was last
//! asked for, and how that went.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::CertificateName;

/// How long to wait after the first, second, third failure in a row; then daily.
const BACKOFF: [Duration; 3] = [
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(6000),
];
const DAILY: Duration = Duration::from_secs(86_400);

/// The attempts of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    attempts: BTreeMap<CertificateName, Attempt>,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    at: Timestamp,
    failures: u32,
}

impl Memory {
    /// Remembers that the engine was asked for a certificate, and whether it
    /// failed.
    pub(crate) fn record(&mut self, name: &CertificateName, at: Timestamp, failed: bool) {
        let before = self
            .attempts
            .get(name)
            .map_or(0, |attempt| attempt.failures);
        let failures = if failed { before.saturating_add(1) } else { 0 };
        self.attempts.insert(name.clone(), Attempt { at, failures });
    }

    /// When the engine was last asked.
    pub(crate) fn asked(&self, name: &CertificateName) -> Option<Timestamp> {
        self.attempts.get(name).map(|attempt| attempt.at)
    }

    /// Until when a failure holds the next attempt back.
    pub(crate) fn held_until(&self, name: &CertificateName) -> Option<Timestamp> {
        let attempt = self.attempts.get(name)?;
        let nth = usize::try_from(attempt.failures).ok()?.checked_sub(1)?;
        let wait = BACKOFF.get(nth).copied().unwrap_or(DAILY);
        attempt.at.checked_add(wait).ok()
    }

    /// The next moment at which a failed attempt may be made again.
    pub(crate) fn next_retry(&self) -> Option<Timestamp> {
        self.attempts
            .keys()
            .filter_map(|name| self.held_until(name))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    #[test]
    fn failures_back_off_and_a_success_forgets_them() {
        let name = CertificateName::of(&DomainName::parse("example.org").unwrap());
        let start: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let mut memory = Memory::default();
        assert_eq!(memory.held_until(&name), None);
        for expected in [60, 600, 6000, 86_400, 86_400] {
            memory.record(&name, start, true);
            let held = memory.held_until(&name).unwrap();
            assert_eq!(held.as_second() - start.as_second(), expected);
        }
        memory.record(&name, start, false);
        assert_eq!(memory.held_until(&name), None);
        assert_eq!(memory.asked(&name), Some(start));
    }
}
