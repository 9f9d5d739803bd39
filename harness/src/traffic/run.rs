//! A run: its thread, its start and its end.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::{oneshot, watch};

use super::lane::{RunningLane, Stop};
use super::machine;
use super::plan::{Plan, PlanError};
use super::record::{Record, WarmUp};
use super::shared::{Counts, Shared};
use super::tls;

/// Traffic that is being driven, on threads of its own, so that what the
/// scenario does in the meantime does not disturb the schedule.
///
/// Dropped without [`stop`](Self::stop), it ends and its record is lost.
#[derive(Debug)]
pub struct Traffic {
    shared: Handle,
    stop: watch::Sender<Stop>,
    begun: watch::Receiver<bool>,
    record: oneshot::Receiver<Record>,
}

/// [`Shared`], without the need to print it.
struct Handle(Arc<Shared>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.counts().fmt(f)
    }
}

/// Why traffic could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The plan cannot be driven.
    #[error("drive the traffic's plan")]
    Plan(#[from] PlanError),
    /// The TLS library refused its settings.
    #[error("set up the traffic's TLS")]
    Tls(#[from] rustls::Error),
    /// The operating system gave no thread.
    #[error("start the traffic's threads")]
    Thread(#[from] std::io::Error),
}

/// The traffic's thread has ended without a record; it says why on stderr.
#[derive(Debug, thiserror::Error)]
#[error("get the traffic's record: expected it from the traffic's thread, found the thread dead")]
pub struct StopError;

impl Traffic {
    /// Starts: warms up the keep-alive lanes, and then begins the schedule.
    ///
    /// # Errors
    /// When the plan cannot be driven. A target that does not answer is no error:
    /// it is what the record tells.
    pub fn start(plan: Plan) -> Result<Self, StartError> {
        plan.check()?;
        let shared = Arc::new(Shared::new(&plan, tls::client_config()?)?);
        let lanes = (0..plan.lanes.len())
            .map(|index| RunningLane::new(&shared, &plan, index).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let (stop, stopping) = watch::channel(Stop::No);
        let (beginning, begun) = watch::channel(false);
        let (recorded, record) = oneshot::channel();
        // Two workers: a burst of handshakes on one does not hold up the schedule.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("traffic")
            .on_thread_start(go_first)
            .enable_all()
            .build()?;
        let driven = Arc::clone(&shared);
        thread::Builder::new()
            .name("traffic".to_owned())
            .spawn(move || {
                go_first();
                let run = drive(plan, lanes, driven, beginning, stopping);
                // Nobody waits for it if the traffic was dropped.
                let _ = recorded.send(runtime.block_on(run));
            })?;
        Ok(Self {
            shared: Handle(shared),
            stop,
            begun,
            record,
        })
    }

    /// Waits until the warm-up is over and the schedule has begun.
    pub async fn begun(&self) {
        let _ = self.begun.clone().wait_for(|begun| *begun).await;
    }

    /// How many requests were due, answered and lost up to now.
    pub fn counts(&self) -> Counts {
        self.shared.0.counts()
    }

    /// Starts no more requests, waits for the unfinished ones (at most for the
    /// plan's deadline), and returns what became of all.
    ///
    /// # Errors
    /// Only if the traffic's thread has panicked.
    pub async fn stop(self) -> Result<Record, StopError> {
        self.stop.send_replace(Stop::At(Instant::now()));
        self.record.await.map_err(|_| StopError)
    }
}

/// Asks that this thread be let run before all that it measures, which shares
/// its cores: containers that start just now must not keep it from its schedule.
///
/// A real-time policy, because a nice value counts only within a session and a
/// control group (sched(7), "The autogroup feature"), and containers are in
/// others. It sleeps most of the time, and the kernel gives such threads 95 % of
/// a core at most. Without the right to it (it takes CAP_SYS_NICE) nothing is
/// lost but some slack; a client that is late says so by itself.
fn go_first() {
    // The lowest of the real-time priorities is above all others.
    let Ok(lowest) = ThreadPriorityValue::try_from(1) else {
        return;
    };
    let lowest = ThreadPriority::Crossplatform(lowest);
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let this = thread_native_id();
    if let Err(error) = set_thread_priority_and_policy(this, lowest, policy) {
        tracing::debug!(%error, "the traffic runs at the usual priority");
    }
}

async fn drive(
    plan: Plan,
    lanes: Vec<Arc<RunningLane>>,
    shared: Arc<Shared>,
    begun: watch::Sender<bool>,
    stop: watch::Receiver<Stop>,
) -> Record {
    let warm_up = warm_up(&lanes).await;
    let epoch = shared.clock.start();
    begun.send_replace(true);
    let running = lanes
        .into_iter()
        .map(|lane| tokio::spawn(lane.run(epoch, stop.clone())));
    let mut machine = Vec::new();
    let ended = tokio::select! {
        ended = futures_util::future::join_all(running) => ended,
        never = machine::look(&shared.clock, &mut machine) => match never {},
    };
    for lane in ended {
        if let Err(panic) = lane {
            std::panic::resume_unwind(panic.into_panic());
        }
    }
    Record::new(plan, &shared, warm_up, machine)
}

async fn warm_up(lanes: &[Arc<RunningLane>]) -> Vec<WarmUp> {
    let warming = lanes.iter().map(|lane| lane.warm_up());
    futures_util::future::join_all(warming).await
}
