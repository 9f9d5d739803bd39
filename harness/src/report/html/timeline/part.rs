//! The parts of a figure, one below the other.
//!
//! Across, everything is a percentage of the width, so that a figure fills a
//! telephone as well as a wide screen with text of one size; down, all is in
//! pixels.

use maud::{Markup, html};

/// A piece of a figure, as wide as the figure.
pub(super) struct Part {
    height: u32,
    drawing: Markup,
}

impl Part {
    pub(super) fn new(height: u32, drawing: Markup) -> Self {
        Self { height, drawing }
    }
}

/// How high the parts are together.
pub(super) fn height(parts: &[Part]) -> u32 {
    parts.iter().map(|part| part.height).sum()
}

/// Draws the parts one below the other.
pub(super) fn stack(parts: &[Part]) -> Markup {
    let tops = parts.iter().scan(0, |next, part| {
        let top = *next;
        *next += part.height;
        Some(top)
    });
    html! {
        @for (part, top) in parts.iter().zip(tops) {
            svg y=(top) width="100%" height=(part.height) { (part.drawing) }
        }
    }
}

/// A fraction of the width.
pub(super) fn percent(fraction: f64) -> String {
    let text = format!("{:.3}", fraction * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// From one fraction of the width to another: wide enough to be seen, however
/// short the time was.
pub(super) fn width(from: f64, until: f64) -> String {
    const LEAST: f64 = 0.002;
    percent((until - from).max(LEAST))
}
