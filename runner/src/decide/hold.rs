//! Whether a rollout waits for the target's maintenance window.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::plan::Stale;
use crate::model::{Leaf, Serving};
use crate::observe::TargetView;

/// A rollout that is due and waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Held {
    pub(crate) target: String,
    /// When it begins, if nothing changes until then.
    pub(crate) until: Timestamp,
    pub(crate) because: Because,
    /// The replicas that wait: name and what they serve.
    pub(crate) stale: Vec<Stale>,
}

/// What happens at the end of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Because {
    /// The window opens.
    WindowOpens,
    /// A certificate that is served has a twentieth of its life left, before the
    /// window opens.
    ExpiryNears,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WindowOpens => "its window opens then",
            Self::ExpiryNears => "a certificate that is served nears its expiry then",
        })
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target,
            until,
            because,
            stale,
        } = self;
        let mut replicas: Vec<&str> = stale.iter().map(|stale| stale.replica.as_str()).collect();
        replicas.dedup();
        let replicas = replicas.join(", ");
        write!(
            f,
            "service {target}: a rollout waits until {until}: {because}; behind: {replicas}"
        )
    }
}

/// Until when, and why, the window of `view` holds its rollout back.
///
/// It fails open: not for a certificate that nears its expiry, because then
/// the harm of waiting is greater than that of a rollout in the wrong hour;
/// and not for a placeholder, behind which nothing works yet.
pub(super) fn held(
    view: &TargetView,
    stale: &[Stale],
    now: Timestamp,
) -> Option<(Timestamp, Because)> {
    let window = view.target.window.as_ref()?;
    let served: Vec<&Leaf> = stale.iter().filter_map(|stale| leaf(view, stale)).collect();
    if served.iter().any(|leaf| leaf.placeholder) {
        return None;
    }
    let nears = served.iter().map(|leaf| leaf.nearing_expiry_at()).min();
    let nears = nears.map(|at| (at, Because::ExpiryNears));
    // A schedule may come round no more in a calendar's end: then only expiry
    // ends the wait.
    let opens = window.open_from(now).map(|at| (at, Because::WindowOpens));
    let (until, because) = opens.into_iter().chain(nears).min_by_key(|(at, _)| *at)?;
    (now < until).then_some((until, because))
}

fn leaf<'a>(view: &'a TargetView, stale: &Stale) -> Option<&'a Leaf> {
    let replica = view
        .replicas
        .iter()
        .find(|it| it.replica.task == stale.task)?;
    replica
        .serving
        .get(&stale.certificate)
        .and_then(Serving::leaf)
}
