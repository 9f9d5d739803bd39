//! What happened in a run, as plain data: scenarios and faults write it down as
//! it happens, reports and attributions read it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock;

/// A stretch of time that has a name: a step of the scenario or of the runner,
/// or a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Band {
    /// What kind of stretch it is.
    pub kind: BandKind,
    /// Its name in a few words, such as `renewal 2` or `node-3 is cut off`.
    pub name: String,
    /// The node that it is about; none for all.
    pub node: Option<String>,
    /// When it began.
    pub from: Timestamp,
    /// When it ended; none if it never did.
    pub until: Option<Timestamp>,
    /// What there is to say of its end, such as why it failed.
    pub note: Option<String>,
}

/// What kind of stretch a [`Band`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BandKind {
    /// A step of the scenario: a deploy, a renewal.
    Step,
    /// A step that the runner said it took: issue, roll out, verify.
    Runner,
    /// Something that was broken on purpose.
    Fault,
}

/// What one replica was seen to serve at one moment, or why it could not be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// When.
    pub at: Timestamp,
    /// The replica's node.
    pub node: String,
    /// The replica's task, where it is known.
    pub task: Option<String>,
    /// SHA-256 of the leaf's DER as lowercase hex, or why there was none.
    pub served: Result<String, String>,
}

/// A line that somebody wrote into a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// Who: `rollover`, `loadbalancer on node-2`, `dockerd on node-1`, `pebble`.
    pub source: String,
    /// What, without the line's end.
    pub text: String,
}

/// All that was written down in a run, in the order in which it came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// Steps and faults.
    pub bands: Vec<Band>,
    /// What replicas were seen to serve.
    pub sightings: Vec<Sighting>,
    /// Logs at the moments that matter.
    pub logs: Vec<LogLine>,
}

/// Where what happens is written down. Cheap to clone; all clones write to one.
///
/// ```
/// use rollover_lab::event::{BandKind, Journal};
///
/// let journal = Journal::default();
/// let step = journal.step("a deploy");
/// journal.begin(BandKind::Fault, "node-3 is cut off", Some("node-3")).end_with("as planned");
/// drop(step);
/// let bands = journal.notes().bands;
/// assert_eq!(bands[0].name, "a deploy");
/// assert_eq!(bands[1].note.as_deref(), Some("as planned"));
/// assert!(bands.iter().all(|band| band.until.is_some()));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Mutex<Notes>>);

impl Journal {
    /// Begins a stretch of time; it ends when the guard is ended or dropped.
    pub fn begin(&self, kind: BandKind, name: impl Into<String>, node: Option<&str>) -> OpenBand {
        let name = name.into();
        tracing::info!(?kind, node, "{name}");
        let mut notes = self.lock();
        notes.bands.push(Band {
            kind,
            name,
            node: node.map(str::to_owned),
            from: clock::now(),
            until: None,
            note: None,
        });
        OpenBand {
            index: notes.bands.len() - 1,
            journal: self.clone(),
        }
    }

    /// Begins a step of the scenario.
    pub fn step(&self, name: impl Into<String>) -> OpenBand {
        self.begin(BandKind::Step, name, None)
    }

    /// Writes down a stretch that is over, such as one read from a log.
    pub fn band(&self, band: Band) {
        self.lock().bands.push(band);
    }

    /// Writes down what a replica served.
    pub fn sighting(&self, sighting: Sighting) {
        self.lock().sightings.push(sighting);
    }

    /// Writes down what a replica served, unless it is what the same task was
    /// seen to serve the last time.
    pub fn sighting_if_changed(&self, sighting: Sighting) {
        let mut notes = self.lock();
        let mut earlier = notes.sightings.iter().rev();
        let last = earlier.find(|last| last.node == sighting.node && last.task == sighting.task);
        if last.is_none_or(|last| last.served != sighting.served) {
            notes.sightings.push(sighting);
        }
    }

    /// Writes down a line of a log.
    pub fn log(&self, line: LogLine) {
        self.lock().logs.push(line);
    }

    /// What was written until now.
    #[must_use]
    pub fn notes(&self) -> Notes {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stretch of time under way; dropping it ends it.
#[must_use = "a stretch ends when this is dropped"]
#[derive(Debug)]
pub struct OpenBand {
    journal: Journal,
    index: usize,
}

impl OpenBand {
    /// Ends it with something to say of it.
    pub fn end_with(self, note: impl Into<String>) {
        self.journal.lock().bands[self.index].note = Some(note.into());
    }
}

impl Drop for OpenBand {
    fn drop(&mut self) {
        let now = clock::now();
        self.journal.lock().bands[self.index]
            .until
            .get_or_insert(now);
    }
}

impl fmt::Display for BandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Step => "step",
            Self::Runner => "runner",
            Self::Fault => "fault",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_ends_when_its_guard_is_dropped() {
        let journal = Journal::default();
        let open = journal.step("renewal 1");
        assert_eq!(journal.notes().bands[0].until, None);
        drop(open);
        let band = &journal.notes().bands[0];
        assert!(band.until.is_some_and(|until| until >= band.from));
    }

    #[test]
    fn what_is_said_of_an_end_is_kept() {
        let journal = Journal::default();
        journal.step("deploy").end_with("rolled back");
        let band = &journal.notes().bands[0];
        assert_eq!(band.note.as_deref(), Some("rolled back"));
        assert!(band.until.is_some());
    }
}
