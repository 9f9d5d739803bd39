//! Who may act, where several runners could: the lease, as a state machine.
//!
//! One record in the swarm says who holds it. Its holder renews it by
//! compare-and-swap, and acts only for a while after it *asked* for the last
//! renewal that was granted. A standby takes over when it has *seen* the record
//! unchanged for longer than that. Nobody compares clocks: each judges by the time
//! that has passed on its own. For two to act at once, their clocks would have to
//! run at rates that differ as much as [`Timing::duration`] and
//! [`Timing::deadline`] do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long each side waits; the values of Kubernetes' leader election.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// For how long a standby must have seen the record unchanged to take over.
    pub(crate) duration: Duration,
    /// For how long a holder acts after it asked for the last granted renewal.
    /// Shorter than `duration`, so that it has stopped when another begins.
    pub(crate) deadline: Duration,
    /// How often a holder renews, and a standby looks.
    pub(crate) retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// The record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// Who holds it; nobody after it was released.
    pub(crate) holder: Option<String>,
    /// How often it has changed hands.
    pub(crate) epoch: u64,
    /// How often it was renewed in this epoch.
    pub(crate) renewed: u64,
}

/// A moment of this process's own clock: the time since it began.
pub(crate) type Moment = Duration;

/// A runner that holds the lease or waits for it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    name: String,
    timing: Timing,
    seen: Option<Seen>,
    acts_until: Option<Moment>,
}

/// A version of the record, and when it was first seen.
#[derive(Clone, Debug)]
struct Seen {
    version: u64,
    since: Moment,
}

/// What to do after a look at the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Write this: over the record that was seen, by compare-and-swap, or where
    /// there was none.
    Write(Lease),
    /// Somebody holds it, or did a moment ago. Absent if nobody can say who.
    StandBy(Option<String>),
}

impl Candidate {
    /// One that knows nothing yet. Two of the same name are taken for one, and so
    /// must be kept apart by other means.
    pub(crate) fn new(name: String, timing: Timing) -> Self {
        Self {
            name,
            timing,
            seen: None,
            acts_until: None,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn timing(&self) -> Timing {
        self.timing
    }

    /// Until when it may act, if it may.
    pub(crate) fn acts_until(&self) -> Option<Moment> {
        self.acts_until
    }

    /// Whether it may act.
    pub(crate) fn acts_at(&self, now: Moment) -> bool {
        self.acts_until.is_some_and(|until| now < until)
    }

    /// What to do about the record that a look found, with its version. `at` is
    /// when the answer had come.
    pub(crate) fn looked(&mut self, found: Option<(&Lease, u64)>, at: Moment) -> Action {
        match found {
            Some((lease, version)) => self.found(lease, version, at),
            None => self.found_none(at),
        }
    }

    fn found(&mut self, lease: &Lease, version: u64, at: Moment) -> Action {
        let since = self.note(version, at);
        match &lease.holder {
            Some(holder) if *holder == self.name => Action::Write(lease.renewed()),
            Some(holder) => {
                self.acts_until = None;
                if at.saturating_sub(since) < self.timing.duration {
                    return Action::StandBy(Some(holder.clone()));
                }
                Action::Write(lease.taken_by(&self.name))
            }
            None => Action::Write(lease.taken_by(&self.name)),
        }
    }

    /// A record that was there and is gone was removed by a person: its holder may
    /// not have noticed yet, so that is waited for as if it were silent.
    fn found_none(&mut self, at: Moment) -> Action {
        self.acts_until = None;
        let seen = self.seen.as_ref();
        match seen.filter(|seen| at.saturating_sub(seen.since) < self.timing.duration) {
            Some(_) => Action::StandBy(None),
            None => Action::Write(Lease::first(&self.name)),
        }
    }

    /// Since when this version is the one that is seen.
    fn note(&mut self, version: u64, at: Moment) -> Moment {
        let known = self.seen.take().filter(|seen| seen.version == version);
        let seen = known.unwrap_or(Seen { version, since: at });
        self.seen.insert(seen).since
    }

    /// A write that it asked for at `asked` was carried out.
    pub(crate) fn granted(&mut self, asked: Moment) {
        self.acts_until = Some(asked + self.timing.deadline);
    }

    /// It acts no more, whatever the record says.
    pub(crate) fn stops(&mut self) {
        self.acts_until = None;
    }

    /// What to write to leave it to others at once, if it holds it. Only after it
    /// has [stopped](Self::stops).
    pub(crate) fn release(&self, lease: &Lease) -> Option<Lease> {
        let is_mine = lease.holder.as_ref() == Some(&self.name);
        is_mine.then(|| Lease {
            holder: None,
            ..lease.renewed()
        })
    }
}

impl Lease {
    fn first(holder: &str) -> Self {
        Self {
            holder: Some(holder.to_owned()),
            epoch: 1,
            renewed: 0,
        }
    }

    fn taken_by(&self, holder: &str) -> Self {
        Self {
            holder: Some(holder.to_owned()),
            epoch: self.epoch.saturating_add(1),
            renewed: 0,
        }
    }

    fn renewed(&self) -> Self {
        Self {
            renewed: self.renewed.saturating_add(1),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests;
