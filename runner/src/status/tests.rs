//! The status of small worlds, as it is printed.

use std::time::Duration;

use jiff::SignedDuration;

use super::*;
use crate::decide::tests::{all, leaf, name, now, world};
use crate::decide::{ByDns, Memory, Occasion, Policy, UnderWay, decide};
use crate::model::{Schedule, Serving, Window};

fn schedule() -> Schedule {
    Schedule::parse("0 3,15 * * *", "UTC").unwrap()
}

fn told(memory: Memory) -> Told {
    let teller = crate::daemon::Teller::new(schedule());
    teller.looked(&memory, now() - SignedDuration::from_secs(20));
    teller.looks_again(&memory, Some(now() + SignedDuration::from_secs(40)));
    teller.told_at(now() - SignedDuration::from_hours(1))
}

fn status(snapshot: &Snapshot, told: Result<&Told, String>) -> Status {
    let memory = told.as_ref().map(|told| told.memory.clone());
    let occasion = Occasion {
        schedule: &schedule(),
        forced: &[],
        policy: Policy::Engine,
        by_dns: ByDns::Answered,
        under_way: told
            .as_ref()
            .map_or_else(|_| UnderWay::default(), |told| told.under_way()),
    };
    let memory = memory.unwrap_or_default();
    let plan = decide(snapshot, &memory, &occasion, now());
    Facts {
        snapshot,
        plan: &plan,
        memory: &memory,
        told,
        lease: LeaseStatus::Held {
            holder: "patch_rollover.1.task1".into(),
            epoch: 3,
        },
        now: now(),
    }
    .status()
}

/// The fingerprints of these worlds by the number of their leaf.
fn shown(status: &Status) -> String {
    let mut text = status.to_string();
    for nth in 1..=3 {
        let short = leaf(nth).fingerprint.short();
        text = text.replace(&short, &format!("fingerprint{nth}"));
    }
    text
}

fn asked(at: Timestamp) -> Memory {
    let mut memory = Memory::default();
    memory.record(Attempted::Certificate(name()), at, None);
    memory
}

fn mixed() -> Snapshot {
    let serving = [
        Serving::Leaf(leaf(2)),
        Serving::Leaf(leaf(1)),
        Serving::Unreachable("connect to 10.0.1.13:443: Connection refused".into()),
    ];
    world(Published::Pair(leaf(2)), serving)
}

