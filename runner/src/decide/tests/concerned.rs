//! Which services are looked into before something is done.

use super::*;

fn looked_into(seen: &Snapshot, memory: &Memory, forced: &[CertificateName]) -> Vec<String> {
    let plan = decided(seen, memory, forced);
    let targets = plan.leads_to_rollouts_of(seen);
    targets.map(|target| target.name.clone()).collect()
}

/// The engine was asked since the schedule came round.
fn asked() -> Memory {
    asked_at("2026-11-24T03:00:01Z", false)
}

#[test]
fn what_is_to_be_rolled_out_and_what_serves_that_which_is_to_be_obtained() {
    let behind = world(Published::Pair(leaf(2)), all(&leaf(1)));
    assert_eq!(looked_into(&behind, &asked(), &[]), ["patch_loadbalancer"]);
    let first = world(Published::Pair(placeholder()), all(&placeholder()));
    let none_yet = Memory::default();
    assert_eq!(looked_into(&first, &none_yet, &[]), ["patch_loadbalancer"]);
    let served = world(Published::Pair(leaf(1)), all(&leaf(1)));
    let forced = looked_into(&served, &asked(), &[name()]);
    assert_eq!(forced, ["patch_loadbalancer"]);
}

#[test]
fn nothing_where_nothing_is_due_or_an_engine_is_only_asked() {
    let served = world(Published::Pair(leaf(1)), all(&leaf(1)));
    assert!(looked_into(&served, &asked(), &[]).is_empty());
    let plan = decided(&served, &Memory::default(), &[]);
    assert_eq!(
        plan.certificates[0].step,
        Step::Issue(WhyIssue::Scheduled),
        "else this shows nothing"
    );
    assert!(looked_into(&served, &Memory::default(), &[]).is_empty());
}

#[test]
fn nothing_where_no_replica_runs() {
    let starts = world(Published::Pair(leaf(1)), [(); 3].map(|()| starting()));
    let plan = decided(&starts, &asked(), &[name()]);
    assert_eq!(
        plan.certificates[0].step,
        Step::Issue(WhyIssue::Forced),
        "else this shows nothing"
    );
    assert!(looked_into(&starts, &asked(), &[name()]).is_empty());
}
