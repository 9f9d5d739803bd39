//! Every lost request with all that is known of it, for reports.

use jiff::Timestamp;

use super::attribution::{AttributedLoss, attribute_during};
use super::{Moment, Run};
use crate::event::Band;
use crate::traffic::{Loss, Outcome, Record};

/// A lost request with what it fell into.
#[derive(Debug)]
pub(super) struct LostRequest<'run> {
    /// What became of it.
    pub(super) outcome: &'run Outcome,
    /// How it was lost.
    pub(super) loss: &'run Loss,
    /// When it was due.
    pub(super) due: Timestamp,
    /// When it was over.
    pub(super) ended: Timestamp,
    /// Who lived there, what happened there last before, and what was under way.
    pub(super) attributed: AttributedLoss,
}

impl<'run> LostRequest<'run> {
    fn of(record: &'run Record, attributed: AttributedLoss) -> Option<Self> {
        let outcome = &record.outcomes[attributed.outcome];
        let (due, ended) = (record.at(outcome.intended), record.at(outcome.ended));
        Some(Self {
            outcome,
            loss: outcome.loss.as_ref()?,
            due,
            ended,
            attributed,
        })
    }

    /// What happened there last before it.
    pub(super) fn cause(&self) -> Option<&Moment> {
        self.attributed.cause.as_ref()
    }
}

/// The run's losses, in the order in which they were due.
pub(super) fn lost_requests(run: &Run) -> Vec<LostRequest<'_>> {
    let mut lost: Vec<_> = run
        .traffic
        .iter()
        .flat_map(|record| {
            let attribution = attribute_during(record, &run.moments, &run.notes.bands);
            let losses = attribution.losses.into_iter();
            losses.filter_map(|loss| LostRequest::of(record, loss))
        })
        .collect();
    lost.sort_by_key(|lost| lost.due);
    lost
}

/// Whether a stretch was under way at any time from `from` to `until`. What
/// happens at one node can lose a request at another, so nodes do not matter.
pub(super) fn overlaps(band: &Band, from: Timestamp, until: Timestamp) -> bool {
    band.from <= until && band.until.is_none_or(|end| end >= from)
}
