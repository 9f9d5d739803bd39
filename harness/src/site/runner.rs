//! The runner, asked by `docker exec` as a person would.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Site, SiteError, lines};
use crate::lab::Output;
use crate::lab::wait::until;

/// What `rollover once --json` said and how it ended.
#[derive(Debug)]
pub struct Once {
    /// Exit code, stdout and stderr.
    pub output: Output,
    /// Its report, if it printed one.
    pub report: Option<RunnerReport>,
}

/// The runner's own account, as far as the lab reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct RunnerReport {
    /// What became of each certificate that was acted on.
    pub certificates: Vec<CertificateResult>,
    /// What became of each rollout.
    pub rollouts: Vec<RolloutResult>,
    /// What a person should know of.
    pub problems: Vec<String>,
    /// What the preflight found before rollouts.
    #[serde(default)]
    pub preflight: Vec<Finding>,
}

/// What the preflight found.
#[derive(Debug, Clone, Deserialize)]
pub struct Finding {
    /// Its code: `RO101`.
    pub code: String,
    /// The service that it is about.
    pub service: String,
}

/// What became of one certificate.
#[derive(Debug, Clone, Deserialize)]
pub struct CertificateResult {
    /// Its name.
    pub certificate: String,
    /// `issued`, `not_due`, `placeholder_published` or `failed`.
    pub outcome: String,
    /// The published fingerprint after it, when another was issued.
    pub after: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// What became of one rollout.
#[derive(Debug, Clone, Deserialize)]
pub struct RolloutResult {
    /// `done` or `failed`.
    pub outcome: String,
    /// The strategy it went by.
    pub strategy: Option<String>,
    /// When the last replica was seen to serve what is published.
    pub at: Option<Timestamp>,
    /// How long it took until then, in seconds.
    pub seconds: Option<f64>,
    /// Each replica, when it was done.
    #[serde(default)]
    pub replicas: Vec<ReplicaResult>,
    /// Why it failed.
    pub error: Option<String>,
}

/// What one replica was seen to serve.
#[derive(Debug, Clone, Deserialize)]
pub struct ReplicaResult {
    /// Its node.
    pub node: String,
    /// Its task.
    pub task: String,
    /// What it served before, if it is the same task.
    pub before: Option<String>,
    /// What it serves now.
    pub after: String,
}

impl Site<'_> {
    /// Runs `rollover once --json` with more `arguments` in the runner's
    /// container and waits for its end, whatever that is.
    ///
    /// # Errors
    /// When it could not be run.
    pub async fn once(&self, arguments: &[&str]) -> Result<Once, SiteError> {
        let output = self
            .rollover(&[&["once", "--json"], arguments].concat())
            .await?;
        let report = serde_json::from_str(&output.stdout).ok();
        Ok(Once { output, report })
    }

    /// Runs `rollover` with `arguments` in the runner's container.
    ///
    /// # Errors
    /// When it could not be run.
    pub async fn rollover(&self, arguments: &[&str]) -> Result<Output, SiteError> {
        let deadline = std::time::Duration::from_secs(30);
        let task = until("the runner run", deadline, async || {
            let mut tasks = self.runner().running().await.map_err(|e| e.to_string())?;
            tasks.pop().ok_or_else(|| "it does not".to_owned())
        })
        .await?;
        let output = task.exec(&[&["/rollover"], arguments].concat()).await?;
        for line in lines("rollover, by hand", &output.stderr) {
            self.lab().journal().log(line);
        }
        Ok(output)
    }
}

/// What it did, in a line, and how it ended.
impl fmt::Display for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(report) = &self.report else {
            return write!(f, "no report, {}", self.output);
        };
        let certificates = report.certificates.iter();
        let rollouts = report.rollouts.iter();
        let did: Vec<_> = certificates
            .map(|result| format!("{}: {}", result.certificate, result.outcome))
            .chain(rollouts.map(|result| format!("rollout: {}", result.outcome)))
            .collect();
        let did = if did.is_empty() {
            "nothing was done".to_owned()
        } else {
            did.join(", ")
        };
        write!(f, "{did}; {}", self.output)
    }
}

impl Once {
    /// The report of a run that did what it should.
    ///
    /// # Errors
    /// How it ended and what it wrote, when it failed.
    pub fn succeeded(self) -> Result<RunnerReport, SiteError> {
        match self.report {
            Some(report) if self.output.code == 0 => Ok(report),
            _ => Err(SiteError::Runner {
                command: "once --json".to_owned(),
                found: format!(
                    "expected exit code 0 and a report, found {}:\n{}{}",
                    self.output.code, self.output.stdout, self.output.stderr
                ),
            }),
        }
    }

    /// All that it gave as a reason for failing, one line each.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        let Some(report) = &self.report else {
            return vec![self.output.stderr.clone()];
        };
        let certificates = report.certificates.iter().filter_map(|r| r.error.clone());
        let rollouts = report.rollouts.iter().filter_map(|r| r.error.clone());
        certificates
            .chain(rollouts)
            .chain(report.problems.iter().cloned())
            .collect()
    }
}
