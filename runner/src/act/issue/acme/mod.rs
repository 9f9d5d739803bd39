//! The engine that speaks ACME itself (RFC 8555), by the library instant-acme.
//!
//! Here is one attempt; when to make it is decided elsewhere. `order` is the way
//! from names to a chain, `pending` what survives a crash on it, `authorize` the
//! proof that the names are ours, `answer` the challenge http-01; `client` is the
//! way to the authority and `error` what it says.

mod account;
mod answer;
mod authorize;
mod chain;
mod client;
mod error;
mod key;
mod nonce;
mod order;
mod pending;
mod renewal_info;

use std::path::Path;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use instant_acme::Account;
use rustls::pki_types::CertificateDer;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Request;
use super::dns::Solver;
use crate::act::publish::{Content, PublishError, Publisher, Version};
use crate::act::step::{About, NamedStep};
use crate::config::{AnswerBy, Settings};
use crate::model::{CertificateName, Challenge};
use crate::observe::files;
use answer::{Answers, Closed, Responder};
use authorize::Way;
pub(super) use client::roots_of_the_system;
use client::{Client, Connections};
pub(super) use error::with_causes;
pub use error::{AcmeError, AcmeErrorClass, AcmeProblem, AcmeSubproblem};
use order::{Obtained, Session};
use pending::Place;
pub use renewal_info::RenewalWindow;

/// An exchange may take so much of the time of an order, so that one that
/// stalls is not all of it; and no longer than this.
const LONGEST_EXCHANGE: Duration = Duration::from_secs(30);

/// The engine, and what its attempts share.
#[derive(Default)]
pub(crate) struct Acme {
    listening: Mutex<Listening>,
    /// Held while the account is read or made: there is to be one.
    account: Mutex<()>,
    connections: std::sync::Mutex<Option<Arc<Connections>>>,
}

/// The listener for challenges, which is there while somebody needs it.
#[derive(Default)]
struct Listening {
    responder: Weak<Responder>,
    closed: Option<Closed>,
}

impl Listening {
    /// Waits until it is closed, if nobody needs it any more.
    async fn closed_if_unused(&mut self) {
        if self.responder.strong_count() == 0
            && let Some(closed) = self.closed.take()
        {
            closed.wait().await;
        }
    }
}

/// What was issued, and is published.
pub(crate) struct Issued {
    pub(crate) version: Version,
    /// The authority would not take the order as one that replaces what was published
    /// before, so that its limits count it.
    pub(crate) replaces_refused: bool,
}

impl Acme {
    /// Obtains the certificate of `request` and publishes it.
    ///
    /// Guarantees: what the authority has issued is published, by this call or by
    /// the next one after a crash. What was published before stays when this
    /// fails.
    pub(crate) async fn obtain(
        &self,
        settings: &Settings,
        request: &Request<'_>,
    ) -> Result<Issued, AcmeError> {
        let obtained = match self.attempt(settings, request).await {
            Err((error, Some(account))) if is_unknown_account(&error) => {
                self.forget(settings, &account).await?;
                self.attempt(settings, request).await
            }
            other => other,
        };
        // Who comes next may be another process, and wants to listen there.
        self.listening.lock().await.closed_if_unused().await;
        obtained.map_err(|(error, _)| error)
    }

    /// When the authority would have this certificate (DER) renewed.
    ///
    /// # Errors
    /// When it does not say, or not in a way that can be understood. An answer
    /// without `Retry-After` is one of those (RFC 9773, section 4.3).
    pub(crate) async fn renewal_info(
        &self,
        settings: &Settings,
        certificate: &CertificateDer<'_>,
    ) -> Result<RenewalWindow, AcmeError> {
        let identifier = renewal_info::identifier(certificate)?;
        let client = self.client(settings)?;
        let account = self.account(settings, &client).await?;
        let info = account.renewal_info(&identifier).await;
        let heard = client.heard();
        let (info, _) = info.map_err(|error| AcmeError::of("ask when to renew", &error, &heard))?;
        RenewalWindow::of(&info, heard.retry_after)
    }

    /// Gives the account another key.
    pub(crate) async fn roll_account_key(&self, settings: &Settings) -> Result<(), AcmeError> {
        let client = self.client(settings)?;
        let _alone = self.account.lock().await;
        account::roll_key(settings, &client).await
    }

