//! A short readable account of a renewal.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::{RunnerReport, Serves, Site, SiteError, Strategy};
use crate::report::attribution::{Attribution, Moment, attribute};
use crate::traffic::Record;

/// What became of a renewal under traffic.
#[derive(Debug)]
pub struct Account {
    /// How the certificates reached the replicas.
    pub strategy: Strategy,
    /// What each replica served before, seen from outside.
    pub before: Vec<Serves>,
    /// What each replica serves now, seen from outside.
    pub after: Vec<Serves>,
    /// What happened to the load balancer's containers meanwhile.
    pub moments: Vec<Moment>,
    /// What the runner said, one report for each renewal.
    pub reports: Vec<RunnerReport>,
    /// When the new files were written, one moment for each renewal.
    pub published: Vec<Timestamp>,
    /// All that traffic saw.
    pub record: Record,
}

/// One node's replica, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The node.
    pub node: String,
    /// The fingerprint that it served before.
    pub before: Option<String>,
    /// The fingerprint that it serves now.
    pub after: String,
    /// Whether it is another task now.
    pub replaced: bool,
    /// When traffic first saw the fingerprint that it serves now.
    pub changed_at: Option<Timestamp>,
}

impl Account {
    /// Each replica's old and new fingerprint, and when it changed.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let change = |after: &Serves| {
            let before = self.before.iter().find(|before| before.node == after.node);
            Change {
                node: after.node.clone(),
                before: before.map(|before| before.fingerprint.clone()),
                after: after.fingerprint.clone(),
                replaced: before.is_none_or(|before| before.task != after.task),
                changed_at: self.first_seen(after),
            }
        };
        let mut changes: Vec<Change> = self.after.iter().map(change).collect();
        changes.sort_by(|one, other| one.node.cmp(&other.node));
        changes
    }

    /// When traffic first saw `serves` at its node.
    fn first_seen(&self, serves: &Serves) -> Option<Timestamp> {
        let seen = self.record.certificates().into_iter();
        seen.filter(|seen| *seen.target == serves.node && *seen.fingerprint == serves.fingerprint)
            .map(|seen| self.record.at(seen.first))
            .min()
    }

    /// From each renewal's new file to the runner's proof that every replica
    /// serves it, in seconds.
    #[must_use]
    pub fn seconds_to_verified(&self) -> Vec<f64> {
        let proved = self.reports.iter().map(|report| {
            let moments = report.rollouts.iter().filter_map(|rollout| rollout.at);
            moments.max()
        });
        proved
            .zip(&self.published)
            .filter_map(|(proved, published)| {
                Some(proved?.duration_since(*published).as_secs_f64())
            })
            .collect()
    }

    /// The lost requests, each with what happened at its node just before.
    #[must_use]
    pub fn attribution(&self) -> Attribution {
        attribute(&self.record, &self.moments)
    }
}

/// When the newest version of a lineage was written.
pub(super) fn published_at(site: &Site<'_>) -> Result<Timestamp, SiteError> {
    let files = site.lab().volume().certificates().list(site.lineage())?;
    let newest = files.iter().map(|file| file.modified).max();
    Ok(newest.unwrap_or(Timestamp::MIN))
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.published.last().copied();
        writeln!(
            f,
            "{:<8}  {:<12}    {:<12}  {:<8}  first seen by traffic",
            "replica", "before", "now", "task"
        )?;
        for change in self.changes() {
            let when = match (change.changed_at, start) {
                (Some(at), Some(start)) => {
                    format!(
                        "{:.1} s after the new file",
                        at.duration_since(start).as_secs_f64()
                    )
                }
                _ => "not seen".to_owned(),
            };
            writeln!(
                f,
                "{:<8}  {:<12} -> {:<12}  {:<8}  {when}",
                change.node,
                change.before.as_deref().map_or("-", short),
                short(&change.after),
                if change.replaced {
                    "replaced"
                } else {
                    "the same"
                },
            )?;
        }
        writeln!(f)?;
        for seconds in self.seconds_to_verified() {
            writeln!(
                f,
                "the runner proved every replica {seconds:.1} s after the new file was written"
            )?;
        }
        writeln!(f)?;
        write!(f, "{}", self.record.summary())?;
        if self.record.lost() > 0 {
            write!(f, "\n{}", self.attribution())?;
        }
        Ok(())
    }
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}
