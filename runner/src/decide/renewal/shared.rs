//! What other certificates have to do with one: those for the same set of names,
//! as where one has an ECDSA and one an RSA key.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::budget;
use super::facts::Facts;
use super::history::{Failures, History};

/// What is known of the same names under other certificates' names, as far as
/// an authority makes no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shared {
    /// When they were issued, and it counted.
    issued: Vec<Timestamp>,
    /// The last failures that were about the names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failures: Option<Failures>,
}

impl Shared {
    /// Adds what is known of another certificate for the same names.
    pub(crate) fn add(&mut self, other: &Facts, history: &History, now: Timestamp) {
        self.issued.extend(budget::counted(other, history, now));
        let failures = history.failures_with(other.authority);
        let failures = failures.filter(|failures| failures.class.is_about_the_names());
        self.failures = [self.failures, failures.copied()]
            .into_iter()
            .flatten()
            .max_by_key(|failures| failures.at);
    }

    /// Adds an order that is planned.
    pub(crate) fn planned(&mut self, at: Timestamp) {
        self.issued.push(at);
    }

    pub(super) fn issued_since(&self, since: Timestamp) -> impl Iterator<Item = Timestamp> {
        let issued = self.issued.iter().copied();
        issued.filter(move |&at| at > since)
    }

    pub(super) fn failures(&self) -> Option<&Failures> {
        self.failures.as_ref()
    }
}
