//! A label that does not parse, or that has no meaning.
//!
//! **Why.** A certificate or a service whose label is wrong is left out, and
//! nobody renews it.
//!
//! ```yaml
//! labels:
//!   rollover.probe: https    # a port is a number
//! ```
//!
//! **Do.** Write what the message expects; [labels.md](labels.md) has them all.
//!
//! **Severity.** An error.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO001",
    name: "invalid-label",
    at: "deploy.labels",
    why: "what a wrong label is about is left out: nobody renews it",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::fine();
    for wrong in &facts.label_errors {
        verdict.add(Severity::Error, wrong.what.clone(), "correct the label");
        verdict = verdict.at(format!("{}.{}", RULE.at, wrong.label));
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::super::{WrongLabel, check};
    use super::super::tests::{said, with};
    use super::RULE;

    #[test]
    fn each_wrong_label_is_said_and_where_it_stands() {
        let wrong = WrongLabel {
            label: "rollover.a".to_owned(),
            what: "label a is wrong".to_owned(),
        };
        let facts = with(|facts| facts.label_errors = vec![wrong]);
        insta::assert_snapshot!(said(&RULE, &facts), @"error: label a is wrong; correct the label");
        assert_eq!(check(&facts).findings[0].at, "deploy.labels.rollover.a");
    }
}
