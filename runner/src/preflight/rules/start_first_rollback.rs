//! `start-first` with `failure_action: rollback`.
//!
//! **Why.** The roll back can replace replicas that are well by such that are
//! not there yet ([moby/moby#43081](https://github.com/moby/moby/issues/43081)).
//!
//! ```yaml
//! deploy:
//!   update_config: {order: start-first, failure_action: rollback}
//! ```
//!
//! **Do.** `failure_action: pause`, and roll back by hand.
//!
//! **Severity.** A warning: it takes an update that fails.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Failure, Order, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO106",
    name: "start-first-rollback",
    at: "deploy.update_config.failure_action",
    why: "a roll back can replace replicas that are well (moby/moby#43081)",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let Some(update) = &facts.update else {
        return Verdict::not_known("how the replicas are replaced");
    };
    if (update.order, update.failure) != (Order::StartFirst, Failure::Rollback) {
        return Verdict::fine();
    }
    Verdict::found(
        Severity::Warning,
        "order start-first with failure_action rollback".to_owned(),
        "set failure_action: pause",
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::{Failure, Order};
    use super::super::tests::{said, with};
    use super::RULE;

    #[test]
    fn the_two_together_are_found() {
        let facts = |order, failure| {
            let facts = with(|facts| {
                let update = facts.update.as_mut().unwrap();
                (update.order, update.failure) = (order, failure);
            });
            said(&RULE, &facts)
        };
        insta::assert_snapshot!(facts(Order::StartFirst, Failure::Rollback), @"warning: order start-first with failure_action rollback; set failure_action: pause");
        assert_eq!(facts(Order::StopFirst, Failure::Rollback), "");
        assert_eq!(facts(Order::StartFirst, Failure::Pause), "");
    }
}
