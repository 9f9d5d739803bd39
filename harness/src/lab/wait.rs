//! Waiting for a condition, with a memory of what was seen last.

use std::{fmt::Display, future::Future, time::Duration};

use tokio::time::Instant;

/// Between two looks: short enough not to be noticed, long enough that looking
/// does not slow down on two cores what it waits for.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What was waited for did not come in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("see {what} within {waited:?}: {last}")]
pub struct TimedOut {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub waited: Duration,
    /// What was seen at the last look.
    pub last: String,
}

/// Looks until `check` answers `Ok`, and returns that answer.
///
/// # Guarantees
/// At least one look; no look goes on after the deadline.
///
/// # Errors
/// [`TimedOut`] with the reason that the last look gave for not being content.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
/// use rollover_lab::lab::wait::until;
///
/// let never = until("a file", Duration::from_millis(50), async || {
///     std::fs::read("/nowhere").map_err(|error| format!("there is none: {error}"))
/// });
/// let error = never.await.unwrap_err().to_string();
/// assert!(error.starts_with("see a file within 50ms: there is none: No such file"));
/// # }
/// ```
pub async fn until<T, E, Check, Look>(
    what: impl Display,
    deadline: Duration,
    mut check: Check,
) -> Result<T, TimedOut>
where
    E: Display,
    Check: FnMut() -> Look,
    Look: Future<Output = Result<T, E>>,
{
    let end = Instant::now() + deadline;
    let mut pause = FIRST_PAUSE;
    let mut last = None;
    loop {
        let look = tokio::time::timeout_at(end, check()).await;
        let in_time = look.is_ok() && Instant::now() < end;
        match look {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(reason)) => last = Some(reason.to_string()),
            Err(_) => {}
        }
        if !in_time {
            let last = last.unwrap_or_else(|| "the first look did not end".to_owned());
            return Err(TimedOut {
                what: what.to_string(),
                waited: deadline,
                last,
            });
        }
        tokio::time::sleep_until(end.min(Instant::now() + pause)).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_with_what_the_check_found() {
        let looks = Cell::new(0);
        let found = until("the third look", Duration::from_secs(5), async || {
            looks.set(looks.get() + 1);
            if looks.get() == 3 {
                Ok(looks.get())
            } else {
                Err("too early")
            }
        })
        .await;
        assert_eq!(found, Ok(3));
    }

    #[tokio::test(start_paused = true)]
    async fn says_what_was_seen_last() {
        let looks = Cell::new(0);
        let error = until("three replicas", Duration::from_secs(1), async || {
            looks.set(looks.get() + 1);
            Err::<(), _>(format!("look {} saw two", looks.get()))
        })
        .await
        .unwrap_err();
        assert_eq!(error.what, "three replicas");
        assert_eq!(error.last, format!("look {} saw two", looks.get()));
        assert!(looks.get() > 3, "{looks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_ends_at_the_deadline_and_keeps_the_memory() {
        let first = Cell::new(true);
        let error = until("an answer", Duration::from_secs(1), async || {
            if first.replace(false) {
                return Err::<(), _>("refused");
            }
            pending().await
        })
        .await
        .unwrap_err();
        assert_eq!(error.last, "refused");
    }
}
