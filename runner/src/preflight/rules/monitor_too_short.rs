//! Swarm watches a new replica for less time than its health check needs to
//! fail.
//!
//! **Why.** A replica that was healthy once and then is not becomes unhealthy
//! after `retries` checks in a row have failed, each of which comes `interval`
//! after the last and may take `timeout`. If `monitor` (5 s by default) is over
//! by then, its failure no longer counts, and the update goes on to the next.
//!
//! ```yaml
//! healthcheck: {interval: 10s, timeout: 3s, retries: 3}
//! deploy:
//!   update_config:
//!     monitor: 5s    # the default; here 39s are needed
//! ```
//!
//! **Do.** `monitor` of retries × (interval + timeout) or more.
//!
//! **Severity.** A warning: it takes a bad image or configuration besides.

use std::time::Duration;

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, HealthCheck, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO104",
    name: "monitor-too-short",
    at: "deploy.update_config.monitor",
    why: "a new replica that soon turns unhealthy no longer stops the update",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let (Some(update), Some(health_check)) = (&facts.update, facts.health_check) else {
        return Verdict::not_known("the health check, or for how long an update is watched");
    };
    let HealthCheck::Present {
        interval,
        timeout,
        retries,
        ..
    } = health_check
    else {
        return Verdict::fine();
    };
    let needed = (interval + timeout).saturating_mul(retries);
    if update.monitor >= needed {
        return Verdict::fine();
    }
    Verdict::found(
        Severity::Warning,
        format!(
            "monitor is {}, and the health check may need {} to fail ({retries} × ({} + {}))",
            told(update.monitor),
            told(needed),
            told(interval),
            told(timeout)
        ),
        format!("set monitor to {} or more", told(needed)),
    )
}

/// `2.5s`: as a stack file writes it.
fn told(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{said, with};
    use super::{Duration, RULE};

    #[test]
    fn a_monitor_that_ends_first_is_found() {
        let short = |seconds| {
            let facts = with(|facts| {
                facts.update.as_mut().unwrap().monitor = Duration::from_secs(seconds);
            });
            said(&RULE, &facts)
        };
        insta::assert_snapshot!(short(14), @"warning: monitor is 14s, and the health check may need 15s to fail (3 × (2s + 3s)); set monitor to 15s or more");
        assert_eq!(short(15), "");
    }
}
