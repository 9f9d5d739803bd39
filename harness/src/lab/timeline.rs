//! What happened to the tasks' containers, as each node's daemon told it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bollard::{models::EventMessage, query_parameters::EventsOptionsBuilder};
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    Node,
    wait::{self, TimedOut},
};

/// Longer than a fault may keep a daemon away; then nobody listens to it again.
const AWAY: Duration = Duration::from_secs(600);

/// Something that happened to a container of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, by the clock of the node's daemon.
    pub at: Timestamp,
    /// The node's name.
    pub node: String,
    /// The service's name; none for a container that is no task's.
    pub service: Option<String>,
    /// The task's ID.
    pub task: Option<String>,
    /// The container's ID.
    pub container: String,
    /// What happened.
    pub what: What,
}

/// What happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// Its process was started.
    Started,
    /// It was sent a signal (its number, as the daemon says it).
    Signalled(String),
    /// Its process ended, with that exit code.
    Died(Option<i64>),
    /// The daemon has stopped it as it was asked to.
    Stopped,
    /// Its health check passes.
    Healthy,
    /// Its health check fails.
    Unhealthy,
    /// It ran out of memory.
    OutOfMemory,
    /// Its processes were frozen.
    Paused,
    /// Its processes go on.
    Unpaused,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::Signalled(number) => write!(f, "signal {number}"),
            Self::Died(Some(code)) => write!(f, "died with {code}"),
            Self::Died(None) => f.write_str("died"),
            Self::Stopped => f.write_str("stopped"),
            Self::Healthy => f.write_str("healthy"),
            Self::Unhealthy => f.write_str("unhealthy"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::Paused => f.write_str("paused"),
            Self::Unpaused => f.write_str("unpaused"),
        }
    }
}

/// Listens to every node until it is dropped.
#[derive(Debug)]
pub(crate) struct Recorder {
    heard: Arc<Heard>,
    listeners: Vec<JoinHandle<()>>,
}

/// What was heard of all nodes, in the order in which it was.
#[derive(Debug, Default)]
struct Heard {
    events: Mutex<Vec<Event>>,
    /// How many there are.
    count: watch::Sender<usize>,
}

impl Heard {
    fn push(&self, event: Event) {
        let mut events = self.lock();
        events.push(event);
        self.count.send_replace(events.len());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    pub(crate) fn listen(nodes: &[Node]) -> Self {
        let heard = Arc::<Heard>::default();
        let listeners = nodes
            .iter()
            .map(|node| tokio::spawn(listen(node.clone(), Arc::clone(&heard))))
            .collect();
        Self { heard, listeners }
    }

    /// Listens no more.
    pub(crate) fn stop(&self) {
        for listener in &self.listeners {
            listener.abort();
        }
    }

    /// What happened until now, in order of time.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events = self.heard.lock().clone();
        events.sort_by_key(|event| event.at);
        events
    }

    /// What happens from now on.
    pub(crate) fn follow(&self) -> Events {
        Events {
            next: self.heard.lock().len(),
            count: self.heard.count.subscribe(),
            heard: Arc::clone(&self.heard),
        }
    }
}

/// What happens to containers on all nodes, as it is heard of; nothing is left
/// out, however late it is asked for.
#[derive(Debug)]
pub struct Events {
    heard: Arc<Heard>,
    count: watch::Receiver<usize>,
    next: usize,
}

impl Events {
    /// The next event, whenever it comes.
    pub async fn next(&mut self) -> Event {
        let next = self.next;
        // The sender lives as long as this, which holds it.
        let _ = self.count.wait_for(|&count| count > next).await;
        self.next += 1;
        self.heard.lock()[next].clone()
    }

