//! One run.

use maud::{Markup, html};

use super::moments::{Matter, matters};
use super::palette::Palette;
use super::summary::badge;
use super::tables;
use super::text::{day, number, plain, short, signed_length, since, time_of_day};
use super::timeline::{Span, Timeline};
use crate::event::{Band, BandKind};
use crate::report::Run;
use crate::report::attribution::{LossGroup, attribute};
use crate::report::losses::{lost_requests, overlaps};

/// A run; open if something is wrong with it or nothing else is on the page.
pub(super) fn section(run: &Run, index: usize, alone: bool) -> Markup {
    let lost = lost_requests(run);
    let groups = loss_groups(run);
    let palette = Palette::of(run);
    let timeline = Timeline {
        run,
        lost: &lost,
        groups: &groups,
        palette: &palette,
    };
    html! {
        details class="run" id={ "run-" (index + 1) } open[alone || !run.is_as_it_must_be()] {
            summary {
                h2 { (run.scenario) @if run.control { " (control)" } }
                (badge(run))
                span class="muted" { (in_short(run)) }
            }
            p { (run.about) }
            (findings(run))
            @if has_a_timeline(run) {
                h3 { "Timeline" }
                (timeline.draw("The whole run", whole(run)))
                (certificates(&palette))
            }
            (what_was_lost(run, &groups))
            (the_moments(run, &timeline))
            (tables::tables(run, &lost))
            (how(run))
        }
    }
}

/// Whether anything was written down at all.
fn has_a_timeline(run: &Run) -> bool {
    !(run.traffic.is_empty() && run.moments.is_empty() && run.notes.bands.is_empty())
}

/// The losses of all stretches of traffic, put together, in order of time.
fn loss_groups(run: &Run) -> Vec<LossGroup> {
    let records = run.traffic.iter();
    let groups = records.flat_map(|record| attribute(record, &run.moments).groups);
    let mut groups: Vec<_> = groups.collect();
    groups.sort_by_key(|group| group.first);
    groups
}

fn in_short(run: &Run) -> String {
    let took = signed_length(run.length());
    match run.sent() {
        0 => took,
        sent => format!("{took}, {} of {} lost", number(run.lost()), number(sent)),
    }
}

fn whole(run: &Run) -> Span {
    Span {
        from: run.started_at,
        until: run.ended_at,
    }
}

fn findings(run: &Run) -> Markup {
    let class = if run.is_as_it_must_be() {
        "findings meant"
    } else {
        "findings bad"
    };
    html! {
        @if !run.said().is_empty() {
            h3 { "What was found" }
            (list(class, run.said(), 3, |text| finding(text)))
        } @else if !run.is_as_it_must_be() {
            p class="bad" { "What was made wrong in this control was not found out." }
        }
    }
}

/// The first line of a finding says what; the rest is a table in plain text.
fn finding(text: &str) -> Markup {
    let text = plain(text);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    html! {
        li {
            (first)
            @if !rest.trim().is_empty() {
                pre class="scroll" tabindex="0" { (rest.trim_end()) }
            }
        }
    }
}

/// A list, folded after the first ones: it must not push the figure out of sight.
fn list<T>(class: &str, items: &[T], first: usize, item: impl Fn(&T) -> Markup) -> Markup {
    let (few, more) = items.split_at(items.len().min(first));
    html! {
        ul class=(class) { @for it in few { (item(it)) } }
        @if !more.is_empty() {
            details {
                summary { (number(more.len())) " more" }
                ul class=(class) { @for it in more { (item(it)) } }
            }
        }
    }
}

/// Each thing that seems to have happened, with what came before it, and what
/// was under way meanwhile.
fn what_was_lost(run: &Run, groups: &[LossGroup]) -> Markup {
    html! {
        @if !groups.is_empty() {
            h3 { "What was lost, and after what" }
            (list("lost", groups, 8, |group| lost(run, group)))
        }
    }
}

fn lost(run: &Run, group: &LossGroup) -> Markup {
    html! {
        li {
            time { (time_of_day(group.first)) " (" (since(run.started_at, group.first)) ")" }
            (group)
            @for (index, band) in meanwhile(run, group).iter().enumerate() {
                (if index == 0 { "; meanwhile " } else { ", " })
                span class=[(band.kind == BandKind::Fault).then_some("warn")] {
                    (band.kind) " \u{201c}" (band.name) "\u{201d}"
                }
            }
        }
    }
}

/// What was under way from the first to the last of them, faults first.
fn meanwhile<'run>(run: &'run Run, group: &LossGroup) -> Vec<&'run Band> {
    let bands = run.notes.bands.iter();
    let mut bands: Vec<_> = bands
        .filter(|band| overlaps(band, group.first, group.last))
        .collect();
    bands.sort_by_key(|band| std::cmp::Reverse(band.kind));
    bands
}

/// Which colour is which certificate.
fn certificates(palette: &Palette) -> Markup {
    html! {
        @if palette.entries().next().is_some() {
            ul class="legend" aria-label="Certificates" {
                @for (class, fingerprint, first) in palette.entries() {
                    li title=(fingerprint) {
                        span class={ "swatch " (class) } {}
                        code { (short(fingerprint)) } " first seen " (time_of_day(first))
                    }
                }
            }
        }
    }
}

fn the_moments(run: &Run, timeline: &Timeline<'_>) -> Markup {
    let (shown, left_out) = matters(run, timeline.lost);
    html! {
        @if !shown.is_empty() {
            h3 { "The moments that matter" }
            @for matter in &shown { (the_moment(timeline, matter)) }
            @if left_out > 0 {
                p class="muted" { (number(left_out)) " more moments, with fewer losses, are not shown." }
            }
        }
    }
}

fn the_moment(timeline: &Timeline<'_>, matter: &Matter) -> Markup {
    html! {
        section class="moment" {
            h4 { (matter.title(timeline.run)) }
            @if has_a_timeline(timeline.run) && matter.is_worth_a_figure(whole(timeline.run)) {
                (timeline.draw(&matter.title(timeline.run), matter.span))
            }
            (matter.story(timeline))
        }
    }
}

/// What it was run with, and how to run it again.
fn how(run: &Run) -> Markup {
    html! {
        h3 { "How it was run" }
        p {
            "On " (day(run.started_at)) ", " (time_of_day(run.started_at)) " to "
            (time_of_day(run.ended_at)) " UTC. Again: " code { (run.again()) }
        }
        dl class="parameters" {
            @for (name, value) in &run.parameters { div { dt { (name) } dd { (value) } } }
        }
    }
}
