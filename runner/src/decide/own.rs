//! Whether a certificate is to be obtained, where the runner decides it by the
//! policy of [`super::renewal`], and not the engine.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::held_back::{Waiting, waiting};
use super::issue;
use super::memory::{Attempted, Memory};
use super::plan::{Occasion, Problem, Step, WhyIssue, WhyNot};
use super::renewal::{
    Current, Decision, Facts, History, Issued, Pace, Shared, Verdict, WhyDue, WhyHeld, verdict,
};
use crate::model::{CertificateName, Digest, Fingerprint, Leaf, Published};
use crate::observe::{CertificateView, Snapshot};

/// The orders that a plan holds so far, so that it does not hold more than may go.
pub(super) struct Planned<'a> {
    pace: Pace,
    names: BTreeMap<Digest, SameNames<'a>>,
}

/// What there is of one set of names.
#[derive(Default)]
struct SameNames<'a> {
    certificates: Vec<(&'a CertificateName, &'a CertificateView)>,
    orders: usize,
}

impl<'a> Planned<'a> {
    /// None, after those that are remembered.
    pub(super) fn none(snapshot: &'a Snapshot, memory: &Memory) -> Self {
        let mut names: BTreeMap<Digest, SameNames<'a>> = BTreeMap::new();
        for (name, view) in &snapshot.certificates {
            let same = names.entry(Digest::of_domains(&view.domains));
            same.or_default().certificates.push((name, view));
        }
        let pace = memory.pace().clone();
        Self { pace, names }
    }
}

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
    /// What to do about it, and when to look again. An order is added to what is
    /// `planned`.
    pub(super) fn step(&self, planned: &mut Planned<'_>) -> (Step, Option<Timestamp>) {
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
        let verdict = self.verdict(planned);
        let look_at = verdict.look_at(self.now);
        let step = self.step_of(&verdict.decision);
        if let Step::Issue(WhyIssue::Due { counts: true, .. }) = step {
            planned.pace.ordered(self.now);
            planned.names.entry(self.wanted()).or_default().orders += 1;
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

    fn verdict(&self, planned: &Planned<'_>) -> Verdict {
        let facts = Facts {
            shared: self.shared(planned),
            ..self.facts()
        };
        verdict(&facts, &self.history(), &planned.pace, self.now)
    }

    fn history(&self) -> Cow<'_, History> {
        let known = self.memory.history(self.name);
        known.map_or_else(Cow::default, Cow::Borrowed)
    }

    fn wanted(&self) -> Digest {
        Digest::of_domains(&self.view.domains)
    }

    /// The facts of this certificate alone.
    fn facts(&self) -> Facts {
        Facts {
            wanted: self.wanted(),
            authority: self.authority,
            current: self.current(),
            forced: self.is_forced(),
            shared: Shared::default(),
        }
    }

    /// What is known of the same names under other certificates' names.
    fn shared(&self, planned: &Planned<'_>) -> Shared {
        let mut shared = Shared::default();
        let Some(same) = planned.names.get(&self.wanted()) else {
            return shared;
        };
        for &(name, view) in &same.certificates {
            if name != self.name {
                let other = Look {
                    name,
                    view,
                    ..*self
                };
                shared.add(&other.facts(), &other.history(), self.now);
            }
        }
        for _ in 0..same.orders {
            shared.planned(self.now);
        }
        shared
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
        // What is shared has no say in it.
        let pace = self.memory.pace();
        let verdict = verdict(&self.facts(), &self.history(), pace, self.now);
        // Of a newer one that is held back it cannot be asked: it is not published.
        let asks = verdict.asks_ari(self.now) && self.newer().is_none();
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
        // That something failed is said whoever decides.
        WhyHeld::RetryAfter { .. } | WhyHeld::Failed { .. } => None,
        // Nothing is wrong: others go first.
        WhyHeld::Pace => None,
    }
}
