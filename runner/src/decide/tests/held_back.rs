//! A version that no replica came to serve: what becomes of it.

use proptest::prelude::{
    Just, ProptestConfig, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::strategy::Strategy as _;

use super::*;
use crate::decide::renewal::Order;
use crate::model::Window;
use crate::observe::Archived;

const MINUTE: SignedDuration = SignedDuration::from_secs(60);

fn authority() -> Digest {
    Digest::of_authority("https://acme.example/directory")
}

fn decided_at(
    snapshot: &Snapshot,
    memory: &Memory,
    forced: &[CertificateName],
    now: Timestamp,
) -> Plan {
    decided_while(snapshot, memory, forced, UnderWay::default(), now)
}

fn decided_while(
    snapshot: &Snapshot,
    memory: &Memory,
    forced: &[CertificateName],
    under_way: UnderWay,
    now: Timestamp,
) -> Plan {
    let schedule = Schedule::parse("0 3,15 * * *", "UTC").unwrap();
    let occasion = Occasion {
        schedule: &schedule,
        forced,
        policy: Policy::Own(authority()),
        by_dns: ByDns::Answered,
        under_way,
    };
    decide(snapshot, memory, &occasion, now)
}

/// Three replicas that serve `leaf(95)`; `leaf(99)` was published, and the one
/// that went first did not come to serve it.
struct Failed {
    world: Snapshot,
    memory: Memory,
}

fn archived(nth: u8) -> Archived {
    Archived {
        number: nth.into(),
        leaf: leaf(nth),
    }
}

impl Failed {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Snapshot)) -> Self {
        let mut world = world(Published::Pair(leaf(99)), all(&leaf(95)));
        change(&mut world);
        let plan = decided_at(&world, &Memory::default(), &[], now());
        let step = &plan.rollouts[0];
        let mut memory = Memory::default();
        memory.record_eager(step.attempted(), now(), Some("the test failed".into()));
        assert_eq!(
            memory.record_refused(step, now(), "the test failed"),
            [name()]
        );
        let view = world.certificates.get_mut(&name()).unwrap();
        view.versions = Some(vec![archived(95), archived(99)]);
        Self { world, memory }
    }

    /// With the version of before published in its place.
    fn held() -> Self {
        let mut failed = Self::new();
        failed.publish(leaf(95));
        failed
    }

    fn publish(&mut self, leaf: Leaf) {
        self.world.certificates.get_mut(&name()).unwrap().published = Published::Pair(leaf);
    }

    fn serve(&mut self, replica: usize, serving: Serving) {
        let replica = &mut self.world.targets[0].replicas[replica];
        replica.serving.insert(name(), serving);
    }

    fn plan_after(&self, minutes: i32) -> Plan {
        decided_at(&self.world, &self.memory, &[], now() + MINUTE * minutes)
    }

    fn plan(&self) -> Plan {
        self.plan_after(0)
    }

    /// The same while its target is rolled out.
    fn plan_while_rolled_out(&self, minutes: i32) -> Plan {
        let under_way = UnderWay {
            rolled_out: BTreeSet::from([self.world.targets[0].target.name.clone()]),
            ..UnderWay::default()
        };
        let at = now() + MINUTE * minutes;
        decided_while(&self.world, &self.memory, &[], under_way, at)
    }
}

/// What of the versions is to be done, in short.
fn turns(plan: &Plan) -> Vec<(bool, Fingerprint)> {
    let steps = plan.versions.iter();
    steps
        .map(|it| (matches!(it.turn, Turn::Back(_)), it.to))
        .collect()
}

fn back() -> Vec<(bool, Fingerprint)> {
    vec![(true, leaf(95).fingerprint)]
}

fn again() -> Vec<(bool, Fingerprint)> {
    vec![(false, leaf(99).fingerprint)]
}

