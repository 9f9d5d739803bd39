//! Records in labels, and what becomes of those that cannot be read or written.

use bollard::models::ObjectVersion;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use jiff::SignedDuration;

use super::*;
use crate::decide::tests::{leaf, name, now};
use crate::decide::{Attempted, Kept, Memory};
use crate::docker::Endpoint;
use crate::state::{Fence, State};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Counter {
    count: u32,
}

impl Record for Counter {
    const SCHEMA: u32 = 2;
}

fn key() -> Key {
    Key::Certificate(name())
}

fn store() -> Store {
    let docker = Docker::connect_with_http("http://127.0.0.1:1", 1, bollard::API_DEFAULT_VERSION);
    Store::new(docker.unwrap(), "runner-1".into(), Some("patch".into()))
}

fn config(state: &str) -> Object {
    Object::from(Config {
        id: Some("id1".into()),
        version: Some(ObjectVersion { index: Some(17) }),
        spec: Some(ConfigSpec {
            labels: Some(HashMap::from([
                (STATE_LABEL.to_owned(), state.to_owned()),
                (CERTIFICATE_LABEL.to_owned(), "example.org".to_owned()),
            ])),
            ..ConfigSpec::default()
        }),
        ..Config::default()
    })
}

#[test]
fn what_is_written_is_read_again() {
    let labels = store().labels(&key(), &Counter { count: 3 }).unwrap();
    assert_eq!(labels[STACK_LABEL], "patch");
    assert_eq!(labels[CERTIFICATE_LABEL], "example.org");
    let (name, stored) = certificate::<Counter>(config(&labels[STATE_LABEL])).unwrap();
    let stored = stored.unwrap();
    assert_eq!((name.as_str(), stored.record.count), ("example.org", 3));
    assert_eq!(stored.version, 17);
}

#[test]
fn what_cannot_be_read_is_named_with_what_to_do() {
    let found = |state: &str| read::<Counter>(&key(), config(state)).unwrap_err();
    for damaged in [
        "",
        "{",
        r#"{"schema":2,"by":"a","record":{"count":"x"}}"#,
        r#"{"schema":2,"by":"a"}"#,
    ] {
        let error = found(damaged);
        assert!(matches!(error, StateError::Damaged { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains("docker config rm rollover-state-example.org"));
    }
    let newer = found(r#"{"schema":3,"by":"a","record":{"other":1}}"#).to_string();
    assert!(newer.contains("schema 3, this one reads 2"), "{newer}");
}

#[test]
fn a_record_that_has_lost_its_way_is_not_written() {
    #[derive(Serialize, Deserialize)]
    struct Long(String);
    impl Record for Long {
        const SCHEMA: u32 = 1;
    }
    let error = store().labels(&key(), &Long("a".repeat(LARGEST)));
    assert!(matches!(error, Err(StateError::TooLarge { .. })));
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_an_error_and_no_conflict() {
    let over = Stored {
        record: Counter { count: 1 },
        version: 1,
        id: "id1".into(),
    };
    let error = store().save(&key(), &over, &Counter { count: 2 }).await;
    assert!(matches!(error, Err(StateError::Engine { .. })), "{error:?}");
}

/// A swarm's configs, as far as the store asks for them: one object, whose labels
/// change only for the version that the request names. Answers as 20.10 and 28 do.
#[derive(Default)]
struct Swarm {
    version: u64,
    labels: Value,
    /// Whether it refuses to write for a reason of its own.
    full: bool,
}

impl Swarm {
    async fn start() -> (Arc<Mutex<Self>>, Docker) {
        let (swarm, docker, _) = Self::start_with_raw().await;
        (swarm, docker)
    }

    async fn start_with_raw() -> (Arc<Mutex<Self>>, Docker, Raw) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let url = format!("http://{address}");
        let swarm = Arc::new(Mutex::new(Self::default()));
        let served = Arc::clone(&swarm);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, &served).await;
            }
        });
        let docker = Docker::connect_with_http(&url, 5, bollard::API_DEFAULT_VERSION);
        let raw = Raw::new(Endpoint::Tcp(address), "1.41".to_owned());
        (swarm, docker.unwrap(), raw)
    }

    fn answer(&mut self, request: &str, body: &str) -> (u16, Value) {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        if request.starts_with("GET") && self.version == 0 {
            return (404, json!({"message": "config not found"}));
        }
        if request.starts_with("GET") {
            let spec = json!({"Labels": self.labels});
            let config = json!({"ID": "id1", "Version": {"Index": self.version}, "Spec": spec});
            // Without a name, all are asked for; another one is not the runner's.
            let all = json!([config.clone(), {"ID": "id2", "Spec": {"Name": "other"}}]);
            let is_list = request.contains("/configs?");
            return (200, if is_list { all } else { config });
        }
        if request.starts_with("DELETE") {
            self.version = 0;
            return (204, Value::Null);
        }
        let create = request.contains("/configs/create");
        let named = format!("version={} ", self.version);
        if self.full {
            return (500, json!({"message": "raft: proposal dropped"}));
        } else if create && self.version > 0 {
            return (409, json!({"message": "already exists"}));
        } else if !create && !request.contains(&named) {
            return (500, json!({"message": "update out of sequence"}));
        }
        self.version += 7;
        self.labels = body["Labels"].clone();
        (201, json!({"ID": "id1"}))
    }
}

