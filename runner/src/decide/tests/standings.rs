//! How single replicas stand, and since when they are behind.

use super::*;
use crate::model::ChainFlaw;

fn chain(issuers: &[u8]) -> Chain {
    Chain {
        issuers: issuers
            .iter()
            .map(|&it| Fingerprint::of_der(&[it]))
            .collect(),
        broken_after: None,
    }
}

fn with_chain(leaf: Leaf, issuers: &[u8]) -> Leaf {
    Leaf {
        chain: chain(issuers),
        ..leaf
    }
}

fn first(world: &Snapshot) -> Standing {
    let (_, _, standing) = standings(world, &world.targets[0], now()).next().unwrap();
    standing
}

fn flaws(world: &Snapshot) -> String {
    match first(world) {
        Standing::Wrong { flaws, .. } => {
            let flaws: Vec<String> = flaws.iter().map(ToString::to_string).collect();
            flaws.join("; ")
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn what_is_published_in_its_time_for_every_name_with_its_chain_is_right() {
    let leaf = with_chain(leaf(1), &[7, 8]);
    assert_eq!(
        first(&world(Published::Pair(leaf.clone()), all(&leaf))),
        Standing::Serving
    );
    let placeholder = placeholder();
    let fresh = world(Published::Pair(placeholder.clone()), all(&placeholder));
    assert_eq!(first(&fresh), Standing::Serving);
}

#[test]
fn another_version_is_stale_whatever_else_is_wrong_with_it() {
    let mut old = with_chain(leaf(1), &[7]);
    old.not_after = now() - SignedDuration::from_secs(1);
    let serves = old.fingerprint;
    let world = world(Published::Pair(leaf(2)), all(&old));
    assert_eq!(first(&world), Standing::Stale { serves });
}

#[test]
fn what_is_wrong_is_told_each() {
    let published = with_chain(leaf(1), &[7, 8]);
    let served = |leaf: Leaf| flaws(&world(Published::Pair(published.clone()), all(&leaf)));
    let mut expired = published.clone();
    expired.not_after = now() - SignedDuration::from_secs(1);
    let mut early = published.clone();
    early.not_before = now() + SignedDuration::from_secs(1);
    let mut another = leaf(9);
    another.names = vec!["b.example.net".into()];
    let mut more_names = world(Published::Pair(published.clone()), all(&published));
    let domains = ["example.org", "www.example.org"].map(|it| DomainName::parse(it).unwrap());
    if let Some(view) = more_names.certificates.get_mut(&name()) {
        view.domains = domains.into();
    }
    let told = [
        served(with_chain(published.clone(), &[])),
        served(with_chain(published.clone(), &[8, 7])),
        served(with_chain(published.clone(), &[7, 9])),
        flaws(&more_names),
        served(expired),
        served(early),
        served(another),
        served(leaf(2)),
        flaws(&world(Published::Missing, all(&published))),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    its chain is incomplete: expected 2 after its own certificate, as published, found 0; is it configured with fullchain.pem?
    its chain is in another order than the published one
    its chain is another than the published one
    it is not for www.example.org
    it expired at 2026-11-24T11:59:59Z
    it is not valid before 2026-11-24T12:00:01Z
    it is another certificate, for b.example.net
    it is newer than the published one
    nothing is published that it could be compared with
    ");
}

/// Most servers with a short chain are configured with the wrong file, which no
/// reload mends; a restart of each replica each day would only do harm.
#[test]
fn a_wrong_chain_is_a_problem_and_no_reason_to_touch_replicas() {
    let published = with_chain(leaf(1), &[7, 8]);
    let world = world(
        Published::Pair(published.clone()),
        all(&with_chain(published, &[])),
    );
    let plan = decided(&world, &Memory::default(), &[]);
    assert!(plan.rollouts.is_empty() && plan.held.is_empty());
    let flaw = ChainFlaw::Incomplete {
        sent: 0,
        published: 2,
    };
    assert!(matches!(&plan.problems[0], Problem::Chain { flaw: found, .. } if *found == flaw));
    assert!(!all_served(&world, now()));
}

fn with_public(mut world: Snapshot, serving: Serving) -> Snapshot {
    world.targets[0].public = Some(crate::observe::PublicView {
        address: "www.example.org:443".into(),
        serving: BTreeMap::from([(name(), serving)]),
    });
    world
}

#[test]
fn a_public_address_that_lags_is_told_and_touches_nothing() {
    let right = world(Published::Pair(leaf(2)), all(&leaf(2)));
    let plan = decided(
        &with_public(right.clone(), Serving::Leaf(leaf(1))),
        &Memory::default(),
        &[],
    );
    assert!(plan.rollouts.is_empty());
    let fingerprint = leaf(1).fingerprint.short();
    let told = plan.problems[0].to_string().replace(&fingerprint, "OLD");
    insta::assert_snapshot!(told, @"certificate example.org: every replica of patch_loadbalancer serves it, but its public address www.example.org:443 serves OLD");
    let same = with_public(right, Serving::Leaf(leaf(2)));
    assert!(decided(&same, &Memory::default(), &[]).problems.is_empty());
    // While replicas are behind, so is what is in front of them.
    let behind = world(Published::Pair(leaf(2)), all(&leaf(1)));
    let behind = with_public(behind, Serving::Leaf(leaf(1)));
    assert!(
        decided(&behind, &Memory::default(), &[])
            .problems
            .is_empty()
    );
}

#[test]
fn a_replica_is_behind_since_it_was_first_seen_so_and_no_longer_when_it_is_not() {
    let behind = world(Published::Pair(leaf(2)), all(&leaf(1)));
    let since = |memory: &Memory, world: &Snapshot| {
        memory.behind_since(world, "task1", &name(), &first(world))
    };
    let (earlier, later) = (now(), now() + SignedDuration::from_mins(1));
    let mut memory = Memory::default();
    assert_eq!(since(&memory, &behind), None, "nobody has looked");
    memory.saw(&behind, earlier);
    memory.saw(&behind, later);
    assert_eq!(since(&memory, &behind), Some(earlier));
    let right = world(Published::Pair(leaf(2)), all(&leaf(2)));
    memory.saw(&right, later);
    assert_eq!(since(&memory, &right), None);
    memory.saw(&behind, later);
    assert_eq!(since(&memory, &behind), Some(later), "it fell behind anew");
}
