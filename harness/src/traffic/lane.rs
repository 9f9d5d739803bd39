//! One lane under way: its schedule, and what one request does.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;

use super::connection::{Connection, Request, Way, look_at_the_network};
use super::http;
use super::http2::{self, Fate};
use super::loss::{Loss, LossClass};
use super::outcome::{Opened, Outcome};
use super::pace::Pace;
use super::plan::{Lane, LaneKind, Plan, PlanError};
use super::record::WarmUp;
use super::shared::Shared;
use super::slots::{Slot, Slots};
use super::tls;

/// A lane with all it needs to run.
pub(super) struct RunningLane {
    shared: Arc<Shared>,
    lane: Lane,
    name: Arc<str>,
    targets: Vec<LaneTarget>,
    request: Request,
    /// How long a request may take as a whole.
    deadline: Duration,
    room: Arc<Semaphore>,
    limit: usize,
    /// Where in its first interval the lane begins, so that lanes do not all
    /// fire in the same instant.
    offset: Duration,
}

/// One target as a lane sees it.
struct LaneTarget {
    name: Arc<str>,
    way: Way,
    slots: Slots,
    http2: http2::Connections,
}

impl LaneTarget {
    /// Keeps the connection for the next request, or closes it.
    async fn put_away(&self, slot: Slot, stays: bool) {
        if stays {
            self.slots.give_back(slot);
        } else if let Some(connection) = slot.connection {
            connection.close().await;
        }
    }
}

