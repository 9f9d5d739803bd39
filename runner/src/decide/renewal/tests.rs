//! The rules of the policy, one a test.

use jiff::{SignedDuration, Timestamp};

use super::time::{DAY, HOUR, MINUTE};
use super::*;
use crate::model::{Digest, Fingerprint};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// When the certificates of these tests were issued.
fn start() -> Timestamp {
    time("2026-11-24T00:00:00Z")
}

fn names() -> Digest {
    Digest::of_names(["example.org"])
}

fn authority() -> Digest {
    Digest::of_authority("https://acme.example/directory")
}

fn fingerprint(nth: u8) -> Fingerprint {
    Fingerprint::of_der(&[nth])
}

/// A certificate that begins at the start and lives so many days.
fn living(days: i32) -> Facts {
    Facts {
        wanted: names(),
        authority: authority(),
        current: Current::Issued(Issued {
            fingerprint: fingerprint(1),
            names: names(),
            not_before: start(),
            not_after: start() + DAY * days,
            share: Issued::share_of(fingerprint(1)),
        }),
        forced: false,
        shared: Shared::default(),
    }
}

fn with(current: Current) -> Facts {
    Facts {
        current,
        ..living(90)
    }
}

fn forced(facts: Facts) -> Facts {
    Facts {
        forced: true,
        ..facts
    }
}

fn order() -> Order {
    Order {
        authority: authority(),
        names: names(),
        replaced: None,
        exempt: false,
    }
}

fn failure(retry_after: Option<SignedDuration>) -> Failure {
    Failure {
        class: FailureClass::Server,
        retry_after,
    }
}

fn on_day(facts: &Facts, history: &History, day: f64) -> Decision {
    let at = start() + SignedDuration::try_from_secs_f64(day * 86_400.0).unwrap();
    verdict(facts, history, &Pace::default(), at).decision
}

fn is_due(decision: &Decision) -> Option<WhyDue> {
    match decision {
        Decision::Due { why, .. } => Some(*why),
        _ => None,
    }
}

fn held(decision: &Decision) -> (f64, WhyHeld) {
    match decision {
        Decision::Held { until, by, .. } => (days(*until), *by),
        other => panic!("it is not held: {other}"),
    }
}

fn days(at: Timestamp) -> f64 {
    at.duration_since(start()).as_secs_f64() / 86_400.0
}

fn answer(window: (f64, f64)) -> AriAnswer {
    let day = |day: f64| start() + SignedDuration::try_from_secs_f64(day * 86_400.0).unwrap();
    AriAnswer {
        window: Some((day(window.0), day(window.1))),
        retry_after: Some(HOUR * 6),
    }
}

fn answered(answer: &AriAnswer) -> History {
    let mut history = History::default();
    history.ari_answered(start(), fingerprint(1), answer);
    history
}

#[test]
fn what_cannot_be_served_is_due_at_once() {
    let none = History::default();
    let due = |facts: &Facts, day| is_due(&on_day(facts, &none, day));
    assert_eq!(due(&with(Current::Missing), 0.0), Some(WhyDue::Missing));
    let placeholder = with(Current::Placeholder);
    assert_eq!(due(&placeholder, 0.0), Some(WhyDue::Placeholder));
    assert_eq!(due(&living(90), 90.0), Some(WhyDue::Expired));
    assert_eq!(due(&living(90), 1.0), None);
    assert_eq!(due(&forced(living(90)), 1.0), Some(WhyDue::Forced));
    let other = Facts {
        wanted: Digest::of_names(["example.org", "www.example.org"]),
        ..living(90)
    };
    assert_eq!(due(&other, 1.0), Some(WhyDue::NamesChanged));
}

/// A volume may show nothing for a moment (gluster/glusterfs#4723).
#[test]
fn files_that_are_no_pair_have_to_be_so_for_a_while() {
    let broken = with(Current::Broken { since: start() });
    let none = History::default();
    assert_eq!(is_due(&on_day(&broken, &none, 0.006)), None);
    assert_eq!(is_due(&on_day(&broken, &none, 0.007)), Some(WhyDue::Broken));
}

