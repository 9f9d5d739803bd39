//! As many replicas are replaced at a time as there are.
//!
//! **Why.** All of them are stopped at once, and nobody serves. `parallelism: 0`
//! means all.
//!
//! ```yaml
//! deploy:
//!   replicas: 3
//!   update_config:
//!     parallelism: 0
//! ```
//!
//! **Do.** `parallelism: 1`; for `restart`, the label `rollover.parallelism`,
//! which takes its place.
//!
//! **Severity.** An error for `restart`, by the label. A warning for `signal`,
//! by the update configuration: the next deploy goes by it. None with
//! `start-first`, where the new ones come before the old ones go.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Order, Rollout};

pub(super) const RULE: Rule = Rule {
    code: "RO102",
    name: "all-at-once",
    at: "deploy.update_config.parallelism",
    why: "all replicas are stopped at the same time, and nobody serves",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let number = facts.number_of_replicas();
    let (Some(update), Some(parallelism)) = (&facts.update, facts.parallelism()) else {
        return Verdict::not_known("how the replicas are replaced");
    };
    if update.order == Order::StartFirst {
        return Verdict::fine();
    }
    let what = match number {
        // One replica is the business of another rule.
        Some(0 | 1) => return Verdict::fine(),
        None if parallelism == 0 => "parallelism 0, which is all".to_owned(),
        None => return Verdict::not_known("how many replicas there are"),
        Some(number) if parallelism == 0 => {
            format!("parallelism 0, which is all {number} replicas")
        }
        Some(number) if parallelism >= number => {
            format!("parallelism {parallelism} of {number} replicas")
        }
        Some(_) => return Verdict::fine(),
    };
    let verdict = Verdict::found(
        facts.severity_of_replacing(),
        what,
        "set parallelism to 1 (for restart: the label rollover.parallelism)",
    );
    match facts.rollout {
        Some(Rollout::Restart { .. }) => verdict.at("deploy.labels.rollover.parallelism"),
        _ => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Facts, Rollout, check};
    use super::super::tests::{restarted, said, with};
    use super::RULE;

    #[test]
    fn all_at_once_is_found() {
        let all = with(|facts| facts.update.as_mut().unwrap().parallelism = 0);
        insta::assert_snapshot!(said(&RULE, &all), @"warning: parallelism 0, which is all 3 replicas; set parallelism to 1 (for restart: the label rollover.parallelism)");
        let label = with(|facts| facts.rollout = Some(Rollout::Restart { parallelism: 3 }));
        insta::assert_snapshot!(said(&RULE, &label), @"error: parallelism 3 of 3 replicas; set parallelism to 1 (for restart: the label rollover.parallelism)");
    }

    #[test]
    fn a_restart_goes_by_its_label_alone() {
        let facts = restarted(|facts| facts.update.as_mut().unwrap().parallelism = 0);
        assert_eq!(said(&RULE, &facts), "");
        let at = |change: fn(&mut Facts)| check(&with(change)).findings[0].at.clone();
        let label = at(|facts| facts.rollout = Some(Rollout::Restart { parallelism: 3 }));
        assert_eq!(label, "deploy.labels.rollover.parallelism");
        let update = at(|facts| facts.update.as_mut().unwrap().parallelism = 0);
        assert_eq!(update, RULE.at);
    }
}