impl RunningLane {
    /// Makes the plan's lane of this index ready to run.
    pub(super) fn new(shared: &Arc<Shared>, plan: &Plan, index: usize) -> Result<Self, PlanError> {
        let lane = plan.lanes[index].clone();
        let targets = plan.targets.iter().map(|target| LaneTarget {
            name: shared.names.share(&target.name),
            way: Way {
                address: target.address,
                delay: lane.delay,
                narrow: lane.kind == LaneKind::Download && !lane.lasting.is_zero(),
                tls: connector(shared, lane.kind),
            },
            slots: Slots::default(),
            http2: http2::Connections::new(lane.kind.connections().unwrap_or(0)),
        });
        let limit = lane.room(plan.deadline).clamp(1, Semaphore::MAX_PERMITS);
        let interval = Duration::from_secs(1) / lane.rate;
        Ok(Self {
            name: shared.names.share(&lane.name),
            targets: targets.collect(),
            request: request(&lane, plan)?,
            deadline: lane.whole(plan.deadline),
            room: Arc::new(Semaphore::new(limit)),
            limit,
            offset: interval * u32::try_from(index).unwrap_or(0)
                / u32::try_from(plan.lanes.len()).unwrap_or(1),
            shared: Arc::clone(shared),
            lane,
        })
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
        let connections = match self.lane.kind {
            // Sessions to resume: a ticket is good for one connection.
            LaneKind::Resumed => 4,
            kind => kind.connections().unwrap_or(0),
        };
        let everywhere = self.targets.iter();
        let turns =
            everywhere.flat_map(|target| (0..connections as u64).map(move |turn| (target, turn)));
        let mut warming = futures_util::stream::iter(turns)
            .map(|(target, turn)| self.warm_one(target, turn))
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

    async fn warm_one(&self, target: &LaneTarget, turn: u64) -> Option<Loss> {
        let name = Arc::clone(&self.name);
        let mut outcome = Outcome::planned(name, Arc::clone(&target.name), 0, Duration::ZERO);
        let mut slot = Slot::default();
        let deadline = Instant::now() + self.deadline;
        if self.is_http2() {
            self.stream(target, turn, deadline, &mut outcome).await;
            return outcome.loss;
        }
        self.attempt(target, &mut slot, deadline, &mut outcome)
            .await;
        let stays = matches!(self.lane.kind, LaneKind::KeepAlive { .. });
        target.put_away(slot, stays).await;
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
        let turn = outcome.sequence / self.targets.len() as u64;
        let target = &self.targets[target];
        look_at_the_network().await;
        outcome.started = self.shared.clock.now();
        let deadline = intended + self.deadline;
        if self.is_http2() {
            self.stream(target, turn, deadline, &mut outcome).await;
            return self.shared.record(outcome);
        }
        let found = match self.lane.kind {
            LaneKind::KeepAlive { .. } => target.slots.take(),
            _ => None,
        };
        let stays = found.is_some();
        let mut slot = found.unwrap_or_default();
        outcome.opened = Some(self.opening(stays, &mut slot));
        self.attempt(target, &mut slot, deadline, &mut outcome)
            .await;
        self.shared.record(outcome);
        target.put_away(slot, stays).await;
        drop(place);
    }

    fn is_http2(&self) -> bool {
        matches!(self.lane.kind, LaneKind::Http2 { .. })
    }

    /// Sends the request once, as a stream of HTTP/2.
    async fn stream(
        &self,
        target: &LaneTarget,
        turn: u64,
        deadline: Instant,
        outcome: &mut Outcome,
    ) {
        let (shared, way, request) = (&self.shared, &target.way, &self.request.http2);
        let exchange = target.http2.exchange(turn, shared, way, request, outcome);
        let result = timeout_at(deadline.into(), exchange).await;
        outcome.ended = shared.clock.now();
        let fate = match result {
            Ok(Ok(())) => outcome.status.and_then(Loss::from_status).map(Fate::Lost),
            Ok(Err(error)) => Some(error.fate(outcome)),
            Err(_) => Some(Fate::Lost(Loss::timed_out(outcome.phase()))),
        };
        match fate {
            Some(Fate::Lost(loss)) => outcome.loss = Some(loss),
            Some(Fate::Retryable(frame)) => outcome.retryable = Some(frame),
            None => {}
        }
        let timed_out = outcome.loss.as_ref().map(|loss| loss.class) == Some(LossClass::TimedOut);
        if timed_out {
            target.http2.retire(turn, outcome.connection);
        }
    }

    /// Looks whether the slot's connection can be used, and forgets it if not.
    fn opening(&self, stays: bool, slot: &mut Slot) -> Opened {
        slot.connection
            .take_if(|connection| !connection.is_usable());
        match (self.lane.kind, &slot.connection) {
            (LaneKind::KeepAlive { .. }, Some(_)) => Opened::Reused,
            (LaneKind::KeepAlive { .. }, None) if stays => Opened::Reconnected,
            (LaneKind::KeepAlive { .. }, None) => Opened::Extra,
            _ => Opened::Always,
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
            Ok(Ok((connection, came))) => {
                slot.connection = Some(connection);
                self.judge(came, outcome)
            }
            Ok(Err(error)) => {
                let reused = outcome.opened == Some(Opened::Reused);
                Some(Loss::from_error(&error, outcome.phase(), reused))
            }
            Err(_) => Some(Loss::timed_out(outcome.phase())),
        };
    }

    async fn exchange(
        &self,
        target: &LaneTarget,
        connection: Option<Connection>,
        outcome: &mut Outcome,
    ) -> io::Result<(Connection, Option<u64>)> {
        let shared = &self.shared;
        let mut connection = match connection {
            Some(connection) => connection,
            None => Connection::open(shared, &target.way, outcome).await?,
        };
        let came = connection.exchange(shared, &self.request, outcome);
        let came = came.await?;
        Ok((connection, came))
    }

    /// Whether a complete answer is a loss: by its status, or because not all of
    /// the request had come.
    fn judge(&self, came: Option<u64>, outcome: &Outcome) -> Option<Loss> {
        let by_status = outcome.status.and_then(Loss::from_status);
        let short = |length| Loss::short_upload(came.unwrap_or(outcome.sent), length);
        by_status.or_else(|| self.request.body.and_then(short))
    }
}

/// How a lane of this kind agrees on TLS with one target.
fn connector(shared: &Shared, kind: LaneKind) -> TlsConnector {
    match kind {
        LaneKind::Resumed => Arc::new(tls::resuming(shared.tls.config())).into(),
        LaneKind::Http2 { .. } => Arc::new(tls::for_http2(shared.tls.config())).into(),
        _ => shared.tls.clone(),
    }
}

/// What a lane sends each time.
fn request(lane: &Lane, plan: &Plan) -> Result<Request, PlanError> {
    let body = match lane.kind {
        LaneKind::Upload { bytes } => Some(bytes),
        _ => None,
    };
    let head = http::Request {
        host: &plan.server_name,
        path: &lane.path,
        body,
        keep_alive: matches!(lane.kind, LaneKind::KeepAlive { .. }),
    };
    Ok(Request {
        head: head.head(),
        http2: http2::request(&plan.server_name, &lane.path).map_err(|_| PlanError::Path {
            lane: lane.name.clone(),
            path: lane.path.clone(),
        })?,
        body,
        pace: lane.is_long().then_some(Pace {
            lasting: lane.lasting,
            patience: plan.deadline,
        }),
    })
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
