//! The runner shares no network with the service.
//!
//! **Why.** The runner asks each replica for its certificate at its own address
//! on an overlay network of both. Without one it cannot see what is served, and
//! neither renews nor proves anything. The ingress network is no such network.
//!
//! ```yaml
//! services:
//!   loadbalancer: {networks: [frontend]}
//!   rollover:     {networks: [backend]}
//! ```
//!
//! **Do.** Attach the runner's service to a network of the service's.
//!
//! **Severity.** An error.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO502",
    name: "no-shared-network",
    at: "networks",
    why: "the runner cannot reach the replicas to see what they serve",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let (Some(networks), Some(runner)) = (&facts.networks, &facts.runner) else {
        return Verdict::not_known("which networks the service and the runner are on");
    };
    if networks.iter().any(|name| runner.networks.contains(name)) {
        return Verdict::fine();
    }
    Verdict::found(
        Severity::Error,
        format!(
            "it is on {}, and the runner ({}) on {}",
            told(networks),
            runner.service,
            told(&runner.networks)
        ),
        "attach the runner to a network of the service's",
    )
}

fn told(networks: &[String]) -> String {
    if networks.is_empty() {
        return "no network".to_owned();
    }
    networks.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{said, with};
    use super::RULE;

    #[test]
    fn that_they_share_none_is_found() {
        let facts =
            with(|facts| facts.networks = Some(vec!["front".to_owned(), "edge".to_owned()]));
        insta::assert_snapshot!(said(&RULE, &facts), @"error: it is on front, edge, and the runner (rollover) on frontend; attach the runner to a network of the service's");
        let facts = with(|facts| facts.networks = Some(Vec::new()));
        assert!(said(&RULE, &facts).contains("no network"));
    }
}
