//! A dual pair: two certificates for the same names, one with an ECDSA and one with
//! an RSA key.

use super::own::{authority, decided_by_own, order};
use super::*;
use crate::decide::renewal::{Failure, FailureClass, Order, WhyHeld};
use crate::model::KeyAlgorithm;

fn second() -> CertificateName {
    CertificateName::parse("example.org-rsa").unwrap()
}

fn rsa(nth: u8) -> Leaf {
    Leaf {
        fingerprint: Fingerprint::of_der(&[nth, 1]),
        key: KeyKind::Rsa,
        ..leaf(nth)
    }
}

/// What every replica serves for the first and for the second.
fn pair(published: [Published; 2], serves: [&Leaf; 2]) -> Snapshot {
    let [first, other] = published;
    let mut world = world(first, all(serves[0]));
    let mut view = world.certificates[&name()].clone();
    (view.key, view.published) = (KeyKind::Rsa, other);
    world.certificates.insert(second(), view);
    let target = &mut world.targets[0];
    let mut spec = target.target.certificates[0].clone();
    (spec.name, spec.ordering.key) = (second(), KeyAlgorithm::Rsa2048);
    target.target.certificates.push(spec);
    for replica in &mut target.replicas {
        let serving = Serving::Leaf(serves[1].clone());
        replica.serving.insert(second(), serving);
    }
    world
}

fn published(first: &Leaf, second: &Leaf) -> [Published; 2] {
    [first, second].map(|leaf| Published::Pair(leaf.clone()))
}

fn standing_of(world: &Snapshot, name: &CertificateName) -> Standing {
    let mut standings = standings(world, &world.targets[0], now());
    let of = standings.find(|(_, other, _)| *other == name);
    of.unwrap().2
}

fn planned(world: &Snapshot) -> Plan {
    decided(world, &Memory::default(), &[])
}

#[test]
fn one_that_serves_the_new_of_one_kind_and_the_old_of_the_other_is_stale() {
    for (stale, serves) in [
        (second(), [&leaf(2), &rsa(1)]),
        (name(), [&leaf(1), &rsa(2)]),
    ] {
        let world = pair(published(&leaf(2), &rsa(2)), serves);
        let step = planned(&world).rollouts.remove(0);
        assert!(step.stale.iter().all(|it| it.certificate == stale));
        assert_eq!(step.stale.len(), 3);
        // A signal loads both, and so both are proved.
        let expected = step.expected.iter().map(|it| it.leaf.fingerprint);
        let both = [leaf(2), rsa(2)].map(|leaf| leaf.fingerprint);
        assert_eq!(expected.collect::<Vec<_>>(), both);
    }
    let world = pair(published(&leaf(2), &rsa(2)), [&leaf(2), &rsa(2)]);
    assert!(planned(&world).rollouts.is_empty());
    assert!(all_served(&world, now()));
}

/// It shows the first, of whatever version, to who can check the second alone.
#[test]
fn a_server_without_the_second_is_told_and_not_rolled_out_to_for_it() {
    for shown in [leaf(2), leaf(1), placeholder()] {
        let world = pair(published(&leaf(2), &rsa(2)), [&leaf(2), &shown]);
        assert!(matches!(
            standing_of(&world, &second()),
            Standing::Wrong { .. }
        ));
        let plan = planned(&world);
        assert!(plan.rollouts.is_empty());
        let told = plan.problems.iter().map(ToString::to_string);
        let told: Vec<String> = told.collect();
        assert!(
            told[0].contains("answers with another certificate"),
            "{told:?}"
        );
    }
    // The first goes on.
    let world = pair(published(&leaf(2), &rsa(2)), [&leaf(1), &leaf(1)]);
    let step = planned(&world).rollouts.remove(0);
    let expected: Vec<_> = step.expected.iter().map(|it| &it.certificate).collect();
    assert_eq!(expected, [&name()]);
}

/// Else a second one could never be begun while the first is behind.
#[test]
fn the_first_is_not_taken_for_a_second_that_the_root_has_lost() {
    let at_the_first = [Published::Pair(leaf(2)), Published::Missing];
    let world = pair(at_the_first, [&leaf(1), &leaf(1)]);
    let plan = planned(&world);
    assert_eq!(plan.certificates[1].step, Step::PublishPlaceholder);
    let lost = [Published::Pair(leaf(2)), Published::Missing];
    let world = pair(lost, [&leaf(2), &rsa(1)]);
    let plan = planned(&world);
    assert!(matches!(plan.problems[0], Problem::RootLostIt { .. }));
}

/// Another certificate that was published under another kind of key is an earlier
/// version all the same.
#[test]
fn one_certificate_may_change_its_kind() {
    let world = world(Published::Pair(leaf(2)), all(&rsa(1)));
    assert_eq!(planned(&world).rollouts.len(), 1);
}

fn steps(world: &Snapshot, memory: &Memory, forced: &[CertificateName]) -> [Step; 2] {
    let plan = decided_by_own(world, memory, forced);
    let steps = plan.certificates.into_iter().map(|it| it.step);
    steps.collect::<Vec<_>>().try_into().unwrap()
}

fn held_by(step: &Step) -> WhyHeld {
    match step {
        Step::Nothing(WhyNot::Held { by, .. }) => *by,
        other => panic!("it is not held: {other}"),
    }
}

fn both_due() -> Snapshot {
    pair(published(&leaf(10), &rsa(10)), [&leaf(10), &rsa(10)])
}

fn issued(memory: &mut Memory, name: &CertificateName, days_ago: i64, exempt: bool) {
    let at = now() - SignedDuration::from_hours(24 * days_ago);
    let order = Order { exempt, ..order() };
    let leaf = if *name == second() { rsa(10) } else { leaf(10) };
    memory
        .history_mut(name)
        .issued(at, &order, leaf.fingerprint);
}

#[test]
fn both_count_for_the_one_budget_of_their_names() {
    let world = both_due();
    let mut memory = Memory::default();
    issued(&mut memory, &name(), 4, false);
    issued(&mut memory, &second(), 4, false);
    issued(&mut memory, &second(), 3, true);
    // One more by itself: the plan does not hold two.
    let [first, other] = steps(&world, &memory, &[]);
    assert!(matches!(first, Step::Issue(_)), "{first}");
    assert_eq!(held_by(&other), WhyHeld::Budget { issued: 3 });
    issued(&mut memory, &second(), 2, false);
    for step in steps(&world, &memory, &[]) {
        assert_eq!(held_by(&step), WhyHeld::Budget { issued: 3 });
    }
    let [first, _] = steps(&world, &memory, &[name()]);
    assert!(matches!(first, Step::Issue(_)), "{first}");
}

#[test]
fn what_fails_for_the_names_holds_both_and_what_fails_for_one_does_not() {
    let world = both_due();
    for (class, holds) in [
        (FailureClass::Validation, true),
        (FailureClass::RateLimited, true),
        (FailureClass::Refused, false),
        (FailureClass::Local, false),
    ] {
        let mut memory = Memory::default();
        let failure = Failure {
            class,
            retry_after: None,
        };
        memory.history_mut(&name()).failed(now(), &order(), failure);
        let [first, other] = steps(&world, &memory, &[]);
        let failed = WhyHeld::Failed { in_a_row: 1, class };
        assert_eq!(held_by(&first), failed);
        assert_eq!(
            matches!(other, Step::Issue(_)),
            !holds,
            "{class:?}: {other}"
        );
    }
    assert_eq!(order().authority, authority());
}
