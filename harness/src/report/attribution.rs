//! Who lost what: joins the traffic's losses with what happened in the lab.
//!
//! Pure functions of a [`Record`] and a timeline. Nothing here proves a cause;
//! it says what happened last, there, before a request was lost, which is what a
//! reader would look up first.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::{Band, BandKind};
use crate::lab::Event;
use crate::traffic::{LossClass, Outcome, Record};

/// Losses further apart than this are told apart, even if nothing is known to
/// have happened in between.
const QUIET: SignedDuration = SignedDuration::from_secs(5);

/// A daemon sends a signal first and notes it after. Measured: a connection was
/// refused 0.7 ms before the signal was noted that had closed the listener, and
/// 0.75 s before on a machine that had far too much to do.
const NOTED_LATE: SignedDuration = SignedDuration::from_secs(1);
/// This soon after a loss, a signal is its cause even if another came before.
const AT_ONCE: SignedDuration = SignedDuration::from_millis(25);

/// Something that happened, such as one of Docker's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When, on the wall.
    pub at: Timestamp,
    /// The node's name, as the traffic's targets are called.
    pub node: String,
    /// Whom it happened to: the task's or container's ID.
    pub replica: Option<String>,
    /// What happened, in a few words, such as `signal 15` or `started`.
    pub what: String,
}

impl From<Event> for Moment {
    fn from(event: Event) -> Self {
        Self {
            at: event.at,
            node: event.node,
            replica: event.task,
            what: event.what.to_string(),
        }
    }
}

/// Every loss with what came before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// In order of time.
    pub losses: Vec<AttributedLoss>,
    /// The same, put together: one group for each thing that seems to have happened.
    pub groups: Vec<LossGroup>,
}

/// One lost request with what came before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributedLoss {
    /// Its place in [`Record::outcomes`].
    pub outcome: usize,
    /// The lane's name.
    pub lane: String,
    /// The target's name.
    pub target: String,
    /// How it was lost.
    pub class: LossClass,
    /// The time that is compared with the timeline: when the loss was met; of
    /// one that timed out, when it was started.
    pub at: Timestamp,
    /// Who lived there: the replica of `cause`, or what answered last on the
    /// same connection.
    pub replica: Option<String>,
    /// What happened there last, before.
    pub cause: Option<Moment>,
    /// What was under way at that time: the runner's step, the faults, the step
    /// of the scenario; the one begun last first.
    pub during: Vec<Band>,
}

/// Losses of one class at one target that seem to have one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossGroup {
    /// The target's name.
    pub target: String,
    /// How they were lost.
    pub class: LossClass,
    /// How many.
    pub count: usize,
    /// How many of each lane.
    pub lanes: BTreeMap<String, usize>,
    /// Who lived there.
    pub replica: Option<String>,
    /// What happened there last before the first of them.
    pub cause: Option<Moment>,
    /// When the first was lost.
    pub first: Timestamp,
    /// When the last was lost.
    pub last: Timestamp,
    /// How many fell into which step: the name of the one begun last that was
    /// under way. Those that fell into none are not in it.
    pub steps: BTreeMap<String, usize>,
    /// What happened there next after the last of them.
    pub until: Option<Moment>,
    /// When the run started: the reference where no cause is known.
    pub run_started: Timestamp,
}

/// Joins a run's losses with the timeline, which may be in any order.
///
/// What happened "there" is what happened to the replica that had answered on
/// the same connection, or on the target's node.
///
/// # Caveats
/// Behind a mesh the node that was asked is not the one that answers: only
/// losses on connections that had an answer before are found there.
pub fn attribute(record: &Record, timeline: &[Moment]) -> Attribution {
    attribute_during(record, timeline, &[])
}

/// The same, joined with the steps and faults of a run, too.
///
/// A fault at one node can lose a request at another, so a loss fell into
/// whatever was under way anywhere.
pub fn attribute_during(record: &Record, timeline: &[Moment], bands: &[Band]) -> Attribution {
    let mut timeline: Vec<_> = timeline.iter().collect();
    timeline.sort_by_key(|moment| moment.at);
    let lost = record.outcomes.iter().enumerate();
    let mut losses: Vec<_> = lost
        .filter_map(|(index, outcome)| attribute_one(record, &timeline, index, outcome))
        .collect();
    losses.sort_by_key(|loss| loss.at);
    for loss in &mut losses {
        loss.during = under_way(bands, loss.at);
    }
    let groups = group(record, &timeline, &losses);
    Attribution { losses, groups }
}

