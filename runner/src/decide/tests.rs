//! What is decided about small worlds, one property a test.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::model::{
    CertificateName, CertificateSpec, DomainName, Fingerprint, Leaf, PairError, Placement,
    Published, Replica, Schedule, Serving, Strategy, Target,
};
use crate::observe::{CertificateView, ReplicaView, TargetView};

const NOW: &str = "2026-11-24T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn domain() -> DomainName {
    DomainName::parse("example.org").unwrap()
}

fn name() -> CertificateName {
    CertificateName::of(&domain())
}

/// A certificate told apart by `nth`; a higher one is newer.
fn leaf(nth: u8) -> Leaf {
    let begin = now() - SignedDuration::from_hours(24 * (100 - i64::from(nth)));
    Leaf {
        fingerprint: Fingerprint::of_der(&[nth]),
        names: vec!["example.org".into()],
        not_before: begin,
        not_after: begin + SignedDuration::from_hours(24 * 110),
        placeholder: false,
    }
}

fn placeholder() -> Leaf {
    Leaf {
        placeholder: true,
        ..leaf(99)
    }
}

/// A world with one target of three replicas, each serving what is given.
fn world(published: Published, serving: [Serving; 3]) -> Snapshot {
    let replicas = serving.into_iter().enumerate().map(|(index, serving)| {
        let slot = i64::try_from(index).unwrap() + 1;
        ReplicaView {
            replica: Replica {
                task: format!("task{slot}"),
                slot,
                node: format!("node-{slot}"),
                address: Some([10, 0, 1, 10 + u8::try_from(slot).unwrap()].into()),
                running: !matches!(serving, Serving::Unreachable(ref why) if why == "starting"),
                state: "running".into(),
            },
            serving: BTreeMap::from([(name(), serving)]),
        }
    });
    let target = Target {
        id: "service1".into(),
        name: "patch_loadbalancer".into(),
        certificates: vec![CertificateSpec {
            name: name(),
            domains: vec![domain()],
            path: PathBuf::from("/etc/letsencrypt/live/example.org/fullchain.pem"),
        }],
        strategy: Strategy::Signal {
            signal: "HUP".into(),
            test: Vec::new(),
        },
        port: 443,
        desired: Some(3),
        updated_at: now() - SignedDuration::from_secs(10),
        placement: Placement::default(),
        stack: None,
    };
    Snapshot {
        certificates: BTreeMap::from([(
            name(),
            CertificateView {
                domains: vec![domain()],
                published,
            },
        )]),
        targets: vec![TargetView {
            target,
            replicas: replicas.collect(),
        }],
        labels: Vec::new(),
    }
}

fn all(leaf: &Leaf) -> [Serving; 3] {
    [(); 3].map(|()| Serving::Leaf(leaf.clone()))
}

fn starting() -> Serving {
    Serving::Unreachable("starting".into())
}

fn decided(snapshot: &Snapshot, memory: &Memory, forced: &[CertificateName]) -> Plan {
    let schedule = Schedule::parse("0 3,15 * * *", "UTC").unwrap();
    let occasion = Occasion {
        schedule: &schedule,
        forced,
    };
    decide(snapshot, memory, &occasion, now())
}

fn step(snapshot: &Snapshot, memory: &Memory, forced: &[CertificateName]) -> Step {
    let mut plan = decided(snapshot, memory, forced);
    plan.certificates.remove(0).step
}

fn asked_at(time: &str, failed: bool) -> Memory {
    let mut memory = Memory::default();
    memory.record(&name(), time.parse().unwrap(), failed);
    memory
}

#[test]
fn an_empty_volume_gets_a_placeholder_and_no_order() {
    let world = world(Published::Missing, [(); 3].map(|()| starting()));
    let plan = decided(&world, &Memory::default(), &[]);
    assert_eq!(plan.certificates[0].step, Step::PublishPlaceholder);
    assert!(plan.rollouts.is_empty());
}

#[test]
fn a_placeholder_is_replaced_once_every_replica_can_answer() {
    let published = Published::Pair(placeholder());
    let two = [
        Serving::Leaf(placeholder()),
        Serving::Leaf(placeholder()),
        starting(),
    ];
    let mut some = world(published.clone(), two);
    assert_eq!(
        step(&some, &Memory::default(), &[]),
        Step::Nothing(WhyNot::ReplicasStarting)
    );
    // A replica that never comes does not hold it up for ever.
    some.targets[0].target.updated_at = now() - SignedDuration::from_mins(5);
    assert_eq!(
        step(&some, &Memory::default(), &[]),
        Step::Issue(WhyIssue::Placeholder)
    );
    let every = world(published, all(&placeholder()));
    assert_eq!(
        step(&every, &Memory::default(), &[]),
        Step::Issue(WhyIssue::Placeholder)
    );
}

#[test]
fn the_engine_is_asked_at_the_start_and_when_the_schedule_comes_round() {
    let world = world(Published::Pair(leaf(1)), all(&leaf(1)));
    let asked = |memory: Memory| step(&world, &memory, &[]);
    assert_eq!(asked(Memory::default()), Step::Issue(WhyIssue::Scheduled));
    assert_eq!(
        asked(asked_at("2026-11-24T03:00:01Z", false)),
        Step::Nothing(WhyNot::AskAt("2026-11-24T15:00:00Z".parse().unwrap()))
    );
    assert_eq!(
        asked(asked_at("2026-11-24T02:59:59Z", false)),
        Step::Issue(WhyIssue::Scheduled)
    );
}

