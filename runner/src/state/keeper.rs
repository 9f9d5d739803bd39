//! Holding the lease: the [state machine](crate::decide::lease) on the swarm's store
//! and this process's clock.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::{info, warn};

use super::{Key, Record, StateError, Store, Stored};
use crate::decide::lease::{Action, Candidate, Lease, Moment, Timing};

impl Record for Lease {
    const SCHEMA: u32 = 1;
}

/// Holds the lease for this process, or waits for it.
#[derive(Debug)]
pub(crate) struct Keeper {
    store: Store,
    candidate: Candidate,
    /// From when its moments count.
    begin: Instant,
    /// When it asked for the last renewal that was granted, while it may act.
    confirmed: watch::Sender<Option<Instant>>,
    wanted: Arc<Notify>,
    /// Another process of the same name held it when this one first looked.
    joined: Option<bool>,
    /// What it said last of why it waits.
    said: String,
}

/// What an act that changes something passes right before it does.
///
/// It lets through only after the lease was renewed, by a write that was asked for
/// after the act came here: so at that moment no other runner held it, whatever
/// this process's clock says, and however long it was stopped. While the lease
/// cannot be renewed, nothing gets through; if it is lost, nothing ever does, and
/// who [raced](Keeper::while_held) the act against the loss drops it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fence(Option<Gate>);

#[derive(Clone, Debug)]
struct Gate {
    confirmed: watch::Receiver<Option<Instant>>,
    wanted: Arc<Notify>,
}

/// The lease is lost, and what ran under it was dropped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("{holder} has taken the lease")]
    Taken { holder: String },
    #[error("the lease could not be renewed within {} s ({why})", after.as_secs())]
    Lapsed { after: Duration, why: String },
}

/// The lease is not to be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "not begun within {} s (--wait): {why}; run this in the container of the runner that holds the \
     lease, or stop that one first", waited.as_secs()
)]
pub(crate) struct Held {
    why: String,
    waited: Duration,
}

/// How one round ended.
enum Round {
    Held,
    StandBy(Waits),
}

/// What a standby waits for.
struct Waits(Option<String>);

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(holder) => write!(f, "{holder} holds the lease"),
            None => f.write_str("the lease was removed, and its holder may still act"),
        }
    }
}

impl Keeper {
    /// One that holds nothing yet, and acts under `name`.
    pub(crate) fn new(store: Store, name: String, timing: Timing) -> Self {
        Self {
            store,
            candidate: Candidate::new(name, timing),
            begin: Instant::now(),
            confirmed: watch::Sender::new(None),
            wanted: Arc::default(),
            joined: None,
            said: String::new(),
        }
    }

    /// What acts under this lease passes.
    pub(crate) fn fence(&self) -> Fence {
        Fence(Some(Gate {
            confirmed: self.confirmed.subscribe(),
            wanted: Arc::clone(&self.wanted),
        }))
    }

    /// Waits until the lease is this process's, and says whom it waits for. `tell`
    /// is told of it too, whenever that changes.
    pub(crate) async fn acquire(&mut self, tell: impl Fn(Option<String>)) {
        loop {
            match self.round().await {
                Ok(Round::Held) => {
                    tell(None);
                    self.said.clear();
                    return;
                }
                // Another one was faster: look who.
                Err(StateError::Conflict { .. }) => continue,
                Ok(Round::StandBy(waits)) => self.say(waits.to_string(), &tell),
                Err(error) => self.say(error.to_string(), &tell),
            }
            sleep(self.candidate.timing().retry).await;
        }
    }

    /// As [`acquire`](Self::acquire), but waits no longer than `limit`.
    ///
    /// # Errors
    /// Who holds it, or why that is not known.
    pub(crate) async fn acquire_within(&mut self, limit: Duration) -> Result<(), Held> {
        let end = Instant::now() + limit;
        let acquired = timeout_at(end, self.acquire(|_| {})).await;
        acquired.map_err(|_| Held {
            why: std::mem::take(&mut self.said),
            waited: limit,
        })
    }

