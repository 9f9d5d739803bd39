//! What a reconcile did: for people and for programs.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;

use crate::act::issue::{IssueError, PlaceholderError};
use crate::act::rollout::{RolloutError, RolloutOutcome};
use crate::decide::{Plan, Problem, Turn, VersionStep};
use crate::model::{CertificateName, Fingerprint, Leaf};
use crate::preflight::Finding;

/// The result of one reconcile.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) certificates: Vec<CertificateResult>,
    /// What changed places of the versions that there are.
    pub(crate) versions: Vec<VersionResult>,
    pub(crate) rollouts: Vec<RolloutResult>,
    pub(crate) problems: Vec<String>,
    /// What would lose requests, or fail. It says nothing of this pass.
    pub(crate) preflight: Vec<Finding>,
    /// What comes by itself and is waited for.
    pub(crate) waiting: Vec<String>,
    /// Something is still on its way, and a look soon will find more to do.
    pub(crate) under_way: bool,
    /// When a rollout that waits for its window begins.
    pub(crate) opens: Option<jiff::Timestamp>,
    /// When a certificate is to be looked at again, where the runner decides when
    /// it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) looks_at: Option<jiff::Timestamp>,
    /// At the end, every replica that is wanted was seen to serve what is
    /// published, and there is at least one.
    pub(crate) all_served: bool,
}

/// What became of one certificate that was acted on.
#[derive(Debug, Serialize)]
pub(crate) struct CertificateResult {
    pub(crate) certificate: CertificateName,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub(crate) enum Outcome {
    PlaceholderPublished,
    /// Another certificate is published than before.
    Issued {
        before: Option<Fingerprint>,
        after: Fingerprint,
        not_after: jiff::Timestamp,
    },
    /// The engine ran and left what was published.
    NotDue,
    Failed,
}

/// A version that was published in place of another, or was to be.
#[derive(Debug, Serialize)]
pub(crate) struct VersionResult {
    #[serde(flatten)]
    step: VersionStep,
    error: Option<String>,
}

/// What became of one rollout.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub(crate) enum RolloutResult {
    Done(RolloutOutcome),
    Failed { error: String },
}

impl CertificateResult {
    pub(crate) fn placeholder(
        name: &CertificateName,
        result: Result<(), PlaceholderError>,
    ) -> Self {
        Self {
            certificate: name.clone(),
            outcome: match result {
                Ok(()) => Outcome::PlaceholderPublished,
                Err(_) => Outcome::Failed,
            },
            error: result.err().map(|error| error.to_string()),
        }
    }

    pub(crate) fn issued(
        name: &CertificateName,
        before: Option<&Leaf>,
        after: Option<Leaf>,
        error: Option<IssueError>,
    ) -> Self {
        let before = before.map(|leaf| leaf.fingerprint);
        let outcome = match after {
            None => Outcome::Failed,
            Some(leaf) if before == Some(leaf.fingerprint) => Outcome::NotDue,
            Some(leaf) => Outcome::Issued {
                before,
                after: leaf.fingerprint,
                not_after: leaf.not_after,
            },
        };
        Self {
            certificate: name.clone(),
            outcome,
            error: error.map(|error| error.to_string()),
        }
    }

    /// Whether what is published changed.
    pub(crate) fn changed(&self) -> bool {
        match self.outcome {
            Outcome::PlaceholderPublished | Outcome::Issued { .. } => true,
            Outcome::NotDue | Outcome::Failed => false,
        }
    }
}

impl VersionResult {
    pub(crate) fn new(step: &VersionStep, error: Option<impl ToString>) -> Self {
        Self {
            step: step.clone(),
            error: error.map(|error| error.to_string()),
        }
    }
}

impl fmt::Display for VersionResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VersionStep { name, to, turn, .. } = &self.step;
        let to = to.short();
        match (&self.error, turn) {
            (Some(_), _) => write!(f, "{name}: {to} not published again"),
            // Why is said by what is held back, and by the rollout that failed.
            (None, Turn::Back(_)) => write!(f, "{name}: {to} is published again"),
            (None, Turn::Again(why)) => write!(f, "{name}: {to} is tried again: {why}"),
        }
    }
}

