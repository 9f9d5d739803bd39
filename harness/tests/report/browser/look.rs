//! What can be seen of a page.

use serde::Deserialize;

use super::driver::Browser;

/// What can be seen of a page.
#[derive(Debug, Deserialize)]
pub(super) struct Look {
    /// How far the page can be moved sideways, in pixels.
    pub(super) overflow: f64,
    /// The page's own colour.
    pub(super) page: Colour,
    /// The colour of the marks of lost requests.
    pub(super) cross: Colour,
    /// The colour of the dots of answered ones.
    pub(super) dot: Colour,
    /// The marks of lost requests in the figure of the whole run.
    pub(super) lost: Vec<Mark>,
    /// How many pieces of text can be seen.
    pub(super) texts: usize,
    /// Those of them that stand out the least.
    pale: Vec<Text>,
    /// What the browser had to complain about.
    #[serde(default)]
    pub(super) errors: Vec<String>,
}

/// Where a mark is seen, in pixels.
#[derive(Debug, Deserialize)]
pub(super) struct Mark {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A piece of text, its colour and what is behind it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Text {
    pub(super) text: String,
    colour: Colour,
    behind: Colour,
}

/// Red, green and blue, from 0 to 255.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Colour(f64, f64, f64);

pub(super) async fn look(browser: &Browser) -> Look {
    let seen = browser.run(include_str!("look.js")).await;
    let mut look: Look = serde_json::from_value(seen).unwrap();
    look.errors = browser.errors().await;
    look
}

impl Look {
    /// The texts that stand out less than this from what is behind them.
    pub(super) fn paler_than(&self, contrast: f64) -> Vec<&Text> {
        let texts = self.pale.iter();
        texts
            .filter(|text| text.colour.contrast_with(text.behind) < contrast)
            .collect()
    }
}

impl Colour {
    /// The relative luminance of WCAG 2, from 0 (black) to 1 (white).
    pub(super) fn luminance(self) -> f64 {
        let linear = |part: f64| {
            let part = part / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// The contrast of WCAG 2, from 1 (the same) to 21 (black on white).
    pub(super) fn contrast_with(self, other: Self) -> f64 {
        let (one, other) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(other) / one.min(other)
    }

    /// How far two colours lie apart; black and white, 442.
    pub(super) fn distance_from(self, other: Self) -> f64 {
        let square = |one: f64, other: f64| (one - other).powi(2);
        (square(self.0, other.0) + square(self.1, other.1) + square(self.2, other.2)).sqrt()
    }
}