#[test]
fn what_no_replica_came_to_serve_gives_way_to_what_they_serve() {
    let failed = Failed::new();
    let plan = failed.plan();
    assert_eq!(turns(&plan), back());
    let step = &plan.versions[0];
    assert_eq!((step.number, step.from), (95, Some(leaf(99).fingerprint)));
    assert!(step.to_string().ends_with(": the test failed"), "{step}");
    // After a restart too, which remembers of the rollout only what is kept.
    let mut after = Memory::default();
    after.restore(&name(), failed.memory.kept(&name()));
    let plan = decided_at(&failed.world, &after, &[], now());
    assert_eq!(turns(&plan), back());
}

#[test]
fn a_replica_that_serves_the_new_one_speaks_for_it() {
    let mut failed = Failed::new();
    failed.serve(0, Serving::Leaf(leaf(99)));
    let plan = failed.plan();
    assert!(plan.versions.is_empty());
    assert_eq!(plan.released, [name()]);
}

#[test]
fn nothing_changes_places_under_who_is_told_of_it() {
    let failed = Failed::new();
    let plan = failed.plan_while_rolled_out(0);
    assert!(plan.versions.is_empty() && plan.released.is_empty());
    let held = Failed::held();
    assert_eq!(turns(&held.plan_after(1)), again());
    assert!(held.plan_while_rolled_out(1).versions.is_empty());
}

#[test]
fn the_job_that_failed_stays_while_what_it_told_of_is_held_back() {
    let held = Failed::held();
    let target = held.world.targets[0].target.name.as_str();
    assert_eq!(held.plan().unfinished(), [target]);
}

#[test]
fn one_that_cannot_be_seen_speaks_for_neither() {
    let mut failed = Failed::new();
    for replica in 0..3 {
        failed.serve(replica, Serving::Unreachable("refused".into()));
        assert_eq!(turns(&failed.plan()), back());
    }
}

#[test]
fn nothing_is_gone_back_to_that_is_not_there_or_not_good_or_not_served() {
    let stays = |failed: &Failed, minutes| {
        let plan = failed.plan_after(minutes);
        assert!(plan.versions.is_empty() && plan.released == [name()]);
    };
    let mut gone = Failed::new();
    let versions = &mut gone.world.certificates.get_mut(&name()).unwrap().versions;
    *versions = Some(vec![archived(99)]);
    stays(&gone, 0);
    stays(&Failed::new(), 60 * 24 * 200);
    let mut mixed = Failed::new();
    mixed.serve(2, Serving::Leaf(leaf(94)));
    stays(&mixed, 0);
    let mut by_secret = Failed::new();
    let pace = crate::model::Pace {
        parallelism: 1,
        delay: std::time::Duration::ZERO,
    };
    by_secret.world.targets[0].target.strategy = Strategy::Secret(pace);
    stays(&by_secret, 0);
}

#[test]
fn nothing_is_decided_of_an_archive_that_cannot_be_read() {
    let mut unread = Failed::new();
    unread.world.certificates.get_mut(&name()).unwrap().versions = None;
    let plan = unread.plan();
    assert!(plan.versions.is_empty() && plan.released.is_empty());
}

#[test]
fn where_certbot_decides_nothing_changes_places() {
    let failed = Failed::new();
    let plan = decided(&failed.world, &failed.memory, &[]);
    assert!(plan.versions.is_empty() && plan.released.is_empty());
}

#[test]
fn it_is_held_back_and_said_and_nothing_is_ordered() {
    let mut held = Failed::held();
    let plan = held.plan();
    assert!(plan.versions.is_empty() && plan.rollouts.is_empty() && plan.released.is_empty());
    let until = now() + SignedDuration::from_secs(10);
    let fingerprint = leaf(99).fingerprint;
    assert_eq!(
        plan.certificates[0].step,
        Step::Nothing(WhyNot::HeldBack { fingerprint, until })
    );
    assert_eq!(plan.looks_at(), Some(until));
    let [problem] = &plan.problems[..] else {
        panic!("{:?}", plan.problems);
    };
    insta::assert_snapshot!(problem.to_string().replace(&fingerprint.short(), "NEW"), @"certificate example.org: NEW is held back since 2026-11-24T12:00:00Z, and the one before is published in its place, for no replica came to serve it: the test failed. It is tried again at 2026-11-24T12:00:10Z; `rollover rollout patch_loadbalancer` does so now, `rollover once --force example.org` orders another");
    // However old what is published becomes: what would be ordered is there.
    held.publish(Leaf {
        not_after: now() + MINUTE,
        ..leaf(95)
    });
    let step = &held.plan().certificates[0].step;
    assert!(
        matches!(step, Step::Nothing(WhyNot::HeldBack { .. })),
        "{step}"
    );
}

