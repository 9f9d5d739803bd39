//! The top of the page: what came of it all.

use maud::{Markup, html};

use super::text::{counted, day, number, signed_length, time_of_day};
use crate::report::{Run, Verdict};

/// Whether all is as it must be, in a sentence.
pub(super) fn in_a_sentence(runs: &[Run]) -> String {
    let wrong = runs.iter().filter(|run| !run.is_as_it_must_be()).count();
    match (runs.len(), wrong) {
        (0, _) => "nothing was run".to_owned(),
        (1, 0) => "the run is as it must be".to_owned(),
        (1, _) => "the run is not as it must be".to_owned(),
        (all, 0) => format!("all {all} runs are as they must be"),
        (all, 1) => format!("1 of {all} runs is not as it must be"),
        (all, wrong) => format!("{wrong} of {all} runs are not as they must be"),
    }
}

pub(super) fn summary(runs: &[Run]) -> Markup {
    let good = runs.iter().all(Run::is_as_it_must_be);
    html! {
        header {
            h1 { "Rollover lab" }
            p class={ "headline " (if good { "good" } else { "bad" }) } {
                (if good { "✓ " } else { "✕ " }) (in_a_sentence(runs))
            }
            (when(runs))
            (tiles(runs))
            @if !runs.is_empty() { (table(runs)) }
        }
    }
}

fn when(runs: &[Run]) -> Markup {
    let begun = runs.iter().map(|run| run.started_at).min();
    let ended = runs.iter().map(|run| run.ended_at).max();
    html! {
        @if let (Some(begun), Some(ended)) = (begun, ended) {
            p class="muted" {
                (day(begun)) ", " (time_of_day(begun)) " to " (time_of_day(ended)) " UTC"
            }
        }
    }
}

/// What was lost on purpose is told apart from what was not.
fn tiles(runs: &[Run]) -> Markup {
    let (controls, scenarios): (Vec<&Run>, Vec<&Run>) = runs.iter().partition(|run| run.control);
    let sum = |count: fn(&Run) -> usize| scenarios.iter().map(|run| count(run)).sum::<usize>();
    let (sent, lost, late) = (sum(Run::sent), sum(Run::lost), sum(Run::late));
    let on_purpose: usize = controls.iter().map(|run| run.lost()).sum();
    html! {
        dl class="tiles" {
            (tile("scenarios", scenarios.len(), ""))
            @if !controls.is_empty() { (tile("controls", controls.len(), "")) }
            (tile("requests", sent, ""))
            (tile("lost", lost, if lost > 0 { "bad" } else { "good" }))
            (tile("late", late, if late > 0 { "warn" } else { "" }))
            @if !controls.is_empty() { (tile("lost in controls", on_purpose, "")) }
        }
    }
}

fn tile(name: &str, count: usize, class: &str) -> Markup {
    html! { div class=[(!class.is_empty()).then_some(class)] { dt { (name) } dd { (number(count)) } } }
}

fn table(runs: &[Run]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="All runs" {
            table class="runs" {
                caption { (counted(runs.len(), "run")) }
                thead { tr {
                    th scope="col" { "scenario" } th scope="col" { "verdict" }
                    th scope="col" class="n" { "took" } th scope="col" class="n" { "sent" }
                    th scope="col" class="n" { "lost" } th scope="col" class="n" { "late" }
                    th scope="col" { "what was found" }
                } }
                tbody {
                    @for (index, run) in runs.iter().enumerate() {
                        tr {
                            th scope="row" { a href={ "#run-" (index + 1) } { (run.scenario) }
                                @if run.control { " " span class="muted" { "(control)" } } }
                            td { (badge(run)) }
                            td class="n" { (signed_length(run.length())) }
                            td class="n" { (number(run.sent())) }
                            td class={ "n" (if run.lost() > 0 && !run.control { " bad" } else { "" }) } { (number(run.lost())) }
                            td class={ "n" (if run.late() > 0 { " warn" } else { "" }) } { (number(run.late())) }
                            td class="said" { (first_line(run)) }
                        }
                    }
                }
            }
        }
    }
}

fn first_line(run: &Run) -> &str {
    run.said()
        .first()
        .and_then(|text| text.lines().next())
        .unwrap_or_default()
}

/// The verdict in words, a sign and a colour.
pub(super) fn badge(run: &Run) -> Markup {
    let (class, sign) = match (&run.verdict, run.is_as_it_must_be()) {
        (_, true) => ("good", "✓"),
        (Verdict::Void { .. }, false) => ("void", "○"),
        (_, false) => ("bad", "✕"),
    };
    html! { span class={ "badge " (class) } { (sign) " " (run.verdict_in_words()) } }
}
