//! Making every replica of a target serve what is published, and proving it.

mod collect;
mod restart;
mod secret;
mod signal;
mod tasks;
mod update;
mod verify;

use serde::Serialize;

use crate::act::job::JobError;
use crate::config::Settings;
use crate::decide::RolloutStep;
use crate::docker::{Manager, RawError};
use crate::model::Strategy;
use crate::observe::own::Own;
use crate::observe::swarm::SwarmError;
use crate::preflight::{Finding, HealthCheck};
use crate::progress::Progress;

pub(crate) use collect::collect_secrets;
pub(crate) use signal::{Order, OrderedCertificate, remove_leftovers};
use update::Rolling;
pub(crate) use verify::Verified;
use verify::Watch;

/// By which docker knows what belongs to a stack.
const STACK_LABEL: &str = "com.docker.stack.namespace";

/// A finished rollout.
#[derive(Debug, Serialize)]
pub(crate) struct RolloutOutcome {
    pub(crate) target: String,
    pub(crate) strategy: &'static str,
    #[serde(flatten)]
    pub(crate) verified: Verified,
}

/// Why a rollout did not end with every replica serving what is published.
#[derive(Debug, thiserror::Error)]
#[error("service {target}: rollout by {strategy}: {cause}")]
pub(crate) struct RolloutError {
    target: String,
    strategy: &'static str,
    cause: RolloutCause,
}

impl RolloutError {
    /// Whether it came to nothing because somebody changed the service: that is
    /// no reason to hold the next attempt back.
    pub(crate) fn is_superseded(&self) -> bool {
        matches!(self.cause, RolloutCause::Superseded)
    }

    /// Whether a replica saw the new certificate and did not come to serve it, or
    /// was started to read it and failed. What kept replicas from seeing it, or from
    /// being told, says nothing of the certificate.
    pub(crate) fn is_refused(&self) -> bool {
        match self.cause {
            RolloutCause::Job { refused, .. } => refused,
            RolloutCause::NotServed { told, .. } => told,
            RolloutCause::UpdateFailed { .. } => true,
            RolloutCause::Swarm(_)
            | RolloutCause::Raw(_)
            | RolloutCause::Agent(_)
            | RolloutCause::UpdateStuck { .. }
            | RolloutCause::Busy
            | RolloutCause::Superseded
            | RolloutCause::Secret(_)
            | RolloutCause::Down(_)
            | RolloutCause::HeldBack { .. } => false,
        }
    }
}

/// The cause of a failed rollout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RolloutCause {
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    #[error(transparent)]
    Raw(#[from] RawError),
    #[error(transparent)]
    Agent(#[from] JobError),
    #[error("the job that signals failed; {said}; then {still}")]
    Job {
        said: String,
        still: String,
        /// A replica saw the new certificate and did not take it.
        refused: bool,
    },
    #[error(
        "swarm has stopped an earlier update ({state}: {message}); finish it or roll it back first"
    )]
    UpdateStuck { state: String, message: String },
    #[error("another update is under way; the next look waits for its end")]
    Busy,
    #[error("the service was changed meanwhile; the next look takes it from there")]
    Superseded,
    #[error(transparent)]
    Secret(#[from] secret::SecretError),
    #[error("not begun, because a restart would take one more replica away: {0}")]
    Down(String),
    #[error("the update ended as {state}: {message}; {tasks}")]
    UpdateFailed {
        state: String,
        message: String,
        tasks: String,
    },
    #[error("not begun, because it would never end: {code} {found}; {fix}")]
    HeldBack {
        code: &'static str,
        found: String,
        fix: String,
    },
    #[error("not every replica serves what is published within {seconds} s: {still}")]
    NotServed {
        seconds: u64,
        still: String,
        /// Every replica was told, and none had a reason against it.
        told: bool,
    },
}

impl RolloutError {
    /// A restart that was not begun, for what was found.
    pub(crate) fn held_back(step: &RolloutStep, finding: &Finding) -> Self {
        Self {
            target: step.target.name.clone(),
            strategy: "restart",
            cause: RolloutCause::HeldBack {
                code: finding.code,
                found: finding.found.clone(),
                fix: finding.fix.clone(),
            },
        }
    }
}

/// Carries out `step` by the target's strategy.
///
/// Guarantees: on `Ok`, a probe saw each replica that swarm wants running
/// serve each expected certificate, but those that no job reaches. Twice in a row is the
/// same as once. `health_check` is that of the target's replicas, by which is known for
/// how long one has to be watched that was replaced.
pub(crate) async fn roll_out(
    manager: &Manager,
    settings: &Settings,
    own: Option<&Own>,
    step: &RolloutStep,
    health_check: HealthCheck,
    progress: &Progress,
) -> Result<RolloutOutcome, RolloutError> {
    let watch = Watch::new(manager, own, step, progress);
    let (strategy, result) = match &step.target.strategy {
        Strategy::Signal { tell, test } => {
            let order = Order::new(step, tell, test, settings.signal_timeout, watch.is_seen());
            let result = signal::run(manager, settings, own, step, &order, watch).await;
            ("signal", result)
        }
        Strategy::Restart(pace) => {
            let rolling = Rolling::new(manager, step, pace, health_check, watch);
            let result = restart::run(rolling, settings.hold_at).await;
            ("restart", result)
        }
        Strategy::Secret(pace) => {
            let rolling = Rolling::new(manager, step, pace, health_check, watch);
            let result = secret::run(manager, settings, rolling).await;
            ("secret", result)
        }
    };
    let target = step.target.name.clone();
    match result {
        Ok(verified) => Ok(RolloutOutcome {
            target,
            strategy,
            verified,
        }),
        Err(cause) => Err(RolloutError {
            target,
            strategy,
            cause,
        }),
    }
}
