//! Rollouts and maintenance windows.

use proptest::prelude::*;

use super::*;
use crate::model::Window;

/// Newer than what is served in these tests, and valid for weeks yet.
const PUBLISHED: u8 = 50;

/// Three replicas that serve what is given instead of the published one,
/// with a window.
fn windowed(window: &str, serving: Leaf) -> Snapshot {
    let mut world = world(Published::Pair(leaf(PUBLISHED)), all(&serving));
    world.targets[0].target.window = Some(Window::parse(window).unwrap());
    world
}

/// At noon, [`NOW`], it is closed, and opens in the night.
const NIGHT: &str = "0 2 * * *;3h";
/// At noon it is open.
const NOON: &str = "30 11 * * *;1h";

/// A leaf with as many hours left of a life of 100 days.
fn with_hours_left(hours: i64) -> Leaf {
    let end = now() + SignedDuration::from_hours(hours);
    Leaf {
        not_before: end - SignedDuration::from_hours(24 * 100),
        not_after: end,
        ..leaf(1)
    }
}

fn failed_at(world: &Snapshot, time: Timestamp) -> Memory {
    let mut open = world.clone();
    open.targets[0].target.window = None;
    let tried = decided(&open, &Memory::default(), &[]).rollouts[0].attempted();
    let mut memory = Memory::default();
    memory.record(tried, time, Some("no answer".into()));
    memory
}

#[test]
fn a_rollout_waits_for_its_window_and_that_is_no_problem() {
    let world = windowed(NIGHT, leaf(1));
    let plan = decided(&world, &Memory::default(), &[]);
    assert!(plan.rollouts.is_empty() && plan.problems.is_empty());
    insta::assert_snapshot!(plan.waiting().join("\n"), @"service patch_loadbalancer: a rollout waits until 2026-11-25T02:00:00Z: its window opens then; behind: replica 1 on node-1, replica 2 on node-2, replica 3 on node-3");
    assert_eq!(plan.opens(), Some("2026-11-25T02:00:00Z".parse().unwrap()));
    // The job of an attempt that failed in the last window stays readable.
    assert_eq!(plan.unfinished(), ["patch_loadbalancer"]);
}

#[test]
fn within_its_window_it_goes() {
    let plan = decided(&windowed(NOON, leaf(1)), &Memory::default(), &[]);
    assert_eq!((plan.rollouts.len(), plan.held.len()), (1, 0));
}

#[test]
fn where_nothing_differs_nothing_waits() {
    let plan = decided(&windowed(NIGHT, leaf(PUBLISHED)), &Memory::default(), &[]);
    assert!(plan.rollouts.is_empty() && plan.held.is_empty());
}

#[test]
fn a_certificate_that_nears_its_expiry_waits_for_no_window() {
    // A twentieth of 100 days is 120 hours.
    let held = |hours| {
        let plan = decided(
            &windowed(NIGHT, with_hours_left(hours)),
            &Memory::default(),
            &[],
        );
        assert_eq!(plan.rollouts.len() + plan.held.len(), 1);
        plan.held
            .into_iter()
            .next()
            .map(|held| (held.until, held.because))
    };
    assert_eq!(held(120), None);
    assert_eq!(
        held(121),
        Some((now() + SignedDuration::from_hours(1), Because::ExpiryNears))
    );
    let opens = "2026-11-25T02:00:00Z".parse().unwrap();
    assert_eq!(held(200), Some((opens, Because::WindowOpens)));
}

#[test]
fn one_replica_near_its_expiry_is_enough() {
    let mut world = windowed(NIGHT, leaf(1));
    let urgent = Serving::Leaf(with_hours_left(100));
    world.targets[0].replicas[1].serving.insert(name(), urgent);
    assert_eq!(decided(&world, &Memory::default(), &[]).rollouts.len(), 1);
}

