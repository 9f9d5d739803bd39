//! Whether a certificate is to be obtained, where the runner decides it by the
//! policy of [`super::renewal`], and not the engine.

use jiff::Timestamp;

use super::held_back::{Waiting, waiting};
use super::issue;
use super::memory::{Attempted, Memory};
use super::plan::{Occasion, Problem, Step, WhyIssue, WhyNot};
use super::renewal::{
    Current, Decision, Digest, Facts, History, Issued, Pace, Verdict, WhyDue, WhyHeld, verdict,
};
use crate::model::{CertificateName, Fingerprint, Leaf, Published};
use crate::observe::{CertificateView, Snapshot};

/// One certificate in the world in which it is looked at.
pub(super) struct Look<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) name: &'a CertificateName,
    pub(super) view: &'a CertificateView,
    pub(super) memory: &'a Memory,
    pub(super) occasion: &'a Occasion<'a>,
    /// The authority that is asked.
    pub(super) authority: Digest,
    pub(super) now: Timestamp,
}

impl Look<'_> {
    /// What to do about it, and when to look again. An order that is planned is
    /// counted in `pace`, so that one plan does not hold more than may go.
    pub(super) fn step(&self, pace: &mut Pace) -> (Step, Option<Timestamp>) {
        if self.root_lost_it() {
            return (Step::Nothing(WhyNot::Problem), None);
        }
        if self.view.published == Published::Missing {
            return (self.placeholder(), None);
        }
        if let Some(Waiting { leaf, until, .. }) = self.newer()
            && !self.is_forced()
            && self.has_the_wanted_names(leaf)
        {
            let fingerprint = leaf.fingerprint;
            let why = WhyNot::HeldBack { fingerprint, until };
            return (Step::Nothing(why), None);
        }
        let verdict = self.verdict(pace);
        let look_at = verdict.look_at(self.now);
        let step = self.step_of(&verdict.decision);
        if let Step::Issue(WhyIssue::Due { counts: true, .. }) = step {
            pace.ordered(self.now);
        }
        (step, Some(look_at))
    }

    fn step_of(&self, decision: &Decision) -> Step {
        match *decision {
            Decision::Due { why, counts } if self.can_be_validated(why) => {
                Step::Issue(WhyIssue::Due { why, counts })
            }
            Decision::Due { .. } => Step::Nothing(WhyNot::ReplicasStarting),
            Decision::NotDue { until, then } => Step::Nothing(WhyNot::NotDue { until, then }),
            Decision::Held { until, by, why } => Step::Nothing(WhyNot::Held { until, by, why }),
        }
    }

    /// The load balancer starts with it, and can then answer a challenge. It is
    /// no order, so that only its own failures hold it back.
    fn placeholder(&self) -> Step {
        let attempted = Attempted::Certificate(self.name.clone());
        let held = self.memory.held_until(&attempted);
        match held.filter(|&until| self.now < until && !self.is_forced()) {
            Some(until) => Step::Nothing(WhyNot::BackingOff(until)),
            None => Step::PublishPlaceholder,
        }
    }

    /// Broken files are a problem too, but one that a new certificate mends.
    fn root_lost_it(&self) -> bool {
        let Self {
            snapshot,
            name,
            view,
            memory,
            now,
            ..
        } = *self;
        match issue::problem(snapshot, name, view, memory, now) {
            Some(Problem::RootLostIt { .. }) => true,
            // That it is really gone is what a person says by forcing it.
            Some(Problem::RootForgotIt { .. }) => !self.is_forced(),
            _ => false,
        }
    }

    /// Where a server has just been changed or begun, all of it must be there
    /// before an authority is sent to it.
    fn can_be_validated(&self, why: WhyDue) -> bool {
        !why.obtains() || issue::someone_can_answer(self.snapshot, self.name, self.now)
    }

    fn is_forced(&self) -> bool {
        self.occasion.forced.contains(self.name)
    }

    fn verdict(&self, pace: &Pace) -> Verdict {
        let empty = History::default();
        let history = self.memory.history(self.name).unwrap_or(&empty);
        verdict(&self.facts(), history, pace, self.now)
    }

    fn facts(&self) -> Facts {
        Facts {
            wanted: Digest::of_domains(&self.view.domains),
            authority: self.authority,
            current: self.current(),
            forced: self.is_forced(),
        }
    }

    /// A newer version than the published one, which is there and held back. What
    /// would be ordered, is there already.
    fn newer(&self) -> Option<Waiting<'_>> {
        waiting(self.snapshot, self.name, self.memory, self.now)
    }

    fn has_the_wanted_names(&self, leaf: &Leaf) -> bool {
        leaf.is_for_exactly(&self.view.domains)
    }

    /// The newest certificate that there is, published or held back.
    fn current(&self) -> Current {
        if let Some(newer) = self.newer() {
            return Current::Issued(Issued::of(newer.leaf));
        }
        match &self.view.published {
            Published::Missing => Current::Missing,
            Published::Broken(_) => Current::Broken {
                since: self.memory.broken_since(self.name).unwrap_or(self.now),
            },
            Published::Pair(leaf) if leaf.placeholder => Current::Placeholder,
            Published::Pair(leaf) => Current::Issued(Issued::of(leaf)),
        }
    }

    /// The certificate of which the authority is to be asked when to renew it,
    /// if it is to be asked now.
    pub(super) fn ari_question(&self) -> Option<Fingerprint> {
        let asks = self.verdict(self.memory.pace()).asks_ari(self.now);
        // It would be asked of another than is published.
        let asks = asks && self.newer().is_none();
        let leaf = self.view.published.leaf().filter(|_| asks)?;
        Some(leaf.fingerprint)
    }
}

/// What a person should know of a step that is held.
pub(super) fn problem(name: &CertificateName, step: &Step) -> Option<Problem> {
    let Step::Nothing(WhyNot::Held { by, until, .. }) = step else {
        return None;
    };
    let (name, until) = (name.clone(), *until);
    match *by {
        WhyHeld::Unseen { issued_at } => Some(Problem::Unseen {
            name,
            issued_at,
            until,
        }),
        WhyHeld::Budget { issued } => Some(Problem::Budget {
            name,
            issued,
            until,
        }),
        WhyHeld::RetryAfter { .. } | WhyHeld::Failed { .. } | WhyHeld::Pace => None,
    }
}