#[test]
fn other_names_and_a_person_order_nevertheless() {
    let mut held = Failed::held();
    let forced = decided_at(&held.world, &held.memory, &[name()], now());
    assert!(matches!(forced.certificates[0].step, Step::Issue(_)));
    held.world.certificates.get_mut(&name()).unwrap().domains =
        vec![domain(), DomainName::parse("www.example.org").unwrap()];
    held.world.targets[0].target.updated_at = now() - MINUTE * 60;
    let step = &held.plan().certificates[0].step;
    assert!(matches!(step, Step::Issue(_)), "{step}");
}

#[test]
fn a_new_one_with_other_names_is_not_ordered_again_because_the_one_before_has_not_got_them() {
    let mut held = Failed::held();
    let domains = vec![domain(), DomainName::parse("www.example.org").unwrap()];
    let view = held.world.certificates.get_mut(&name()).unwrap();
    view.domains.clone_from(&domains);
    view.versions.as_mut().unwrap()[1].leaf.names =
        domains.iter().map(ToString::to_string).collect();
    held.world.targets[0].target.updated_at = now() - MINUTE * 60;
    let step = &held.plan().certificates[0].step;
    assert!(
        matches!(step, Step::Nothing(WhyNot::HeldBack { .. })),
        "{step}"
    );
}

#[test]
fn it_is_tried_again_by_the_backoff_of_its_rollout_and_another_replica_goes_first() {
    let mut held = Failed::held();
    assert_eq!(turns(&held.plan_after(1)), again());
    held.memory.record_tried(&name());
    held.publish(leaf(99));
    let at = now() + MINUTE;
    let plan = held.plan_after(1);
    assert!(plan.versions.is_empty() && plan.released.is_empty());
    let step = &plan.rollouts[0];
    assert_eq!(step.canary.as_ref().unwrap().task, "task2");
    held.memory
        .record_eager(step.attempted(), at, Some("again".into()));
    held.memory.record_refused(step, at, "again");
    assert_eq!(turns(&held.plan_after(1)), back());
    held.publish(leaf(95));
    let name = name();
    let waiting = waiting(&held.world, &name, &held.memory, at).unwrap();
    assert_eq!((waiting.failures, waiting.since), (2, now()));
    assert_eq!(waiting.until, at + MINUTE);
}

#[test]
fn once_the_service_that_did_not_take_it_is_changed_it_is_tried_when_swarm_has_done_so() {
    let mut held = Failed::held();
    let second = SignedDuration::from_secs(1);
    held.world.targets[0].target.updated_at = now() + second;
    assert!(held.plan().versions.is_empty(), "as it was asked");
    held.world.targets[0].target.asked = Digest::of(&["something else"]);
    let plan = decided_at(&held.world, &held.memory, &[], now() + second * 2);
    assert!(plan.versions.is_empty(), "swarm may not have begun");
    assert_eq!(plan.looks_at(), Some(now() + second * 6));
    let settled = now() + second * 6;
    let replaced = |status| Update::read(&serde_json::json!({"UpdateStatus": {"State": status}}));
    held.world.targets[0].target.update = replaced("updating");
    let plan = decided_at(&held.world, &held.memory, &[], settled);
    assert!(plan.versions.is_empty(), "some are of before");
    held.world.targets[0].target.update = replaced("completed");
    let plan = decided_at(&held.world, &held.memory, &[], settled);
    assert_eq!(turns(&plan), again());
    assert!(plan.versions[0].to_string().ends_with("was changed"));

    let mut by_night = held.world.clone();
    by_night.targets[0].target.window = Some(Window::parse("0 2 * * *;3h").unwrap());
    let plan = decided_at(&by_night, &held.memory, &[], settled);
    assert!(plan.versions.is_empty(), "it would only lie there");

    // Once: what it is changed for is tried, and then it waits its turn.
    held.memory.record_tried(&name());
    let plan = decided_at(&held.world, &held.memory, &[], settled);
    assert!(plan.versions.is_empty());
}