#[test]
fn a_placeholder_that_is_served_waits_for_no_window() {
    let plan = decided(&windowed(NIGHT, placeholder()), &Memory::default(), &[]);
    assert_eq!((plan.rollouts.len(), plan.held.len()), (1, 0));
}

#[test]
fn a_retry_that_falls_outside_the_window_says_when_it_really_comes() {
    // Failed at 11:59:30; a minute later the window would still be open.
    let world = windowed(NOON, leaf(1));
    let memory = failed_at(&world, now() - SignedDuration::from_secs(30));
    let until = |world: &Snapshot, memory: &Memory| {
        let plan = decided(world, memory, &[]);
        assert!(plan.rollouts.is_empty());
        plan.problems.into_iter().find_map(|problem| match problem {
            Problem::RolloutHeld { until, .. } => Some(until.to_string()),
            _ => None,
        })
    };
    assert_eq!(
        until(&world, &memory).as_deref(),
        Some("2026-11-24T12:00:30Z")
    );
    let closed = windowed(NIGHT, leaf(1));
    assert_eq!(
        until(&closed, &memory).as_deref(),
        Some("2026-11-25T02:00:00Z")
    );
}

#[test]
fn a_failure_that_is_over_leaves_the_window_as_the_only_reason() {
    let world = windowed(NIGHT, leaf(1));
    let memory = failed_at(&world, now() - SignedDuration::from_mins(2));
    let plan = decided(&world, &memory, &[]);
    assert_eq!((plan.held.len(), plan.problems.len()), (1, 0));
}

/// The world with a second target of the same certificate.
fn with_second_target(mut world: Snapshot) -> Snapshot {
    let mut second = world.targets[0].clone();
    second.target.id = "service2".into();
    second.target.name = "patch_mail".into();
    second.target.window = None;
    world.targets.push(second);
    world
}

#[test]
fn one_target_s_window_or_failure_holds_no_other_back() {
    let rolled_out = |world: &Snapshot, memory: &Memory| {
        let plan = decided(world, memory, &[]);
        let names = plan.rollouts.iter().map(|step| step.target.name.clone());
        names.collect::<Vec<_>>()
    };
    let waiting = with_second_target(windowed(NIGHT, leaf(1)));
    assert_eq!(rolled_out(&waiting, &Memory::default()), ["patch_mail"]);
    let open = with_second_target(windowed(NOON, leaf(1)));
    let memory = failed_at(&windowed(NOON, leaf(1)), now());
    assert_eq!(rolled_out(&open, &memory), ["patch_mail"]);
    // Nor does one that cannot be rolled out to.
    let mut newer = with_second_target(windowed(NOON, leaf(1)));
    newer.targets[0].replicas[0]
        .serving
        .insert(name(), Serving::Leaf(leaf(PUBLISHED + 1)));
    assert_eq!(rolled_out(&newer, &Memory::default()), ["patch_mail"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Whatever the window and however old the certificate: nothing that differs
    /// is forgotten, and what waits goes when its time has come.
    #[test]
    fn what_differs_goes_or_waits_for_a_moment_at_which_it_goes(
        window in prop::sample::select(&[NIGHT, NOON, "0 0 1 1 *;1m", "30 2 * * sun;2h;Europe/Berlin"][..]),
        hours in -200_i64..1_100,
    ) {
        let world = windowed(window, with_hours_left(hours));
        let schedule = Schedule::parse("0 3,15 * * *", "UTC").unwrap();
        let occasion = Occasion { schedule: &schedule, forced: &[], policy: Policy::Engine, by_dns: ByDns::Answered, under_way: UnderWay::default() };
        let plan = decide(&world, &Memory::default(), &occasion, now());
        prop_assert_eq!(plan.rollouts.len() + plan.held.len(), 1);
        if let Some(held) = plan.held.first() {
            prop_assert!(held.until > now());
            let later = decide(&world, &Memory::default(), &occasion, held.until);
            prop_assert_eq!((later.rollouts.len(), later.held.len()), (1, 0));
        }
    }
}
