//! What a rule is.

use super::{Facts, Severity};

/// Something that is known to lose requests or to fail.
#[derive(Debug)]
pub struct Rule {
    /// Stable, and never used for another rule: other programs name it.
    pub code: &'static str,
    /// For people: `single-replica`.
    pub name: &'static str,
    /// Where a stack file sets it, below the service; empty if nowhere there.
    pub at: &'static str,
    /// Why it matters, in a sentence.
    pub why: &'static str,
    /// Judges.
    pub check: fn(&Facts) -> Verdict,
}

/// What a rule says of a service. Empty: nothing is wrong, or the rule is not
/// about such a service.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is wrong.
    pub found: Vec<Found>,
    /// What would have to be known, and is not.
    pub not_known: Vec<String>,
}

/// One thing that is wrong.
#[derive(Debug)]
pub struct Found {
    /// How bad it is.
    pub severity: Severity,
    /// What was found, with the value.
    pub what: String,
    /// What to do.
    pub fix: String,
    /// Where a stack file sets it, if elsewhere than the rule says.
    pub at: Option<String>,
    /// The service whose specification sets it, if it is another one.
    pub set_by: Option<String>,
}

impl Verdict {
    /// Nothing is wrong, or the rule is not about such a service.
    pub(super) fn fine() -> Self {
        Self::default()
    }

    /// One thing is wrong.
    pub(super) fn found(severity: Severity, what: String, fix: impl Into<String>) -> Self {
        let mut verdict = Self::default();
        verdict.add(severity, what, fix);
        verdict
    }

    /// One more thing is wrong.
    pub(super) fn add(&mut self, severity: Severity, what: String, fix: impl Into<String>) {
        let fix = fix.into();
        self.found.push(Found {
            severity,
            what,
            fix,
            at: None,
            set_by: None,
        });
    }

    /// What was found last is set there.
    pub(super) fn at(mut self, at: impl Into<String>) -> Self {
        if let Some(last) = self.found.last_mut() {
            last.at = Some(at.into());
        }
        self
    }

    /// What was found last is set by that service.
    pub(super) fn set_by(mut self, service: &str) -> Self {
        if let Some(last) = self.found.last_mut() {
            last.set_by = Some(service.to_owned());
        }
        self
    }

    /// It cannot be told.
    pub(super) fn not_known(what: impl Into<String>) -> Self {
        Self {
            not_known: vec![what.into()],
            ..Self::default()
        }
    }
}
