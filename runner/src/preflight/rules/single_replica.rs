//! One replica, and swarm stops it before it starts the next.
//!
//! **Why.** Between the two nobody serves. Behind a routing mesh a forced
//! update of one replica lost 467 of 2,306 requests.
//!
//! ```yaml
//! deploy:
//!   replicas: 1
//!   update_config:
//!     order: stop-first    # the default
//! ```
//!
//! **Do.** Two replicas or more, with `parallelism: 1`. Or `order: start-first`,
//! if no port is published in mode `host`.
//!
//! **Severity.** An error for `restart`. A warning for `signal`, which replaces
//! no replica; but the next deploy does.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Order};

pub(super) const RULE: Rule = Rule {
    code: "RO101",
    name: "single-replica",
    at: "deploy.replicas",
    why: "while the one replica is replaced, nobody serves",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let (Some(number), Some(update)) = (facts.number_of_replicas(), &facts.update) else {
        return Verdict::not_known("how many replicas there are, or how they are replaced");
    };
    if number != 1 || update.order != Order::StopFirst {
        return Verdict::fine();
    }
    Verdict::found(
        facts.severity_of_replacing(),
        "1 replica, which is stopped before the next is started".to_owned(),
        "run 2 replicas or more, or set order: start-first",
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::{Order, Replicas};
    use super::super::tests::{restarted, said, with};
    use super::RULE;

    #[test]
    fn one_replica_that_stops_first_is_found() {
        let one = |facts: &mut super::Facts| facts.replicas = Some(Replicas::Replicated(1));
        insta::assert_snapshot!(said(&RULE, &restarted(one)), @"error: 1 replica, which is stopped before the next is started; run 2 replicas or more, or set order: start-first");
        assert!(said(&RULE, &with(one)).starts_with("warning"));
    }

    #[test]
    fn one_that_starts_first_is_not() {
        let facts = restarted(|facts| {
            facts.replicas = Some(Replicas::Replicated(1));
            facts.update.as_mut().unwrap().order = Order::StartFirst;
        });
        assert_eq!(said(&RULE, &facts), "");
    }
}
