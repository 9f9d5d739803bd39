//! Where the runner decides by its own policy: what becomes of it in a plan.

use super::*;
use crate::decide::renewal::{AriAnswer, Failure, FailureClass, Order, WhyDue, WhyHeld};

pub(super) fn authority() -> Digest {
    Digest::of_authority("https://acme.example/directory")
}

pub(super) fn decided_by_own(
    snapshot: &Snapshot,
    memory: &Memory,
    forced: &[CertificateName],
) -> Plan {
    let schedule = Schedule::parse("0 3,15 * * *", "UTC").unwrap();
    let occasion = Occasion {
        schedule: &schedule,
        forced,
        policy: Policy::Own(authority()),
        by_dns: ByDns::Answered,
        under_way: UnderWay::default(),
    };
    decide(snapshot, memory, &occasion, now())
}

fn own_step(snapshot: &Snapshot, memory: &Memory, forced: &[CertificateName]) -> Step {
    let mut plan = decided_by_own(snapshot, memory, forced);
    plan.certificates.remove(0).step
}

pub(super) fn order() -> Order {
    Order {
        authority: authority(),
        names: Digest::of_domains(&[domain()]),
        replaced: None,
        exempt: false,
    }
}

/// Begun so many days ago; all of these live 110 days.
fn aged(days: u8) -> Snapshot {
    let leaf = leaf(100 - days);
    world(Published::Pair(leaf.clone()), all(&leaf))
}

#[test]
fn what_is_not_due_is_left_until_it_is_and_looked_at_then() {
    let plan = decided_by_own(&aged(10), &Memory::default(), &[]);
    let step = &plan.certificates[0].step;
    let Step::Nothing(WhyNot::NotDue { until, then }) = step else {
        panic!("{step}");
    };
    assert_eq!(*then, WhyDue::Age);
    assert!(
        step.to_string()
            .starts_with(&format!("nothing until {until}: then "))
    );
    let looks_at = plan.looks_at().unwrap();
    assert!(
        looks_at < *until,
        "the authority is asked for its window first"
    );
    let document = serde_json::to_value(&plan.certificates[0]).unwrap();
    assert_eq!(document["why"]["not_due"]["then"], "age");
    assert!(document["look_at"].is_string());
}

#[test]
fn what_is_due_is_issued_and_a_failure_holds_it() {
    let (due, mut memory) = (aged(90), Memory::default());
    let issue = own_step(&due, &memory, &[]);
    assert_eq!(
        issue,
        Step::Issue(WhyIssue::Due {
            why: WhyDue::Age,
            counts: true
        })
    );
    let failure = Failure {
        class: FailureClass::Unreachable,
        retry_after: None,
    };
    memory.history_mut(&name()).failed(now(), &order(), failure);
    let held = own_step(&due, &memory, &[]);
    assert!(
        held.to_string()
            .contains("it failed once: the authority did not answer"),
        "{held}"
    );
    memory.record(asked(), now(), Some("connect: timed out".into()));
    // A pass that only waits is not a good one.
    let told = &decided_by_own(&due, &memory, &[]).problems;
    let why =
        matches!(told.as_slice(), [Problem::IssueHeld { why, .. }] if why == "connect: timed out");
    assert!(why, "{told:?}");
    let forced = own_step(&due, &memory, &[name()]);
    assert_eq!(forced.to_string(), "renew: asked for by a person");
}

#[test]
fn the_schedule_has_no_say() {
    let mut memory = Memory::default();
    memory.record(asked(), now() - SignedDuration::from_hours(48), None);
    let step = own_step(&aged(10), &memory, &[]);
    assert!(
        matches!(step, Step::Nothing(WhyNot::NotDue { .. })),
        "{step}"
    );
}

fn asked() -> Attempted {
    Attempted::Certificate(name())
}

#[test]
fn a_missing_certificate_gets_its_placeholder_first_and_then_an_order() {
    let nobody = [(); 3].map(|()| Serving::Unreachable("refused".into()));
    let missing = world(Published::Missing, nobody);
    let none = Memory::default();
    assert_eq!(own_step(&missing, &none, &[]), Step::PublishPlaceholder);
    let starting = [(); 3].map(|()| starting());
    let placed = world(Published::Pair(placeholder()), starting);
    assert_eq!(
        own_step(&placed, &none, &[]),
        Step::Nothing(WhyNot::ReplicasStarting)
    );
    let up = world(Published::Pair(placeholder()), all(&placeholder()));
    let Step::Issue(why) = own_step(&up, &none, &[]) else {
        panic!("all are there");
    };
    assert!(why.obtains());
}

/// An order of an hour ago that the root knows nothing of.
#[test]
fn what_was_issued_and_is_not_there_is_a_problem_and_no_order() {
    let mut memory = Memory::default();
    let at = now() - SignedDuration::from_hours(1);
    memory
        .history_mut(&name())
        .issued(at, &order(), leaf(99).fingerprint);
    let up = world(Published::Pair(placeholder()), all(&placeholder()));
    let plan = decided_by_own(&up, &memory, &[]);
    let step = &plan.certificates[0].step;
    let held = matches!(
        step,
        Step::Nothing(WhyNot::Held {
            by: WhyHeld::Unseen { .. },
            ..
        })
    );
    assert!(held, "{step}");
    let told: Vec<String> = plan.problems.iter().map(ToString::to_string).collect();
    assert!(told[0].contains("is the right volume mounted?"), "{told:?}");
    let forced = decided_by_own(&up, &memory, &[name()]);
    assert!(matches!(forced.certificates[0].step, Step::Issue(_)));
    assert!(forced_in_vain(&forced, &[name()]).is_empty());
}

