//! Which colour stands for which certificate.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::timeline::segments;
use crate::report::Run;

/// Colours in the style sheet; after them they are used again. The fingerprint
/// stands beside each, so that nobody depends on the colour.
const COLOURS: [&str; 6] = ["c0", "c1", "c2", "c3", "c4", "c5"];

/// The run's certificates in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Palette {
    fingerprints: Vec<(String, Timestamp)>,
}

impl Palette {
    pub(super) fn of(run: &Run) -> Self {
        let mut first: BTreeMap<String, Timestamp> = BTreeMap::new();
        for segment in segments(run).into_values().flatten() {
            if let Ok(fingerprint) = segment.served {
                let first = first.entry(fingerprint).or_insert(segment.from);
                *first = segment.from.min(*first);
            }
        }
        let mut fingerprints: Vec<_> = first.into_iter().collect();
        fingerprints.sort_by_key(|(_, first)| *first);
        Self { fingerprints }
    }

    /// The class of what was served.
    pub(super) fn class(&self, served: &Result<String, String>) -> &'static str {
        let Ok(served) = served else {
            return "none";
        };
        let known = self.fingerprints.iter();
        let index = known
            .map(|(fingerprint, _)| fingerprint)
            .position(|fingerprint| fingerprint == served);
        COLOURS[index.unwrap_or_default() % COLOURS.len()]
    }

    /// Each with its class and when it was first seen.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'static str, &str, Timestamp)> {
        let colours = COLOURS.iter().cycle();
        let known = self.fingerprints.iter().zip(colours);
        known.map(|((fingerprint, first), colour)| (*colour, fingerprint.as_str(), *first))
    }
}