async fn answer(mut stream: TcpStream, swarm: &Mutex<Swarm>) {
    let (mut read, mut chunk) = (String::new(), [0; 4096]);
    let (head, body) = loop {
        let count = stream.read(&mut chunk).await.unwrap();
        read += std::str::from_utf8(&chunk[..count]).unwrap();
        let Some((head, body)) = read.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.parse().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            break (head, body);
        }
    };
    let request = head.lines().next().unwrap_or_default();
    let (status, answer) = swarm.lock().unwrap().answer(request, body);
    let answer = answer.to_string();
    let length = answer.len();
    let text = format!(
        "HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{answer}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn of_two_writers_one_wins_and_the_other_is_told_who_did() {
    let (_, docker) = Swarm::start().await;
    let one = Store::new(docker.clone(), "runner-1".into(), None);
    let two = Store::new(docker, "runner-2".into(), None);
    let count = |count| Counter { count };
    assert!(one.load::<Counter>(&key()).await.unwrap().is_none());
    one.create(&key(), &count(1)).await.unwrap();
    let conflict = |error: StateError| error.to_string();
    let second = two.create(&key(), &count(2)).await.unwrap_err();
    assert!(conflict(second).contains("runner-1 wrote it meanwhile"));

    let read = one.load::<Counter>(&key()).await.unwrap().unwrap();
    two.save(&key(), &read, &count(3)).await.unwrap();
    let late = one.save(&key(), &read, &count(4)).await.unwrap_err();
    assert!(conflict(late).contains("runner-2 wrote it meanwhile"));
    let read = one.load::<Counter>(&key()).await.unwrap().unwrap();
    assert_eq!(read.record, count(3));
}

#[tokio::test]
async fn all_are_read_in_one_look() {
    let (_, docker, raw) = Swarm::start_with_raw().await;
    let mut all = Vec::new();
    let error = Store::each::<Counter>(&raw, |_, _| ()).await.unwrap_err();
    assert!(error.to_string().contains("config not found"), "{error}");
    let store = Store::new(docker, "runner-1".into(), None);
    store.create(&key(), &Counter { count: 5 }).await.unwrap();
    let each = Store::each::<Counter>(&raw, |name, read| all.push((name, read)));
    each.await.unwrap();
    let [(name, Ok(stored))] = all.as_slice() else {
        panic!("{all:?}");
    };
    assert_eq!((name.as_str(), stored.record.count), ("example.org", 5));
    assert_eq!((stored.id.as_str(), stored.version), ("id1", 7));
}

