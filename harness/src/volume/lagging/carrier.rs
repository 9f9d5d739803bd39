//! What is to be seen where, and when.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    side::{Side, Step},
    tree::{Change, Content},
};

/// In how many parts of its delay a node sees one thing after another.
const PARTS: u32 = 8;

/// Carries changes from the side that made them to all others.
///
/// It asks for no time and sleeps never: who has it says what time it is.
#[derive(Debug)]
pub(super) struct Carrier {
    sides: Vec<Side>,
    /// By when it is due, then in the order in which it was planned.
    planned: BTreeMap<(Instant, u64), Planned>,
    /// How late each side is, for want of a processor: what comes next there is as much
    /// later, so that what lies between two steps can be seen.
    behind: Vec<Duration>,
    /// How many steps were ever planned.
    steps: u64,
    /// How many changes were ever seen.
    changes: u64,
}

#[derive(Debug)]
struct Planned {
    side: usize,
    change: u64,
    path: PathBuf,
    step: Step,
}

/// Changes that were found together at one side.
#[derive(Debug)]
pub(super) struct Found {
    side: usize,
    changes: Vec<(PathBuf, Change)>,
}

impl Carrier {
    pub(super) fn new(sides: Vec<Side>) -> Self {
        Self {
            behind: vec![Duration::ZERO; sides.len()],
            sides,
            planned: BTreeMap::new(),
            steps: 0,
            changes: 0,
        }
    }

    /// What has changed anywhere since the last look.
    pub(super) fn look(&mut self) -> Vec<Found> {
        let mut found = Vec::new();
        for (side, at) in self.sides.iter_mut().enumerate() {
            match at.look() {
                Ok(changes) if changes.is_empty() => {}
                Ok(changes) => found.push(Found { side, changes }),
                // The next look finds what this one did not.
                Err(error) => tracing::warn!(%error, "a node's directory was not looked at"),
            }
        }
        found
    }

    /// Plans when each other side sees what was found; `now` is after the look
    /// that found it, so that nothing is seen before its time.
    pub(super) fn plan(&mut self, found: Vec<Found>, now: Instant) {
        for Found { side, changes } in found {
            let files = changes.iter().filter(|(_, change)| has_content(change));
            let files = u32::try_from(files.count()).unwrap_or(u32::MAX).max(1);
            let mut file = 0;
            for (path, change) in changes {
                self.changes += 1;
                self.sides[side].made(self.changes, &path, &change);
                for other in (0..self.sides.len()).filter(|other| *other != side) {
                    let delay = self.sides[other].delay;
                    // One file after another, within one part.
                    let turn = delay / PARTS * file / files;
                    for (part, step) in steps(&change) {
                        let due = now + delay + delay / PARTS * part + turn;
                        self.add(due, other, &path, step);
                    }
                }
                file += u32::from(has_content(&change));
            }
        }
    }

    fn add(&mut self, due: Instant, side: usize, path: &Path, step: Step) {
        self.steps += 1;
        let planned = Planned {
            side,
            change: self.changes,
            path: path.to_owned(),
            step,
        };
        self.planned.insert((due, self.steps), planned);
    }

    /// Takes every step that is due.
    pub(super) fn carry(&mut self, now: Instant) {
        let due = self.planned.range(..=(now, u64::MAX)).map(|(key, _)| *key);
        for key in due.collect::<Vec<_>>() {
            self.take_if_due(key, now);
        }
        for (side, behind) in self.behind.iter_mut().enumerate() {
            if self.planned.values().all(|planned| planned.side != side) {
                *behind = Duration::ZERO;
            }
        }
    }

    fn take_if_due(&mut self, key: (Instant, u64), now: Instant) {
        let Entry::Occupied(entry) = self.planned.entry(key) else {
            return;
        };
        let behind = &mut self.behind[entry.get().side];
        let Some(late) = now.checked_duration_since(key.0 + *behind) else {
            return;
        };
        *behind += late;
        let Planned {
            side,
            change,
            path,
            step,
        } = entry.remove();
        if let Err(error) = self.sides[side].take(change, &path, &step) {
            tracing::warn!(%error, path = %path.display(), "a change was not carried");
        }
    }

    /// How long until the next step is due.
    pub(super) fn next(&self, now: Instant) -> Option<Duration> {
        let planned = self.planned.iter();
        let due = planned.map(|((due, _), planned)| *due + self.behind[planned.side]);
        due.min().map(|due| due.saturating_duration_since(now))
    }
}

fn has_content(change: &Change) -> bool {
    matches!(change, Change::New(_) | Change::Rewritten(_))
}

/// What a change comes to elsewhere, each with the part in which it is seen.
fn steps(change: &Change) -> Vec<(u32, Step)> {
    let filled = |first: Step, content: &Arc<Content>| {
        vec![
            (1, first),
            (2, Step::Half(Arc::clone(content))),
            (3, Step::Whole(Arc::clone(content))),
            (4, Step::Finished(Arc::clone(content))),
        ]
    };
    match change {
        Change::Removed => vec![(0, Step::Removed)],
        Change::Directory(rights) => vec![(0, Step::Directory(rights.clone()))],
        Change::Link(target) => vec![(0, Step::Link(target.clone()))],
        Change::New(content) => filled(Step::New, content),
        Change::Rewritten(content) => filled(Step::Emptied, content),
        Change::Rights(rights) => vec![(4, Step::Rights(rights.clone()))],
    }
}

#[cfg(test)]
mod tests;
