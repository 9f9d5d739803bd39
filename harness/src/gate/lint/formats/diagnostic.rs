//! One thing that was found, wherever it comes from.

use rollover::preflight::{Finding, Place, Severity};

use crate::gate::lint::{Complaint, Linted};

pub(super) struct Diagnostic<'a> {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    /// The service that it was found in; none where it is about the file.
    pub(super) service: Option<&'a str>,
    pub(super) found: &'a str,
    pub(super) why: &'static str,
    pub(super) fix: &'a str,
    pub(super) place: Option<&'a Place>,
    /// Why it is allowed, if it is.
    pub(super) allowed: Option<&'a str>,
}

impl Linted {
    /// What counts first, then what is allowed.
    pub(super) fn diagnostics(&self) -> Vec<Diagnostic<'_>> {
        let findings = self.services.iter().flat_map(|it| &it.findings);
        let complaints = self.complaints.iter().map(Diagnostic::complained);
        let allowed = self.allowed.iter().map(|it| Diagnostic {
            allowed: Some(&it.reason),
            ..Diagnostic::found(&it.finding)
        });
        let found = findings.map(Diagnostic::found);
        found.chain(complaints).chain(allowed).collect()
    }
}

impl<'a> Diagnostic<'a> {
    fn found(finding: &'a Finding) -> Self {
        Self {
            code: finding.code,
            name: finding.rule,
            severity: finding.severity,
            service: Some(&finding.service),
            found: &finding.found,
            why: finding.why,
            fix: &finding.fix,
            place: finding.place.as_ref(),
            allowed: None,
        }
    }

    fn complained(complaint: &'a Complaint) -> Self {
        Self {
            code: complaint.kind.code(),
            name: complaint.kind.name(),
            severity: complaint.severity,
            service: None,
            found: &complaint.found,
            why: complaint.kind.why(),
            fix: &complaint.fix,
            place: Some(&complaint.place),
            allowed: None,
        }
    }

    /// In three lines at most: what was found, why it matters, what to do.
    pub(super) fn message(&self) -> String {
        let Self {
            found, why, fix, ..
        } = self;
        let service = self.service.map(|service| format!("service {service}: "));
        let service = service.unwrap_or_default();
        format!("{service}{found}\nwhy: {why}\ndo: {fix}")
    }
}