#[test]
fn without_a_window_it_is_its_age_that_counts() {
    let none = History::default();
    for (life, from, to) in [(90, 51.0, 60.0), (64, 36.2, 42.7), (6, 2.4, 3.0)] {
        let Decision::NotDue { until, then } = on_day(&living(life), &none, 0.0) else {
            panic!("it is new");
        };
        assert_eq!(then, WhyDue::Age);
        assert!((from..=to).contains(&days(until)), "{life}: {until}");
        let after = days(until) + 0.001;
        assert_eq!(
            is_due(&on_day(&living(life), &none, after)),
            Some(WhyDue::Age)
        );
    }
}

#[test]
fn certificates_with_the_same_dates_are_renewed_at_different_moments() {
    let moments: std::collections::BTreeSet<Timestamp> = (0..100)
        .map(|nth| {
            let mut facts = living(90);
            if let Current::Issued(issued) = &mut facts.current {
                issued.share = Issued::share_of(fingerprint(nth));
            }
            let looked = verdict(&facts, &History::default(), &Pace::default(), start());
            match looked.decision {
                Decision::NotDue { until, .. } => until,
                other => panic!("{other}"),
            }
        })
        .collect();
    assert_eq!(moments.len(), 100);
    let (first, last) = (moments.first().unwrap(), moments.last().unwrap());
    assert!(last.duration_since(*first) > DAY * 8);
}

#[test]
fn a_moment_in_the_authority_s_window_is_drawn_once_and_kept() {
    let window = answer((40.0, 42.0));
    let mut history = answered(&window);
    let until = |history: &History| match on_day(&living(90), history, 0.0) {
        Decision::NotDue { until, .. } => days(until),
        other => panic!("{other}"),
    };
    let first = until(&history);
    assert!((40.0..42.0).contains(&first), "{first}");
    history.ari_answered(start() + DAY, fingerprint(1), &window);
    assert_eq!(until(&history), first);
    history.ari_failed(start() + DAY, fingerprint(1), AriFailure::LongTerm);
    assert_eq!(until(&history), first, "what was heard before is not lost");
    history.ari_answered(start() + DAY, fingerprint(1), &answer((20.0, 22.0)));
    assert!((20.0..22.0).contains(&until(&history)));
    history.ari_answered(start() + DAY, fingerprint(2), &window);
    assert!(until(&history) > 50.0, "a window of another certificate");
}

#[test]
fn a_window_in_the_past_means_now_unless_it_cannot_be_meant() {
    let now = on_day(&living(90), &answered(&answer((1.0, 1.5))), 2.0);
    assert!(matches!(is_due(&now), Some(WhyDue::Window { .. })));
    let before_it_began = answered(&answer((-3.0, -1.0)));
    assert_eq!(is_due(&on_day(&living(90), &before_it_began, 2.0)), None);
    let ends_before_it_starts = answered(&answer((1.5, 1.0)));
    assert_eq!(
        is_due(&on_day(&living(90), &ends_before_it_starts, 2.0)),
        None
    );
}

#[test]
fn a_window_after_the_last_twentieth_is_not_waited_for() {
    let late = answered(&answer((200.0, 201.0)));
    let before = on_day(&living(90), &late, 85.0);
    assert!(matches!(
        before,
        Decision::NotDue {
            then: WhyDue::NearsExpiry,
            ..
        }
    ));
    let in_it = on_day(&living(90), &late, 85.6);
    assert_eq!(is_due(&in_it), Some(WhyDue::NearsExpiry));
}

#[test]
fn the_authority_is_asked_as_often_as_it_says_within_reason() {
    let asked = |answer: &AriAnswer| {
        let looked = verdict(&living(90), &answered(answer), &Pace::default(), start());
        looked.ask_ari_at.unwrap().duration_since(start())
    };
    let window = answer((40.0, 42.0));
    let retry_after = |retry_after| AriAnswer {
        retry_after,
        ..window
    };
    assert_eq!(asked(&retry_after(Some(HOUR * 4))), HOUR * 4);
    assert_eq!(asked(&retry_after(Some(HOUR * 100))), DAY);
    assert_eq!(asked(&retry_after(Some(SignedDuration::ZERO))), MINUTE);
    assert_eq!(asked(&retry_after(Some(SignedDuration::MIN))), MINUTE);
    assert_eq!(asked(&retry_after(None)), HOUR * 6);
}