#[test]
fn a_failure_holds_back_all_but_a_person() {
    let world = world(Published::Pair(placeholder()), all(&placeholder()));
    let memory = asked_at("2026-11-24T11:59:30Z", true);
    assert_eq!(
        step(&world, &memory, &[]),
        Step::Nothing(WhyNot::BackingOff("2026-11-24T12:00:30Z".parse().unwrap()))
    );
    assert_eq!(
        step(&world, &memory, &[name()]),
        Step::Issue(WhyIssue::Forced)
    );
}

#[test]
fn changed_names_are_obtained_without_waiting_for_the_schedule() {
    let mut world = world(Published::Pair(leaf(1)), all(&leaf(1)));
    let wanted = vec![domain(), DomainName::parse("www.example.org").unwrap()];
    if let Some(view) = world.certificates.get_mut(&name()) {
        view.domains = wanted;
    }
    let memory = asked_at("2026-11-24T11:00:00Z", false);
    assert_eq!(
        step(&world, &memory, &[]),
        Step::Issue(WhyIssue::NamesChanged)
    );
}

#[test]
fn only_the_replicas_that_differ_are_a_reason_to_roll_out() {
    let same = world(Published::Pair(leaf(2)), all(&leaf(2)));
    assert!(decided(&same, &Memory::default(), &[]).rollouts.is_empty());
    let serving = [
        Serving::Leaf(leaf(2)),
        Serving::Leaf(leaf(1)),
        Serving::Leaf(leaf(2)),
    ];
    let one = world(Published::Pair(leaf(2)), serving);
    let plan = decided(&one, &Memory::default(), &[]);
    assert_eq!(plan.rollouts.len(), 1);
    let stale: Vec<&str> = plan.rollouts[0]
        .stale
        .iter()
        .map(|stale| stale.replica.as_str())
        .collect();
    assert_eq!(stale, ["replica 2 on node-2"]);
}

#[test]
fn what_is_broken_is_neither_rolled_out_nor_ordered() {
    let error = PairError::Empty {
        file: "live/example.org/privkey.pem".into(),
    };
    let world = world(Published::Broken(error), all(&leaf(1)));
    let plan = decided(&world, &Memory::default(), &[name()]);
    assert_eq!(plan.certificates[0].step, Step::Nothing(WhyNot::Problem));
    assert!(plan.rollouts.is_empty());
    assert_eq!(
        plan.problems[0].to_string(),
        "certificate example.org: published files are not used: \
         live/example.org/privkey.pem is empty"
    );
}

#[test]
fn an_empty_volume_under_replicas_that_serve_is_a_fault_to_report() {
    for published in [Published::Missing, Published::Pair(placeholder())] {
        let world = world(published, all(&leaf(1)));
        let plan = decided(&world, &Memory::default(), &[name()]);
        assert_eq!(plan.certificates[0].step, Step::Nothing(WhyNot::Problem));
        assert!(plan.rollouts.is_empty());
        let problem = plan.problems[0].to_string();
        assert!(
            problem.contains("is the right volume mounted?"),
            "{problem}"
        );
    }
}

#[test]
fn nothing_moves_backwards() {
    let older = world(Published::Pair(leaf(1)), all(&leaf(2)));
    let plan = decided(&older, &Memory::default(), &[]);
    assert!(plan.rollouts.is_empty());
    assert!(matches!(plan.problems[0], Problem::ServesNewer { .. }));
    let mut expired = leaf(3);
    expired.not_after = now() - SignedDuration::from_secs(1);
    let expired = world(Published::Pair(expired), all(&leaf(2)));
    let plan = decided(&expired, &Memory::default(), &[]);
    assert!(plan.rollouts.is_empty());
    assert!(matches!(plan.problems[0], Problem::Expired { .. }));
}

#[test]
fn a_replica_that_runs_and_cannot_be_seen_is_a_problem_and_no_reason_to_touch_others() {
    let serving = [
        Serving::Leaf(leaf(1)),
        Serving::Unreachable("connect to 10.0.1.12:443: refused".into()),
        Serving::Leaf(leaf(1)),
    ];
    let plan = decided(
        &world(Published::Pair(leaf(1)), serving),
        &Memory::default(),
        &[],
    );
    assert!(plan.rollouts.is_empty());
    assert_eq!(
        plan.problems[0].to_string(),
        "certificate example.org: replica 2 on node-2 of patch_loadbalancer cannot be seen: \
         connect to 10.0.1.12:443: refused"
    );
}

#[test]
fn forcing_what_nobody_asks_for_names_what_is_known() {
    let world = world(Published::Pair(leaf(1)), all(&leaf(1)));
    let other = CertificateName::of(&DomainName::parse("example.com").unwrap());
    let plan = decided(&world, &Memory::default(), &[other]);
    assert_eq!(
        plan.problems[0].to_string(),
        "--force example.com: no service asks for this certificate; known are: example.org"
    );
}