fn attribute_one(
    record: &Record,
    timeline: &[&Moment],
    index: usize,
    outcome: &Outcome,
) -> Option<AttributedLoss> {
    let class = outcome.loss.as_ref()?.class;
    let mut loss = AttributedLoss {
        outcome: index,
        lane: outcome.lane.to_string(),
        target: outcome.target.to_string(),
        class,
        at: record.at(met_at(outcome, class)),
        replica: outcome.replica.as_deref().map(str::to_owned),
        cause: None,
        during: Vec::new(),
    };
    // What the client left undone, nothing in the lab has caused.
    if !class.is_clients_own() {
        loss.cause = cause_of(record, timeline, outcome, &loss).cloned();
    }
    let of_cause = loss.cause.as_ref().and_then(|cause| cause.replica.clone());
    loss.replica = of_cause.or(loss.replica);
    Some(loss)
}

/// The stretches that were under way at a moment, the one begun last first.
fn under_way(bands: &[Band], at: Timestamp) -> Vec<Band> {
    let covers = |band: &&Band| band.from <= at && band.until.is_none_or(|until| at <= until);
    let mut during: Vec<_> = bands.iter().filter(covers).cloned().collect();
    during.sort_by_key(|band| std::cmp::Reverse(band.from));
    during
}

fn met_at(outcome: &Outcome, class: LossClass) -> std::time::Duration {
    match class {
        // The end is the client's deadline and says nothing of the server.
        LossClass::TimedOut => outcome.started,
        _ => outcome.ended,
    }
}

/// What happened there last before the loss. A request that timed out may have
/// been stalled at any time on its way: there, what is nearest to its start.
fn cause_of<'a>(
    record: &Record,
    timeline: &[&'a Moment],
    outcome: &Outcome,
    loss: &AttributedLoss,
) -> Option<&'a Moment> {
    let ended = record.at(outcome.ended);
    let mut before_end = there(timeline, loss).filter(|moment| moment.at <= ended);
    if loss.class == LossClass::TimedOut {
        return before_end.min_by_key(|moment| moment.at.duration_since(loss.at).abs());
    }
    let before = before_end.by_ref().last();
    let next = there(timeline, loss).find(|moment| moment.at > ended && takes_away(moment));
    let noted_late = next.filter(|next| {
        let late = next.at.duration_since(ended);
        late <= AT_ONCE || late <= NOTED_LATE && !before.is_some_and(is_an_end)
    });
    noted_late.or(before)
}

/// Whether it is something that a daemon does to a replica, and then notes.
fn takes_away(moment: &Moment) -> bool {
    moment.what.starts_with("signal") || moment.what == "paused"
}

/// Whether nothing need have come after it for requests to be lost.
fn is_an_end(moment: &Moment) -> bool {
    let ends = ["died", "stopped", "out of memory"];
    takes_away(moment) || ends.iter().any(|end| moment.what.starts_with(end))
}

fn there<'a>(timeline: &[&'a Moment], loss: &AttributedLoss) -> impl Iterator<Item = &'a Moment> {
    timeline.iter().copied().filter(move |moment| {
        moment.node == loss.target
            || same_replica(moment.replica.as_deref(), loss.replica.as_deref())
    })
}

/// What happened there next after the loss and its cause.
fn next_after<'a>(timeline: &[&'a Moment], loss: &AttributedLoss) -> Option<&'a Moment> {
    let cause = loss.cause.as_ref().map_or(loss.at, |cause| cause.at);
    there(timeline, loss).find(|moment| moment.at > loss.at.max(cause))
}

/// Whether both name one replica. An answer may say more than the ID, such as
/// `node-1 ID`; and a container's host name is its ID cut short.
fn same_replica(one: Option<&str>, other: Option<&str>) -> bool {
    let (Some(one), Some(other)) = (one, other) else {
        return false;
    };
    let mut words = one.split_whitespace();
    one == other || words.any(|one| other.split_whitespace().any(|other| same_id(one, other)))
}

fn same_id(one: &str, other: &str) -> bool {
    const SHORT_ID: usize = 12;
    let cut = one.len().min(other.len());
    cut >= SHORT_ID && (one.starts_with(other) || other.starts_with(one))
}