#[test]
fn an_authority_that_does_not_answer_is_asked_less_and_less() {
    let (mut history, mut waited) = (History::default(), Vec::new());
    let temporary = AriFailure::Temporary { retry_after: None };
    for _ in 0..12 {
        history.ari_failed(start(), fingerprint(1), temporary);
        let looked = verdict(&living(90), &history, &Pace::default(), start());
        waited.push(looked.ask_ari_at.unwrap().duration_since(start()).as_secs() / 60);
    }
    assert_eq!(waited, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]);
    history.ari_failed(start(), fingerprint(1), AriFailure::LongTerm);
    let looked = verdict(&living(90), &history, &Pace::default(), start());
    assert_eq!(looked.ask_ari_at, Some(start() + HOUR * 6));
    assert_eq!(looked.look_at(start()), start() + HOUR * 6);
}

#[test]
fn the_authority_is_not_asked_of_what_is_over() {
    let asks = |facts: &Facts, history: &History, at| {
        verdict(facts, history, &Pace::default(), at).asks_ari(at)
    };
    let none = History::default();
    assert!(asks(&living(90), &none, start()));
    assert!(!asks(&living(90), &none, start() + DAY * 90), "expired");
    assert!(!asks(&with(Current::Placeholder), &none, start()));
    let replaced = Order {
        replaced: Some(fingerprint(1)),
        ..order()
    };
    let mut history = History::default();
    history.issued(start() + DAY, &replaced, fingerprint(2));
    assert!(!asks(&living(90), &history, start() + DAY * 2), "replaced");
}

#[test]
fn failures_back_off_to_a_day_and_a_success_forgets_them() {
    let mut history = History::default();
    let due = with(Current::Placeholder);
    for minutes in [1.0, 10.0, 100.0, 1440.0, 1440.0] {
        history.failed(start(), &order(), failure(None));
        let (until, by) = held(&on_day(&due, &history, 0.0));
        let waited = until * 1440.0 / minutes;
        assert!((1.0..=1.1).contains(&waited), "{minutes}: {waited}");
        assert!(matches!(by, WhyHeld::Failed { .. }));
    }
    assert_eq!(
        is_due(&on_day(&forced(due.clone()), &history, 0.0)),
        Some(WhyDue::Placeholder)
    );
    history.issued(start(), &order(), fingerprint(2));
    assert!(matches!(
        held(&on_day(&due, &history, 0.0)).1,
        WhyHeld::Unseen { .. }
    ));
}

#[test]
fn the_nearer_the_expiry_the_shorter_the_wait() {
    let waited = |life: i32, failed_on: f64| {
        let mut history = History::default();
        for _ in 0..9 {
            let at = start() + SignedDuration::try_from_secs_f64(failed_on * 86_400.0).unwrap();
            history.failed(at, &order(), failure(None));
        }
        (held(&on_day(&living(life), &history, failed_on)).0 - failed_on) * 24.0
    };
    assert!((24.0..26.5).contains(&waited(90, 61.0)));
    assert!((12.0..13.3).contains(&waited(90, 86.0)));
    assert!((1.0..1.2).contains(&waited(90, 89.9)));
    assert!((9.0..10.0).contains(&waited(6, 3.0)));
    assert!((1.0..1.2).contains(&waited(6, 5.9)));
}

