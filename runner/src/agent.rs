//! What the global job does on one node: for each local container of the
//! target, wait until it sees the published pair, run the test command, wait for
//! the canary if it is another one, signal it or run its command.

mod exec;
mod files;
pub(crate) mod look;

use std::collections::HashMap;
use std::pin::pin;
use std::thread::available_parallelism;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerSummaryStateEnum;
use bollard::query_parameters::{KillContainerOptionsBuilder, ListContainersOptionsBuilder};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};

use self::exec::{Ended, ExecError, exec};
use self::files::pair_in;
use crate::act::rollout::{Order, OrderedCertificate};
use crate::act::wait::{Seen, TimedOut, until};
use crate::docker::{describe, is_not_found};
use crate::model::{Serving, Tell};
use crate::observe::probe::{Question, probe};

/// The label by which Docker names the task of a container.
const TASK: &str = "com.docker.swarm.task.id";
const INTERVAL: Duration = Duration::from_millis(200);
/// What is told so shortly before the end has not refused anything yet.
const TO_LOAD: Duration = Duration::from_secs(5);
/// So long after its start is an agent known to all nodes of its network, where there
/// are few: they tell each other every 200 ms. A packet of one that is not known yet is
/// not answered, and nor is anything else for a second, until the one who is asked
/// looks for it again.
const TO_BE_KNOWN: Duration = Duration::from_millis(300);
/// So long does a test keep others waiting.
const TO_TEST: Duration = Duration::from_secs(1);

/// Why a container was not signalled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error("{what}: {why}")]
    Engine { what: &'static str, why: String },
    #[error(transparent)]
    NotThere(#[from] TimedOut),
    #[error("the test command {0}, so the container was not told")]
    Test(String),
    #[error("the command {0}")]
    Reload(String),
    #[error("it was told in vain: {0}")]
    InVain(TimedOut),
}

impl AgentError {
    /// Whether a replica that sees the new certificate did not take it. That it does
    /// not see it, or that the engine failed, says nothing of the certificate.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Test(_) | Self::Reload(_) | Self::InVain(_) => true,
            Self::Engine { .. } | Self::NotThere(_) => false,
        }
    }
}

/// What became of a container.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Done {
    /// It was signalled, or its command has succeeded.
    Told,
    /// It ended by itself before it could be told.
    Gone,
}

fn failed(what: &'static str) -> impl Fn(Error) -> AgentError {
    move |error| AgentError::Engine {
        what,
        why: describe(&error),
    }
}

/// Carries out `order` for those of its tasks whose containers are on this node.
/// Returns one line for each: done, or why not. What is done by then goes to `says`,
/// with the container's name.
pub(crate) async fn carry_out(
    docker: &Docker,
    order: &Order,
    says: impl Fn(&str, &str),
) -> Result<Vec<(String, Result<Done, AgentError>)>, AgentError> {
    let options = ListContainersOptionsBuilder::default()
        .filters(&HashMap::from([("label", vec![TASK])]))
        .build();
    let containers = docker
        .list_containers(Some(options))
        .await
        .map_err(failed("list the containers of this node"))?;
    let meant = containers.into_iter().filter_map(|container| {
        let runs = container.state == Some(ContainerSummaryStateEnum::RUNNING);
        let labels = container.labels.unwrap_or_default();
        let task = labels
            .get(TASK)
            .filter(|task| order.tasks.contains(*task))?;
        let name = labels.get("com.docker.swarm.task.name").unwrap_or(task);
        let id = container.id.filter(|_| runs)?;
        Some((name.clone(), task.clone(), id))
    });
    let begun = Instant::now();
    let end = begun + Duration::from_secs(order.patience);
    // Looked at by all who wait for it together: each by itself would keep the
    // canary busy with questions.
    let canary = canary_proved(order, begun, end).shared();
    // A test takes some time of a processor: as many at once as there are replicas would
    // keep the one that goes first from its turn, and those that serve from serving.
    let half = available_parallelism().map_or(1, |all| all.get().div_ceil(2));
    let tests = Semaphore::new(half);
    let (says, tests) = (&says, &tests);
    let work = meant.map(|(name, task, id)| {
        let first = order.canary.as_ref().is_some_and(|it| it.task == task);
        let canary = canary.clone();
        let before = canary.clone();
        let turn = async move { if first { Ok(()) } else { before.await } };
        async move {
            let says = |what: &str| says(&name, what);
            let queue = (!first).then_some(tests);
            let result = match tell(docker, &id, order, (queue, turn), end, says).await {
                // Whoever was replaced meanwhile needs no signal.
                Err(_) if !runs(docker, &id).await => Ok(Done::Gone),
                // Whoever tells the one that goes first sees what comes of it: all
                // others do not know whether it was told.
                Ok(Done::Told) if first && Instant::now() + TO_LOAD <= end => {
                    let served = canary.await.map(|()| Done::Told);
                    served.map_err(AgentError::InVain)
                }
                result => result,
            };
            (name, result)
        }
    });
    Ok(join_all(work).await)
}

