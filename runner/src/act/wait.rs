//! Waiting for a condition, with a memory of why it does not hold yet.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// What was waited for did not come in time.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: not within {} s: {last}", deadline.as_secs())]
pub(crate) struct TimedOut {
    what: String,
    deadline: Duration,
    last: String,
}

/// Whether a condition holds.
pub(crate) enum Seen<T> {
    /// It does.
    Done(T),
    /// It does not; why.
    NotYet(String),
}

/// Looks every `interval` until `look` says that it is done, and no longer
/// than `deadline`. The error tells the last reason.
pub(crate) async fn until<T>(
    what: impl Into<String>,
    deadline: Duration,
    interval: Duration,
    mut look: impl AsyncFnMut() -> Seen<T>,
) -> Result<T, TimedOut> {
    let end = Instant::now() + deadline;
    loop {
        let last = match look().await {
            Seen::Done(value) => return Ok(value),
            Seen::NotYet(why) => why,
        };
        if Instant::now() >= end {
            return Err(TimedOut {
                what: what.into(),
                deadline,
                last,
            });
        }
        sleep(interval).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn remembers_why() {
        let mut looks = 0;
        let error = until(
            "the kettle",
            Duration::from_secs(2),
            Duration::from_secs(1),
            async || {
                looks += 1;
                Seen::<()>::NotYet(format!("{looks} looks, still cold"))
            },
        )
        .await
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the kettle: not within 2 s: 3 looks, still cold"
        );
    }
}