#[test]
fn all_is_well() {
    let world = world(Published::Pair(leaf(2)), all(&leaf(2)));
    let status = status(&world, Ok(&told(asked(now()))));
    assert!(status.all_served);
    insta::assert_snapshot!(shown(&status), @r"
    CERTIFICATE  PUBLISHED     KEY    VALID UNTIL           LIFE LEFT  NEXT
    example.org  fingerprint2  ECDSA  2026-12-06T12:00:00Z  10 %       nothing until 2026-11-24T15:00:00Z

    TARGET              STRATEGY  WINDOW  ROLLOUT
    patch_loadbalancer  signal    always  in step

    REPLICA              OF                  CERTIFICATE  SERVES        STANDING
    replica 1 on node-1  patch_loadbalancer  example.org  fingerprint2  serving
    replica 2 on node-2  patch_loadbalancer  example.org  fingerprint2  serving
    replica 3 on node-3  patch_loadbalancer  example.org  fingerprint2  serving

    patch_rollover.1.task1 holds the lease (epoch 3)
    the daemon runs since 2026-11-24T11:00:00Z, looked last at 2026-11-24T11:59:40Z and looks again at 2026-11-24T12:00:40Z
    every replica serves what is published
    ");
}

#[test]
fn each_replica_is_told_by_itself_and_waits_for_the_window() {
    let mut world = mixed();
    world.targets[0].target.window = Some(Window::parse("0 2 * * *;3h").unwrap());
    let mut memory = asked(now());
    memory.saw(&world, now() - SignedDuration::from_hours(2));
    let status = status(&world, Ok(&told(memory)));
    assert!(!status.all_served);
    insta::assert_snapshot!(shown(&status), @r"
    CERTIFICATE  PUBLISHED     KEY    VALID UNTIL           LIFE LEFT  NEXT
    example.org  fingerprint2  ECDSA  2026-12-06T12:00:00Z  10 %       nothing until 2026-11-24T15:00:00Z

    TARGET              STRATEGY  WINDOW        ROLLOUT
    patch_loadbalancer  signal    0 2 * * *;3h  waits until 2026-11-25T02:00:00Z: its window opens then

    REPLICA              OF                  CERTIFICATE  SERVES        STANDING
    replica 1 on node-1  patch_loadbalancer  example.org  fingerprint2  serving
    replica 2 on node-2  patch_loadbalancer  example.org  fingerprint1  stale, seen so since 2026-11-24T10:00:00Z
    replica 3 on node-3  patch_loadbalancer  example.org  -             unreachable: connect to 10.0.1.13:443: Connection refused

    problem: certificate example.org: replica 3 on node-3 of patch_loadbalancer cannot be seen: connect to 10.0.1.13:443: Connection refused
    patch_rollover.1.task1 holds the lease (epoch 3)
    the daemon runs since 2026-11-24T11:00:00Z, looked last at 2026-11-24T11:59:40Z and looks again at 2026-11-24T12:00:40Z
    not every replica was seen to serve what is published
    ");
}

#[test]
fn without_the_daemon_it_does_not_pretend_to_know() {
    let status = status(&mixed(), Err("no `rollover run` in this container".into()));
    insta::assert_snapshot!(shown(&status), @r"
    CERTIFICATE  PUBLISHED     KEY    VALID UNTIL           LIFE LEFT  NEXT
    example.org  fingerprint2  ECDSA  2026-12-06T12:00:00Z  10 %       ask the engine whether it is due, as far as is known without the daemon

    TARGET              STRATEGY  WINDOW  ROLLOUT
    patch_loadbalancer  signal    always  due at the next look

    REPLICA              OF                  CERTIFICATE  SERVES        STANDING
    replica 1 on node-1  patch_loadbalancer  example.org  fingerprint2  serving
    replica 2 on node-2  patch_loadbalancer  example.org  fingerprint1  stale, since when is not known
    replica 3 on node-3  patch_loadbalancer  example.org  -             unreachable: connect to 10.0.1.13:443: Connection refused

    problem: certificate example.org: replica 3 on node-3 of patch_loadbalancer cannot be seen: connect to 10.0.1.13:443: Connection refused
    patch_rollover.1.task1 holds the lease (epoch 3)
    the daemon did not answer (no `rollover run` in this container), so retries and since when a replica is stale are not known
    not every replica was seen to serve what is published
    ");
}

#[test]
fn a_rollout_that_failed_is_told_with_its_retry_and_its_reason() {
    let world = world(Published::Pair(leaf(2)), all(&leaf(1)));
    let step = decide(
        &world,
        &Memory::default(),
        &Occasion {
            schedule: &schedule(),
            forced: &[],
            policy: Policy::Engine,
            by_dns: ByDns::Answered,
            under_way: UnderWay::default(),
        },
        now(),
    );
    let mut memory = asked(now());
    let why = Some("replica 2 on node-2 is gone".to_owned());
    memory.record_eager(step.rollouts[0].attempted(), now(), why);
    let status = status(&world, Ok(&told(memory)));
    assert_eq!(
        status.targets[0].rollout,
        RolloutStatus::Failed {
            retried_at: now() + Duration::from_secs(10),
            why: "replica 2 on node-2 is gone".into()
        }
    );
}

#[test]
fn what_the_daemon_is_at_is_told_as_under_way() {
    let world = world(Published::Pair(leaf(2)), all(&leaf(1)));
    let teller = crate::daemon::Teller::new(schedule());
    let _at_work = teller.begins(Work::RollingOut("patch_loadbalancer".into()));
    let status = status(&world, Ok(&teller.told_at(now())));
    let rollout = &status.targets[0].rollout;
    assert!(
        matches!(rollout, RolloutStatus::RollingOut { .. }),
        "{rollout:?}"
    );
}

#[test]
fn what_waits_for_an_order_is_told_with_its_certificate() {
    let world = world(Published::Pair(leaf(2)), all(&leaf(1)));
    let teller = crate::daemon::Teller::new(schedule());
    let _at_work = teller.begins(Work::Obtaining(name()));
    let status = status(&world, Ok(&teller.told_at(now())));
    let rollout = &status.targets[0].rollout;
    assert_eq!(
        *rollout,
        RolloutStatus::AfterOrder {
            certificate: name()
        }
    );
    let text = status.to_string();
    let says = "always  waits for example.org, which is being obtained";
    assert!(text.contains(says), "{text}");
    let next = &status.certificates[0].next;
    assert!(next.starts_with("being obtained since"), "{next}");
}

#[test]
fn as_json_it_is_one_document_with_a_word_for_each_standing() {
    let mut memory = asked(now());
    let world = mixed();
    memory.saw(&world, now());
    let status = status(&world, Ok(&told(memory)));
    let json = serde_json::to_value(&status).unwrap();
    let replicas = json["targets"][0]["replicas"].as_array().unwrap();
    let words: Vec<_> = replicas.iter().map(|it| it["standing"].as_str()).collect();
    assert_eq!(words, [Some("serving"), Some("stale"), Some("unreachable")]);
    assert_eq!(json["targets"][0]["rollout"]["state"], "due");
    assert_eq!(json["certificates"][0]["published"], "pair");
    assert_eq!(json["all_served"], false);
    assert_eq!(replicas[1]["seen_stale_since"], now().to_string());
}

/// A status without a target says what to do to get one.
#[test]
fn an_empty_swarm_is_not_well() {
    let mut empty = mixed();
    empty.targets.clear();
    empty.certificates.clear();
    let status = status(&empty, Ok(&told(Memory::default())));
    assert!(!status.all_served);
    assert!(
        status
            .to_string()
            .starts_with("no service asks for a certificate")
    );
}
