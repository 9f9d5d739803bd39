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
        machine: Vec::new(),
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
fn a_signal_that_is_noted_after_it_has_worked_is_still_the_cause() {
    let timeline = [
        moment(1_000, "node-1", OLD, "healthy"),
        moment(9_001, "node-1", OLD, "signal 3"),
        moment(12_010, "node-1", NEW, "started"),
    ];
    let outcomes = [9_000, 12_000].map(|at| lost("new", "node-1", at, LossClass::Refused));
    let attribution = attribute(&record(outcomes.into()), &timeline);
    for loss in &attribution.losses {
        assert_eq!(loss.cause.as_ref(), Some(&timeline[1]));
    }
    let text = attribution.to_string();
    assert!(text.contains("0.00\u{2013}3.00 s after"), "{text}");
}

/// On a machine that has far too much to do; but not if something else is known
/// that explains it.
#[test]
fn a_signal_may_be_noted_much_later() {
    let cause = |before: &str| {
        let timeline = [
            moment(1_000, "node-1", OLD, before),
            moment(9_750, "node-1", OLD, "signal 3"),
        ];
        let outcomes = vec![lost("new", "node-1", 9_000, LossClass::Refused)];
        let attribution = attribute(&record(outcomes), &timeline);
        attribution.losses[0].cause.clone().unwrap().what
    };
    assert_eq!(cause("healthy"), "signal 3");
    assert_eq!(cause("died with 1"), "died with 1");
    assert_eq!(cause("signal 1"), "signal 1");
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

fn band(kind: BandKind, name: &str, from: i64, until: Option<i64>) -> Band {
    let at = |millis| started_at() + SignedDuration::from_millis(millis);
    Band {
        kind,
        name: name.to_owned(),
        node: None,
        from: at(from),
        until: until.map(at),
        note: None,
    }
}

#[test]
fn a_loss_falls_into_the_step_that_was_under_way() {
    let bands = [
        band(BandKind::Step, "renewals under traffic", 1_000, None),
        band(BandKind::Runner, "after issued", 9_000, Some(10_100)),
        band(BandKind::Runner, "after rolled out", 10_100, Some(11_000)),
        band(BandKind::Fault, "node-3 is cut off", 10_050, Some(10_200)),
    ];
    let outcomes = [500, 10_090, 10_150, 12_000]
        .map(|at| lost("new", "node-2", at, LossClass::Refused))
        .into();
    let attribution = attribute_during(&record(outcomes), &replacement(), &bands);
    let steps: Vec<_> = attribution
        .losses
        .iter()
        .map(|loss| loss.step().map(|step| &*step.name))
        .collect();
    assert_eq!(
        steps,
        [
            None,
            Some("after issued"),
            Some("after rolled out"),
            Some("renewals under traffic")
        ]
    );
    let during = attribution.losses[2].during.iter();
    let names: Vec<_> = during.map(|band| &*band.name).collect();
    let all = [
        "after rolled out",
        "node-3 is cut off",
        "renewals under traffic",
    ];
    assert_eq!(names, all);
    insta::assert_snapshot!(attribution.groups[1].to_string(), @r#"2 refused at node-2 (new 2): 0.03–0.09 s after "stopped" of 0123456789abcdef0123456789abcdef; then, at 0.44 s, "started" of fedcba9876543210fedcba9876543210; during "after issued" 1, "after rolled out" 1"#);
}

#[test]
fn a_reloaded_replica_is_known_by_the_task_in_its_answer() {
    let timeline = [moment(1_000, "node-3", OLD, "signal 1")];
    // Behind a mesh: it was node-1 that was asked.
    let mut outcome = lost("keep-alive", "node-1", 1_020, LossClass::StaleKeepAlive);
    outcome.replica = Some(format!("node-3 {OLD}").into());
    let attribution = attribute(&record(vec![outcome]), &timeline);
    let cause = attribution.losses[0].cause.as_ref();
    assert_eq!(cause.map(|cause| &*cause.node), Some("node-3"));
    assert_eq!(attribution.losses[0].replica.as_deref(), Some(OLD));
}
