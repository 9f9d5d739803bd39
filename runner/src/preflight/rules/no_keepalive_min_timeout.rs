//! nginx without `keepalive_min_timeout`, or too old to have it.
//!
//! **Why.** A worker that is to go closes idle keep-alive connections without
//! reading them, and a request that was just sent is reset, in no log: 9 of
//! 18,999 requests at 14 reloads, over loopback, where the race is at its
//! smallest. With `keepalive_min_timeout 10s` none of 19,038. nginx has it from
//! version 1.27.4 on. It does not help HTTP/2.
//!
//! ```nginx
//! # keepalive_min_timeout is not set: 0
//! ```
//!
//! **Do.** `keepalive_min_timeout 10s;` in `http`: longer than clients leave a
//! connection idle, and not longer than `keepalive_timeout`.
//!
//! **Severity.** An error for both strategies: a reload and a stop both close
//! idle connections.

use super::super::nginx::HAS_KEEPALIVE_MIN_TIMEOUT;
use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO204",
    name: "no-keepalive-min-timeout",
    at: "",
    why: "a reload resets requests that were just sent on idle connections, in no log",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let (known, not_known) = facts.nginx();
    let mut verdict = Verdict {
        not_known,
        ..Verdict::fine()
    };
    for (nginx, replicas) in known {
        if !nginx.keepalive_min_timeout.is_zero() {
            continue;
        }
        let (mut what, mut fix) = (
            format!("keepalive_min_timeout is not set ({replicas})"),
            "set keepalive_min_timeout, such as 10s, in http".to_owned(),
        );
        if let Some(version) = nginx.version.filter(|&it| it < HAS_KEEPALIVE_MIN_TIMEOUT) {
            what = format!("nginx {version} has no keepalive_min_timeout ({replicas})");
            fix = format!("use nginx {HAS_KEEPALIVE_MIN_TIMEOUT} or newer, and then {fix}");
        }
        verdict.add(Severity::Error, what, fix);
    }
    verdict
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::Version;
    use super::super::tests::{said, with_nginx};
    use super::RULE;

    #[test]
    fn that_it_is_not_set_is_found() {
        let facts = with_nginx(|nginx| nginx.keepalive_min_timeout = Duration::ZERO);
        insta::assert_snapshot!(said(&RULE, &facts), @"error: keepalive_min_timeout is not set (the replicas on node-1, node-2, node-3); set keepalive_min_timeout, such as 10s, in http");
    }

    #[test]
    fn an_nginx_that_cannot_have_it_is_named() {
        let facts = with_nginx(|nginx| {
            nginx.keepalive_min_timeout = Duration::ZERO;
            nginx.version = Some(Version(1, 26, 3));
        });
        insta::assert_snapshot!(said(&RULE, &facts), @"error: nginx 1.26.3 has no keepalive_min_timeout (the replicas on node-1, node-2, node-3); use nginx 1.27.4 or newer, and then set keepalive_min_timeout, such as 10s, in http");
    }
}
