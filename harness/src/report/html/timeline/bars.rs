//! Bars with labels, packed into as few rows as keep them apart.

use maud::{Markup, html};

use super::part::{Part, percent, width};

/// The width that labels are laid out for, in pixels. On a narrower screen they
/// are cut off where the next bar begins.
const NOMINAL_WIDTH: f64 = 1000.0;
/// What a letter takes, in pixels.
const LETTER: f64 = 7.2;
/// What is kept free around a label, in pixels.
const PADDING: f64 = 10.0;
/// How high a row is, in pixels.
const ROW: u32 = 20;

/// A stretch of time with a label.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    /// How it is coloured: a class of the style sheet.
    pub(super) class: &'static str,
    /// Where it begins, as a fraction of the width.
    pub(super) from: f64,
    /// Where it ends.
    pub(super) until: f64,
    pub(super) label: String,
    /// Whether the label may stand on the bar; else it stands beside it.
    pub(super) may_cover: bool,
    /// All there is to say of it.
    pub(super) title: String,
}

/// A bar with the place of its label.
#[derive(Debug, Clone, PartialEq)]
struct Placed {
    bar: Bar,
    /// Where the label begins; it ends there instead if it stands to the left.
    anchor: f64,
    leftward: bool,
    /// What bar and label take together.
    taken: (f64, f64),
}

impl Placed {
    /// Inside the bar if the label fits, else to its right, else to its left.
    fn new(bar: Bar) -> Self {
        let letters = bar.label.chars().count() as f64;
        let needed = match letters {
            0.0 => 0.0,
            letters => (letters * LETTER + PADDING) / NOMINAL_WIDTH,
        };
        let (from, until) = (bar.from, bar.until);
        let (anchor, leftward, taken) = if bar.may_cover && until - from >= needed {
            (from, false, (from, until))
        } else if until + needed <= 1.0 {
            (until, false, (from, until + needed))
        } else {
            (from, true, ((from - needed).max(0.0), until))
        };
        Self {
            bar,
            anchor,
            leftward,
            taken,
        }
    }
}

/// Rows of bars, with their kind in the margin. When `labelled` rows are full,
/// labels are left out: what they say can still be read by pointing at the bar.
pub(super) fn rows(kind: &str, bars: Vec<Bar>, labelled: usize) -> Vec<Part> {
    let rows = pack(bars, labelled);
    let rows = rows.iter().enumerate();
    rows.map(|(index, row)| {
        let name = if index == 0 { kind } else { "" };
        Part::new(ROW, draw(name, row))
    })
    .collect()
}

fn pack(mut bars: Vec<Bar>, labelled: usize) -> Vec<Vec<Placed>> {
    bars.sort_by(|one, other| one.from.total_cmp(&other.from));
    let mut rows: Vec<Vec<Placed>> = Vec::new();
    for bar in bars {
        let mut placed = Placed::new(bar);
        let mut row = free_row(&rows, &placed);
        if row >= labelled {
            placed = Placed::new(Bar {
                label: String::new(),
                ..placed.bar
            });
            row = free_row(&rows, &placed);
        }
        match rows.get_mut(row) {
            Some(row) => row.push(placed),
            None => rows.push(vec![placed]),
        }
    }
    rows
}

/// The first row that has room, which may be one more than there are.
fn free_row(rows: &[Vec<Placed>], placed: &Placed) -> usize {
    let is_free = |row: &Vec<Placed>| row.iter().all(|other| are_apart(other, placed));
    rows.iter().position(is_free).unwrap_or(rows.len())
}

fn are_apart(one: &Placed, other: &Placed) -> bool {
    const GAP: f64 = 0.002;
    one.taken.1 + GAP <= other.taken.0 || other.taken.1 + GAP <= one.taken.0
}

fn draw(kind: &str, row: &[Placed]) -> Markup {
    html! {
        text class="margin" x="-8" y="14" { (kind) }
        @for placed in row {
            @let bar = &placed.bar;
            g class={ "bar " (bar.class) } {
                title { (bar.title) }
                rect x=(percent(bar.from)) y="2" width=(width(bar.from, bar.until)) height="16" {}
                (label(placed, row))
            }
        }
    }
}

/// The label, cut off where something else begins.
fn label(placed: &Placed, row: &[Placed]) -> Markup {
    let others = row.iter().map(|other| other.taken);
    if placed.leftward {
        let before = others
            .filter(|taken| taken.1 < placed.anchor)
            .map(|taken| taken.1);
        let start = before.fold(0.0, f64::max);
        html! {
            svg class="clip" x=(percent(start)) width=(percent(placed.anchor - start)) height="20" {
                text x="100%" dx="-5" y="14" text-anchor="end" { (placed.bar.label) }
            }
        }
    } else {
        let after = others
            .filter(|taken| taken.0 > placed.anchor)
            .map(|taken| taken.0);
        let end = after.fold(1.0, f64::min);
        html! {
            svg class="clip" x=(percent(placed.anchor)) width=(percent(end - placed.anchor)) height="20" {
                text x="5" y="14" { (placed.bar.label) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bar(from: f64, until: f64, label: &str) -> Bar {
        Bar {
            class: "step",
            from,
            until,
            label: label.to_owned(),
            may_cover: true,
            title: label.to_owned(),
        }
    }

    #[test]
    fn what_follows_shares_a_row_and_what_overlaps_does_not() {
        let rows = pack(
            vec![
                bar(0.0, 0.3, "deploy"),
                bar(0.3 + 0.01, 0.9, "renewal"),
                bar(0.2, 0.5, "another"),
            ],
            9,
        );
        let labels: Vec<Vec<_>> = rows
            .iter()
            .map(|row| row.iter().map(|placed| placed.bar.label.as_str()).collect())
            .collect();
        assert_eq!(labels, [vec!["deploy", "renewal"], vec!["another"]]);
    }

    #[test]
    fn when_rows_are_full_labels_are_left_out() {
        let bars = (0..20).map(|n| {
            bar(
                0.5 + f64::from(n) / 200.0,
                0.5 + f64::from(n) / 200.0,
                "after issued",
            )
        });
        let rows = pack(bars.collect(), 4);
        assert!(rows.len() <= 5, "one more for those without");
        let named = rows
            .iter()
            .flatten()
            .filter(|placed| !placed.bar.label.is_empty());
        assert!(named.count() >= 4);
    }

    #[test]
    fn the_label_of_a_short_bar_stands_beside_it() {
        let right = Placed::new(bar(0.5, 0.501, "node-3 is cut off"));
        assert!(!right.leftward && right.anchor == 0.501);
        let left = Placed::new(bar(0.99, 0.991, "node-3 is cut off"));
        assert!(left.leftward && left.anchor == 0.99);
    }

    proptest! {
        #[test]
        fn no_bar_is_lost_and_none_overlap(
            stretches in prop::collection::vec((0.0..1.0_f64, 0.0..0.4_f64, "[a-z]{0,20}"), 0..60),
            labelled in 0..9_usize,
        ) {
            let bars = stretches
                .iter()
                .map(|(from, length, label)| bar(*from, (from + length).min(1.0), label));
            let rows = pack(bars.collect(), labelled);
            prop_assert_eq!(rows.iter().map(Vec::len).sum::<usize>(), stretches.len());
            for row in &rows {
                for (index, one) in row.iter().enumerate() {
                    prop_assert!(row[..index].iter().all(|other| are_apart(one, other)));
                }
            }
        }
    }
}
