//! The plan for people.

use std::fmt;

use super::object::{Fate, ObjectPlan};
use super::outcome::Outcome;
use super::planned::Planned;
use super::service::ServicePlan;

impl fmt::Display for ServicePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "service {}: {}", self.name, self.outcome)?;
        for change in &self.changes {
            writeln!(f, "  {change}")?;
        }
        for note in &self.notes {
            writeln!(f, "  ({note})")?;
        }
        Ok(())
    }
}

/// Each service, and of the rest what is not unchanged.
impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for service in &self.services {
            write!(f, "{service}")?;
        }
        let sections = [&self.networks, &self.volumes, &self.secrets, &self.configs];
        let changed = |it: &&ObjectPlan| !matches!(it.fate, Fate::Unchanged | Fate::Expected);
        for object in sections.into_iter().flatten().filter(changed) {
            writeln!(f, "{object}")?;
        }
        for what in &self.not_known {
            writeln!(f, "not known: {what}")?;
        }
        for what in &self.cannot_work {
            writeln!(f, "cannot work: {what}")?;
        }
        f.write_str(&self.sum())
    }
}

impl Planned {
    /// The restarts in a line, which is what most want to know.
    fn sum(&self) -> String {
        let named = |services: Vec<&str>| match services.len() {
            0 => "none".to_owned(),
            _ => services.join(", "),
        };
        let restarted = named(self.of(Outcome::Restarted));
        let perhaps = named(self.of(Outcome::MayRestart));
        format!("restarted: {restarted}; perhaps: {perhaps}\n")
    }
}