/// Puts losses together that follow each other at one target, are of one class,
/// and came after something that happened to the same replica.
fn group(record: &Record, timeline: &[&Moment], losses: &[AttributedLoss]) -> Vec<LossGroup> {
    let mut groups: Vec<LossGroup> = Vec::new();
    for loss in losses {
        let index = match groups.iter().rposition(|group| group.takes(loss)) {
            Some(index) => {
                groups[index].add(loss);
                index
            }
            None => {
                groups.push(LossGroup::of(record, loss));
                groups.len() - 1
            }
        };
        groups[index].until = next_after(timeline, loss).cloned();
    }
    groups
}

/// Whether the second is the first or what came of it: signalled, died, stopped.
/// The same thing happening again, such as another reload, is another story.
fn one_story(first: Option<&Moment>, second: Option<&Moment>) -> bool {
    match (first, second) {
        (None, None) => true,
        (Some(first), Some(second)) => {
            first == second || (first.replica == second.replica && first.what != second.what)
        }
        _ => false,
    }
}

impl AttributedLoss {
    /// The step of the runner, or else of the scenario, that it fell into.
    pub fn step(&self) -> Option<&Band> {
        let mut steps = self.during.iter();
        steps.find(|band| band.kind != BandKind::Fault)
    }
}

impl LossGroup {
    fn of(record: &Record, loss: &AttributedLoss) -> Self {
        let mut group = Self {
            target: loss.target.clone(),
            class: loss.class,
            count: 0,
            lanes: BTreeMap::new(),
            steps: BTreeMap::new(),
            replica: loss.replica.clone(),
            cause: loss.cause.clone(),
            first: loss.at,
            last: loss.at,
            until: None,
            run_started: record.started_at,
        };
        group.add(loss);
        group
    }

    fn takes(&self, loss: &AttributedLoss) -> bool {
        self.target == loss.target
            && self.class == loss.class
            && one_story(self.cause.as_ref(), loss.cause.as_ref())
            && loss.at.duration_since(self.last) <= QUIET
    }

    fn add(&mut self, loss: &AttributedLoss) {
        self.count += 1;
        *self.lanes.entry(loss.lane.clone()).or_default() += 1;
        if let Some(step) = loss.step() {
            *self.steps.entry(step.name.clone()).or_default() += 1;
        }
        self.last = loss.at;
    }

    /// The moment from which the rendering counts.
    fn reference(&self) -> Timestamp {
        self.cause
            .as_ref()
            .map_or(self.run_started, |cause| cause.at)
    }

    /// From the cause (or the run's start) to the first loss and to the last.
    pub fn offsets(&self) -> (SignedDuration, SignedDuration) {
        let reference = self.reference();
        (
            self.first.duration_since(reference),
            self.last.duration_since(reference),
        )
    }
}

impl fmt::Display for Attribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.groups.is_empty() {
            return writeln!(f, "nothing was lost");
        }
        self.groups
            .iter()
            .try_for_each(|group| writeln!(f, "{group}"))
    }
}

impl fmt::Display for LossGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lanes: Vec<_> = self
            .lanes
            .iter()
            .map(|(lane, count)| format!("{lane} {count}"))
            .collect();
        let (first, last) = self.offsets();
        write!(
            f,
            "{} {} at {} ({}): {}",
            self.count,
            self.class,
            self.target,
            lanes.join(", "),
            Span(first, last),
        )?;
        match &self.cause {
            Some(cause) => write!(f, " after {}", Told(cause))?,
            None => write!(
                f,
                " into the run, nothing known to have happened there before"
            )?,
        }
        if let Some(until) = &self.until {
            let after = until.at.duration_since(self.reference()).as_secs_f64();
            write!(f, "; then, at {after:.2} s, {}", Told(until))?;
        }
        let mut separator = "; during";
        for (step, count) in &self.steps {
            write!(f, "{separator} \"{step}\" {count}")?;
            separator = ",";
        }
        Ok(())
    }
}

/// A span of time in seconds, or a single time.
struct Span(SignedDuration, SignedDuration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Adding zero makes -0.00, which is what was noted late, plain zero.
        let seconds = |time: SignedDuration| (time.as_secs_f64() * 100.0).round() / 100.0 + 0.0;
        let first = format!("{:.2}", seconds(self.0));
        let last = format!("{:.2}", seconds(self.1));
        if first == last {
            write!(f, "{first} s")
        } else {
            write!(f, "{first}\u{2013}{last} s")
        }
    }
}

/// A moment in words.
struct Told<'a>(&'a Moment);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.replica {
            Some(replica) => write!(f, "\"{}\" of {replica}", self.0.what),
            None => write!(f, "\"{}\" on {}", self.0.what, self.0.node),
        }
    }
}

#[cfg(test)]
mod tests;
