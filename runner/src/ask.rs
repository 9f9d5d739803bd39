//! Asking the authority when certificates are to be renewed, and remembering what it said.

use std::cell::Cell;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::sync::Mutex;
use tracing::warn;

use crate::act::issue::Acme;
use crate::act::issue::acme::{AcmeError, AcmeErrorClass};
use crate::clock::{left, now};
use crate::config::Settings;
use crate::decide::Memory;
use crate::decide::renewal::{AriAnswer, AriFailure};
use crate::model::{CertificateName, Fingerprint};
use crate::observe::files;
use crate::state::State;

/// What it takes to ask.
pub(crate) struct Asking<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) acme: &'a Acme,
    pub(crate) remembered: Mutex<Remembered<'a>>,
}

/// What is remembered of certificates, here and in the swarm.
pub(crate) struct Remembered<'a> {
    pub(crate) memory: &'a mut Memory,
    pub(crate) state: &'a mut State,
}

impl Asking<'_> {
    /// Asks the authority when each of these certificates is to be renewed
    /// (RFC 9773), and remembers what it said. One that does not answer one of them is
    /// not asked the others: each would wait as long, and all else waits meanwhile.
    pub(crate) async fn ask_when_to_renew(&self, questions: &[(CertificateName, Fingerprint)]) {
        let silent = Cell::new(None);
        let answers = stream::iter(questions).map(async |(name, fingerprint)| {
            let root = &self.settings.certificate_root;
            // What was replaced meanwhile is asked for by the next look.
            let Ok(certificate) = files::certificate(root, name) else {
                return;
            };
            if Fingerprint::of_der(&certificate) != *fingerprint {
                return;
            }
            if let Some(failure) = silent.get() {
                let failed = |memory: &mut Memory| {
                    let history = memory.history_mut(name);
                    history.ari_failed(now(), *fingerprint, failure);
                };
                return self.remember(name, failed).await;
            }
            let answer = self.acme.renewal_info(self.settings, &certificate).await;
            let at = now();
            if let Err(error) = &answer {
                warn!(certificate = %name, "when to renew is not known: {error}");
                if is_silent(error) {
                    silent.set(Some(unanswered(error, at)));
                }
            }
            self.remember(name, |memory| {
                let history = memory.history_mut(name);
                match &answer {
                    Ok(window) => {
                        let answer = AriAnswer {
                            window: Some((window.start, window.end)),
                            retry_after: window.retry_after.map(|until| left(at, until)),
                        };
                        history.ari_answered(at, *fingerprint, &answer);
                    }
                    Err(error) => history.ari_failed(at, *fingerprint, unanswered(error, at)),
                }
            })
            .await;
        });
        let at_once = self.settings.certificates_at_once();
        answers.buffer_unordered(at_once).collect::<()>().await;
    }

    /// Changes what is remembered of that certificate, and keeps it.
    async fn remember(&self, name: &CertificateName, change: impl FnOnce(&mut Memory)) {
        let mut remembered = self.remembered.lock().await;
        let Remembered { memory, state } = &mut *remembered;
        change(memory);
        state.keep(memory, name).await;
    }
}

/// Whether it is of no use to ask the authority something else just now.
fn is_silent(error: &AcmeError) -> bool {
    let class = error.class();
    matches!(class, AcmeErrorClass::Network | AcmeErrorClass::Unavailable)
}

/// Whether an answer to when to renew may come in a moment.
fn unanswered(error: &AcmeError, at: Timestamp) -> AriFailure {
    match error.class() {
        AcmeErrorClass::Network | AcmeErrorClass::Unavailable | AcmeErrorClass::RateLimited => {
            AriFailure::Temporary {
                retry_after: error.retry_after().map(|until| left(at, until)),
            }
        }
        _ => AriFailure::LongTerm,
    }
}
