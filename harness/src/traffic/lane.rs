//! One lane under way: its schedule, and what one request does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout_at;

use super::connection::{Connection, look_at_the_network};
use super::http;
use super::loss::Loss;
use super::outcome::{Opened, Outcome};
use super::plan::{Lane, LaneKind, Plan};
use super::record::WarmUp;
use super::shared::Shared;
use super::slots::{Slot, Slots};

/// A lane with all it needs to run.
pub(super) struct RunningLane {
    shared: Arc<Shared>,
    lane: Lane,
    name: Arc<str>,
    targets: Vec<LaneTarget>,
    request: Vec<u8>,
    room: Arc<Semaphore>,
    limit: usize,
    /// Where in its first interval the lane begins, so that lanes do not all
    /// fire in the same instant.
    offset: Duration,
}

/// One target as a lane sees it.
struct LaneTarget {
    name: Arc<str>,
    address: SocketAddr,
    slots: Slots,
}

impl RunningLane {
    /// Makes the plan's lane of this index ready to run.
    pub(super) fn new(shared: &Arc<Shared>, plan: &Plan, index: usize) -> Self {
        let lane = plan.lanes[index].clone();
        let targets = plan.targets.iter().map(|target| LaneTarget {
            name: shared.names.share(&target.name),
            address: target.address,
            slots: Slots::default(),
        });
        let limit = lane.room(plan.deadline).clamp(1, Semaphore::MAX_PERMITS);
        let keep_alive = lane.kind != LaneKind::NewConnection;
        let interval = Duration::from_secs(1) / lane.rate;
        Self {
            name: shared.names.share(&lane.name),
            targets: targets.collect(),
            request: http::request(&lane.path, &plan.server_name, keep_alive),
            room: Arc::new(Semaphore::new(limit)),
            limit,
            offset: interval * u32::try_from(index).unwrap_or(0)
                / u32::try_from(plan.lanes.len()).unwrap_or(1),
            shared: Arc::clone(shared),
            lane,
        }
    }

    /// Opens the warm connections and sends one request over each: a server does
    /// not treat one that was only just accepted as idle.
    pub(super) async fn warm_up(&self) -> WarmUp {
        /// A storm of handshakes at the start would be a load of its own.
        const AT_ONCE: usize = 16;
        let mut report = WarmUp {
            lane: self.lane.name.clone(),
            opened: 0,
            failed: 0,
            first_failure: None,
        };
        let LaneKind::KeepAlive { connections } = self.lane.kind else {
            return report;
        };
        let everywhere = self.targets.iter();
        let turns = everywhere.flat_map(|target| (0..connections).map(move |_| target));
        let mut warming = futures_util::stream::iter(turns)
            .map(|target| self.warm_one(target))
            .buffer_unordered(AT_ONCE);
        while let Some(loss) = warming.next().await {
            match loss {
                None => report.opened += 1,
                Some(loss) => {
                    report.failed += 1;
                    report.first_failure.get_or_insert(loss);
                }
            }
        }
        report
    }

    async fn warm_one(&self, target: &LaneTarget) -> Option<Loss> {
        let name = Arc::clone(&self.name);
        let mut outcome = Outcome::planned(name, Arc::clone(&target.name), 0, Duration::ZERO);
        let mut slot = Slot::default();
        let deadline = Instant::now() + self.shared.deadline;
        self.attempt(target, &mut slot, deadline, &mut outcome)
            .await;
        target.slots.give_back(slot);
        outcome.loss
    }

    /// Starts every request when its time has come, until the stop; then waits
    /// for the unfinished ones.
    pub(super) async fn run(self: Arc<Self>, epoch: Instant, mut stop: watch::Receiver<Stop>) {
        for sequence in 0.. {
            let intended = self.offset + self.lane.intended(sequence);
            if !is_due(epoch + intended, &mut stop).await {
                break;
            }
            self.start(epoch, sequence, intended);
        }
        let all = u32::try_from(self.limit).unwrap_or(u32::MAX);
        // Every unfinished request holds a place.
        let _ = self.room.acquire_many(all).await;
    }

