//! What becomes of each service.

use rollover::preflight::{Order, Replicas};
use serde::Serialize;

use super::change::{Change, best, changes};
use super::convert::{Around, convert};
use super::outcome::{Outcome, outcome};
use crate::gate::stack::{Entry, Wrong, labels, replicas, update};

/// What becomes of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServicePlan {
    /// The service, as the file calls it.
    pub name: String,
    /// What becomes of it.
    pub outcome: Outcome,
    /// What changes of it.
    pub changes: Vec<Change>,
    /// How its tasks are replaced, where they are, and what else there is to say.
    pub notes: Vec<String>,
}

/// Its secrets are put on it by the runner, and no file has them.
const SECRETS_BESIDE_THE_FILE: &str = "by rollover.strategy: secret the service has secrets that \
     no file names: a deploy takes them away, which replaces each task, and the runner puts them \
     back";

impl ServicePlan {
    pub(super) fn bare(name: &str, outcome: Outcome) -> Self {
        Self {
            name: name.to_owned(),
            outcome,
            changes: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// One that only the new file has; it must be one all the same.
    pub(super) fn created(around: &Around<'_>, service: &Entry) -> Result<Self, Wrong> {
        convert(around, service)?;
        Ok(Self::bare(&service.key, Outcome::Created))
    }

    /// What becomes of one that is in both files.
    pub(super) fn changed(
        (old_around, old): (&Around<'_>, &Entry),
        (new_around, new): (&Around<'_>, &Entry),
    ) -> Result<Self, WrongIn> {
        let before = convert(old_around, old).map_err(WrongIn::Old)?;
        let after = convert(new_around, new).map_err(WrongIn::New)?;
        let place = |path: &str| {
            let at = new_around.stack.place(&new.key, path);
            at.within(new_around.file)
        };
        let changes = changes(&before, &after, &place);
        let mut plan = Self {
            outcome: outcome(&before, &after, &changes),
            changes: best(&changes),
            ..Self::bare(&new.key, Outcome::Unchanged)
        };
        plan.know_of_secrets(old).map_err(WrongIn::Old)?;
        plan.note_the_way(new).map_err(WrongIn::New)?;
        Ok(plan)
    }

    fn know_of_secrets(&mut self, old: &Entry) -> Result<(), Wrong> {
        let labels = labels(&old.node)?;
        let is = |label: &str, value: &str| labels.get(label).is_some_and(|it| it == value);
        if is("rollover.enable", "true") && is("rollover.strategy", "secret") {
            self.outcome = self.outcome.max(Outcome::MayRestart);
            self.notes.push(SECRETS_BESIDE_THE_FILE.to_owned());
        }
        Ok(())
    }

    /// How many tasks are replaced at a time, and in which order.
    fn note_the_way(&mut self, new: &Entry) -> Result<(), Wrong> {
        if !matches!(self.outcome, Outcome::Restarted | Outcome::MayRestart) {
            return Ok(());
        }
        let update = update(&new.node)?;
        let replicas = match replicas(&new.node)? {
            Some(Replicas::Replicated(1)) => "1 replica".to_owned(),
            Some(Replicas::Replicated(number)) => format!("{number} replicas"),
            _ => "a replica on each node".to_owned(),
        };
        let at_a_time = match update.parallelism {
            0 => "all at a time".to_owned(),
            number => format!("{number} at a time"),
        };
        let order = match update.order {
            Order::StopFirst => "stop-first",
            Order::StartFirst => "start-first",
        };
        self.notes.push(format!("{replicas}, {at_a_time}, {order}"));
        Ok(())
    }
}

/// Which of the two files is wrong.
#[derive(Debug)]
pub(super) enum WrongIn {
    Old(Wrong),
    New(Wrong),
}
