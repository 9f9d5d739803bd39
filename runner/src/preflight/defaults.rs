//! What Docker takes where neither a service nor its image says anything: the
//! defaults of `docker service create` and `docker stack deploy`, for whoever
//! gathers facts.

use std::time::Duration;

use super::{Failure, HealthCheck, Order, Update};

/// How long a replica may take to stop.
pub const STOP_GRACE: Duration = Duration::from_secs(10);
/// By what it is stopped, where its image says nothing either.
pub const STOP_SIGNAL: &str = "SIGTERM";
const MONITOR: Duration = Duration::from_secs(5);
const HEALTH_INTERVAL: Duration = Duration::from_secs(30);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(30);
const HEALTH_RETRIES: u32 = 3;

impl Default for Update {
    fn default() -> Self {
        Self {
            parallelism: 1,
            order: Order::StopFirst,
            failure: Failure::Pause,
            monitor: MONITOR,
        }
    }
}

impl HealthCheck {
    /// One with these parts. What is not set, or 0, is the default.
    #[must_use]
    pub fn with(
        interval: Option<Duration>,
        timeout: Option<Duration>,
        retries: Option<u32>,
        start_period: Option<Duration>,
    ) -> Self {
        let set = |time: Option<Duration>| time.filter(|time| !time.is_zero());
        Self::Present {
            interval: set(interval).unwrap_or(HEALTH_INTERVAL),
            timeout: set(timeout).unwrap_or(HEALTH_TIMEOUT),
            retries: retries
                .filter(|&number| number > 0)
                .unwrap_or(HEALTH_RETRIES),
            start_period: start_period.unwrap_or_default(),
        }
    }
}

impl Update {
    /// For how long an update is watched: not set, or 0, is the default.
    #[must_use]
    pub fn watched_for(monitor: Option<Duration>) -> Duration {
        monitor.filter(|time| !time.is_zero()).unwrap_or(MONITOR)
    }
}
