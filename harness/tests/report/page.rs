//! The page as text: what stands in it, and that it is a document.

use std::time::Duration;

use proptest::prelude::*;
use rollover_lab::event::{Band, BandKind, LogLine};
use rollover_lab::report::{Moment, Run, Verdict, html};
use rollover_lab::traffic::{Loss, LossClass, Phase};
use scraper::{Html, Selector};

use crate::sample::{began, failed, passed, red_control, void};

/// The page, which must be well formed.
fn parsed(runs: &[Run]) -> Html {
    let page = html(runs);
    let parsed = Html::parse_document(&page);
    assert!(parsed.errors.is_empty(), "{:?}", parsed.errors);
    parsed
}

fn count(page: &Html, selector: &str) -> usize {
    page.select(&Selector::parse(selector).unwrap()).count()
}

fn text(page: &Html, selector: &str) -> String {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector)
        .flat_map(|found| found.text())
        .collect()
}

#[test]
fn a_small_run_looks_as_it_did() {
    insta::assert_snapshot!(html(&[failed(1)]));
}

#[test]
fn no_run_at_all_is_a_page_too() {
    assert!(text(&parsed(&[]), "header").contains("nothing was run"));
}

#[test]
fn each_lost_and_each_late_request_has_a_mark_of_its_own() {
    let run = failed(40);
    let page = parsed(std::slice::from_ref(&run));
    assert!(run.lost() > 20 && run.late() > 20);
    let whole = "h3 + figure ";
    assert_eq!(count(&page, &format!("{whole} use.lost")), run.lost());
    assert_eq!(count(&page, &format!("{whole} use.late")), run.late());
}

#[test]
fn each_lost_request_stands_in_the_table_with_what_it_fell_into() {
    let run = failed(40);
    let page = parsed(std::slice::from_ref(&run));
    let selector = "div[aria-label^='Every lost request'] tbody tr";
    assert_eq!(count(&page, selector), run.lost());
    let rows = text(&page, selector);
    assert!(rows.contains("fault: node-3 is cut off"), "{rows}");
    assert!(rows.contains("signal 1, "), "{rows}");
}

#[test]
fn what_is_wrong_is_open_and_what_is_not_is_closed() {
    let page = parsed(&[failed(1), passed(1), red_control(1), void()]);
    assert_eq!(count(&page, "details.run"), 4);
    let open = text(&page, "details.run[open] > summary .badge");
    assert_eq!(open, "✕ FAILED○ VOID");
    assert!(text(&page, "header").contains("2 of 4 runs are not as they must be"));
}

#[test]
fn what_was_lost_on_purpose_is_counted_apart() {
    let page = parsed(&[passed(1), red_control(1)]);
    let tiles = text(&page, ".tiles");
    let lost = red_control(1).lost();
    assert!(tiles.contains("lost0"), "{tiles}");
    assert!(
        tiles.contains(&format!("lost in controls{lost}")),
        "{tiles}"
    );
}

#[test]
fn fifty_thousand_requests_make_a_page_of_moderate_size() {
    let run = failed(1_000);
    assert_eq!(run.sent(), 50_000);
    let page = html(std::slice::from_ref(&run));
    let losses = run.lost() + run.late();
    let budget = 1_500_000 + losses * 2_000;
    assert!(
        page.len() < budget,
        "{} bytes with {losses} losses",
        page.len()
    );
    assert!(
        page.contains("small dots for 4"),
        "the figure says what its dots stand for"
    );
}

#[test]
fn nothing_in_the_page_is_run_or_fetched() {
    let page = parsed(&[hostile(
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
    )]);
    assert_eq!(count(&page, "script, img, link, iframe, object, embed"), 0);
    assert!(text(&page, ".findings").contains("<script>alert(1)</script>"));
    let policy = "meta[http-equiv='Content-Security-Policy'][content^=\"default-src 'none'\"]";
    assert_eq!(count(&page, policy), 1);
}

fn reset() -> Loss {
    Loss {
        class: LossClass::Reset,
        phase: Phase::Request,
        detail: "Connection reset by peer (os error 104)".into(),
    }
}

/// A run in which everything that others wrote is `text`.
fn hostile(text: &str) -> Run {
    let mut run = failed(1);
    let text = text.to_owned();
    run.scenario.clone_from(&text);
    run.about.clone_from(&text);
    run.parameters.insert(text.clone(), text.clone());
    run.verdict = Verdict::Failed {
        findings: vec![text.clone()],
    };
    run.notes.bands.push(Band {
        kind: BandKind::Fault,
        name: text.clone(),
        node: Some(text.clone()),
        from: began(),
        until: None,
        note: Some(text.clone()),
    });
    run.notes.logs.push(LogLine {
        at: began(),
        source: text.clone(),
        text: text.clone(),
    });
    run.notes.sightings[0].node.clone_from(&text);
    run.notes.sightings[1].served = Ok(text.clone());
    run.notes.sightings[2].served = Err(text.clone());
    run.moments.push(Moment {
        at: began(),
        node: text.clone(),
        replica: Some(text.clone()),
        what: text.clone(),
    });
    let name = run.traffic[0].plan.lanes[0].name.clone();
    run.traffic[0].plan.lanes[0].name.clone_from(&text);
    for outcome in &mut run.traffic[0].outcomes {
        if *outcome.lane == *name {
            outcome.lane = text.as_str().into();
        }
        if let Some(loss) = &mut outcome.loss {
            loss.detail = text.as_str().into();
        }
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whichever requests are lost, late or retryable: none is thinned out, and
    /// the caption counts all others.
    #[test]
    fn no_lost_request_is_thinned_out(
        fates in prop::collection::vec(0..40_u8, 200), at_once in any::<bool>()
    ) {
        let mut run = passed(4);
        for (outcome, fate) in run.traffic[0].outcomes.iter_mut().zip(&fates) {
            if at_once {
                outcome.intended = Duration::ZERO;
            }
            match fate {
                0 | 1 => outcome.loss = Some(reset()),
                2 => outcome.ended = outcome.intended + Duration::from_secs(2),
                3 => outcome.retryable = Some("GOAWAY".into()),
                _ => {}
            }
        }
        let page = parsed(std::slice::from_ref(&run));
        let marks = |class: &str| count(&page, &format!("h3 + figure use.{class}"));
        prop_assert_eq!(marks("lost"), run.lost());
        prop_assert_eq!(marks("late"), run.late());
        let retryable = run.traffic[0].retryable();
        prop_assert_eq!(marks("again"), retryable);
        let others = run.sent() - run.lost() - run.late() - retryable;
        let caption = text(&page, "h3 + figure figcaption");
        prop_assert!(caption.contains(&format!("for {others} request")), "{}", caption);
    }

    /// Whatever others wrote, it is text in the page and nothing else: there are
    /// the same elements as with a harmless word.
    #[test]
    fn other_peoples_text_stays_text(text in "(\\PC|[<>&\"'\\x00-\\x1f]){1,40}") {
        let elements = |runs: &[Run]| count(&parsed(runs), "*:not(tspan):not(pre)");
        let word: String = text.chars().map(|_| 'x').collect();
        prop_assert_eq!(elements(&[hostile(&text)]), elements(&[hostile(&word)]));
    }
}
