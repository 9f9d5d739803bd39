//! Targets that are rolled out by an update of their service.

use std::time::Duration;

use super::*;
use crate::model::{Pace, Update, UpdateState, Version};

pub(super) fn pace() -> Pace {
    Pace {
        parallelism: 1,
        delay: Duration::from_secs(30),
    }
}

/// A target by `secret` whose specification names `mounted`.
fn by_secret(published: Published, mounted: Option<&Leaf>, serving: [Serving; 3]) -> Snapshot {
    let mut world = world(published, serving);
    let view = &mut world.targets[0];
    view.target.strategy = Strategy::Secret(pace());
    let versions = mounted.map(|leaf| (name(), Version::of(&name(), leaf)));
    view.mounted = versions.into_iter().collect();
    world
}

fn named(snapshot: &Snapshot) -> Option<Named> {
    let mut plan = decided(snapshot, &Memory::default(), &[]);
    plan.rollouts.pop().map(|step| step.secrets.unwrap().named)
}

/// An update of the service, ours or somebody else's, that began so long ago.
fn updated(world: Snapshot, rollout: bool, minutes: i64) -> Snapshot {
    in_state(world, UpdateState::Running, rollout, minutes)
}

fn in_state(mut world: Snapshot, state: UpdateState, rollout: bool, minutes: i64) -> Snapshot {
    world.targets[0].target.update = Update {
        state,
        message: String::new(),
        started_at: Some(now() - SignedDuration::from_mins(minutes)),
        rollout,
    };
    world
}

#[test]
fn what_the_specification_names_counts_beside_what_is_served() {
    let published = || Published::Pair(leaf(2));
    let current = by_secret(published(), Some(&leaf(2)), all(&leaf(2)));
    assert_eq!(named(&current), None);
    let taken_away = by_secret(published(), None, all(&leaf(2)));
    assert_eq!(named(&taken_away), Some(Named::Nothing(name())));
    let down = by_secret(published(), None, [(); 3].map(|()| starting()));
    assert_eq!(named(&down), Some(Named::Nothing(name())));
    let renewed = by_secret(published(), Some(&leaf(1)), all(&leaf(1)));
    assert_eq!(named(&renewed), Some(Named::Older));
    let under_way = by_secret(published(), Some(&leaf(2)), all(&leaf(1)));
    assert_eq!(named(&under_way), Some(Named::Current));
}

#[test]
fn a_placeholder_is_given_to_a_service_that_has_nothing() {
    let nobody = || [(); 3].map(|()| starting());
    let first = by_secret(Published::Pair(placeholder()), None, nobody());
    assert_eq!(named(&first), Some(Named::Nothing(name())));
}

#[test]
fn what_no_replica_can_tell_the_labels_do() {
    let nobody = || [(); 3].map(|()| starting());
    for published in [placeholder(), leaf(1)] {
        let lost = by_secret(Published::Pair(published), Some(&leaf(2)), nobody());
        let plan = decided(&lost, &Memory::default(), &[]);
        assert!(plan.rollouts.is_empty());
        assert!(matches!(plan.problems[0], Problem::NamesNewer { .. }));
    }
}

#[test]
fn a_certificate_that_is_not_there_keeps_the_secrets_of_the_others_as_they_are() {
    let first = by_secret(Published::Pair(leaf(2)), Some(&leaf(1)), all(&leaf(1)));
    let world = with_second(first, Published::Missing, &Serving::Leaf(leaf(1)));
    assert_eq!(named(&world), None);
}

#[test]
fn a_service_without_replicas_is_left_alone() {
    let mut none = by_secret(Published::Pair(leaf(2)), None, all(&leaf(2)));
    none.targets[0].target.desired = Some(0);
    none.targets[0].replicas.clear();
    assert_eq!(named(&none), None);
}

#[test]
fn somebody_elses_update_is_waited_for_and_our_own_is_not() {
    let restart = || {
        let mut world = world(Published::Pair(leaf(2)), all(&leaf(1)));
        world.targets[0].target.strategy = Strategy::Restart(pace());
        world
    };
    let ours = decided(&updated(restart(), true, 1), &Memory::default(), &[]);
    assert_eq!(ours.rollouts.len(), 1);
    let plan = decided(&updated(restart(), false, 1), &Memory::default(), &[]);
    assert!(plan.rollouts.is_empty() && plan.problems.is_empty());
    assert!(plan.under_way(), "it is looked at again soon");
    assert_eq!(plan.unfinished(), ["patch_loadbalancer"]);
    assert_eq!(
        plan.waiting(),
        ["service patch_loadbalancer: the rollout waits for the end of another update"]
    );
    let long = decided(&updated(restart(), false, 16), &Memory::default(), &[]);
    assert!(long.rollouts.is_empty() && !long.under_way());
    assert!(matches!(long.problems[0], Problem::UpdateLasts { .. }));
}

#[test]
fn an_update_that_took_the_secrets_away_is_not_waited_for() {
    let taken_away = by_secret(Published::Pair(leaf(2)), None, all(&leaf(2)));
    let named_by = |world| named(&updated(world, false, 1));
    assert_eq!(named_by(taken_away), Some(Named::Nothing(name())));
}

#[test]
fn an_update_to_secrets_is_followed_if_it_is_to_those_of_what_is_published() {
    let mounted = |nth| by_secret(Published::Pair(leaf(2)), Some(&leaf(nth)), all(&leaf(1)));
    let ours = |nth| named(&updated(mounted(nth), true, 1));
    assert_eq!(ours(2), Some(Named::Current));
    assert_eq!(ours(1), None, "it is waited for");
    assert_eq!(named(&updated(mounted(1), false, 1)), None);
}

#[test]
fn a_signal_does_no_harm_beside_an_update() {
    let world = world(Published::Pair(leaf(2)), all(&leaf(1)));
    let plan = decided(&updated(world, false, 1), &Memory::default(), &[]);
    assert_eq!(plan.rollouts.len(), 1);
}

#[test]
fn nothing_is_rolled_out_over_an_update_that_swarm_has_stopped() {
    let mounted = |nth, serving| {
        let leaf = (nth > 0).then(|| leaf(nth));
        by_secret(
            Published::Pair(self::leaf(2)),
            leaf.as_ref(),
            all(&self::leaf(serving)),
        )
    };
    let stopped = |world, state: &str, rollout| {
        let state = UpdateState::GivenUp(state.to_owned());
        let world = in_state(world, state, rollout, 1);
        let plan = decided(&world, &Memory::default(), &[]);
        (plan.rollouts.len(), plan.problems.len())
    };
    let (renewed, served, taken_away) = (mounted(1, 1), mounted(2, 2), mounted(0, 2));
    for state in ["paused", "rollback_paused", "rollback_started"] {
        assert_eq!(stopped(renewed.clone(), state, false), (0, 1), "{state}");
        assert_eq!(stopped(renewed.clone(), state, true), (0, 1), "{state}");
        // It is ours, and not all replicas may run.
        assert_eq!(stopped(served.clone(), state, true), (0, 1), "{state}");
        assert_eq!(stopped(served.clone(), state, false), (0, 0), "{state}");
        assert_eq!(stopped(taken_away.clone(), state, false), (1, 0), "{state}");
    }
    assert_eq!(stopped(renewed, "rollback_completed", true), (1, 0));
}
