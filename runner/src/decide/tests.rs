//! What is decided about small worlds, one property a test.

mod updates;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::model::{
    CertificateName, CertificateSpec, Chain, Digest, DomainName, Fingerprint, KeyKind, Leaf,
    NoJobs, PairError, Placement, Published, Reach, Replica, Schedule, Serving, Strategy, Target,
    Tell, Update,
};
use crate::observe::{CertificateView, ReplicaView, TargetView};

mod challenges;
mod concerned;
mod dual_pair;
mod held_back;
mod own;
mod standings;
mod windows;

const NOW: &str = "2026-11-24T12:00:00Z";

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn domain() -> DomainName {
    DomainName::parse("example.org").unwrap()
}

pub(crate) fn name() -> CertificateName {
    CertificateName::of(&domain())
}

/// A certificate told apart by `nth`; a higher one is newer.
pub(crate) fn leaf(nth: u8) -> Leaf {
    let begin = now() - SignedDuration::from_hours(24 * (100 - i64::from(nth)));
    Leaf {
        fingerprint: Fingerprint::of_der(&[nth]),
        names: vec!["example.org".into()],
        not_before: begin,
        not_after: begin + SignedDuration::from_hours(24 * 110),
        placeholder: false,
        key: KeyKind::Ecdsa,
        chain: Chain::default(),
    }
}

fn placeholder() -> Leaf {
    Leaf {
        placeholder: true,
        ..leaf(99)
    }
}

/// A world with one target of three replicas, each serving what is given.
pub(crate) fn world(published: Published, serving: [Serving; 3]) -> Snapshot {
    let replicas = serving.into_iter().enumerate().map(|(index, serving)| {
        let slot = i64::try_from(index).unwrap() + 1;
        ReplicaView {
            replica: Replica {
                task: format!("task{slot}"),
                slot,
                node: format!("node-{slot}"),
                reach: Some(Reach::Overlay {
                    address: [10, 0, 1, 10 + u8::try_from(slot).unwrap()].into(),
                    network: "frontend".into(),
                }),
                no_jobs: None,
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
            ordering: Default::default(),
            name: name(),
            domains: vec![domain()],
            path: PathBuf::from("/etc/letsencrypt/live/example.org/fullchain.pem"),
        }],
        strategy: Strategy::Signal {
            tell: Tell::Signal("HUP".into()),
            test: Vec::new(),
        },
        other_strategies: Vec::new(),
        probe: "443".parse().unwrap(),
        public: None,
        window: None,
        desired: Some(3),
        updated_at: now() - SignedDuration::from_secs(10),
        placement: Placement::default(),
        stack: None,
        secrets: Vec::new(),
        specification: 0,
        asked: Digest::of(&[]),
        update: Update::read(&serde_json::Value::Null),
    };
    Snapshot {
        certificates: BTreeMap::from([(
            name(),
            CertificateView {
                domains: vec![domain()],
                key: KeyKind::Ecdsa,
                published,
                versions: None,
            },
        )]),
        targets: vec![TargetView {
            target,
            replicas: replicas.collect(),
            mounted: BTreeMap::new(),
            public: None,
        }],
        labels: Vec::new(),
    }
}

pub(crate) fn all(leaf: &Leaf) -> [Serving; 3] {
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
        policy: Policy::Engine,
        by_dns: ByDns::Answered,
        under_way: UnderWay::default(),
    };
    decide(snapshot, memory, &occasion, now())
}

/// What is planned for a world.
pub(crate) fn plan_of(snapshot: &Snapshot, memory: &Memory) -> Plan {
    decided(snapshot, memory, &[])
}

/// The one rollout that is planned for a world.
pub(crate) fn rollout(snapshot: &Snapshot) -> RolloutStep {
    decided(snapshot, &Memory::default(), &[])
        .rollouts
        .remove(0)
}

fn step(snapshot: &Snapshot, memory: &Memory, forced: &[CertificateName]) -> Step {
    let mut plan = decided(snapshot, memory, forced);
    plan.certificates.remove(0).step
}

fn asked_at(time: &str, failed: bool) -> Memory {
    let mut memory = Memory::default();
    let attempted = Attempted::Certificate(name());
    let failed = failed.then(|| "no answer".to_owned());
    memory.record(attempted, time.parse().unwrap(), failed);
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
    let told = decided(&world, &memory, &[]).problems;
    assert_eq!(
        told[0].to_string(),
        "certificate example.org: the last attempt failed; it is tried again at \
         2026-11-24T12:00:30Z; no answer"
    );
    // What is missing stays the reason: there is no lineage to renew yet.
    assert_eq!(
        step(&world, &memory, &[name()]),
        Step::Issue(WhyIssue::Placeholder)
    );
}