/// The other engine leaves them alone for ever; a new certificate mends them.
#[test]
fn broken_files_are_told_and_after_a_while_replaced() {
    let error = PairError::Mismatch {
        key: "privkey.pem".into(),
        chain: "fullchain.pem".into(),
    };
    let nobody = [(); 3].map(|()| Serving::Unreachable("refused".into()));
    let broken = world(Published::Broken(error), nobody);
    let mut memory = Memory::default();
    memory.saw(&broken, now());
    let plan = decided_by_own(&broken, &memory, &[]);
    let told = |problem: &Problem| matches!(problem, Problem::Broken { .. });
    assert!(plan.problems.iter().any(told));
    assert!(matches!(
        plan.certificates[0].step,
        Step::Nothing(WhyNot::NotDue { .. })
    ));
    let mut memory = Memory::default();
    memory.saw(&broken, now() - SignedDuration::from_mins(11));
    memory.saw(&broken, now());
    let step = own_step(&broken, &memory, &[]);
    assert_eq!(step.to_string(), "renew: what is published is no pair");
}

#[test]
fn a_root_that_lost_what_is_served_is_not_ordered_for() {
    let lost = world(Published::Pair(placeholder()), all(&leaf(90)));
    let plan = decided_by_own(&lost, &Memory::default(), &[]);
    assert_eq!(plan.certificates[0].step, Step::Nothing(WhyNot::Problem));
}

#[test]
fn the_authority_is_asked_for_its_window_and_its_answer_counts() {
    let (snapshot, mut memory) = (aged(10), Memory::default());
    let schedule = Schedule::parse("0 3,15 * * *", "UTC").unwrap();
    let occasion = Occasion {
        schedule: &schedule,
        forced: &[],
        policy: Policy::Own(authority()),
        by_dns: ByDns::Answered,
        under_way: UnderWay::default(),
    };
    let questions = |memory: &Memory| ari_questions(&snapshot, memory, &occasion, now());
    let asked = questions(&memory);
    assert_eq!(asked, [(name(), leaf(90).fingerprint)]);
    let hour = SignedDuration::from_hours(1);
    let answer = AriAnswer {
        window: Some((now() - hour * 2, now() - hour)),
        retry_after: Some(hour),
    };
    let (_, certificate) = &asked[0];
    memory
        .history_mut(&name())
        .ari_answered(now(), *certificate, &answer);
    assert!(questions(&memory).is_empty());
    let step = own_step(&snapshot, &memory, &[]);
    assert!(
        step.to_string()
            .starts_with("renew: the authority suggests"),
        "{step}"
    );

    let by_certbot = Occasion {
        policy: Policy::Engine,
        ..occasion
    };
    assert!(ari_questions(&snapshot, &Memory::default(), &by_certbot, now()).is_empty());
}

/// One plan has no more first orders in it than the account's pace allows.
#[test]
fn one_plan_keeps_to_the_account_s_pace() {
    let mut many = world(Published::Pair(placeholder()), all(&placeholder()));
    let view = many.certificates[&name()].clone();
    for nth in 0..400 {
        let domain = DomainName::parse(&format!("site{nth}.example.org")).unwrap();
        let mut view = view.clone();
        view.domains = vec![domain.clone()];
        many.certificates.insert(CertificateName::of(&domain), view);
    }
    // Each is asked of the same replicas, as far as this test goes.
    let specs = many
        .certificates
        .iter()
        .map(|(name, view)| CertificateSpec {
            name: name.clone(),
            ordering: crate::model::Ordering::default(),
            domains: view.domains.clone(),
            path: PathBuf::new(),
        });
    many.targets[0].target.certificates = specs.collect();
    let names: Vec<CertificateName> = many.certificates.keys().cloned().collect();
    for replica in &mut many.targets[0].replicas {
        for name in &names {
            replica
                .serving
                .insert(name.clone(), Serving::Leaf(placeholder()));
        }
    }
    let issues = |memory: &Memory| {
        let plan = decided_by_own(&many, memory, &[]);
        let issued = plan
            .certificates
            .iter()
            .filter(|it| matches!(it.step, Step::Issue(_)));
        issued.count()
    };
    let mut memory = Memory::default();
    assert_eq!(issues(&memory), 150);
    for _ in 0..100 {
        memory.pace_mut().ordered(now());
    }
    assert_eq!(issues(&memory), 50);
}

/// Else the daemon would look every two seconds for as long as that is so.
#[test]
fn what_is_due_and_cannot_be_done_now_is_not_looked_at_at_once() {
    let (due, schedule) = (aged(90), Schedule::parse("0 3,15 * * *", "UTC").unwrap());
    let under_way = UnderWay {
        rolled_out: BTreeSet::from([due.targets[0].target.name.clone()]),
        ..UnderWay::default()
    };
    let occasion = Occasion {
        schedule: &schedule,
        forced: &[],
        policy: Policy::Own(authority()),
        by_dns: ByDns::Answered,
        under_way,
    };
    let plan = decide(&due, &Memory::default(), &occasion, now());
    assert_eq!(plan.certificates[0].step, Step::Nothing(WhyNot::RolledOut));
    assert_eq!(plan.certificates[0].look_at, None);
}