#[tokio::test]
async fn a_refusal_of_another_kind_is_no_conflict() {
    let (swarm, docker) = Swarm::start().await;
    let store = Store::new(docker, "runner-1".into(), None);
    store.create(&key(), &Counter { count: 1 }).await.unwrap();
    let read = store.load::<Counter>(&key()).await.unwrap().unwrap();
    swarm.lock().unwrap().full = true;
    let error = store.save(&key(), &read, &Counter { count: 2 }).await;
    let Err(error @ StateError::Engine { .. }) = error else {
        panic!("{error:?}");
    };
    assert!(error.to_string().contains("proposal dropped"), "{error}");
}

#[tokio::test]
async fn what_nobody_asks_for_and_is_outlived_is_removed() {
    let (swarm, docker, raw) = Swarm::start_with_raw().await;
    let store = Store::new(docker, "runner-1".into(), None);
    let mut memory = Memory::default();
    memory.record_issued(&name(), &leaf(1), now());
    let kept = memory.kept(&name());
    store.create(&key(), &kept).await.unwrap();
    let (mut state, fence) = (State::new(store), Fence::default());
    state.recall(&raw, &mut memory).await.unwrap();
    let late = leaf(1).not_after + SignedDuration::from_hours(24 * 8);
    for (wanted, at) in [(true, late), (false, now())] {
        state.collect(&fence, &mut memory, |_| wanted, at).await;
        assert_ne!(swarm.lock().unwrap().version, 0);
    }
    state.collect(&fence, &mut memory, |_| false, late).await;
    assert_eq!(swarm.lock().unwrap().version, 0);
    assert_eq!(memory.kept(&name()), Kept::default());
}

/// A runner that remembers what another one has kept, and fails once more than that.
struct Writer {
    state: State,
    memory: Memory,
}

impl Writer {
    fn new(docker: &Docker, name: &str) -> Self {
        let store = Store::new(docker.clone(), name.into(), None);
        Self {
            state: State::new(store),
            memory: Memory::default(),
        }
    }

    async fn recall(&mut self, raw: &Raw) -> Result<(), StateError> {
        self.state.recall(raw, &mut self.memory).await
    }

    async fn fails(&mut self) {
        let attempted = Attempted::Certificate(name());
        self.memory
            .record(attempted, now(), Some("no answer".into()));
        self.state.keep(&self.memory, &name()).await;
    }

    fn failures(&self) -> usize {
        self.memory.failures(&Attempted::Certificate(name()))
    }
}

#[tokio::test]
async fn what_could_not_be_written_is_written_later_and_not_over_what_another_has_written() {
    for another_writes in [false, true] {
        let (swarm, docker, raw) = Swarm::start_with_raw().await;
        let (mut one, mut other) = (Writer::new(&docker, "one"), Writer::new(&docker, "other"));
        one.fails().await;
        one.recall(&raw).await.unwrap();
        swarm.lock().unwrap().full = true;
        one.fails().await;
        swarm.lock().unwrap().full = false;
        if another_writes {
            other.recall(&raw).await.unwrap();
            other.fails().await;
            other.fails().await;
        }
        one.recall(&raw).await.unwrap();
        one.state.catch_up(&one.memory).await;
        let kept = one.failures();
        assert_eq!(kept, if another_writes { 3 } else { 2 });
        other.recall(&raw).await.unwrap();
        assert_eq!(other.failures(), kept);
    }
}

#[tokio::test]
async fn who_has_read_nothing_is_told_so_and_who_has_goes_on() {
    let (swarm, docker, raw) = Swarm::start_with_raw().await;
    let mut runner = Writer::new(&docker, "one");
    // The swarm of these tests has no list yet.
    runner.recall(&raw).await.unwrap_err();
    runner.fails().await;
    runner.recall(&raw).await.unwrap();
    swarm.lock().unwrap().version = 0;
    runner.recall(&raw).await.unwrap();
    assert_eq!(runner.state.problems().count(), 1);
    runner.state.stands_by();
    runner.recall(&raw).await.unwrap_err();
    assert_eq!(runner.failures(), 1);
}