#[test]
fn a_renewal_that_failed_is_tried_again_before_the_schedule_comes_round() {
    let world = world(Published::Pair(leaf(1)), all(&leaf(1)));
    let held = asked_at("2026-11-24T11:59:30Z", true);
    assert_eq!(
        step(&world, &held, &[]),
        Step::Nothing(WhyNot::BackingOff("2026-11-24T12:00:30Z".parse().unwrap()))
    );
    let over = asked_at("2026-11-24T11:58:30Z", true);
    assert_eq!(step(&world, &over, &[]), Step::Issue(WhyIssue::Scheduled));
    assert_eq!(
        step(&world, &held, &[name()]),
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
    let plan = decided(&world, &Memory::default(), &[]);
    assert!(forced_in_vain(&plan, &[name()]).is_empty());
    assert_eq!(
        forced_in_vain(&plan, &[other])[0].to_string(),
        "--force example.com: no service asks for this certificate; known are: example.org"
    );
}

/// The world with a second certificate on the same target.
fn with_second(mut world: Snapshot, published: Published, serving: &Serving) -> Snapshot {
    let domain = DomainName::parse("b.example.net").unwrap();
    let second = CertificateName::of(&domain);
    let view = &mut world.targets[0];
    view.target.certificates.push(CertificateSpec {
        ordering: Default::default(),
        name: second.clone(),
        domains: vec![domain.clone()],
        path: PathBuf::from("/etc/letsencrypt/live/b.example.net/fullchain.pem"),
    });
    for replica in &mut view.replicas {
        replica.serving.insert(second.clone(), serving.clone());
    }
    world.certificates.insert(
        second,
        CertificateView {
            domains: vec![domain],
            key: KeyKind::Ecdsa,
            published,
            versions: None,
        },
    );
    world
}

#[test]
fn a_server_that_does_not_know_a_name_yet_has_not_lost_its_certificate() {
    let first = world(Published::Pair(leaf(1)), all(&leaf(1)));
    // nginx answers with its default certificate for a name it does not know.
    let world = with_second(first, Published::Missing, &Serving::Leaf(leaf(1)));
    let plan = decided(&world, &Memory::default(), &[]);
    assert_eq!(plan.certificates[0].step, Step::PublishPlaceholder);
    assert!(plan.problems.is_empty(), "{:?}", plan.problems);
}

#[test]
fn a_name_that_is_not_configured_holds_no_other_back() {
    let first = world(Published::Pair(leaf(2)), all(&leaf(1)));
    let mut second = leaf(3);
    second.names = vec!["b.example.net".into()];
    let world = with_second(first, Published::Pair(second), &Serving::Leaf(leaf(1)));
    let plan = decided(&world, &Memory::default(), &[]);
    assert_eq!(plan.rollouts.len(), 1);
    assert_eq!(plan.rollouts[0].expected.len(), 1);
    assert!(matches!(plan.problems[0], Problem::ServesAnother { .. }));
}

#[test]
fn a_replica_that_serves_another_certificate_holds_no_other_back() {
    let mut other = leaf(3);
    other.names = vec!["fallback.example.net".into()];
    let serving = [
        Serving::Leaf(leaf(1)),
        Serving::Leaf(other.clone()),
        Serving::Leaf(leaf(1)),
    ];
    let world = world(Published::Pair(leaf(2)), serving);
    let plan = decided(&world, &Memory::default(), &[]);
    let step = &plan.rollouts[0];
    let tasks: Vec<&str> = step.tasks().collect();
    assert_eq!(tasks, ["task1", "task3"]);
    assert!(step.is_not_mended(&name(), "task2"));
    assert!(!step.is_not_mended(&name(), "task1"));
    assert!(matches!(plan.problems[0], Problem::ServesAnother { .. }));

    // A restart replaces each, also those that nothing is wrong with.
    let mut restarting = world.clone();
    restarting.targets[0].target.strategy = Strategy::Restart(updates::pace());
    assert!(
        decided(&restarting, &Memory::default(), &[])
            .rollouts
            .is_empty()
    );

    // Where each does, no signal would mend anything.
    let all = self::world(Published::Pair(leaf(2)), all(&other));
    assert!(decided(&all, &Memory::default(), &[]).rollouts.is_empty());
}

#[test]
fn who_goes_first_is_none_that_serves_another_certificate() {
    let first = world(Published::Pair(leaf(2)), all(&leaf(1)));
    let mut second = leaf(3);
    second.names = vec!["b.example.net".into()];
    let mut world = with_second(
        first,
        Published::Pair(second.clone()),
        &Serving::Leaf(second),
    );
    // The first is not configured for the second name.
    let serving = &mut world.targets[0].replicas[0].serving;
    serving
        .values_mut()
        .for_each(|it| *it = Serving::Leaf(leaf(1)));
    let plan = decided(&world, &Memory::default(), &[]);
    let step = &plan.rollouts[0];
    assert_eq!(step.tasks().count(), 3);
    assert_eq!(step.expected.len(), 2);
    assert_eq!(step.canary.as_ref().unwrap().task, "task2");
}

#[test]
fn what_must_not_be_loaded_holds_back_all_that_the_same_signal_would_load() {
    let error = PairError::Empty {
        file: "live/b.example.net/privkey.pem".into(),
    };
    let first = world(Published::Pair(leaf(2)), all(&leaf(1)));
    let world = with_second(first, Published::Broken(error), &Serving::Leaf(leaf(1)));
    let plan = decided(&world, &Memory::default(), &[]);
    assert!(plan.rollouts.is_empty());
    assert!(matches!(plan.problems[0], Problem::Broken { .. }));
}

#[test]
fn a_rollout_that_failed_is_held_back_for_that_certificate_only() {
    let serving = all(&leaf(1));
    let newer = world(Published::Pair(leaf(2)), serving.clone());
    let mut memory = Memory::default();
    let tried = decided(&newer, &memory, &[]).rollouts[0].attempted();
    let failed = Some("no answer".to_owned());
    memory.record(tried, now() - SignedDuration::from_secs(30), failed);
    let plan = decided(&newer, &memory, &[]);
    assert!(plan.rollouts.is_empty());
    assert!(matches!(plan.problems[0], Problem::RolloutHeld { .. }));
    assert_eq!(plan.unfinished(), ["patch_loadbalancer"]);
    let newest = world(Published::Pair(leaf(3)), serving);
    assert_eq!(decided(&newest, &memory, &[]).rollouts.len(), 1);
}

#[test]
fn an_expired_certificate_is_told_and_renewed() {
    let mut old = leaf(1);
    old.not_after = now() - SignedDuration::from_secs(1);
    let world = world(Published::Pair(old.clone()), all(&old));
    let plan = decided(&world, &Memory::default(), &[]);
    assert!(matches!(plan.problems[0], Problem::Expired { .. }));
    assert_eq!(plan.certificates[0].step, Step::Issue(WhyIssue::Scheduled));
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_told() {
    let mut early = leaf(1);
    early.not_before = now() + SignedDuration::from_secs(1);
    let world = world(Published::Pair(early.clone()), all(&early));
    let plan = decided(&world, &Memory::default(), &[]);
    assert_eq!(
        plan.problems[0].to_string(),
        "certificate example.org: what is published is not valid before 2026-11-24T12:00:01Z; is \
         this node's clock right?"
    );
}

#[test]
fn all_are_served_only_if_every_wanted_replica_was_seen() {
    let served = |serving| all_served(&world(Published::Pair(leaf(1)), serving), now());
    assert!(served(all(&leaf(1))));
    assert!(!served([
        Serving::Leaf(leaf(1)),
        Serving::Leaf(leaf(1)),
        starting()
    ]));
    assert!(!served([(); 3].map(|()| Serving::Leaf(leaf(2)))));
    let mut fewer = world(Published::Pair(leaf(1)), all(&leaf(1)));
    fewer.targets[0].replicas.pop();
    assert!(!all_served(&fewer, now()));
    fewer.targets.clear();
    assert!(!all_served(&fewer, now()), "no target proves nothing");
}

fn on_paused_node(world: &mut Snapshot, slot: usize) {
    world.targets[0].replicas[slot - 1].replica.no_jobs = Some(NoJobs::Paused);
}

#[test]
fn one_replica_goes_first_and_after_a_failure_another() {
    let world = world(Published::Pair(leaf(2)), all(&leaf(1)));
    let mut memory = Memory::default();
    let mut first = Vec::new();
    for _ in 0..4 {
        let rollout = decided(&world, &memory, &[]).rollouts.remove(0);
        first.push(rollout.canary.clone().unwrap().replica);
        let long_ago = now() - SignedDuration::from_hours(1);
        memory.record_eager(rollout.attempted(), long_ago, Some("no answer".into()));
    }
    let expected = [
        "replica 1 on node-1",
        "replica 2 on node-2",
        "replica 3 on node-3",
    ];
    assert_eq!(first[..3], expected);
    assert_eq!(first[3], expected[0]);
}

#[test]
fn nobody_goes_first_where_a_replica_has_proved_it_or_one_is_left() {
    let serving = [1, 2, 1].map(|nth| Serving::Leaf(leaf(nth)));
    let proved = world(Published::Pair(leaf(2)), serving);
    let rollout = decided(&proved, &Memory::default(), &[]).rollouts.remove(0);
    assert_eq!(rollout.canary, None);
    assert_eq!(rollout.tasks().count(), 2);

    let mut one = world(Published::Pair(leaf(2)), all(&leaf(1)));
    one.targets[0].replicas.truncate(1);
    let rollout = decided(&one, &Memory::default(), &[]).rollouts.remove(0);
    assert_eq!(rollout.canary, None);
}

#[test]
fn a_replica_that_no_job_reaches_holds_no_other_back() {
    let mut world = world(Published::Pair(leaf(2)), all(&leaf(1)));
    on_paused_node(&mut world, 1);
    let mut plan = decided(&world, &Memory::default(), &[]);
    let rollout = plan.rollouts.remove(0);
    assert_eq!(rollout.tasks().collect::<Vec<_>>(), ["task2", "task3"]);
    assert_eq!(rollout.canary.unwrap().task, "task2");
    insta::assert_snapshot!(plan.problems[0], @"service patch_loadbalancer: replica 1 on node-1 serves an earlier certificate and cannot be told, because node-1 is paused; it is told when node-1 is active again");

    on_paused_node(&mut world, 2);
    on_paused_node(&mut world, 3);
    let plan = decided(&world, &Memory::default(), &[]);
    assert!(plan.rollouts.is_empty(), "there is nobody to tell");
    assert_eq!(plan.problems.len(), 3);
}

#[test]
fn a_forced_rollout_is_for_all_that_serve_in_any_hour() {
    let world = world(Published::Pair(leaf(2)), all(&leaf(2)));
    assert!(
        decided(&world, &asked_at(NOW, false), &[])
            .rollouts
            .is_empty()
    );
    let forced = forced_rollout(&world, &world.targets[0], now()).unwrap();
    assert_eq!(
        forced.tasks().collect::<Vec<_>>(),
        ["task1", "task2", "task3"]
    );
    assert!(forced.forced);
}

/// Its replicas are half told, and what it began with must not change under it.
#[test]
fn what_is_rolled_out_is_left_alone_and_all_the_rest_goes_on() {
    let mut world = world(Published::Pair(leaf(2)), all(&leaf(1)));
    let mut other = world.targets[0].clone();
    other.target.name = "other".to_owned();
    world.targets.push(other);
    let schedule = Schedule::parse("0 3,15 * * *", "UTC").unwrap();
    let with = |service: &str, forced: &[CertificateName]| {
        let occasion = Occasion {
            schedule: &schedule,
            forced,
            policy: Policy::Engine,
            by_dns: ByDns::Answered,
            under_way: UnderWay {
                rolled_out: BTreeSet::from([service.to_owned()]),
                ..UnderWay::default()
            },
        };
        decide(&world, &Memory::default(), &occasion, now())
    };
    let rolled_out = world.targets[0].target.name.as_str();
    let plan = with(rolled_out, &[]);
    let planned = plan.rollouts.iter().map(|it| it.target.name.as_str());
    assert_eq!(planned.collect::<Vec<_>>(), ["other"]);
    assert_eq!(
        plan.certificates[0].step,
        Step::Nothing(WhyNot::RolledOut),
        "who is told of it must find it"
    );
    assert!(plan.unfinished().contains(&rolled_out), "its job is wanted");
    let said = plan.waiting().join("\n");
    assert!(said.ends_with("a rollout is under way"), "{said}");
    assert!(!plan.under_way(), "its end calls the next look");
    let step = |plan: Plan| plan.certificates.into_iter().next().unwrap().step;
    let unrelated = step(with("unrelated", &[]));
    assert_eq!(unrelated, Step::Issue(WhyIssue::Scheduled));
    let forced = step(with(rolled_out, &[name()]));
    assert_eq!(forced, Step::Issue(WhyIssue::Forced));
}

/// An order that takes long holds up what serves its certificate, and nothing else.
#[test]
fn what_is_being_obtained_is_left_alone_and_all_the_rest_goes_on() {
    let mut world = world(Published::Pair(leaf(2)), all(&leaf(1)));
    let (one, other) = (name(), CertificateName::parse("other.example.org").unwrap());
    let same_names = CertificateName::parse("example.org-rsa").unwrap();
    let view = world.certificates[&one].clone();
    world.certificates.insert(same_names.clone(), view.clone());
    let of_other = |nth| Leaf {
        names: vec![other.to_string()],
        ..leaf(nth)
    };
    let view = CertificateView {
        domains: vec![DomainName::parse(other.as_str()).unwrap()],
        published: Published::Pair(of_other(2)),
        ..view
    };
    world.certificates.insert(other.clone(), view);
    let mut second = world.targets[0].clone();
    second.target.name = "other".to_owned();
    second.target.certificates[0].name = other.clone();
    for (view, serving) in second.replicas.iter_mut().zip(all(&of_other(1))) {
        view.serving = BTreeMap::from([(other.clone(), serving)]);
    }
    world.targets.push(second);
    let schedule = Schedule::parse("0 3,15 * * *", "UTC").unwrap();
    let occasion = Occasion {
        schedule: &schedule,
        forced: std::slice::from_ref(&one),
        policy: Policy::Engine,
        by_dns: ByDns::Answered,
        under_way: UnderWay {
            obtained: BTreeSet::from([one.clone()]),
            ..UnderWay::default()
        },
    };
    let plan = decide(&world, &Memory::default(), &occasion, now());
    let step = |name| {
        &plan
            .certificates
            .iter()
            .find(|it| it.name == name)
            .unwrap()
            .step
    };
    assert_eq!(*step(one), Step::Nothing(WhyNot::UnderWay), "forced or not");
    assert_eq!(*step(same_names), Step::Nothing(WhyNot::UnderWay));
    assert_eq!(*step(other), Step::Issue(WhyIssue::Scheduled));
    let planned = plan.rollouts.iter().map(|it| it.target.name.as_str());
    assert_eq!(planned.collect::<Vec<_>>(), ["other"]);
    let waits = world.targets[0].target.name.as_str();
    assert!(plan.unfinished().contains(&waits), "its job is wanted");
    insta::assert_snapshot!(plan.waiting().join("\n"), @"service patch_loadbalancer: a rollout waits for certificate example.org, which is being obtained");
    assert!(!plan.under_way(), "its end calls the next look");
}

#[test]
fn what_is_unsafe_is_not_forced_either() {
    let newer = world(Published::Pair(leaf(1)), all(&leaf(2)));
    let problems = forced_rollout(&newer, &newer.targets[0], now()).unwrap_err();
    assert!(!problems.is_empty());
}

#[test]
fn a_forced_rollout_for_which_nobody_runs_is_no_good_one() {
    let world = world(Published::Pair(leaf(2)), [(); 3].map(|()| starting()));
    let problems = forced_rollout(&world, &world.targets[0], now()).unwrap_err();
    let told = problems
        .iter()
        .any(|it| matches!(it, Problem::NobodyToTell { .. }));
    assert!(told, "{problems:?}");
}

#[test]
fn a_root_without_what_was_issued_is_a_fault_until_that_expires_or_a_person_says_so() {
    for published in [Published::Missing, Published::Pair(placeholder())] {
        let mut memory = Memory::default();
        let world = world(published.clone(), [starting(), starting(), starting()]);
        let without = step(&world, &memory, &[]);
        assert_ne!(without, Step::Nothing(WhyNot::Problem));

        memory.record_issued(&name(), &leaf(1), now());
        let plan = decided(&world, &memory, &[]);
        assert_eq!(plan.certificates[0].step, Step::Nothing(WhyNot::Problem));
        assert!(plan.rollouts.is_empty());
        let problem = plan.problems[0].to_string();
        assert!(problem.contains("is the right volume mounted"), "{problem}");
        assert_eq!(step(&world, &memory, &[name()]), without);

        let expired = Leaf {
            not_after: now() - SignedDuration::from_secs(1),
            ..leaf(1)
        };
        memory.forget_issued(&name());
        memory.record_issued(&name(), &expired, now());
        assert_eq!(step(&world, &memory, &[]), without);
    }
}
