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
    for error in &facts.label_errors {
        verdict.add(Severity::Error, error.clone(), "correct the label");
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::{said, with};
    use super::RULE;

    #[test]
    fn each_wrong_label_is_said() {
        let facts = with(|facts| facts.label_errors = vec!["label a is wrong".to_owned()]);
        insta::assert_snapshot!(said(&RULE, &facts), @"error: label a is wrong; correct the label");
    }
}
