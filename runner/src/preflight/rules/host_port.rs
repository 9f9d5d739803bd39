//! A restart of replicas that publish a port in mode `host`.
//!
//! **Why.** While a replica is replaced, its node refuses connections on that
//! port. A forced update of three such replicas lost 30 of 3,000 new
//! connections, half a second for each.
//!
//! ```yaml
//! ports: [{target: 443, published: 443, mode: host}]
//! deploy:
//!   labels: {rollover.strategy: restart}
//! ```
//!
//! **Do.** `rollover.strategy: signal`, the port in mode `ingress`, or a
//! balancer in front that asks each node whether it serves.
//!
//! **Severity.** A warning, for `restart` only: a balancer in front cannot be
//! seen from here. `signal` closes no port, and the mode is often chosen with
//! care (it keeps the client's address), so there it is not said.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Rollout, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO107",
    name: "host-port",
    at: "ports",
    why: "while a replica is replaced, its node refuses connections",
    check,
};

fn check(facts: &Facts) -> Verdict {
    match (&facts.rollout, &facts.host_ports) {
        (Some(Rollout::Signal | Rollout::Exec), _) => Verdict::fine(),
        (None, _) | (_, None) => Verdict::not_known("the strategy, or how ports are published"),
        (Some(Rollout::Restart { .. }), Some(ports)) => match ports.first() {
            None => Verdict::fine(),
            Some(port) => Verdict::found(
                Severity::Warning,
                format!("a restart with port {port} in mode host"),
                "set rollover.strategy: signal, publish the port in mode ingress, or have a \
                 balancer in front that looks at each node",
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{restarted, said, with};
    use super::RULE;

    #[test]
    fn a_restart_with_a_host_port_is_found_and_a_signal_is_not() {
        let port = |facts: &mut super::Facts| facts.host_ports = Some(vec![443]);
        insta::assert_snapshot!(said(&RULE, &restarted(port)), @"warning: a restart with port 443 in mode host; set rollover.strategy: signal, publish the port in mode ingress, or have a balancer in front that looks at each node");
        assert_eq!(said(&RULE, &with(port)), "");
    }
}
