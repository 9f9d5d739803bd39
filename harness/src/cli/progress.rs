//! What a person sees while something takes its time.

use std::time::{Duration, Instant};

/// Steps on stderr, each with the time that it took when it has ended.
pub(super) struct Progress {
    begun: Instant,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
        }
    }

    /// Says what a person is to know meanwhile.
    pub(super) fn say(&self, text: &str) {
        say(&format!("[{:>5.1} s] {text}", seconds(self.begun)));
    }

    /// Says what comes next, does it, and says whether it was as it must be.
    pub(super) async fn judged<T>(
        &self,
        what: &str,
        work: impl Future<Output = T>,
        good: impl FnOnce(&T) -> bool,
    ) -> T {
        let judged = self.step(what, async {
            let result = work.await;
            if good(&result) {
                Ok(result)
            } else {
                Err(result)
            }
        });
        judged.await.unwrap_or_else(|result| result)
    }

    /// Says what comes next and does it.
    pub(super) async fn step<T, E>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        say(&format!("[{:>5.1} s] {what} …", seconds(self.begun)));
        let result = work.await;
        let took = seconds(begun);
        match &result {
            Ok(_) => say(&format!(
                "[{:>5.1} s]   done in {took:.1} s",
                seconds(self.begun)
            )),
            Err(_) => say(&format!(
                "[{:>5.1} s]   failed after {took:.1} s",
                seconds(self.begun)
            )),
        }
        result
    }
}

fn seconds(since: Instant) -> f64 {
    let elapsed: Duration = since.elapsed();
    elapsed.as_secs_f64()
}

#[expect(clippy::print_stderr, reason = "progress belongs on stderr")]
fn say(text: &str) {
    eprintln!("{text}");
}
