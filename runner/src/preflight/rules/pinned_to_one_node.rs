//! A placement constraint allows one node only.
//!
//! **Why.** When that node goes, nobody serves, and swarm may not start the
//! replicas elsewhere. It is often done because only that node has the
//! certificates; on a volume that all nodes mount there is no need.
//!
//! ```yaml
//! deploy:
//!   placement:
//!     constraints: [node.hostname == node-1]
//! ```
//!
//! **Do.** Put the certificates where every node has them, and take the
//! constraint away.
//!
//! **Severity.** A warning. None in a swarm of one node.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO401",
    name: "pinned-to-one-node",
    at: "deploy.placement.constraints",
    why: "when that node goes, nobody serves",
    check,
};

fn check(facts: &Facts) -> Verdict {
    if facts.constraints.is_none() {
        return Verdict::not_known("where the replicas may run");
    }
    let one_node = facts.nodes.as_ref().is_some_and(|nodes| nodes.len() == 1);
    match facts.pinned() {
        Some(constraint) if !one_node => Verdict::found(
            Severity::Warning,
            format!("the constraint {constraint}"),
            "put the certificates on every node and take the constraint away",
        ),
        _ => Verdict::fine(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{said, with};
    use super::RULE;

    fn constrained(constraint: &str) -> String {
        let facts = with(|facts| facts.constraints = Some(vec![constraint.to_owned()]));
        said(&RULE, &facts)
    }

    #[test]
    fn a_constraint_to_one_node_is_found() {
        insta::assert_snapshot!(constrained("node.hostname==node-1"), @"warning: the constraint node.hostname==node-1; put the certificates on every node and take the constraint away");
        assert_ne!(constrained("node.id == abc"), "");
        assert_eq!(constrained("node.hostname != node-1"), "");
        assert_eq!(constrained("node.labels.edge == true"), "");
    }
}