impl From<Result<RolloutOutcome, RolloutError>> for RolloutResult {
    fn from(result: Result<RolloutOutcome, RolloutError>) -> Self {
        match result {
            Ok(done) => Self::Done(done),
            Err(error) => Self::Failed {
                error: error.to_string(),
            },
        }
    }
}

impl Report {
    /// Adds how things stand at the end: what `plan` finds wrong then, and what
    /// was forced in vain.
    pub(crate) fn conclude(&mut self, plan: &Plan, in_vain: &[Problem], all_served: bool) {
        let problems = in_vain.iter().chain(&plan.problems);
        self.problems = problems.map(ToString::to_string).collect();
        self.waiting = plan.waiting();
        self.under_way = plan.under_way();
        self.opens = plan.opens();
        self.looks_at = plan.looks_at();
        self.all_served = all_served;
    }

    /// Whether anything was changed.
    pub(crate) fn changed(&self) -> bool {
        let done = |rollout: &RolloutResult| matches!(rollout, RolloutResult::Done(_));
        self.certificates.iter().any(CertificateResult::changed)
            || self.versions.iter().any(|version| version.error.is_none())
            || self.rollouts.iter().any(done)
    }

    /// The services that were rolled out with success.
    pub(crate) fn rolled_out(&self) -> HashSet<&str> {
        let rollouts = self.rollouts.iter();
        let done = rollouts.filter_map(|rollout| match rollout {
            RolloutResult::Done(done) => Some(done.target.as_str()),
            RolloutResult::Failed { .. } => None,
        });
        done.collect()
    }

    /// Whether anything was tried, whatever came of it.
    pub(crate) fn acted(&self) -> bool {
        !self.certificates.is_empty() || !self.versions.is_empty() || !self.rollouts.is_empty()
    }

    /// Whether anything failed or is in the way.
    pub(crate) fn failed(&self) -> bool {
        let failed = |rollout: &RolloutResult| matches!(rollout, RolloutResult::Failed { .. });
        !self.problems.is_empty()
            || self
                .certificates
                .iter()
                .any(|result| result.error.is_some())
            || self.versions.iter().any(|version| version.error.is_some())
            || self.rollouts.iter().any(failed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlaceholderPublished => f.write_str("placeholder published"),
            Self::Issued {
                after, not_after, ..
            } => write!(f, "issued {}, valid until {not_after}", after.short()),
            Self::NotDue => f.write_str("not due"),
            Self::Failed => f.write_str("failed"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for result in &self.certificates {
            writeln!(f, "{}: {}", result.certificate, result.outcome)?;
        }
        for version in &self.versions {
            writeln!(f, "{version}")?;
        }
        for rollout in &self.rollouts {
            if let RolloutResult::Done(done) = rollout {
                write_rollout(f, done)?;
            }
        }
        for error in self.errors() {
            writeln!(f, "error: {error}")?;
        }
        for finding in &self.preflight {
            writeln!(f, "{finding}")?;
        }
        for waiting in &self.waiting {
            writeln!(f, "{waiting}")?;
        }
        if self.all_served {
            writeln!(f, "every replica serves what is published")
        } else {
            writeln!(f, "not every replica was seen to serve what is published")
        }
    }
}

impl Report {
    fn errors(&self) -> impl Iterator<Item = &str> {
        let certificates = self.certificates.iter().filter_map(|r| r.error.as_deref());
        let versions = self.versions.iter().filter_map(|r| r.error.as_deref());
        let rollouts = self.rollouts.iter().filter_map(|rollout| match rollout {
            RolloutResult::Failed { error } => Some(error.as_str()),
            RolloutResult::Done(_) => None,
        });
        let problems = self.problems.iter().map(String::as_str);
        certificates.chain(versions).chain(rollouts).chain(problems)
    }
}

fn write_rollout(f: &mut fmt::Formatter<'_>, done: &RolloutOutcome) -> fmt::Result {
    writeln!(
        f,
        "{}: by {}, {} verified after {:.1} s",
        done.target,
        done.strategy,
        done.verified.who(),
        done.verified.seconds
    )?;
    for replica in &done.verified.replicas {
        let before = replica
            .before
            .map_or_else(|| "new task".to_owned(), |before| before.short());
        writeln!(
            f,
            "  {:<24} {before:>12} -> {} after {:.1} s",
            replica.replica,
            replica.after.short(),
            replica.seconds
        )?;
    }
    Ok(())
}
