//! `start-first` for replicas that publish a port in mode `host`.
//!
//! **Why.** A port of a node is taken once. The new replica waits for a node
//! whose port is free, and the old ones go only when it runs: the update waits
//! for ever.
//!
//! ```yaml
//! ports: [{target: 443, published: 443, mode: host}]
//! deploy:
//!   update_config: {order: start-first}
//! ```
//!
//! **Do.** `order: stop-first`, or the port in mode `ingress`.
//!
//! **Severity.** An error for `restart`, and the only one for which a restart is
//! not begun: it would not end, and until somebody ends it nothing else can be
//! rolled out. A warning for `signal`: the next deploy waits. A warning too where
//! there are more nodes than replicas, for it works as long as one is free.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Order, Replicas, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO105",
    name: "start-first-host-port",
    at: "deploy.update_config.order",
    why: "the new replica waits for a port that the old one holds, and the old one for the new",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let (Some(update), Some(ports)) = (&facts.update, &facts.host_ports) else {
        return Verdict::not_known("how ports are published, or how replicas are replaced");
    };
    let (Order::StartFirst, Some(port)) = (update.order, ports.first()) else {
        return Verdict::fine();
    };
    let severity = if a_node_is_free(facts) {
        Severity::Warning
    } else {
        facts.severity_of_replacing()
    };
    Verdict::found(
        severity,
        format!("order start-first with port {port} in mode host"),
        "set order: stop-first, or publish the port in mode ingress",
    )
}

/// As far as is known: constraints may leave fewer nodes.
fn a_node_is_free(facts: &Facts) -> bool {
    match (facts.replicas, &facts.nodes) {
        (Some(Replicas::Replicated(number)), Some(nodes)) => {
            nodes.iter().filter(|node| node.takes_tasks).count() as u64 > number
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Facts, Order, Replicas};
    use super::super::tests::{restarted, said, with};
    use super::RULE;

    fn blocked(facts: &mut Facts) {
        facts.update.as_mut().unwrap().order = Order::StartFirst;
        facts.host_ports = Some(vec![443]);
    }

    #[test]
    fn an_update_that_cannot_end_is_found() {
        insta::assert_snapshot!(said(&RULE, &restarted(blocked)), @"error: order start-first with port 443 in mode host; set order: stop-first, or publish the port in mode ingress");
        assert!(said(&RULE, &with(blocked)).starts_with("warning"));
    }

    #[test]
    fn one_that_can_while_a_node_is_free_is_a_warning() {
        let facts = restarted(|facts| {
            blocked(facts);
            facts.replicas = Some(Replicas::Replicated(2));
        });
        assert!(said(&RULE, &facts).starts_with("warning"));
    }
}
