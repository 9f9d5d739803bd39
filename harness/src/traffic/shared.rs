//! What all requests of a run share.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::clock::RunClock;
use super::outcome::Outcome;
use super::plan::{Plan, PlanError};
use super::tls;

/// Live figures of a run. Cheap to take; not one moment's snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests whose turn has come, those not sent included.
    pub due: u64,
    /// Complete, successful answers, late ones included.
    pub answered: u64,
    /// Requests lost, those not sent included.
    pub lost: u64,
    /// Requests that the server said it never began.
    pub retryable: u64,
}

impl Counts {
    /// Requests of which nothing is known yet.
    pub fn unfinished(&self) -> u64 {
        let finished = self.answered + self.lost + self.retryable;
        self.due.saturating_sub(finished)
    }
}

/// What all requests of a run share.
pub(super) struct Shared {
    pub(super) clock: RunClock,
    pub(super) tls: TlsConnector,
    pub(super) server_name: ServerName<'static>,
    pub(super) names: Names,
    connections: AtomicU32,
    due: AtomicU64,
    answered: AtomicU64,
    lost: AtomicU64,
    retryable: AtomicU64,
    outcomes: Mutex<Vec<Outcome>>,
}

impl Shared {
    pub(super) fn new(plan: &Plan, tls: rustls::ClientConfig) -> Result<Self, PlanError> {
        let server_name = ServerName::try_from(plan.server_name.clone())
            .map_err(|_| PlanError::ServerName(plan.server_name.clone()))?;
        Ok(Self {
            clock: RunClock::default(),
            tls: TlsConnector::from(Arc::new(tls)),
            server_name,
            names: Names::default(),
            connections: AtomicU32::new(0),
            due: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            retryable: AtomicU64::new(0),
            outcomes: Mutex::default(),
        })
    }

    pub(super) fn counts(&self) -> Counts {
        // Read the finished first: none is then counted that is not due yet.
        let answered = self.answered.load(Relaxed);
        let lost = self.lost.load(Relaxed);
        let retryable = self.retryable.load(Relaxed);
        Counts {
            due: self.due.load(Relaxed),
            answered,
            lost,
            retryable,
        }
    }

    pub(super) fn next_connection(&self) -> u32 {
        self.connections.fetch_add(1, Relaxed) + 1
    }

    /// The fingerprint of the leaf among a server's certificates.
    pub(super) fn fingerprint_of(
        &self,
        certificates: Option<&[rustls::pki_types::CertificateDer<'_>]>,
    ) -> Option<Arc<str>> {
        let leaf = certificates?.first()?;
        Some(self.names.share(&tls::fingerprint(leaf)))
    }

    pub(super) fn note_due(&self) {
        self.due.fetch_add(1, Relaxed);
    }

    pub(super) fn record(&self, outcome: Outcome) {
        let counter = if outcome.is_lost() {
            &self.lost
        } else if outcome.retryable.is_some() {
            &self.retryable
        } else {
            &self.answered
        };
        counter.fetch_add(1, Relaxed);
        self.lock_outcomes().push(outcome);
    }

    pub(super) fn take_outcomes(&self) -> Vec<Outcome> {
        std::mem::take(&mut *self.lock_outcomes())
    }

    fn lock_outcomes(&self) -> std::sync::MutexGuard<'_, Vec<Outcome>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Texts that many outcomes have in common, each kept once.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashSet<Arc<str>>>);

impl Names {
    pub(super) fn share(&self, text: &str) -> Arc<str> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known.get(text) {
            return Arc::clone(name);
        }
        let name: Arc<str> = text.into();
        known.insert(Arc::clone(&name));
        name
    }
}