    /// One attempt; when it fails, with the account that it was made with.
    async fn attempt(
        &self,
        settings: &Settings,
        request: &Request<'_>,
    ) -> Result<Issued, (AcmeError, Option<String>)> {
        let deadline = Instant::now() + settings.acme.timeout;
        let early = |error: AcmeError| (error, None);
        let client = self.client(settings).map_err(early)?;
        let account = self.account(settings, &client).await.map_err(early)?;
        let id = account.id().to_owned();
        let place = || Place::of(&settings.certificate_root, request.name);
        let session = Session {
            settings,
            request,
            client: &client,
            account: &account,
            way: self.way(settings, request.challenge).await.map_err(early)?,
            replaces: replaced(&settings.certificate_root, request.name),
            place: place(),
            deadline,
        };
        let obtained = session.obtain().await;
        let obtained = obtained.map_err(|error| (error, Some(id)))?;
        client.leave_nonce();
        let about = About::Certificate(request.name);
        settings
            .hold_at
            .passed(NamedStep::CertificateFetched, about)
            .await;
        request.fence.pass().await;
        let replaces_refused = obtained.replaces_refused;
        let version = published(settings, request.name, obtained).await;
        let version = version.map_err(early)?;
        place().remove().map_err(early)?;
        Ok(Issued {
            version,
            replaces_refused,
        })
    }

    /// By the connections that other attempts use as well.
    fn client(&self, settings: &Settings) -> Result<Client, AcmeError> {
        let deadline = (settings.acme.timeout / 4).min(LONGEST_EXCHANGE);
        let mut shared = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = shared.as_ref().filter(|it| it.holds()) {
            return Ok(Client::by(Arc::clone(connections), deadline));
        }
        let connections = Connections::new(settings.acme_roots()).map_err(|error| {
            AcmeError::new(
                AcmeErrorClass::Local,
                "prepare to speak to the authority",
                error.to_string(),
            )
        })?;
        let connections = shared.insert(Arc::new(connections));
        Ok(Client::by(Arc::clone(connections), deadline))
    }

    async fn account(&self, settings: &Settings, client: &Client) -> Result<Account, AcmeError> {
        let _alone = self.account.lock().await;
        account::account(settings, client).await
    }

    async fn forget(&self, settings: &Settings, account: &str) -> Result<(), AcmeError> {
        let _alone = self.account.lock().await;
        account::set_aside(settings, account)
    }

    /// How challenges are answered; known before anything is ordered.
    async fn way(&self, settings: &Settings, challenge: Challenge) -> Result<Way, AcmeError> {
        match challenge {
            Challenge::Http01 => self.answers(settings).await.map(Way::File),
            Challenge::Dns01 => {
                let solver = Solver::new(&settings.dns);
                let solver = solver.map_err(|error| AcmeError::of_dns("prepare dns-01", &error));
                solver.map(Way::Record)
            }
        }
    }

    async fn answers(&self, settings: &Settings) -> Result<Answers, AcmeError> {
        if settings.acme.answer_by == AnswerBy::Webroot {
            return Ok(Answers::webroot(&settings.certificate_root));
        }
        let mut shared = self.listening.lock().await;
        if let Some(responder) = shared.responder.upgrade() {
            return Ok(Answers::Listener(responder));
        }
        shared.closed_if_unused().await;
        let (responder, closed) = Responder::listen(settings.acme.listen).await?;
        let responder = Arc::new(responder);
        *shared = Listening {
            responder: Arc::downgrade(&responder),
            closed: Some(closed),
        };
        Ok(Answers::Listener(responder))
    }
}

/// Publishes what was obtained, elsewhere than where everything else waits: each
/// file is waited for until it is on disk, and several certificates can do so at
/// once.
async fn published(
    settings: &Settings,
    name: &CertificateName,
    obtained: Obtained,
) -> Result<Version, AcmeError> {
    let failed = |why: String| AcmeError::new(AcmeErrorClass::Local, "publish", why);
    let (root, keep) = (
        settings.certificate_root.clone(),
        settings.acme.keep_versions,
    );
    let name = name.clone();
    let publishing = tokio::task::spawn_blocking(move || {
        let content = Content {
            chain: &obtained.chain,
            key: &obtained.key,
        };
        Publisher::new(&root, &name, keep).publish(&content)
    });
    let version: Result<Version, PublishError> = publishing
        .await
        .map_err(|error| failed(error.to_string()))?;
    version.map_err(|error| failed(error.to_string()))
}

fn is_unknown_account(error: &AcmeError) -> bool {
    error
        .problem()
        .is_some_and(|problem| problem.kind == "accountDoesNotExist")
}

/// By what the authority knows the certificate that is published; none if it is
/// a placeholder, or another one without an issuer.
fn replaced(
    root: &Path,
    name: &CertificateName,
) -> Option<instant_acme::CertificateIdentifier<'static>> {
    let certificate = files::certificate(root, name).ok()?;
    renewal_info::identifier(&certificate).ok()
}
