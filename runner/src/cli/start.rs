//! What every command that works on the swarm begins with.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::Arc;

use tracing::warn;

use super::exclusive::Exclusive;
use crate::ahead::Ahead;
use crate::clock;
use crate::config::{LogFormat, SettingError, Settings};
use crate::daemon::Teller;
use crate::decide::{Memory, UnderWay};
use crate::docker::{ConnectError, connect_to_manager};
use crate::observe::own::{self, Own};
use crate::orders::Orders;
use crate::progress::Progress;
use crate::reconcile::Runner;
use crate::rollouts::Rollouts;
use crate::state::{State, Store};

/// Why nothing could be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("cannot tell whether another reconcile runs: {0}")]
    Exclusive(std::io::Error),
    #[error("cannot look at the runner's own container: {0}")]
    Own(String),
    #[error("--metrics-listen / ROLLOVER_METRICS_LISTEN: {address}: {error}")]
    Metrics {
        address: SocketAddr,
        error: io::Error,
    },
}

/// As [`start`], and waits until no other reconcile runs in this container.
pub(super) async fn start_alone(settings: Settings) -> Result<(Runner, Exclusive), StartError> {
    let runner = start_with(settings, Progress::on_terminal()).await?;
    let exclusive = Exclusive::wait().await.map_err(StartError::Exclusive)?;
    Ok((runner, exclusive))
}

/// Checks the settings and starts logging.
fn begin(settings: &Settings, progress: Progress) -> Result<(), StartError> {
    log_to_stderr(settings, progress);
    settings.check()?;
    if !settings.clock_ahead.is_zero() {
        warn!(ahead = ?settings.clock_ahead, "the clock is put ahead, as --clock-ahead asks");
        clock::put_ahead(settings.clock_ahead);
    }
    Ok(())
}

/// Checks the settings, starts logging, and connects to the swarm.
pub(super) async fn start(settings: Settings) -> Result<Runner, StartError> {
    start_with(settings, Progress::default()).await
}

async fn start_with(settings: Settings, progress: Progress) -> Result<Runner, StartError> {
    begin(&settings, progress.clone())?;
    let schedule = settings.schedule()?;
    let manager = connect_to_manager(&settings.docker_host).await?;
    let own = Own::look(&manager.docker).await.map_err(StartError::Own)?;
    // By it the job is pulled, if nothing else is set.
    if let Some(own) = own.as_ref().filter(|_| settings.agent_image.is_empty()) {
        settings.login(&own.image)?;
    }
    let stack = own.as_ref().and_then(|own| own.stack.clone());
    let store = Store::new(manager.docker.clone(), own::name(own.as_ref()), stack);
    let orders = Orders::new(settings.certificates_at_once());
    Ok(Runner {
        manager,
        state: State::new(store.clone()),
        store,
        settings,
        teller: Teller::new(schedule.clone()),
        schedule,
        own,
        memory: Memory::default(),
        metrics: None,
        ahead: Ahead::default(),
        acme: Arc::default(),
        progress,
        orders,
        rollouts: Rollouts::default(),
        elsewhere: UnderWay::default(),
    })
}

fn log_to_stderr(settings: &Settings, progress: Progress) {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_max_level(settings.log_level)
        .with_writer(progress)
        .with_ansi(std::io::stderr().is_terminal() && !no_colour)
        .with_target(false);
    match settings.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
