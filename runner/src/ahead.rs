//! The daemon's own look ahead: the rules of the [`preflight`](crate::preflight),
//! held against every service before anything is rolled out. What they find is said
//! once, and again when it is gone.
//!
//! What only a look into replicas can tell (nginx's times, the first process) is
//! looked for before a service is rolled out, and holds as long as its specification
//! is the same. So does what one of its replicas shows by the other names of its
//! certificates, for which it is asked once a rollout has ended well.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::iter;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::act::look::{Looked, glance};
use crate::config::Settings;
use crate::docker::Manager;
use crate::model::Target;
use crate::observe::own::Own;
use crate::observe::{Candidate, Who, ask_by_other_names, candidates};
use crate::preflight::{AskedName, Finding, HealthCheck, Severity, check};

/// Each starts a job on every node.
const LOOKS_AT_ONCE: usize = 8;
/// nginx tells its old workers to stop 100 ms after the new ones have begun: until then
/// either may answer, and by one name the one and by the next the other.
const OLD_WORKERS_END: Duration = Duration::from_secs(1);

/// What was found at the last look.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    findings: Vec<Finding>,
    /// The health checks of services, where they are known.
    health_checks: BTreeMap<String, HealthCheck>,
    /// What was seen inside the replicas of services.
    inside: Known<Looked>,
    /// What one replica of each showed by the other names of its certificates.
    names: Known<Vec<AskedName>>,
}

/// What was seen of services, by their names.
#[derive(Debug)]
struct Known<T>(BTreeMap<String, Seen<T>>);

#[derive(Debug)]
struct Seen<T> {
    /// As the service was specified then.
    specification: u64,
    what: T,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Known<T> {
    fn saw(&mut self, target: &Target, what: T) {
        let specification = target.specification;
        let seen = Seen {
            specification,
            what,
        };
        self.0.insert(target.name.clone(), seen);
    }

    /// What was seen of it as it is now.
    fn of(&self, target: &Target) -> Option<&T> {
        let seen = self.0.get(&target.name)?;
        (seen.specification == target.specification).then_some(&seen.what)
    }

    /// What was seen of it last, whatever has become of it since.
    fn last(&self, target: &Target) -> Option<&T> {
        self.0.get(&target.name).map(|seen| &seen.what)
    }

    fn forget_all_but(&mut self, services: &HashSet<&str>) {
        self.0
            .retain(|service, _| services.contains(service.as_str()));
    }
}

impl Ahead {
    /// Looks into the replicas of each of `targets` that was not looked into as it is
    /// now. One that cannot be is told, and held against the other rules.
    pub(crate) async fn look_into(
        &mut self,
        manager: &Manager,
        settings: &Settings,
        own: Option<&Own>,
        targets: impl IntoIterator<Item = &Target>,
    ) {
        let new = targets.into_iter().filter(|target| !self.knows(target));
        let looks =
            iter(new.map(async |target| (target, glance(manager, settings, own, target).await)));
        let looks: Vec<_> = looks.buffer_unordered(LOOKS_AT_ONCE).collect().await;
        for (target, looked) in looks {
            match looked {
                Ok(looked) => self.inside.saw(target, looked),
                Err(why) => warn!("service {}: not looked into: {why}", target.name),
            }
        }
    }

    /// Whether all that runs of it was looked into as it is now.
    fn knows(&self, target: &Target) -> bool {
        let inside = self.inside.of(target);
        inside.is_some_and(|looked| looked.missed.is_empty() && !looked.inside.is_empty())
    }

    /// Asks one replica of each of `targets`, which were rolled out just now, by the other
    /// names of their certificates. Whether any was asked.
    pub(crate) async fn ask_by_other_names(
        &mut self,
        manager: &Manager,
        own: Option<&Own>,
        targets: impl IntoIterator<Item = &Target>,
    ) -> bool {
        let targets = targets.into_iter().filter(|it| it.has_other_names());
        let ask = async |target| {
            let ask = async || ask_by_other_names(manager, own, target, Who::OneReplica).await;
            let asked = ask().await;
            if !asked.as_ref().is_ok_and(|it| are_odd(it)) {
                return (target, asked);
            }
            sleep(OLD_WORKERS_END).await;
            (target, ask().await)
        };
        let all = iter(targets.map(ask)).buffer_unordered(LOOKS_AT_ONCE);
        let all: Vec<_> = all.collect().await;
        let mut any = false;
        for (target, asked) in all {
            match asked {
                Ok(asked) => {
                    self.names.saw(target, asked);
                    any = true;
                }
                Err(why) => warn!("service {}: not asked by other names: {why}", target.name),
            }
        }
        any
    }

    /// Asks those again that showed something odd, however they are specified now: it is
    /// not gone before that was seen.
    pub(crate) async fn ask_again<'a>(
        &mut self,
        manager: &Manager,
        own: Option<&Own>,
        targets: impl Iterator<Item = &'a Target>,
    ) {
        let again: Vec<_> = targets.filter(|it| self.was_odd(it)).collect();
        self.ask_by_other_names(manager, own, again).await;
    }