#[test]
fn a_try_that_a_crash_cut_off_is_made_again() {
    let mut held = Failed::held();
    held.memory.record_tried(&name());
    assert_eq!(turns(&held.plan_after(1)), again());
}

#[test]
fn who_serves_it_after_all_has_it_published_and_is_no_mistake() {
    let mut held = Failed::held();
    held.serve(0, Serving::Leaf(leaf(99)));
    let plan = held.plan();
    assert_eq!(turns(&plan), again());
    let newer = |it: &Problem| matches!(it, Problem::ServesNewer { .. });
    assert!(!plan.problems.iter().any(newer) && plan.rollouts.is_empty());
    // Any other that is newer still is one.
    held.serve(0, Serving::Leaf(leaf(98)));
    assert!(held.plan().problems.iter().any(newer));
}

#[test]
fn outside_its_window_it_only_lies_there_until_what_is_served_nears_its_expiry() {
    let mut held = Failed::held();
    let window = Window::parse("0 2 * * *;3h").unwrap();
    held.world.targets[0].target.window = Some(window);
    assert!(held.plan_after(60).versions.is_empty());
    assert_eq!(turns(&held.plan_after(60 * 15)), again());
    let nears = leaf(95).nearing_expiry_at().duration_since(now());
    let minutes = i32::try_from(nears.as_mins()).unwrap() + 1;
    assert!(held.plan_after(minutes).held.is_empty());
    assert_eq!(turns(&held.plan_after(minutes)), again());
}

#[test]
fn what_has_expired_holds_nothing_back() {
    let mut held = Failed::held();
    let expired = Leaf {
        not_after: now(),
        ..leaf(95)
    };
    held.publish(expired);
    assert_eq!(turns(&held.plan()), again());
}

#[test]
fn a_newer_one_or_none_ends_it() {
    let mut newer = Failed::held();
    newer.publish(Leaf {
        not_before: now(),
        ..leaf(97)
    });
    assert_eq!(newer.plan().released, [name()]);
    let mut gone = Failed::held();
    gone.world.certificates.get_mut(&name()).unwrap().versions = Some(vec![archived(95)]);
    assert_eq!(gone.plan().released, [name()]);
}

#[test]
fn a_person_who_forces_a_rollout_has_it_tried_at_once() {
    let held = Failed::held();
    let policy = Policy::Own(authority());
    let steps = forced_versions(
        &held.world,
        &held.world.targets[0],
        &held.memory,
        policy,
        now(),
    );
    assert_eq!(steps[0].to, leaf(99).fingerprint);
    let none = forced_versions(
        &held.world,
        &held.world.targets[0],
        &held.memory,
        Policy::Engine,
        now(),
    );
    assert!(none.is_empty());
}

/// What becomes of a rollout.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// Every replica serves it.
    Served,
    /// Those that go first do, and then something fails.
    Begun,
    /// None does.
    Refused,
    /// The swarm, or the volume, is in the way.
    Prevented,
}

/// A pass of the runner, so many minutes after the one before.
#[derive(Clone, Debug)]
struct Pass {
    minutes: i32,
    outcome: Outcome,
    /// A replica loads late what it was told of before.
    late: bool,
    /// It dies after so many changes.
    dies_after: Option<usize>,
}

