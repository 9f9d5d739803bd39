//! Acting under the lease, so that of all runners in the swarm one acts.

use std::time::Duration;

use clap::Args;

use super::{Exit, complain};
use crate::daemon;
use crate::decide::lease::Timing;
use crate::model::parse_duration;
use crate::observe::own;
use crate::reconcile::Runner;
use crate::state::{Held, Keeper, Lost};

/// How long a command waits for the lease.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Wait {
    /// How long to wait while another runner of the swarm holds the lease. One
    /// that was killed holds it for 15 s more
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    wait: Duration,
}

/// Why a command did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum LeaseError {
    #[error(transparent)]
    Held(#[from] Held),
    #[error("stopped in the middle: {0}; what swarm was told goes on, see `rollover status`")]
    Lost(#[from] Lost),
}

impl LeaseError {
    /// Tells a person, and says how the command ends.
    pub(super) fn complain(&self) -> Exit {
        complain(self);
        match self {
            Self::Held(_) => Exit::Two,
            Self::Lost(_) => Exit::Failed,
        }
    }
}

/// The keeper of this process; what `runner` does to the swarm passes its fence
/// from now on.
pub(super) fn keeper(runner: &mut Runner) -> Keeper {
    let name = own::name(runner.own.as_ref());
    let keeper = Keeper::new(runner.store.clone(), name, Timing::default());
    runner.manager.fence = keeper.fence();
    keeper
}

/// Takes the lease, runs `act` under it, and gives it back.
///
/// Assumptions: no other reconcile runs in this container. A daemon that does holds
/// the lease for both, and keeps it.
pub(super) async fn under_lease<T>(
    runner: &mut Runner,
    wait: Wait,
    act: impl AsyncFnOnce(&mut Runner) -> T,
) -> Result<T, LeaseError> {
    let mut keeper = keeper(runner);
    keeper.acquire_within(wait.wait).await?;
    let done = keeper.while_held(act(runner)).await?;
    if !keeper.joined() && daemon::ask().await.is_err() {
        keeper.release().await;
    }
    Ok(done)
}
