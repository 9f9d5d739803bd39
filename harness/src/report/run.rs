//! A run of a scenario, whole: what every report is made of.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::attribution::Moment;
use crate::event::Notes;
use crate::scenario::{Overrides, find};
use crate::traffic::Record;

/// A run of a scenario from its beginning to its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The scenario's name, such as `renewal/signal`.
    pub scenario: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// Whether this is the known-bad control, which must turn red.
    pub control: bool,
    /// What it was run with: `nodes`, `rate`, `seed`, …
    pub parameters: BTreeMap<String, String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What came of it.
    pub verdict: Verdict,
    /// Whether it could not be played to its end, and so left its lab in the middle of
    /// anything: a runner that waits after a failure, half of a stack.
    #[serde(default)]
    pub cut_short: bool,
    /// What traffic saw, one record for each stretch of traffic.
    pub traffic: Vec<Record>,
    /// What happened to containers, from Docker's events.
    pub moments: Vec<Moment>,
    /// Steps, faults, sightings and logs.
    pub notes: Notes,
    /// Figures that were measured, in the order in which they are to be read.
    pub figures: Vec<Figure>,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// Everything was as it must be.
    Passed,
    /// Something was found that must not be.
    Failed {
        /// What, one sentence each.
        findings: Vec<String>,
    },
    /// The run shows nothing either way: the client could not keep its schedule,
    /// or the lab did not come up.
    Void {
        /// Why.
        reason: String,
    },
}

/// A figure that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what: `s`, `requests`, `requests/s`; empty for a plain number.
    pub unit: String,
}

/// The run in a few lines: what was expected, what was found, how to have it again.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let control = if self.control { " (control)" } else { "" };
        let verdict = self.verdict_in_words();
        let seconds = self.length().as_secs_f64();
        write!(f, "{}{control}: {verdict} ({seconds:.0} s", self.scenario)?;
        if self.sent() > 0 {
            write!(f, ", {} of {} requests lost", self.lost(), self.sent())?;
        }
        writeln!(f, ")")?;
        for line in self.said().iter().flat_map(|text| text.lines()) {
            writeln!(f, "    {line}")?;
        }
        if !self.is_as_it_must_be() {
            writeln!(f, "    again: {}", self.again())?;
        }
        Ok(())
    }
}

impl Run {
    /// Whether it shows what it is there to show: a scenario that everything was
    /// as it must be, a control that what was made wrong was found.
    #[must_use]
    pub fn is_as_it_must_be(&self) -> bool {
        match &self.verdict {
            Verdict::Passed => !self.control,
            Verdict::Failed { .. } => self.control,
            Verdict::Void { .. } => false,
        }
    }

    /// Whether what is played next in the same lab is to begin in an empty swarm.
    #[must_use]
    pub fn spoils(&self) -> bool {
        self.cut_short || !self.is_as_it_must_be()
    }

    /// What came of it, in a word or a few: a control is to be found out.
    #[must_use]
    pub fn verdict_in_words(&self) -> &'static str {
        match (&self.verdict, self.control) {
            (Verdict::Passed, false) => "passed",
            (Verdict::Passed, true) => "NOT FOUND OUT",
            (Verdict::Failed { .. }, false) => "FAILED",
            (Verdict::Failed { .. }, true) => "red, as it must be",
            (Verdict::Void { .. }, _) => "VOID",
        }
    }

    /// What there is to say of the verdict: the findings, or why it is void.
    #[must_use]
    pub fn said(&self) -> &[String] {
        match &self.verdict {
            Verdict::Passed => &[],
            Verdict::Failed { findings } => findings,
            Verdict::Void { reason } => std::slice::from_ref(reason),
        }
    }

    /// The command that plays it once more, with what was different from the scenario's
    /// own parameters.
    #[must_use]
    pub fn again(&self) -> String {
        let flag = if self.control { " --control" } else { "" };
        let seed = self.parameters.get("seed").map_or("", String::as_str);
        let mut command = format!("rollover-lab run {}{flag} --seed {seed}", self.scenario);
        let Ok(scenario) = find(&self.scenario) else {
            return command;
        };
        let own = (scenario.parameters)().named();
        for name in Overrides::NAMES {
            let value = self.parameters.get(name);
            if let Some(value) = value.filter(|value| own.get(name) != Some(value)) {
                command += &format!(" --{name} {value}");
            }
        }
        command
    }

    /// From its beginning to its end.
    #[must_use]
    pub fn length(&self) -> SignedDuration {
        self.ended_at.duration_since(self.started_at)
    }

    /// How many requests were lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.traffic.iter().map(Record::lost).sum()
    }

    /// How many requests were due.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.traffic
            .iter()
            .map(|record| record.outcomes.len())
            .sum()
    }

    /// How many requests were answered too late to be good, and are not lost.
    #[must_use]
    pub fn late(&self) -> usize {
        let late = |record: &Record| {
            let outcomes = record.outcomes.iter();
            outcomes.filter(|outcome| record.is_late(outcome)).count()
        };
        self.traffic.iter().map(late).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_command_that_plays_it_again_has_what_was_wanted_different() {
        let chaos = find("chaos").unwrap();
        let longer = Overrides {
            length: Some(Duration::from_secs(20 * 60)),
            seed: Some(7),
            ..Overrides::default()
        };
        let run = Run {
            scenario: chaos.name.to_owned(),
            about: chaos.about.to_owned(),
            control: false,
            parameters: longer.over((chaos.parameters)()).named(),
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: Timestamp::UNIX_EPOCH,
            verdict: Verdict::Passed,
            cut_short: false,
            traffic: Vec::new(),
            moments: Vec::new(),
            notes: Notes::default(),
            figures: Vec::new(),
        };
        let again = "rollover-lab run chaos --seed 7 --minutes 20";
        assert_eq!(run.again(), again);
    }
}