fn passes() -> impl proptest::strategy::Strategy<Value = Vec<Pass>> {
    let minutes = prop_oneof![1..20_i32, 60..4000_i32, 5000..60_000_i32];
    let outcome = prop_oneof![
        1 => Just(Outcome::Served),
        1 => Just(Outcome::Begun),
        4 => Just(Outcome::Refused),
        1 => Just(Outcome::Prevented),
    ];
    let late = prop::bool::weighted(0.05);
    let pass = (
        minutes,
        outcome,
        late,
        prop::option::weighted(0.3, 0..6_usize),
    );
    let pass = pass.prop_map(|(minutes, outcome, late, dies_after)| Pass {
        minutes,
        outcome,
        late,
        dies_after,
    });
    prop::collection::vec(pass, 1..60)
}

/// The runner has died.
struct Died;

/// A swarm, its volume, and a runner that passes over both.
struct Story {
    world: Snapshot,
    archive: Vec<Archived>,
    memory: Memory,
    now: Timestamp,
    changes_left: usize,
}

impl Story {
    fn new() -> Self {
        let mut story = Self {
            world: world(Published::Missing, [(); 3].map(|()| starting())),
            archive: Vec::new(),
            memory: Memory::default(),
            now: now(),
            changes_left: usize::MAX,
        };
        story.issue();
        for replica in 0..3 {
            story.load(replica);
        }
        story
    }

    fn issue(&mut self) {
        let number = self.archive.len() as u64 + 1;
        let leaf = Leaf {
            fingerprint: Fingerprint::of_der(&number.to_be_bytes()),
            not_before: self.now,
            not_after: self.now + SignedDuration::from_hours(24 * 90),
            ..leaf(1)
        };
        let order = Order {
            authority: authority(),
            names: Digest::of_domains(&[domain()]),
            replaced: self.published().map(|leaf| leaf.fingerprint),
            exempt: false,
        };
        let history = self.memory.history_mut(&name());
        history.issued(self.now, &order, leaf.fingerprint);
        self.archive.push(Archived {
            number,
            leaf: leaf.clone(),
        });
        self.publish(leaf);
    }

    fn published(&self) -> Option<&Leaf> {
        self.world.certificates[&name()].published.leaf()
    }

    fn publish(&mut self, leaf: Leaf) {
        self.world.certificates.get_mut(&name()).unwrap().published = Published::Pair(leaf);
    }

    /// A replica loads what is published.
    fn load(&mut self, replica: usize) {
        let leaf = self.published().unwrap().clone();
        self.serve(replica, leaf);
    }

    fn serve(&mut self, replica: usize, leaf: Leaf) {
        let replica = &mut self.world.targets[0].replicas[replica];
        replica.replica.running = true;
        replica.serving.insert(name(), Serving::Leaf(leaf));
    }

    fn newest(&self) -> &Leaf {
        &self.archive.last().unwrap().leaf
    }

    fn all_serve_the_newest(&self) -> bool {
        let newest = self.newest().fingerprint;
        let serves =
            |view: &ReplicaView| view.serving[&name()].leaf().unwrap().fingerprint == newest;
        self.world.targets[0].replicas.iter().all(serves)
    }

    fn decide(&mut self) -> Plan {
        let held_back = self.memory.names_held_back().contains(&name());
        let archive = held_back.then(|| self.archive.clone());
        self.world.certificates.get_mut(&name()).unwrap().versions = archive;
        let plan = decided_at(&self.world, &self.memory, &[], self.now);
        let newer = |it: &Problem| matches!(it, Problem::ServesNewer { .. });
        let expired = self.newest().not_after <= self.now;
        assert!(
            expired || !plan.problems.iter().any(newer),
            "{:?}",
            plan.problems
        );
        plan
    }

    /// The next change, unless it dies before.
    fn change(&mut self) -> Result<(), Died> {
        self.changes_left = self.changes_left.checked_sub(1).ok_or(Died)?;
        Ok(())
    }

