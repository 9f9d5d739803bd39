//! A replica is killed before its nginx has drained.
//!
//! **Why.** After the stop signal nginx may take `worker_shutdown_timeout` to
//! finish. When `stop_grace_period` (10 s by default) is over before, swarm
//! kills it, and what was under way is lost.
//!
//! ```yaml
//! stop_grace_period: 10s     # with worker_shutdown_timeout 20s
//! ```
//!
//! **Do.** In this order, each shorter than the next: the longest request +
//! `keepalive_min_timeout`, `worker_shutdown_timeout`, `stop_grace_period`.
//!
//! **Severity.** An error for `restart`. A warning for `signal`: for deploys.

use super::super::Facts;
use super::super::rule::{Rule, Verdict};

pub(super) const RULE: Rule = Rule {
    code: "RO202",
    name: "drain-cut-short",
    at: "stop_grace_period",
    why: "a replica that is to stop is killed while it still serves",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let (known, mut not_known) = facts.nginx();
    let Some(grace) = facts.stop_grace else {
        not_known.push("the stop grace period".to_owned());
        let not_known = match facts.runs_nginx() {
            Some(false) => Vec::new(),
            _ => not_known,
        };
        return Verdict {
            not_known,
            ..Verdict::fine()
        };
    };
    let mut verdict = Verdict {
        not_known,
        ..Verdict::fine()
    };
    for (nginx, replicas) in known {
        // That there is none is the business of another rule.
        let Some(drain) = nginx
            .worker_shutdown_timeout
            .filter(|&drain| drain >= grace)
        else {
            continue;
        };
        verdict.add(
            facts.severity_of_replacing(),
            format!(
                "stop_grace_period is {}s, worker_shutdown_timeout {}s ({replicas})",
                grace.as_secs_f64(),
                drain.as_secs_f64()
            ),
            "set stop_grace_period to more than worker_shutdown_timeout",
        );
    }
    verdict
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{restarted, said};
    use super::RULE;

    #[test]
    fn a_grace_that_ends_before_the_drain_is_found() {
        let grace = |seconds| {
            let facts = restarted(|facts| facts.stop_grace = Some(Duration::from_secs(seconds)));
            said(&RULE, &facts)
        };
        insta::assert_snapshot!(grace(10), @"error: stop_grace_period is 10s, worker_shutdown_timeout 20s (the replicas on node-1, node-2, node-3); set stop_grace_period to more than worker_shutdown_timeout");
        assert_ne!(grace(20), "");
        assert_eq!(grace(21), "");
    }

    #[test]
    fn where_no_replica_was_looked_into_it_is_not_known() {
        let facts = restarted(|facts| facts.inside = None);
        insta::assert_snapshot!(said(&RULE, &facts), @"not known: no replica was looked into");
    }
}