    fn say(&mut self, what: String, tell: &impl Fn(Option<String>)) {
        if self.said != what {
            info!("standby: {what}");
            tell(Some(what.clone()));
            self.said = what;
        }
    }

    /// Runs `act` while the lease is held, and renews it meanwhile.
    ///
    /// Guarantees: after the last moment at which it may act, `act` is not polled
    /// again.
    ///
    /// Caveat: what `act` has begun outside of this process goes on.
    ///
    /// # Errors
    /// How the lease was lost. Then `act` was dropped where it stood.
    pub(crate) async fn while_held<T>(&mut self, act: impl Future<Output = T>) -> Result<T, Lost> {
        let (confirmed, deadline) = (self.confirmed.subscribe(), self.candidate.timing().deadline);
        let (mut act, mut keep) = (pin!(act), pin!(self.keep()));
        poll_fn(|context| {
            if let Poll::Ready(lost) = keep.as_mut().poll(context) {
                return Poll::Ready(Err(lost));
            }
            // After a standstill the clock knows before any timer has fired.
            let may = confirmed.borrow().is_some_and(|at| at.elapsed() < deadline);
            if !may {
                return Poll::Pending;
            }
            act.as_mut().poll(context).map(Ok)
        })
        .await
    }

    /// Renews the lease until it is lost.
    async fn keep(&mut self) -> Lost {
        let mut why = "the runner stood still".to_owned();
        loop {
            let Some(end) = self.acts_until() else {
                return self.lost(why);
            };
            match timeout_at(end, self.round()).await {
                Ok(Ok(Round::Held)) => {}
                Ok(Err(StateError::Conflict { .. })) => continue,
                Ok(Ok(Round::StandBy(Waits(Some(holder))))) => {
                    self.stops();
                    return Lost::Taken { holder };
                }
                Ok(Ok(Round::StandBy(waits))) => why = waits.to_string(),
                Ok(Err(error)) => {
                    warn!("the lease is not renewed: {error}");
                    why = error.to_string();
                }
                Err(_) => why = "no answer".to_owned(),
            }
            let Some(end) = self.acts_until() else {
                return self.lost(why);
            };
            tokio::select! {
                () = sleep(self.candidate.timing().retry) => {}
                () = sleep_until(end) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    fn lost(&mut self, why: String) -> Lost {
        self.stops();
        Lost::Lapsed {
            after: self.candidate.timing().deadline,
            why,
        }
    }

    /// Until when it may act, if it still may.
    fn acts_until(&self) -> Option<Instant> {
        let until = self.candidate.acts_until()?;
        let may = self.candidate.acts_at(self.now());
        may.then_some(self.begin + until)
    }

    fn stops(&mut self) {
        self.candidate.stops();
        self.confirmed.send_replace(None);
    }

    fn now(&self) -> Moment {
        self.begin.elapsed()
    }

    /// One look, and what is to be done about it.
    async fn round(&mut self) -> Result<Round, StateError> {
        let stored = self.store.load::<Lease>(&Key::Lease).await?;
        let at = self.now();
        self.note_whether_joined(stored.as_ref());
        let found = stored.as_ref().map(|it| (&it.record, it.version));
        match self.candidate.looked(found, at) {
            Action::StandBy(holder) => Ok(Round::StandBy(Waits(holder))),
            Action::Write(lease) => {
                let asked = Instant::now();
                self.write(stored.as_ref(), &lease).await?;
                self.candidate.granted(asked - self.begin);
                self.confirmed.send_replace(Some(asked));
                Ok(Round::Held)
            }
        }
    }

    async fn write(&self, over: Option<&Stored<Lease>>, lease: &Lease) -> Result<(), StateError> {
        match over {
            Some(over) => self.store.save(&Key::Lease, over, lease).await,
            None => self.store.create(&Key::Lease, lease).await,
        }
    }

    fn note_whether_joined(&mut self, found: Option<&Stored<Lease>>) {
        let holder = found.and_then(|it| it.record.holder.as_deref());
        let mine = holder == Some(self.candidate.name());
        self.joined.get_or_insert(mine);
    }

    /// Whether another process of this name held it already when this one began:
    /// then it is not this one's to release.
    pub(crate) fn joined(&self) -> bool {
        self.joined == Some(true)
    }

    /// Leaves the lease to others at once. Nothing may act under it any more.
    pub(crate) async fn release(&mut self) {
        self.stops();
        if let Err(error) = self.write_release().await {
            let after = self.candidate.timing().duration.as_secs();
            info!("the lease is not released ({error}); it lapses after {after} s");
        }
    }

    async fn write_release(&self) -> Result<(), StateError> {
        let Some(stored) = self.store.load::<Lease>(&Key::Lease).await? else {
            return Ok(());
        };
        match self.candidate.release(&stored.record) {
            Some(lease) => self.store.save(&Key::Lease, &stored, &lease).await,
            None => Ok(()),
        }
    }
}

impl Fence {
    /// Waits until the lease is known to be held, by a write after this moment.
    pub(crate) async fn pass(&self) {
        let Some(gate) = &self.0 else {
            return;
        };
        let asked = Instant::now();
        gate.wanted.notify_one();
        let mut confirmed = gate.confirmed.clone();
        let is_later = |at: &Option<Instant>| at.is_some_and(|at| at >= asked);
        if confirmed.wait_for(is_later).await.is_err() {
            // The keeper is gone, and with it whoever would have acted.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use bollard::Docker;

    use super::*;

    /// A keeper that was granted the lease just now, and cannot reach the store.
    fn cut_off() -> Keeper {
        let docker =
            Docker::connect_with_http("http://127.0.0.1:1", 1, bollard::API_DEFAULT_VERSION);
        let store = Store::new(docker.unwrap(), "runner-1".into(), None);
        let mut keeper = Keeper::new(store, "runner-1".into(), Timing::default());
        keeper.candidate.granted(Duration::ZERO);
        keeper.confirmed.send_replace(Some(keeper.begin));
        keeper
    }

    #[tokio::test(start_paused = true)]
    async fn what_runs_under_a_lease_that_lapses_is_dropped_in_time() {
        let (mut keeper, ticks) = (cut_off(), Cell::new(0));
        let begin = Instant::now();
        let act = async {
            loop {
                ticks.set(begin.elapsed().as_secs());
                sleep(Duration::from_secs(1)).await;
            }
        };
        let lost: Lost = keeper.while_held(act).await.unwrap_err();
        assert!(matches!(lost, Lost::Lapsed { .. }), "{lost}");
        assert!(
            begin.elapsed() <= Duration::from_millis(10_010),
            "{:?}",
            begin.elapsed()
        );
        assert!((8..10).contains(&ticks.get()), "{}", ticks.get());
    }

    #[tokio::test(start_paused = true)]
    async fn a_fence_lets_nothing_through_that_the_store_has_not_confirmed() {
        let mut keeper = cut_off();
        let (fence, through) = (keeper.fence(), Cell::new(false));
        // Later than the last renewal.
        sleep(Duration::from_secs(1)).await;
        let act = async {
            fence.pass().await;
            through.set(true);
        };
        assert!(keeper.while_held(act).await.is_err());
        assert!(!through.get());
        Fence::default().pass().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_fence_lets_through_what_was_confirmed_after_it_was_asked() {
        let keeper = cut_off();
        let fence = keeper.fence();
        let confirm = async {
            sleep(Duration::from_secs(1)).await;
            keeper.confirmed.send_replace(Some(Instant::now()));
        };
        let ((), ()) = tokio::join!(fence.pass(), confirm);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_is_told_why() {
        let docker =
            Docker::connect_with_http("http://127.0.0.1:1", 1, bollard::API_DEFAULT_VERSION);
        let store = Store::new(docker.unwrap(), "runner-1".into(), None);
        let mut keeper = Keeper::new(store, "runner-1".into(), Timing::default());
        let held = keeper
            .acquire_within(Duration::from_secs(3))
            .await
            .unwrap_err();
        assert!(
            held.to_string().contains("read the state of the lease"),
            "{held}"
        );
    }
}
