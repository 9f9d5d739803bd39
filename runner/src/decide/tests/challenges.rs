//! Certificates that ask for the challenge dns-01.

use super::*;
use crate::model::Challenge;

/// A placeholder that a replica serves; the others are on their way.
fn asking_for(challenge: Challenge) -> Snapshot {
    let starting = || Serving::Unreachable("starting".into());
    let serving = [Serving::Leaf(placeholder()), starting(), starting()];
    let mut world = world(Published::Pair(placeholder()), serving);
    let mut specs = world
        .targets
        .iter_mut()
        .flat_map(|view| &mut view.target.certificates);
    specs.next().unwrap().ordering.challenge = challenge;
    world
}

fn decided(snapshot: &Snapshot, by_dns: ByDns) -> (Step, Vec<String>) {
    let schedule = Schedule::parse("0 3,15 * * *", "UTC").unwrap();
    let occasion = Occasion {
        schedule: &schedule,
        forced: &[],
        policy: Policy::Engine,
        by_dns,
        under_way: UnderWay::default(),
    };
    let mut plan = decide(snapshot, &Memory::default(), &occasion, now());
    let problems = plan.problems.iter().map(ToString::to_string).collect();
    (plan.certificates.remove(0).step, problems)
}

#[test]
fn a_record_needs_no_replica_to_answer() {
    let (step, _) = decided(&asking_for(Challenge::Http01), ByDns::Answered);
    assert_eq!(step, Step::Nothing(WhyNot::ReplicasStarting));
    let (step, problems) = decided(&asking_for(Challenge::Dns01), ByDns::Answered);
    assert_eq!(step, Step::Issue(WhyIssue::Placeholder));
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn who_cannot_answer_it_says_so_and_orders_nothing() {
    let said = |by_dns| {
        let (step, problems) = decided(&asking_for(Challenge::Dns01), by_dns);
        assert_eq!(step, Step::Nothing(WhyNot::Problem));
        problems.join("\n")
    };
    insta::assert_snapshot!(said(ByDns::NoProvider), @r#"service patch_loadbalancer: label rollover.challenge="dns-01": expected http-01, as no DNS provider is set; set one: --dns-provider / ROLLOVER_DNS_PROVIDER (docs/dns.md); everything else goes on"#);
    insta::assert_snapshot!(said(ByDns::LeftToCertbot), @r#"service patch_loadbalancer: label rollover.challenge="dns-01": expected http-01, as the engine certbot obtains by nothing else; set --engine acme and a DNS provider (docs/dns.md), or make the lineage with certbot by hand, which is renewed; everything else goes on"#);
}

/// What certbot obtained by a challenge of its own goes on as it was made.
#[test]
fn certbot_renews_what_it_made() {
    let mut world = asking_for(Challenge::Dns01);
    let view = world.certificates.get_mut(&name()).unwrap();
    view.published = Published::Pair(leaf(90));
    let (step, problems) = decided(&world, ByDns::LeftToCertbot);
    assert_eq!(step, Step::Issue(WhyIssue::Scheduled));
    assert!(problems.is_empty(), "{problems:?}");
    let (step, problems) = decided(&world, ByDns::NoProvider);
    assert_eq!(step, Step::Nothing(WhyNot::Problem));
    assert_eq!(problems.len(), 1);
}
