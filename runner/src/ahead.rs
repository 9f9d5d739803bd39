//! The daemon's own look ahead: the rules of the [`preflight`](crate::preflight)
//! that need no look into replicas, held against every service before anything
//! is rolled out. What they find is said once, and again when it is gone.

use std::collections::HashSet;

use tracing::{error, info, warn};

use crate::docker::Manager;
use crate::model::Target;
use crate::observe::own::Own;
use crate::observe::{Candidate, candidates};
use crate::preflight::{Finding, Severity, check};

/// What was found at the last look.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    findings: Vec<Finding>,
}

impl Ahead {
    /// Looks, and logs what has changed since the last look. Where it cannot
    /// look, what was found before stands.
    pub(crate) async fn look(&mut self, manager: &Manager, own: Option<&Own>) {
        match candidates(manager, own).await {
            Ok(candidates) => self.now(candidates.iter().flat_map(found).collect()),
            Err(why) => warn!("no preflight: cannot {why}"),
        }
    }

    /// Looks at one service alone, as it is to be rolled out: by another strategy,
    /// maybe, than its label names.
    pub(crate) async fn look_at(&mut self, manager: &Manager, own: Option<&Own>, target: &Target) {
        let candidates = match candidates(manager, own).await {
            Ok(candidates) => candidates,
            Err(why) => return warn!("no preflight: cannot {why}"),
        };
        let mut candidates = candidates.into_iter();
        if let Some(mut candidate) = candidates.find(|it| it.facts.service == target.name) {
            candidate.rolled_out_by(&target.strategy);
            self.now(found(&candidate).collect());
        }
    }

    fn now(&mut self, found: Vec<Finding>) {
        // A wrong mount is found once for each certificate, of which there may be
        // thousands.
        let (before, after): (HashSet<_>, HashSet<_>) =
            (self.findings.iter().collect(), found.iter().collect());
        for finding in found.iter().filter(|it| !before.contains(it)) {
            match finding.severity {
                Severity::Error => error!("{finding}"),
                Severity::Warning => warn!("{finding}"),
            }
        }
        for finding in self.findings.iter().filter(|it| !after.contains(it)) {
            info!("no longer: {finding}");
        }
        self.findings = found;
    }

    /// All that was found at the last look.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Why a rollout by restart of `service` must not be begun, if so: one that
    /// loses requests is the operator's choice, one that never ends is nobody's.
    pub(crate) fn holds_back(&self, service: &str) -> Option<&Finding> {
        let mut findings = self.findings.iter();
        findings.find(|finding| finding.service == service && finding.never_ends())
    }
}

fn found(candidate: &Candidate) -> impl Iterator<Item = Finding> + use<> {
    let findings = check(&candidate.facts).findings.into_iter();
    // A wrong label is a problem of its own, and said as one.
    findings.filter(|finding| finding.code != "RO001")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &'static str, severity: Severity) -> Finding {
        Finding {
            code,
            rule: "a-rule",
            severity,
            service: "web".to_owned(),
            found: "something".to_owned(),
            why: "it matters",
            fix: "mend it".to_owned(),
            at: String::new(),
            set_by: "web".to_owned(),
            place: None,
        }
    }

    #[test]
    fn only_a_restart_that_never_ends_is_held_back() {
        let mut ahead = Ahead::default();
        ahead.now(vec![
            finding("RO101", Severity::Error),
            finding("RO105", Severity::Warning),
        ]);
        assert_eq!(ahead.holds_back("web"), None);
        ahead.now(vec![finding("RO105", Severity::Error)]);
        assert!(ahead.holds_back("web").is_some());
        assert_eq!(ahead.holds_back("other"), None);
    }
}