    fn was_odd(&self, target: &Target) -> bool {
        self.names.last(target).is_some_and(|it| are_odd(it))
    }

    /// What is found of a service, by what is known of its replicas too.
    fn found(&mut self, mut candidate: Candidate) -> impl Iterator<Item = Finding> + use<> {
        if let Some(target) = &candidate.target {
            if let Some(looked) = self.inside.of(target).cloned() {
                candidate.facts.look_inside(looked.inside, looked.missed);
            }
            if let Some(asked) = self.names.of(target).cloned() {
                candidate.facts.other_names = Some(asked);
            }
        }
        let service = candidate.facts.service.clone();
        match candidate.facts.health_check {
            Some(known) => self.health_checks.insert(service, known),
            None => self.health_checks.remove(&service),
        };
        let findings = check(&candidate.facts).findings.into_iter();
        // A wrong label is a problem of its own, and said as one.
        findings.filter(|finding| finding.code != "RO001")
    }

    /// Looks, and logs what has changed since the last look. Where it cannot
    /// look, what was found before stands.
    pub(crate) async fn look(&mut self, manager: &Manager, own: Option<&Own>) {
        match candidates(manager, own).await {
            Ok(candidates) => {
                self.forget_all_but(candidates.iter().map(|it| it.facts.service.as_str()));
                let found = candidates.into_iter().flat_map(|it| self.found(it));
                let found = found.collect();
                self.now(found);
            }
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
            let found = self.found(candidate).collect();
            self.now(found);
        }
    }

    /// Forgets what was seen of services that are gone.
    fn forget_all_but<'a>(&mut self, services: impl Iterator<Item = &'a str>) {
        let services: HashSet<&str> = services.collect();
        self.health_checks
            .retain(|service, _| services.contains(service.as_str()));
        self.inside.forget_all_but(&services);
        self.names.forget_all_but(&services);
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

    /// The health check of a service as it was looked at last: its own, its image's, or
    /// what its replicas have. None where nothing tells of one.
    pub(crate) fn health_check(&self, service: &str) -> HealthCheck {
        let known = self.health_checks.get(service).copied();
        known.unwrap_or(HealthCheck::Absent)
    }

    /// Why a rollout by restart of `service` must not be begun, if so: one that
    /// loses requests is the operator's choice, one that never ends is nobody's.
    pub(crate) fn holds_back(&self, service: &str) -> Option<&Finding> {
        let mut findings = self.findings.iter();
        findings.find(|finding| finding.service == service && finding.never_ends())
    }
}

fn are_odd(names: &[AskedName]) -> bool {
    names.iter().any(AskedName::is_odd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::look::tests::seen;
    use crate::decide::tests::{all, leaf, world};
    use crate::model::Published;
    use crate::preflight::Shows;

    fn target(specification: u64) -> Target {
        let mut target = world(Published::Pair(leaf(1)), all(&leaf(1)))
            .targets
            .remove(0)
            .target;
        target.specification = specification;
        target
    }

    fn looked(missed: &[&str]) -> Looked {
        Looked {
            inside: vec![seen()],
            missed: missed.iter().map(|&why| why.to_owned()).collect(),
        }
    }

    #[test]
    fn what_was_seen_inside_holds_until_the_service_is_changed() {
        let mut ahead = Ahead::default();
        assert!(!ahead.knows(&target(1)));
        ahead.inside.saw(&target(1), looked(&[]));
        assert!(ahead.knows(&target(1)));
        assert!(!ahead.knows(&target(2)));
        assert!(ahead.inside.of(&target(2)).is_none());
        // It is judged by what was seen, and looked for again the next time.
        ahead.inside.saw(
            &target(2),
            looked(&["replica 2 on node-2: its node is away"]),
        );
        assert!(!ahead.knows(&target(2)));
        assert!(ahead.inside.of(&target(2)).is_some());

        ahead.forget_all_but(["other", target(2).name.as_str()].into_iter());
        assert!(ahead.inside.of(&target(2)).is_some());
        ahead.forget_all_but(["other"].into_iter());
        assert!(ahead.inside.of(&target(2)).is_none());
    }

    #[test]
    fn what_was_odd_is_asked_again_however_the_service_is_specified_now() {
        let odd = AskedName {
            replica: "replica 1 on node-1".to_owned(),
            name: "www.example.org".to_owned(),
            shows: Shows::Another {
                shown: "0ed09056efc5".to_owned(),
                first: "9dc8caa6bf31".to_owned(),
            },
        };
        let mut ahead = Ahead::default();
        assert!(!ahead.was_odd(&target(1)), "it was never asked");
        ahead.names.saw(&target(1), vec![odd.clone()]);
        assert!(ahead.was_odd(&target(1)) && ahead.was_odd(&target(2)));
        let mended = AskedName {
            shows: Shows::TheSame,
            ..odd
        };
        ahead.names.saw(&target(2), vec![mended]);
        assert!(!ahead.was_odd(&target(2)));
    }

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