    fn pass(&mut self, outcome: Outcome) -> Result<(), Died> {
        let plan = self.decide();
        if let Step::Issue(why) = plan.certificates[0].step {
            let (published, newest) = (self.published().unwrap(), self.newest());
            let is_newest = published.fingerprint == newest.fingerprint;
            assert!(
                is_newest || newest.not_after <= self.now,
                "{why:?}: {newest:?} is there"
            );
            self.change()?;
            self.issue();
        }
        let plan = self.decide();
        self.turn(&plan, |_| true)?;
        let plan = self.decide();
        for step in &plan.rollouts {
            self.roll_out(step, outcome)?;
        }
        let plan = self.decide();
        self.turn(&plan, |step| matches!(step.turn, Turn::Back(_)))
    }

    fn turn(&mut self, plan: &Plan, which: fn(&VersionStep) -> bool) -> Result<(), Died> {
        for name in &plan.released {
            self.change()?;
            self.memory.release(name);
        }
        for step in plan.versions.iter().filter(|step| which(step)) {
            assert_eq!(step.from, self.published().map(|leaf| leaf.fingerprint));
            let mut archive = self.archive.iter();
            let version = archive.find(|it| it.number == step.number).unwrap().clone();
            assert_eq!(version.leaf.fingerprint, step.to);
            assert!(self.now < version.leaf.not_after, "{step}");
            if let Turn::Again(_) = step.turn {
                self.change()?;
                self.memory.record_tried(&step.name);
            } else {
                let mut replicas = self.world.targets[0].replicas.iter();
                let served = |it: &ReplicaView| it.serving[&name()].leaf().unwrap().fingerprint;
                assert!(!replicas.any(|it| Some(served(it)) == step.from), "{step}");
            }
            self.change()?;
            self.publish(version.leaf);
        }
        Ok(())
    }

    fn roll_out(&mut self, step: &RolloutStep, outcome: Outcome) -> Result<(), Died> {
        self.change()?;
        let (loaded, failed) = match outcome {
            Outcome::Served => (3, None),
            Outcome::Begun => (1, Some("the second was refused")),
            Outcome::Refused => (0, Some("the first was refused")),
            Outcome::Prevented => (0, Some("the swarm does not answer")),
        };
        for replica in 0..loaded {
            self.load(replica);
        }
        self.change()?;
        let failed = failed.map(str::to_owned);
        self.memory
            .record_eager(step.attempted(), self.now, failed.clone());
        if let (Outcome::Begun | Outcome::Refused, Some(why)) = (outcome, failed) {
            self.memory.record_refused(step, self.now, &why);
        }
        Ok(())
    }

    /// What is left of a runner that has died: what it kept in the swarm.
    fn start_again(&mut self) {
        let kept = self.memory.kept(&name());
        self.memory = Memory::default();
        self.memory.restore(&name(), kept);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// However replicas take what they are given, and wherever the runner dies:
    /// nothing is ordered while there is something newer than what is published,
    /// no replica is taken for one that serves what nobody knows of, and once
    /// replicas take what they are given, all serve the newest.
    #[test]
    fn a_version_that_is_held_back_is_never_ordered_again_and_never_lost(passes in passes()) {
        let mut story = Story::new();
        for pass in passes {
            story.now += MINUTE * pass.minutes;
            story.changes_left = pass.dies_after.unwrap_or(usize::MAX);
            if pass.late && story.newest().not_after > story.now {
                let newest = story.newest().clone();
                if story.memory.held_back(&name()).is_some() {
                    story.serve(0, newest);
                }
            }
            if story.pass(pass.outcome).is_err() {
                story.start_again();
            }
        }
        story.changes_left = usize::MAX;
        for _ in 0..4 {
            story.now += MINUTE * 11;
            prop_assert!(story.pass(Outcome::Served).is_ok());
        }
        prop_assert!(story.all_serve_the_newest());
        let newest = story.newest().fingerprint;
        prop_assert_eq!(story.published().unwrap().fingerprint, newest);
        story.decide();
        prop_assert!(story.memory.held_back(&name()).is_none());
    }
}
