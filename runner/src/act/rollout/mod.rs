//! Making every replica of a target serve what is published, and proving it.

mod restart;
mod signal;
mod verify;

use serde::Serialize;

use crate::config::Settings;
use crate::decide::RolloutStep;
use crate::docker::{Manager, RawError};
use crate::model::Strategy;
use crate::observe::own::Own;
use crate::observe::swarm::SwarmError;

pub(crate) use signal::{ORDER_VARIABLE, Order, OrderedCertificate, remove_leftovers};
pub(crate) use verify::Verified;

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

/// The cause of a failed rollout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RolloutCause {
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    #[error(transparent)]
    Raw(#[from] RawError),
    #[error("{what}: {why}")]
    Engine { what: &'static str, why: String },
    #[error(
        "no image for the job that signals: the runner's own container was not found; set --agent-image / ROLLOVER_AGENT_IMAGE"
    )]
    NoImage,
    #[error("the job that signals failed; {0}")]
    Job(String),
    #[error(
        "swarm has stopped an earlier update ({state}: {message}); finish it or roll it back first"
    )]
    UpdateStuck { state: String, message: String },
    #[error("not begun, because a restart would take one more replica away: {0}")]
    Down(String),
    #[error("the update ended as {state}: {message}; {tasks}")]
    UpdateFailed {
        state: String,
        message: String,
        tasks: String,
    },
    #[error("not every replica serves what is published within {seconds} s: {still}")]
    NotServed { seconds: u64, still: String },
}

/// Carries out `step` by the target's strategy.
///
/// Guarantees: on `Ok`, a probe saw each replica that swarm wants running
/// serve each expected certificate. Twice in a row is the same as once.
pub(crate) async fn roll_out(
    manager: &Manager,
    settings: &Settings,
    own: Option<&Own>,
    step: &RolloutStep,
) -> Result<RolloutOutcome, RolloutError> {
    let (strategy, result) = match &step.target.strategy {
        Strategy::Signal { signal, test } => {
            let order = Order::new(step, signal, test, settings.signal_timeout);
            let result = signal::run(manager, settings, own, step, &order).await;
            ("signal", result)
        }
        Strategy::Restart { parallelism, delay } => {
            let pace = restart::Pace {
                parallelism: *parallelism,
                delay: *delay,
            };
            ("restart", restart::run(manager, own, step, &pace).await)
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
