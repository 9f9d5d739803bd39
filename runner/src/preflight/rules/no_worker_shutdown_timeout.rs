//! nginx without `worker_shutdown_timeout`.
//!
//! **Why.** After a reload an old worker waits for its last connection, for as
//! long as that may be. A WebSocket holds it for days; with every renewal there
//! are more of them, each with its memory. At a stop it is the grace period that
//! ends it, by SIGKILL.
//!
//! ```nginx
//! # worker_shutdown_timeout is not set: no limit
//! ```
//!
//! **Do.** `worker_shutdown_timeout 20s;` at the top of `nginx.conf`: longer
//! than the longest request and `keepalive_min_timeout` together, shorter than
//! `stop_grace_period`.
//!
//! **Severity.** A warning.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO203",
    name: "no-worker-shutdown-timeout",
    at: "",
    why: "after each reload old workers stay behind with their longest connections",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let (known, not_known) = facts.nginx();
    let mut verdict = Verdict {
        not_known,
        ..Verdict::fine()
    };
    for (nginx, replicas) in known {
        // nginx takes 0 for no limit too.
        let limit = nginx
            .worker_shutdown_timeout
            .filter(|limit| !limit.is_zero());
        if limit.is_none() {
            verdict.add(
                Severity::Warning,
                format!("worker_shutdown_timeout is not set ({replicas})"),
                "set worker_shutdown_timeout, such as 20s, at the top of nginx.conf",
            );
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::{said, with_nginx};
    use super::RULE;

    #[test]
    fn that_there_is_no_limit_is_found() {
        let facts = with_nginx(|nginx| nginx.worker_shutdown_timeout = None);
        insta::assert_snapshot!(said(&RULE, &facts), @"warning: worker_shutdown_timeout is not set (the replicas on node-1, node-2, node-3); set worker_shutdown_timeout, such as 20s, at the top of nginx.conf");
    }
}
