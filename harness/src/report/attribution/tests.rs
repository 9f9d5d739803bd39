use std::time::Duration;

use super::*;
use crate::traffic::{Lane, Loss, Phase, Plan, Target};

const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";

fn started_at() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn moment(millis: i64, node: &str, replica: &str, what: &str) -> Moment {
    Moment {
        at: started_at() + SignedDuration::from_millis(millis),
        node: node.to_owned(),
        replica: Some(replica.to_owned()),
        what: what.to_owned(),
    }
}

fn lost(lane: &str, target: &str, millis: u64, class: LossClass) -> Outcome {
    let at = Duration::from_millis(millis);
    let mut outcome = Outcome::planned(lane.into(), target.into(), millis, at);
    outcome.loss = Some(Loss {
        class,
        phase: Phase::Connect,
        detail: "as told".into(),
    });
    outcome
}

fn record(outcomes: Vec<Outcome>) -> Record {
    let targets = vec![Target::new("node-1", "127.0.0.1:1".parse().unwrap())];
    Record {
        plan: Plan::new(targets, "example.test").lane(Lane::new_connections("new", 1)),
        started_at: started_at(),
        duration: Duration::from_secs(60),
        warm_up: Vec::new(),
        outcomes,
    }
}

/// A replica on node-2 is replaced by a forced update; told out of order, as the
/// nodes' streams of events arrive.
fn replacement() -> Vec<Moment> {
    vec![
        moment(10_500, "node-2", NEW, "started"),
        moment(100, "node-2", OLD, "healthy"),
        moment(10_000, "node-2", OLD, "signal 3"),
        moment(10_050, "node-2", OLD, "died with 0"),
        moment(10_060, "node-2", OLD, "stopped"),
        moment(10_200, "node-1", "other", "healthy"),
    ]
}

#[test]
fn a_replaced_replica_is_one_group_from_its_signal_to_its_successor() {
    let mut outcomes: Vec<_> = (0..12)
        .map(|n| {
            let lane = if n % 3 == 0 { "keep-alive" } else { "new" };
            lost(lane, "node-2", 10_000 + n * 44, LossClass::Refused)
        })
        .collect();
    outcomes.push(lost("new", "node-1", 9_000, LossClass::Reset));
    let attribution = attribute(&record(outcomes), &replacement());
    insta::assert_snapshot!(attribution.to_string(), @r#"
    1 reset at node-1 (new 1): 9.00 s into the run, nothing known to have happened there before; then, at 10.20 s, "healthy" of other
    12 refused at node-2 (keep-alive 4, new 8): 0.00–0.48 s after "signal 3" of 0123456789abcdef0123456789abcdef; then, at 0.50 s, "started" of fedcba9876543210fedcba9876543210
    "#);
    assert_eq!(attribution.losses.len(), 13);
}

#[test]
fn each_loss_has_what_happened_there_last() {
    let outcomes = vec![
        lost("new", "node-2", 10_020, LossClass::Refused),
        lost("new", "node-2", 10_055, LossClass::Refused),
        lost("new", "node-2", 10_600, LossClass::Reset),
    ];
    let attribution = attribute(&record(outcomes), &replacement());
    let causes: Vec<_> = attribution
        .losses
        .iter()
        .map(|loss| {
            (
                loss.replica.as_deref().unwrap(),
                &*loss.cause.as_ref().unwrap().what,
            )
        })
        .collect();
    assert_eq!(
        causes,
        [(OLD, "signal 3"), (OLD, "died with 0"), (NEW, "started")]
    );
}

#[test]
fn behind_a_mesh_the_replica_that_answered_before_is_found_by_its_short_id() {
    let mut outcome = lost("keep-alive", "node-1", 10_055, LossClass::Reset);
    outcome.replica = Some(OLD[..12].into());
    let attribution = attribute(&record(vec![outcome]), &replacement());
    let cause = attribution.losses[0].cause.as_ref().unwrap();
    assert_eq!((&*cause.node, &*cause.what), ("node-2", "died with 0"));
}

#[test]
fn a_request_that_timed_out_is_joined_by_its_start_not_by_its_deadline() {
    let timeline = [
        moment(1_000, "node-1", OLD, "paused"),
        moment(4_000, "node-1", OLD, "unpaused"),
    ];
    let stalled = |started: u64| {
        let mut outcome = lost("new", "node-1", started, LossClass::TimedOut);
        outcome.ended += Duration::from_secs(5);
        outcome
    };
    // The one was under way when the replica was paused, the other came after.
    let record = record(vec![stalled(990), stalled(1_500)]);
    let attribution = attribute(&record, &timeline);
    for loss in &attribution.losses {
        assert_eq!(loss.cause.as_ref().unwrap().what, "paused");
    }
    assert_eq!(attribution.groups[0].until, Some(timeline[1].clone()));
}

#[test]
fn what_the_client_did_not_send_is_blamed_on_nobody() {
    let outcomes = vec![lost("new", "node-2", 10_020, LossClass::NotSent)];
    let attribution = attribute(&record(outcomes), &replacement());
    assert_eq!(attribution.losses[0].cause, None);
}

#[test]
fn each_of_two_reloads_has_its_own_losses() {
    let timeline = [1_000, 3_000].map(|at| moment(at, "node-1", OLD, "signal 1"));
    let outcomes = [1_100, 1_200, 3_100].map(|at| lost("far", "node-1", at, LossClass::Eof));
    let attribution = attribute(&record(outcomes.into()), &timeline);
    let counts: Vec<_> = attribution.groups.iter().map(|it| it.count).collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn losses_long_apart_are_told_apart() {
    let outcomes = vec![
        lost("new", "node-3", 1_000, LossClass::TlsAlert),
        lost("new", "node-3", 9_000, LossClass::TlsAlert),
    ];
    assert_eq!(attribute(&record(outcomes), &[]).groups.len(), 2);
}

#[test]
fn nothing_lost_is_said_so() {
    let attribution = attribute(&record(Vec::new()), &replacement());
    assert_eq!(attribution.to_string(), "nothing was lost\n");
}