/// What is asked before is refused, so that even a person has nothing of it.
#[test]
fn nothing_overrides_the_authority_s_own_word() {
    let mut history = History::default();
    history.failed(start() + DAY * 89, &order(), failure(Some(HOUR * 30)));
    for facts in [living(90), forced(living(90))] {
        let (until, by) = held(&on_day(&facts, &history, 89.5));
        assert!((until - 90.25).abs() < 0.001);
        let class = FailureClass::Server;
        assert_eq!(by, WhyHeld::RetryAfter { class });
    }
    history.failed(start(), &order(), failure(Some(DAY * 400)));
    let (until, _) = held(&on_day(&forced(living(90)), &history, 0.0));
    assert!((until - 7.0).abs() < 0.001, "not believed: {until}");
}

#[test]
fn another_authority_is_asked_at_once() {
    let mut history = History::default();
    for _ in 0..4 {
        history.issued(start(), &order(), fingerprint(9));
    }
    history.failed(start(), &order(), failure(Some(DAY)));
    let due = with(Current::Placeholder);
    held(&on_day(&due, &history, 0.5));
    let another = Facts {
        authority: Digest::of_authority("https://other.example/directory"),
        ..due
    };
    assert_eq!(
        is_due(&on_day(&another, &history, 1.1)),
        Some(WhyDue::Placeholder)
    );
}

/// Issued on each of these days, as the certificate that begins at the start.
fn issued_on(issuances: &[f64]) -> History {
    let mut history = History::default();
    for day in issuances {
        let at = start() + SignedDuration::try_from_secs_f64(day * 86_400.0).unwrap();
        history.issued(at, &order(), fingerprint(1));
    }
    history
}

#[test]
fn three_in_a_week_by_themselves_and_a_fourth_in_an_emergency() {
    let revoked = |history: &mut History| {
        history.ari_answered(start(), fingerprint(1), &answer((0.1, 0.2)));
    };
    let mut two = issued_on(&[-1.0, 0.0]);
    revoked(&mut two);
    assert!(is_due(&on_day(&living(90), &two, 0.5)).is_some());
    let mut three = issued_on(&[-2.0, -1.0, 0.0]);
    revoked(&mut three);
    let decision = on_day(&living(90), &three, 0.5);
    assert_eq!(held(&decision), (5.0, WhyHeld::Budget { issued: 3 }));
    assert!(is_due(&on_day(&forced(living(90)), &three, 0.5)).is_some());
    assert!(is_due(&on_day(&living(90), &three, 5.1)).is_some());

    let near = issued_on(&[87.0, 87.1, 87.2]);
    assert!(is_due(&on_day(&living(90), &near, 88.0)).is_some());
    let four = issued_on(&[87.0, 87.1, 87.2, 87.3]);
    let (until, by) = held(&on_day(&living(90), &four, 88.0));
    assert!((until - 94.0).abs() < 0.001);
    assert_eq!(by, WhyHeld::Budget { issued: 4 });
}

#[test]
fn what_others_issued_counts_too_and_other_names_do_not() {
    let mut history = issued_on(&[-2.0, -1.0]);
    history.ari_answered(start(), fingerprint(1), &answer((0.1, 0.2)));
    let mut by_hand = living(90);
    if let Current::Issued(issued) = &mut by_hand.current {
        issued.fingerprint = fingerprint(7);
    }
    history.ari_answered(start(), fingerprint(7), &answer((0.1, 0.2)));
    held(&on_day(&by_hand, &history, 0.5));
    let others = Facts {
        wanted: Digest::of_names(["other.example.org"]),
        ..living(90)
    };
    let many = issued_on(&[-2.0, -1.0, 0.0]);
    assert_eq!(
        is_due(&on_day(&others, &many, 0.5)),
        Some(WhyDue::NamesChanged)
    );
}

/// An empty root, or the predecessor again, under a success of an hour ago.
#[test]
fn what_was_issued_and_is_not_seen_is_no_reason_to_order_again() {
    let mut history = History::default();
    let replacing = Order {
        replaced: Some(fingerprint(1)),
        ..order()
    };
    history.issued(start() + DAY * 61, &replacing, fingerprint(2));
    for current in [Current::Missing, Current::Placeholder, living(90).current] {
        let (until, by) = held(&on_day(&with(current.clone()), &history, 61.1));
        assert!(matches!(by, WhyHeld::Unseen { .. }));
        assert!((until - 62.0).abs() < 0.001);
        assert!(is_due(&on_day(&with(current.clone()), &history, 62.1)).is_some());
        assert!(is_due(&on_day(&forced(with(current)), &history, 61.1)).is_some());
    }
    // Where waiting would cost the certificate, only for as long as a volume lags.
    history.issued(start() + DAY * 89, &replacing, fingerprint(2));
    held(&on_day(&living(90), &history, 89.006));
    assert!(is_due(&on_day(&living(90), &history, 89.008)).is_some());
}

