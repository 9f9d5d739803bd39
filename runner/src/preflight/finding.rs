//! What a check comes to: for people and for programs.

use std::fmt;

use serde::Serialize;

use super::rule::{Rule, Verdict};
use super::rules::START_FIRST_HOST_PORT;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A rollout would lose requests, or would not work.
    Error,
    /// Something else would: a deploy, a node that goes, a bad image.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// What one rule found wrong with a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Finding {
    /// Stable: `RO101`.
    pub code: &'static str,
    /// The rule's name: `single-replica`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The service.
    pub service: String,
    /// What was found, with the value.
    pub found: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub fix: String,
    /// Where a stack file sets it, below the service that sets it; empty if
    /// nowhere there.
    pub at: String,
    /// The service that sets it: this one, or the runner's.
    pub set_by: String,
    /// Where the file that was read sets it, or would; absent for a live service.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A place in a file, as editors and terminals know it: `stack.yml:12:5`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Place {
    /// The file, as it was named.
    pub file: String,
    /// From 1 on.
    pub line: usize,
    /// In characters, from 1 on.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Finding {
    /// Whether a rollout by restart would wait for ever.
    #[must_use]
    pub fn never_ends(&self) -> bool {
        self.severity == Severity::Error && self.code == START_FIRST_HOST_PORT
    }
}

/// `service web: error RO101 single-replica: found; fix`: one line, for logs.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            rule,
            severity,
            service,
            found,
            fix,
            ..
        } = self;
        write!(
            f,
            "service {service}: {severity} {code} {rule}: {found}; {fix}"
        )
    }
}

/// What one rule could not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotKnown {
    /// The rule's code.
    pub code: &'static str,
    /// The rule's name.
    pub rule: &'static str,
    /// What is not known, and why.
    pub what: String,
}

/// All that was found of one service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The service.
    pub service: String,
    /// What is wrong, by code.
    pub findings: Vec<Finding>,
    /// What could not be told.
    pub not_known: Vec<NotKnown>,
}

impl Checked {
    /// How many findings are as bad.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let all = self.findings.iter();
        all.filter(|finding| finding.severity == severity).count()
    }

    pub(super) fn add(&mut self, rule: &Rule, verdict: Verdict) {
        let findings = verdict.found.into_iter().map(|found| Finding {
            code: rule.code,
            rule: rule.name,
            severity: found.severity,
            service: self.service.clone(),
            found: found.what,
            why: rule.why,
            fix: found.fix,
            at: found.at.unwrap_or_else(|| rule.at.to_owned()),
            set_by: found.set_by.unwrap_or_else(|| self.service.clone()),
            place: None,
        });
        self.findings.extend(findings);
        let not_known = verdict.not_known.into_iter().map(|what| NotKnown {
            code: rule.code,
            rule: rule.name,
            what,
        });
        self.not_known.extend(not_known);
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        writeln!(
            f,
            "{}: {}, {}",
            self.service,
            counted(errors, "error"),
            counted(warnings, "warning")
        )?;
        for finding in &self.findings {
            let Finding {
                code,
                rule,
                severity,
                found,
                why,
                fix,
                place,
                ..
            } = finding;
            writeln!(f, "  {severity} {code} {rule}: {found}")?;
            if let Some(place) = place {
                writeln!(f, "    at:  {place}")?;
            }
            writeln!(f, "    why: {why}")?;
            writeln!(f, "    do:  {fix}")?;
        }
        for NotKnown { code, rule, what } in &self.not_known {
            writeln!(f, "  not known {code} {rule}: {what}")?;
        }
        Ok(())
    }
}

/// All that was found of all services, for people.
#[must_use]
pub fn told(services: &[Checked]) -> String {
    if services.is_empty() {
        return "no service asks for a certificate (label rollover.enable=true)\n".to_owned();
    }
    services.iter().map(ToString::to_string).collect()
}

fn counted(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