    fn start(self: &Arc<Self>, epoch: Instant, sequence: u64, intended: Duration) {
        let target = (sequence % self.targets.len() as u64) as usize;
        let name = Arc::clone(&self.targets[target].name);
        let mut outcome = Outcome::planned(Arc::clone(&self.name), name, sequence, intended);
        self.shared.note_due();
        match Arc::clone(&self.room).try_acquire_owned() {
            Ok(place) => {
                let lane = Arc::clone(self);
                tokio::spawn(lane.request(target, epoch + intended, outcome, place));
            }
            Err(_) => {
                outcome.started = self.shared.clock.now();
                outcome.ended = outcome.started;
                outcome.loss = Some(Loss::no_room(self.limit));
                self.shared.record(outcome);
            }
        }
    }

    async fn request(
        self: Arc<Self>,
        target: usize,
        intended: Instant,
        mut outcome: Outcome,
        place: OwnedSemaphorePermit,
    ) {
        let target = &self.targets[target];
        look_at_the_network().await;
        outcome.started = self.shared.clock.now();
        let found = match self.lane.kind {
            LaneKind::NewConnection => None,
            LaneKind::KeepAlive { .. } => target.slots.take(),
        };
        let stays = found.is_some();
        let mut slot = found.unwrap_or_default();
        outcome.opened = Some(self.opening(stays, &mut slot));
        let deadline = intended + self.shared.deadline;
        self.attempt(target, &mut slot, deadline, &mut outcome)
            .await;
        self.shared.record(outcome);
        if stays {
            target.slots.give_back(slot);
        } else if let Some(connection) = slot.connection {
            connection.close().await;
        }
        drop(place);
    }

    /// Looks whether the slot's connection can be used, and forgets it if not.
    fn opening(&self, stays: bool, slot: &mut Slot) -> Opened {
        slot.connection
            .take_if(|connection| !connection.is_usable());
        match (self.lane.kind, &slot.connection) {
            (LaneKind::NewConnection, _) => Opened::Always,
            (_, Some(_)) => Opened::Reused,
            (_, None) if stays => Opened::Reconnected,
            (_, None) => Opened::Extra,
        }
    }

    /// Sends the request once. The slot keeps the connection only if the answer
    /// was read to its end.
    async fn attempt(
        &self,
        target: &LaneTarget,
        slot: &mut Slot,
        deadline: Instant,
        outcome: &mut Outcome,
    ) {
        let exchange = self.exchange(target, slot.connection.take(), outcome);
        let result = timeout_at(deadline.into(), exchange).await;
        outcome.ended = self.shared.clock.now();
        outcome.loss = match result {
            Ok(Ok(connection)) => {
                slot.connection = Some(connection);
                outcome.status.and_then(Loss::from_status)
            }
            Ok(Err(error)) => Some(Loss::from_error(&error, outcome.phase())),
            Err(_) => Some(Loss::timed_out(outcome.phase())),
        };
    }

    async fn exchange(
        &self,
        target: &LaneTarget,
        connection: Option<Connection>,
        outcome: &mut Outcome,
    ) -> io::Result<Connection> {
        let shared = &self.shared;
        let mut connection = match connection {
            Some(connection) => connection,
            None => Connection::open(shared, target.address, self.lane.delay, outcome).await?,
        };
        connection.exchange(shared, &self.request, outcome).await?;
        Ok(connection)
    }
}

/// How far the schedule goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    /// On and on.
    No,
    /// What is intended later is not started.
    At(Instant),
}

/// Waits for the moment; false if the schedule ends before. What was due by the
/// stop is still started, so that a client that lags behind cannot leave
/// requests out.
async fn is_due(moment: Instant, stop: &mut watch::Receiver<Stop>) -> bool {
    loop {
        if let Stop::At(end) = *stop.borrow_and_update() {
            return moment <= end;
        }
        tokio::select! {
            () = tokio::time::sleep_until(moment.into()) => return true,
            changed = stop.changed() => {
                // Nobody is left who could want the record.
                if changed.is_err() {
                    return false;
                }
            }
        }
    }
}
