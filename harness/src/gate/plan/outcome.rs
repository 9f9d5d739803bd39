//! What becomes of a service.

use std::fmt;

use serde::Serialize;

use super::change::Change;
use super::spec::{Effect, Spec};

/// What becomes of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is not there yet.
    Created,
    /// It is no longer in the file, and stays: only `--prune` removes it.
    Left,
    /// Nothing that the file tells changes.
    Unchanged,
    /// It changes, and no task is replaced.
    Updated,
    /// A job: whatever changes, it runs again (swarmkit,
    /// `manager/controlapi/service.go`, `JobIteration`).
    RunsAgain,
    /// Tasks may be replaced, or may not.
    MayRestart,
    /// Each task is replaced.
    Restarted,
    /// The deploy fails.
    Refused,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Left => "left as it is",
            Self::Unchanged => "unchanged",
            Self::Updated => "updated, and no task is replaced",
            Self::RunsAgain => "a job, which runs again",
            Self::MayRestart => "perhaps restarted",
            Self::Restarted => "restarted",
            Self::Refused => "refused",
        })
    }
}

/// What those changes make of a service that stands.
pub(super) fn outcome(old: &Spec, new: &Spec, changes: &[Change]) -> Outcome {
    let does = |effect: Effect| changes.iter().any(|change| change.does == effect);
    if does(Effect::Refused) {
        Outcome::Refused
    } else if is_job(new) {
        Outcome::RunsAgain
    } else if does(Effect::Restart) {
        Outcome::Restarted
    } else if does(Effect::NotKnown) || does(Effect::Placement) && may_exclude(old, new) {
        Outcome::MayRestart
    } else if does(Effect::Placement) || does(Effect::Update) {
        Outcome::Updated
    } else {
        Outcome::Unchanged
    }
}

fn is_job(spec: &Spec) -> bool {
    let mode = spec.value("deploy.mode");
    mode.is_some_and(|mode| mode.ends_with("-job"))
}

/// Whether a node that was allowed may be no longer: constraints that are only
/// taken away exclude none.
fn may_exclude(old: &Spec, new: &Spec) -> bool {
    let constraints = |spec: &Spec| -> Vec<String> {
        let written = spec.value(super::convert::CONSTRAINTS).unwrap_or_default();
        let each = written.split(", ").filter(|it| !it.is_empty());
        each.map(str::to_owned).collect()
    };
    let before = constraints(old);
    constraints(new).iter().any(|it| !before.contains(it))
}
