//! The runner may be placed on a node that is no manager.
//!
//! **Why.** Only a manager's engine knows the swarm. On a worker the runner
//! ends at once, with that reason, and nothing is renewed.
//!
//! ```yaml
//! services:
//!   rollover:
//!     deploy: {}    # no constraint
//! ```
//!
//! **Do.** `constraints: [node.role == manager]` for the runner's service.
//!
//! **Severity.** An error. None in a swarm that has no worker.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO501",
    name: "runner-not-on-manager",
    at: "deploy.placement.constraints",
    why: "on a worker the runner cannot even start, and nothing is renewed",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let Some(runner) = &facts.runner else {
        return Verdict::not_known("which service the runner is");
    };
    let nodes = facts.nodes.as_deref().unwrap_or_default();
    let only_managers = !nodes.is_empty() && nodes.iter().all(|node| node.manager);
    let mut constraints = runner.constraints.iter().filter_map(|it| required(it));
    if only_managers || constraints.clone().any(|it| to_managers(it, facts)) {
        return Verdict::fine();
    }
    let of_a_node = |&(key, _): &(&str, &str)| key == "node.hostname" || key == "node.id";
    if facts.nodes.is_none()
        && let Some((_, node)) = constraints.find(of_a_node)
    {
        return Verdict::not_known(format!("whether {node} is a manager"));
    }
    let verdict = Verdict::found(
        Severity::Error,
        format!("service {} has no constraint to managers", runner.service),
        "add the constraint node.role == manager to it",
    );
    verdict.set_by(&runner.service)
}

/// What a constraint requires to be what.
fn required(constraint: &str) -> Option<(&str, &str)> {
    let (key, value) = constraint.split_once("==")?;
    Some((key.trim(), value.trim()))
}

/// Whether a constraint leaves managers only: by role, or by naming one.
fn to_managers((key, value): (&str, &str), facts: &Facts) -> bool {
    match key {
        "node.role" => value == "manager",
        "node.hostname" => {
            let mut nodes = facts.nodes.iter().flatten();
            nodes.any(|node| node.manager && node.name == value)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{said, with};
    use super::RULE;

    fn constrained(constraints: &[&str]) -> String {
        let facts = with(|facts| {
            let constraints = constraints.iter().map(|&it| it.to_owned());
            facts.runner.as_mut().unwrap().constraints = constraints.collect();
        });
        said(&RULE, &facts)
    }

    #[test]
    fn a_runner_that_may_land_on_a_worker_is_found() {
        insta::assert_snapshot!(constrained(&[]), @"error: service rollover has no constraint to managers; add the constraint node.role == manager to it");
        assert_ne!(constrained(&["node.role == worker"]), "");
        assert_ne!(constrained(&["node.hostname == node-2"]), "");
        assert_eq!(constrained(&["node.role==manager"]), "");
        assert_eq!(constrained(&["node.hostname == node-1"]), "");
    }

    #[test]
    fn a_node_of_which_nothing_is_known_may_be_a_manager() {
        let facts = with(|facts| {
            facts.nodes = None;
            let runner = facts.runner.as_mut().unwrap();
            runner.constraints = vec!["node.hostname == node-2".to_owned()];
        });
        insta::assert_snapshot!(said(&RULE, &facts), @"not known: whether node-2 is a manager");
    }

    #[test]
    fn where_all_are_managers_no_constraint_is_needed() {
        let facts = with(|facts| {
            facts.runner.as_mut().unwrap().constraints.clear();
            for node in facts.nodes.iter_mut().flatten() {
                node.manager = true;
            }
        });
        assert_eq!(said(&RULE, &facts), "");
    }
}
