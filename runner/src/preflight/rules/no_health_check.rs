//! No health check, neither the service's nor its image's.
//!
//! **Why.** Without one, swarm gives a replica traffic as soon as its process
//! runs, and takes a broken one for good. With three replicas and SIGQUIT, one
//! of 1,501 new connections was lost for want of it.
//!
//! ```yaml
//! services:
//!   loadbalancer:
//!     image: nginx:1.30    # it has none
//! ```
//!
//! **Do.** A check that speaks TLS, such as
//! `curl -fsSk -o /dev/null https://localhost/healthz`.
//!
//! **Severity.** An error for `restart`. A warning for `signal`: for deploys.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, HealthCheck};

pub(super) const RULE: Rule = Rule {
    code: "RO103",
    name: "no-health-check",
    at: "healthcheck",
    why: "a new replica gets traffic before it can answer, and a broken one is taken for good",
    check,
};

fn check(facts: &Facts) -> Verdict {
    match facts.health_check {
        None => Verdict::not_known("whether the image has a health check"),
        Some(HealthCheck::Present { .. }) => Verdict::fine(),
        Some(HealthCheck::Absent) => Verdict::found(
            facts.severity_of_replacing(),
            "neither the service nor its image has a health check".to_owned(),
            "add a healthcheck that asks over TLS",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::HealthCheck;
    use super::super::tests::{restarted, said};
    use super::RULE;

    #[test]
    fn that_there_is_none_is_found() {
        let facts = restarted(|facts| facts.health_check = Some(HealthCheck::Absent));
        insta::assert_snapshot!(said(&RULE, &facts), @"error: neither the service nor its image has a health check; add a healthcheck that asks over TLS");
    }
}