#[test]
fn the_account_s_pace_holds_first_orders_and_no_exempt_ones() {
    let (mut pace, mut now) = (Pace::default(), start());
    let placeholder = with(Current::Placeholder);
    let none = History::default();
    let ordered = (0..1000)
        .take_while(|_| {
            let looked = verdict(&placeholder, &none, &pace, now);
            let due = is_due(&looked.decision).is_some();
            if due {
                pace.ordered(now);
            }
            due
        })
        .count();
    assert!((100..300).contains(&ordered), "{ordered}");
    let looked = verdict(&placeholder, &none, &pace, now);
    assert_eq!(held(&looked.decision).1, WhyHeld::Pace);
    now = looked.look_at(now);
    assert!(is_due(&verdict(&placeholder, &none, &pace, now).decision).is_some());

    let in_its_window = answered(&answer((-0.5, 0.02)));
    let exempt = verdict(&living(90), &in_its_window, &pace, start() + MINUTE * 20);
    assert!(matches!(
        exempt.decision,
        Decision::Due { counts: false, .. }
    ));
}

#[test]
fn a_history_is_small_and_the_same_after_a_way_through_json() {
    let mut history = History::default();
    for nth in 0..50 {
        let replacing = Order {
            replaced: Some(fingerprint(nth)),
            ..order()
        };
        history.issued(
            start() + HOUR * i32::from(nth),
            &replacing,
            fingerprint(nth + 1),
        );
    }
    history.failed(start() + DAY * 3, &order(), failure(Some(HOUR)));
    history.ari_answered(start(), fingerprint(50), &answer((40.001, 42.002)));
    let text = serde_json::to_string(&history).unwrap();
    assert!(text.len() < 1800, "{}: {text}", text.len());
    assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
}

#[test]
fn a_history_of_a_later_version_is_told() {
    let newer = r#"{"form":2,"whatever":1}"#;
    let told = serde_json::from_str::<History>(newer)
        .unwrap_err()
        .to_string();
    assert!(told.contains("later version of rollover"), "{told}");
    let more = r#"{"form":1,"whatever":1}"#;
    assert!(serde_json::from_str::<History>(more).is_ok());
}

#[test]
fn a_verdict_reads_well() {
    let said = |facts: &Facts, history: &History, day| on_day(facts, history, day).to_string();
    let none = History::default();
    let mut failed = History::default();
    failed.failed(start(), &order(), failure(Some(HOUR)));
    let lines = [
        said(&with(Current::Placeholder), &none, 0.0),
        said(&living(90), &answered(&answer((40.0, 42.0))), 41.9),
        said(&living(90), &none, 1.0),
        said(&living(90), &none, 86.0),
        said(&with(Current::Placeholder), &failed, 0.0),
        said(&living(90), &issued_on(&[-0.2, -0.1, 0.0]), 86.0),
        said(&with(Current::Missing), &issued_on(&[0.0]), 0.5),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    obtain: only a placeholder is published
    renew: the authority suggests a time from 2027-01-03T00:00:00Z to 2027-01-05T00:00:00Z
    nothing until 2027-01-20T22:46:38Z: then its age; the authority suggests no time
    renew: a twentieth of its life is left
    nothing until 2026-11-24T01:00:00Z: the authority asked to wait, when the authority failed; it is due: only a placeholder is published
    renew: a twentieth of its life is left
    nothing until 2026-11-25T00:00:00Z: what was issued at 2026-11-24T00:00:00Z is not what is published; it is due: nothing is published
    ");
}
