//! `rollover status`, asked by `docker exec` as a person would.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Site, SiteError};
use crate::lab::Output;
use crate::lab::wait::{TimedOut, until};

/// What `rollover status --json` said and how it ended.
#[derive(Debug)]
pub struct Status {
    /// Exit code, stdout and stderr.
    pub output: Output,
    /// What it printed.
    pub report: StatusReport,
}

/// The runner's account of how all stands, as far as the lab reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct StatusReport {
    /// Whether the daemon answered.
    pub daemon: DaemonStatus,
    /// Each certificate.
    pub certificates: Vec<CertificateStatus>,
    /// Each target.
    pub targets: Vec<TargetStatus>,
    /// Whether every replica serves what is published.
    pub all_served: bool,
}

/// Whether the daemon answered.
#[derive(Debug, Clone, Deserialize)]
pub struct DaemonStatus {
    /// `answered` or `silent`.
    pub daemon: String,
    /// When it will look again; absent before its first look is over, and while it
    /// is at work.
    pub looks_again_at: Option<Timestamp>,
}

/// One certificate.
#[derive(Debug, Clone, Deserialize)]
pub struct CertificateStatus {
    /// Its name.
    pub name: String,
    /// `missing`, `broken` or `pair`.
    pub published: String,
    /// Whether the pair is one to begin with, signed by nobody else.
    pub placeholder: Option<bool>,
    /// What happens next, and when.
    pub next: String,
    /// A newer version than the published one, which no replica came to serve.
    pub held_back: Option<HeldBackStatus>,
}

/// A version that is held back.
#[derive(Debug, Clone, Deserialize)]
pub struct HeldBackStatus {
    /// Which.
    pub fingerprint: String,
    /// How often in a row no replica came to serve it.
    pub failures: u32,
    /// When it is tried again, if nothing calls it before.
    pub tried_again_at: Timestamp,
}

/// One target.
#[derive(Debug, Clone, Deserialize)]
pub struct TargetStatus {
    /// The service's full name.
    pub name: String,
    /// How its rollout stands.
    pub rollout: RolloutStatus,
    /// Each replica with each certificate.
    pub replicas: Vec<ReplicaStatus>,
}

/// How a rollout stands.
#[derive(Debug, Clone, Deserialize)]
pub struct RolloutStatus {
    /// Such as `in_step` or `waiting`.
    pub state: String,
}

/// One replica.
#[derive(Debug, Clone, Deserialize)]
pub struct ReplicaStatus {
    /// Its node.
    pub node: String,
    /// `serving`, `stale`, `unreachable` or `wrong`.
    pub standing: String,
    /// Since when the daemon has seen it stale.
    pub seen_stale_since: Option<Timestamp>,
}

impl Site<'_> {
    /// Runs `rollover status --json` in the runner's container.
    ///
    /// # Errors
    /// When it could not be run, or printed no status.
    pub async fn status(&self) -> Result<Status, SiteError> {
        let output = self.rollover(&["status", "--json"]).await?;
        match serde_json::from_str(&output.stdout) {
            Ok(report) => Ok(Status { output, report }),
            Err(error) => Err(SiteError::Runner {
                command: "status --json".to_owned(),
                found: format!("expected a status ({error}), found {output}"),
            }),
        }
    }
}

impl Site<'_> {
    /// Asks for the status until it `holds`, and gives that one.
    ///
    /// # Errors
    /// When it does not in time: with what the last one said.
    pub async fn status_until(
        &self,
        what: impl fmt::Display,
        deadline: Duration,
        holds: impl Fn(&Status) -> bool,
    ) -> Result<Status, TimedOut> {
        until(what, deadline, async || {
            let status = self.status().await.map_err(|error| error.to_string())?;
            if holds(&status) {
                Ok(status)
            } else {
                Err(status.to_string())
            }
        })
        .await
    }
}

impl CertificateStatus {
    /// Whether an authority's certificate is published.
    #[must_use]
    pub fn is_issued(&self) -> bool {
        self.published == "pair" && self.placeholder == Some(false)
    }
}

impl Status {
    /// The certificate of that name.
    #[must_use]
    pub fn certificate(&self, name: &str) -> Option<&CertificateStatus> {
        let mut certificates = self.report.certificates.iter();
        certificates.find(|certificate| certificate.name == name)
    }

    /// Whether an authority's certificate is published under that name.
    #[must_use]
    pub fn is_issued(&self, name: &str) -> bool {
        let certificate = self.certificate(name);
        certificate.is_some_and(CertificateStatus::is_issued)
    }

    /// Whether every replica of that target serves what is published.
    #[must_use]
    pub fn is_in_step(&self, target: &str) -> bool {
        let target = self.target(target);
        target.is_some_and(|target| target.rollout.state == "in_step")
    }

    /// The target of that name.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&TargetStatus> {
        self.report
            .targets
            .iter()
            .find(|target| target.name == name)
    }

    /// Whether every replica of every target has that standing.
    #[must_use]
    pub fn all_are(&self, standing: &str) -> bool {
        let mut replicas = self.replicas();
        replicas.all(|replica| replica.standing == standing) && self.replicas().next().is_some()
    }

    /// Whether the rollout of every target is in that state.
    #[must_use]
    pub fn rollouts_are(&self, state: &str) -> bool {
        let mut targets = self.report.targets.iter();
        targets.all(|target| target.rollout.state == state) && !self.report.targets.is_empty()
    }

    /// Each replica of each target.
    pub fn replicas(&self) -> impl Iterator<Item = &ReplicaStatus> {
        let targets = self.report.targets.iter();
        targets.flat_map(|target| &target.replicas)
    }
}

/// How it ended, and what it said.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.output)?;
        for it in &self.report.certificates {
            write!(f, "; {}: {}, {}", it.name, it.published, it.next)?;
        }
        for target in &self.report.targets {
            write!(f, "; {}: {}", target.name, target.rollout.state)?;
            for replica in &target.replicas {
                write!(f, ", {} on {}", replica.standing, replica.node)?;
            }
        }
        Ok(())
    }
}
