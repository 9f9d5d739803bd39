//! The runner shares no network with the service.
//!
//! **Why.** The runner asks each replica for its certificate at its own address
//! on an overlay network of both. Without one it cannot see what is served, and
//! neither renews nor proves anything, unless replicas publish that port in mode
//! `host`: then it asks at their nodes. Nor can a replica pass an authority's
//! question on to the runner. The ingress network is no such network.
//!
//! ```yaml
//! services:
//!   loadbalancer: {networks: [frontend]}
//!   rollover:     {networks: [backend]}
//! ```
//!
//! **Do.** Attach the runner's service to a network of the service's.
//!
//! **Severity.** An error. A warning where the replicas are seen at their nodes: what
//! is proved by dns-01, or by files, needs no more.

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
    let (severity, but) = if facts.seen_at_nodes == Some(true) {
        let but = "; it is seen at its nodes, but passes no authority's question on";
        (Severity::Warning, but)
    } else {
        (Severity::Error, "")
    };
    Verdict::found(
        severity,
        format!(
            "it is on {}, and the runner ({}) on {}{but}",
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

    #[test]
    fn where_replicas_are_seen_at_their_nodes_it_is_a_warning() {
        let facts = with(|facts| {
            facts.networks = Some(vec!["front".to_owned()]);
            facts.seen_at_nodes = Some(true);
        });
        insta::assert_snapshot!(said(&RULE, &facts), @"warning: it is on front, and the runner (rollover) on frontend; it is seen at its nodes, but passes no authority's question on; attach the runner to a network of the service's");
    }
}