async fn runs(docker: &Docker, container: &str) -> bool {
    match docker.inspect_container(container, None).await {
        Ok(found) => found.state.and_then(|state| state.running) == Some(true),
        Err(error) => !is_not_found(&error),
    }
}

/// Tells one container to load its certificates anew, once it sees them, its
/// test has passed, and its turn has come.
async fn tell(
    docker: &Docker,
    container: &str,
    order: &Order,
    (queue, turn): (
        Option<&Semaphore>,
        impl Future<Output = Result<(), TimedOut>>,
    ),
    end: Instant,
    says: impl Fn(&str),
) -> Result<Done, AgentError> {
    says("waits for the new files");
    for certificate in &order.certificates {
        let what = format!(
            "the container sees {} at {}",
            certificate.fingerprint.short(),
            certificate.chain.display()
        );
        let patience = end.saturating_duration_since(Instant::now());
        until(what, patience, INTERVAL, async || {
            match sees(docker, container, certificate).await {
                Ok(()) => Seen::Done(()),
                Err(why) => Seen::NotYet(why),
            }
        })
        .await?;
    }
    if !order.test.is_empty() {
        let test = succeeds(docker, container, &order.test, end);
        let passed = match queue {
            Some(queue) => in_turn(queue, test).await,
            None => test.await,
        };
        passed.map_err(|error| refusal(error, AgentError::Test))?;
    }
    says("sees the new files, and waits for its turn");
    turn.await?;
    match &order.tell {
        Tell::Signal(signal) => kill(docker, container, signal).await?,
        Tell::Exec(command) => {
            let reloaded = succeeds(docker, container, command, end).await;
            reloaded.map_err(|error| refusal(error, AgentError::Reload))?;
        }
    }
    says("told");
    Ok(Done::Told)
}

/// Runs a test once it has a place among those that run, which it gives up when it
/// takes long: one that hangs holds up no other for ever.
async fn in_turn<T>(queue: &Semaphore, test: impl Future<Output = T>) -> T {
    // It is never closed.
    let place = queue.acquire().await;
    let mut test = pin!(test);
    match timeout(TO_TEST, &mut test).await {
        Ok(ended) => ended,
        Err(_) => {
            drop(place);
            test.await
        }
    }
}

/// Waits until the canary, if there is one, serves every certificate.
async fn canary_proved(order: &Order, begun: Instant, end: Instant) -> Result<(), TimedOut> {
    let Some(canary) = &order.canary else {
        return Ok(());
    };
    let what = format!(
        "not told: {}, which goes first, serves what is published",
        canary.replica
    );
    let patience = end.saturating_duration_since(Instant::now());
    sleep_until(begun + TO_BE_KNOWN).await;
    until(what, patience, INTERVAL, async || {
        for certificate in &order.certificates {
            let question = Question {
                domain: &certificate.domain,
                probe: canary.probe,
                kind: Some(certificate.kind),
            };
            match probe(canary.address, question).await {
                Serving::Leaf(leaf) if leaf.fingerprint == certificate.fingerprint => {}
                Serving::Leaf(leaf) => {
                    return Seen::NotYet(format!("it still serves {}", leaf.fingerprint.short()));
                }
                Serving::Unreachable(why) => return Seen::NotYet(why),
            }
        }
        Seen::Done(())
    })
    .await
}

async fn kill(docker: &Docker, container: &str, signal: &str) -> Result<(), AgentError> {
    let options = KillContainerOptionsBuilder::default()
        .signal(signal)
        .build();
    let killed = docker.kill_container(container, Some(options)).await;
    killed.map_err(failed("signal the container"))
}

/// Whether the container sees the published chain, whole, with its key.
async fn sees(
    docker: &Docker,
    container: &str,
    certificate: &OrderedCertificate,
) -> Result<(), String> {
    let pair = pair_in(docker, container, &certificate.chain).await?;
    if pair.leaf.fingerprint == certificate.fingerprint {
        return Ok(());
    }
    Err(format!(
        "{} still is {}",
        certificate.chain.display(),
        pair.leaf.fingerprint.short()
    ))
}

/// What it means that a command came to no good end: `of_the_command`, unless the
/// engine did not run it.
fn refusal(error: ExecError, of_the_command: fn(String) -> AgentError) -> AgentError {
    match error {
        ExecError::Command(why) => of_the_command(why),
        ExecError::Engine(why) => AgentError::Engine {
            what: "run a command in the container",
            why,
        },
    }
}

/// Runs a command in a container to a good end; how else it ended, in words.
async fn succeeds(
    docker: &Docker,
    container: &str,
    command: &[String],
    end: Instant,
) -> Result<(), ExecError> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let patience = end.saturating_duration_since(Instant::now());
    let Ended {
        code,
        stdout,
        stderr,
    } = exec(docker, container, &words, patience).await?;
    if code == 0 {
        return Ok(());
    }
    let said = format!("{stdout} {stderr}");
    let said: Vec<&str> = said.split_whitespace().collect();
    let (command, said) = (words.join(" "), said.join(" "));
    let why = format!("`{command}` failed with exit code {code}: {said}");
    Err(ExecError::Command(why))
}
