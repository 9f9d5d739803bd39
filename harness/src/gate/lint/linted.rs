//! A stack file against the rules.

use std::fmt;
use std::path::Path;

use rollover::preflight::{Asked, Checked, Facts, Finding, Runner, Severity, check, told};
use serde::Serialize;

use super::allowance::{Allowance, Allowances};
use super::complaint::{Complaint, ComplaintKind};
use super::runner;
use super::service::facts;
use crate::gate::stack::{
    Entry, Stack, StackError, UnsetVariable, Variables, Wrong, labels, text_of,
};

/// All that was found in a stack file.
#[derive(Debug, Serialize)]
pub struct Linted {
    /// The services that ask for certificates, in the order of the file.
    pub services: Vec<Checked>,
    /// What was found too, and is allowed by a comment in the file.
    pub allowed: Vec<Allowed>,
    /// What is wrong with such comments.
    pub complaints: Vec<Complaint>,
    /// Variables without a value and without a default: empty text is taken.
    pub unset: Vec<UnsetVariable>,
}

/// A finding that a comment in the file allows.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Allowed {
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
    /// Why it is allowed, as the comment says it.
    pub reason: String,
}

impl Linted {
    /// Whether no error was found; warnings are none, and what is allowed is none.
    #[must_use]
    pub fn passed(&self) -> bool {
        let findings = self.services.iter().flat_map(|it| &it.findings);
        let complaints = self.complaints.iter().map(|it| it.severity);
        let mut all = findings.map(|it| it.severity).chain(complaints);
        all.all(|severity| severity != Severity::Error)
    }

    /// Takes what a comment allows out of the findings.
    fn allow(&mut self, file: &str, allowances: Allowances) {
        let Allowances { whole, wrong } = allowances;
        let mut used = vec![false; whole.len()];
        for checked in &mut self.services {
            let findings = std::mem::take(&mut checked.findings);
            for finding in findings {
                match whole.iter().position(|it| is_about(it, &finding)) {
                    None => checked.findings.push(finding),
                    Some(index) => {
                        used[index] = true;
                        let reason = whole[index].reason.clone();
                        self.allowed.push(Allowed { finding, reason });
                    }
                }
            }
        }
        self.complaints = wrong;
        let unused = whole.iter().zip(used).filter(|(_, used)| !used);
        self.complaints
            .extend(unused.map(|(it, _)| unused_one(file, it)));
        self.complaints.sort_by_key(|it| it.place.line);
    }
}

fn is_about(allowance: &Allowance, finding: &Finding) -> bool {
    let place = finding.place.as_ref();
    place.is_some_and(|place| allowance.allows(finding.code, place.line))
}

fn unused_one(file: &str, allowance: &Allowance) -> Complaint {
    let code = allowance.code;
    Complaint {
        kind: ComplaintKind::UnusedAllowance,
        severity: Severity::Warning,
        found: format!("a comment that allows {code}, which is not found there"),
        fix: "take it away, or write it on the line that the finding names, or the one before"
            .to_owned(),
        place: allowance.at.within(file),
    }
}

/// As `rollover check` tells it, and what the file's comments make of it.
impl fmt::Display for Linted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&told(&self.services))?;
        for complaint in &self.complaints {
            write!(f, "{complaint}")?;
        }
        match self.allowed.len() {
            0 => return Ok(()),
            1 => writeln!(f, "1 finding is allowed by the file:")?,
            number => writeln!(f, "{number} findings are allowed by the file:")?,
        }
        for Allowed { finding, reason } in &self.allowed {
            let Finding { code, rule, .. } = finding;
            let place = finding.place.iter();
            let place: String = place.map(|place| format!("{place}: ")).collect();
            writeln!(f, "  {place}{code} {rule}: {reason}")?;
        }
        Ok(())
    }
}

/// Holds the services of a stack file that ask for certificates against the rules.
/// `variables` gives the value of a variable that is set.
///
/// # Errors
/// When the file cannot be read, or is none that `docker stack deploy` would take,
/// as far as it is looked at. A finding is no error.
pub fn lint(file: &Path, variables: &dyn Fn(&str) -> Option<String>) -> Result<Linted, StackError> {
    lint_text(&file.display().to_string(), &text_of(file)?, variables)
}

/// The same of the text of a file.
pub(crate) fn lint_text(
    file: &str,
    text: &str,
    variables: Variables<'_>,
) -> Result<Linted, StackError> {
    let linted = linted(file, text, variables);
    linted.map_err(|wrong| StackError::of(file, wrong))
}

fn linted(file: &str, text: &str, variables: Variables<'_>) -> Result<Linted, Wrong> {
    let (stack, unset) = Stack::read(file, text, variables)?;
    let runner = runner::of(&stack)?;
    let mut services = Vec::new();
    for service in stack.services()? {
        services.extend(judged(file, &stack, runner.as_ref(), service)?);
    }
    let mut linted = Linted {
        services,
        allowed: Vec::new(),
        complaints: Vec::new(),
        unset,
    };
    linted.allow(file, Allowances::read(file, text));
    Ok(linted)
}

fn judged(
    file: &str,
    stack: &Stack,
    runner: Option<&Runner>,
    service: &Entry,
) -> Result<Option<Checked>, Wrong> {
    let labels = labels(&service.node)?;
    let Some(asked) = Asked::by(&service.key, &labels) else {
        return Ok(None);
    };
    let facts = facts(stack, service, asked)?;
    let runner = runner.cloned();
    let mut checked = check(&Facts { runner, ..facts });
    for finding in &mut checked.findings {
        let at = stack.place(&finding.set_by, &finding.at);
        finding.place = Some(at.within(file));
    }
    Ok(Some(checked))
}
