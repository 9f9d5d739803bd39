//! nginx's `keepalive_min_timeout` is not shorter than its
//! `worker_shutdown_timeout`.
//!
//! **Why.** An old worker keeps idle connections for `keepalive_min_timeout`,
//! and a request may come on one until then. After `worker_shutdown_timeout` it
//! cuts them all, that request too.
//!
//! ```nginx
//! keepalive_min_timeout   30s;
//! worker_shutdown_timeout 20s;
//! ```
//!
//! **Do.** In this order, each shorter than the next: the longest request +
//! `keepalive_min_timeout`, `worker_shutdown_timeout`, `stop_grace_period`. How
//! long the longest request is, is not seen here.
//!
//! **Severity.** An error for both strategies.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO205",
    name: "keepalive-outlasts-drain",
    at: "",
    why: "old workers cut connections on which a request may just have come",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let (known, not_known) = facts.nginx();
    let mut verdict = Verdict {
        not_known,
        ..Verdict::fine()
    };
    for (nginx, replicas) in known {
        let keepalive = nginx.keepalive_min_timeout;
        let limit = nginx
            .worker_shutdown_timeout
            .filter(|limit| !limit.is_zero());
        let Some(drain) = limit.filter(|&drain| !keepalive.is_zero() && keepalive >= drain) else {
            continue;
        };
        verdict.add(
            Severity::Error,
            format!(
                "keepalive_min_timeout is {}s, worker_shutdown_timeout {}s ({replicas})",
                keepalive.as_secs_f64(),
                drain.as_secs_f64()
            ),
            "set worker_shutdown_timeout to more than keepalive_min_timeout and the longest \
             request together",
        );
    }
    verdict
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{said, with_nginx};
    use super::RULE;

    #[test]
    fn times_in_the_wrong_order_are_found() {
        let facts = with_nginx(|nginx| nginx.keepalive_min_timeout = Duration::from_secs(20));
        insta::assert_snapshot!(said(&RULE, &facts), @"error: keepalive_min_timeout is 20s, worker_shutdown_timeout 20s (the replicas on node-1, node-2, node-3); set worker_shutdown_timeout to more than keepalive_min_timeout and the longest request together");
    }
}