    /// The first event from here on that `wanted` lets through.
    ///
    /// # Errors
    /// With the last event that came, when none is let through before the deadline.
    ///
    /// ```no_run
    /// # async fn example(lab: &rollover_lab::lab::Lab) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let mut events = lab.events();
    /// lab.service("shop_web").update(&["--force"]).await?;
    /// let is_web = |service: &Option<String>| service.as_deref() == Some("shop_web");
    /// let what = "something happen to shop_web";
    /// let event = events.find(what, Duration::from_secs(60), |it| is_web(&it.service)).await?;
    /// println!("{event}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn find(
        &mut self,
        what: impl fmt::Display,
        deadline: Duration,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event, TimedOut> {
        let mut last = "nothing happened".to_owned();
        let found = tokio::time::timeout(deadline, async {
            loop {
                let event = self.next().await;
                if wanted(&event) {
                    return event;
                }
                last = event.to_string();
            }
        });
        found.await.map_err(|_| TimedOut {
            what: what.to_string(),
            waited: deadline,
            last,
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, node, what, .. } = self;
        let whose = self.service.as_deref().unwrap_or(&self.container);
        write!(f, "{at} {node} {whose} {what}")
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Follows a node's events; takes them up again, with those missed, when its
/// daemon comes back.
async fn listen(node: Node, heard: Arc<Heard>) {
    let mut since = None;
    loop {
        follow(&node, &heard, &mut since).await;
        let back = wait::until("the daemon come back", AWAY, async || {
            node.docker().ping().await
        });
        if back.await.is_err() {
            return;
        }
    }
}

async fn follow(node: &Node, heard: &Heard, since: &mut Option<i64>) {
    let mut options =
        EventsOptionsBuilder::new().filters(&HashMap::from([("type", vec!["container"])]));
    if let Some(nanoseconds) = *since {
        let next = nanoseconds + 1;
        options = options.since(&format!(
            "{}.{:09}",
            next / 1_000_000_000,
            next % 1_000_000_000
        ));
    }
    let mut stream = node.docker().events(Some(options.build()));
    while let Some(Ok(message)) = stream.next().await {
        *since = message.time_nano.or(*since);
        if let Some(event) = event(node.name(), message) {
            heard.push(event);
        }
    }
}

fn event(node: &str, message: EventMessage) -> Option<Event> {
    let at = Timestamp::from_nanosecond(message.time_nano?.into()).ok()?;
    let actor = message.actor?;
    let mut attributes = actor.attributes.unwrap_or_default();
    let what = what(&message.action?, &attributes)?;
    Some(Event {
        at,
        node: node.to_owned(),
        service: attributes.remove("com.docker.swarm.service.name"),
        task: attributes.remove("com.docker.swarm.task.id"),
        container: actor.id?,
        what,
    })
}

fn what(action: &str, attributes: &HashMap<String, String>) -> Option<What> {
    Some(match action {
        "start" => What::Started,
        "kill" => What::Signalled(attributes.get("signal").cloned().unwrap_or_default()),
        "die" => What::Died(
            attributes
                .get("exitCode")
                .and_then(|code| code.parse().ok()),
        ),
        "stop" => What::Stopped,
        "oom" => What::OutOfMemory,
        "pause" => What::Paused,
        "unpause" => What::Unpaused,
        "health_status: healthy" => What::Healthy,
        "health_status: unhealthy" => What::Unhealthy,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;

    fn message(action: &str) -> EventMessage {
        let attributes = [
            ("com.docker.swarm.service.name", "patch_web"),
            ("com.docker.swarm.task.id", "t1"),
            ("exitCode", "137"),
            ("signal", "1"),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        EventMessage {
            action: Some(action.to_owned()),
            actor: Some(EventActor {
                id: Some("c1".into()),
                attributes: Some(attributes.into()),
            }),
            time_nano: Some(1_700_000_000_000_000_001),
            ..Default::default()
        }
    }

    #[test]
    fn an_event_names_node_service_and_task() {
        let event = event("node-2", message("die")).unwrap();
        assert_eq!(event.at.as_nanosecond(), 1_700_000_000_000_000_001);
        assert_eq!(event.node, "node-2");
        assert_eq!(event.service.as_deref(), Some("patch_web"));
        assert_eq!(event.task.as_deref(), Some("t1"));
        assert_eq!(event.what, What::Died(Some(137)));
    }

    #[tokio::test(start_paused = true)]
    async fn events_are_followed_from_now_on() {
        let recorder = Recorder::listen(&[]);
        let hear = |action| {
            let heard = event("node-1", message(action)).unwrap();
            recorder.heard.push(heard);
        };
        hear("start");
        let mut events = recorder.follow();
        hear("stop");
        hear("die");
        let died = |event: &Event| matches!(event.what, What::Died(_));
        let found = events.find("a death", Duration::from_secs(1), died).await;
        assert_eq!(found.unwrap().what, What::Died(Some(137)));
        hear("start");
        let none = events.find("a death", Duration::from_secs(1), died).await;
        let error = none.unwrap_err();
        assert!(error.last.contains("node-1 patch_web started"), "{error}");
        assert_eq!(recorder.events().len(), 4);
    }

    #[test]
    fn what_is_of_no_interest_is_left_out() {
        assert!(event("node-1", message("exec_create: nginx -t")).is_none());
        let hup = event("node-1", message("kill")).unwrap().what;
        assert_eq!(hup, What::Signalled("1".to_owned()));
    }
}
