//! One order, from its names to its chain.

use std::time::Duration;

use instant_acme::{
    Account, CertificateIdentifier, Error, Identifier, NewOrder, Order, OrderStatus,
};
use rcgen::KeyPair;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::authorize::Way;
use super::chain;
use super::client::{Client, TransportError};
use super::error::{AcmeError, AcmeErrorClass as Class};
use super::key;
use super::nonce::with_fresh_nonces;
use super::pending::{Pending, Place};
use crate::act::issue::Request;
use crate::act::step::{About, NamedStep};
use crate::clock::now;
use crate::config::Settings;
use crate::model::Leaf;

/// The pause before the second look, which doubles from look to look: an authority
/// that is quick has validated by then, or signed.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The first pause where something has failed, and may go on failing.
const AFTER_A_FAILURE: Duration = Duration::from_millis(250);

/// A certificate of an authority, seen to be what was asked for.
pub(super) struct Obtained {
    pub(super) leaf: Leaf,
    pub(super) chain: String,
    pub(super) key: String,
    /// The authority would not take it as what replaces another.
    pub(super) replaces_refused: bool,
}

/// What obtaining one certificate works with.
pub(super) struct Session<'a> {
    pub(super) settings: &'a Settings,
    pub(super) request: &'a Request<'a>,
    pub(super) client: &'a Client,
    pub(super) account: &'a Account,
    pub(super) way: Way,
    pub(super) replaces: Option<CertificateIdentifier<'static>>,
    pub(super) place: Place,
    /// When to leave it for the next attempt.
    pub(super) deadline: Instant,
}

impl Session<'_> {
    /// Orders the certificate, or goes on with the order that an earlier attempt
    /// left.
    ///
    /// Guarantees: an order that the authority has taken is gone on with, by this call
    /// or by one after a crash, until it comes to an end; and once it has the key, what
    /// it issues is fetched.
    ///
    /// # Errors
    /// As the authority says. When it takes too long, or the connection breaks
    /// for good, the order is kept for the next attempt.
    pub(super) async fn obtain(&self) -> Result<Obtained, AcmeError> {
        if let Some(obtained) = self.resume().await? {
            return Ok(obtained);
        }
        let key = key::generate(self.request.key).await?;
        let (mut order, replaces_refused) = self.place_order().await?;
        let pending = self.pending(order.url(), &key, replaces_refused);
        self.keep(pending).await?;
        self.prove_names(&mut order).await?;
        let obtained = self.finish(&mut order, &key).await?;
        Ok(Obtained {
            replaces_refused,
            ..obtained
        })
    }

    /// Until the authority would take the request. What kept it from looking, or us
    /// from answering, is no end of the order.
    async fn prove_names(&self, order: &mut Order) -> Result<(), AcmeError> {
        let proved = self.authorize(order).await;
        let is_final = |error: &AcmeError| {
            !matches!(
                error.class(),
                Class::Network
                    | Class::Unavailable
                    | Class::BadNonce
                    | Class::RateLimited
                    | Class::Local
                    | Class::DnsRefused
                    | Class::DnsUnavailable
                    | Class::DnsNotSeen
            )
        };
        if proved.as_ref().is_err_and(is_final) {
            self.place.remove()?;
        }
        proved?;
        self.passed(NamedStep::OrderReady).await;
        Ok(())
    }

    pub(super) async fn passed(&self, step: NamedStep) {
        let about = About::Certificate(self.request.name);
        self.settings.hold_at.passed(step, about).await;
    }

    /// Keeps it, elsewhere than where everything else waits: it is waited for
    /// until it is on disk.
    async fn keep(&self, pending: Pending) -> Result<(), AcmeError> {
        let place = self.place.clone();
        let keeping = tokio::task::spawn_blocking(move || place.keep(&pending));
        keeping.await.unwrap_or_else(|error| {
            let (class, doing) = (Class::Local, "keep the order");
            Err(AcmeError::new(class, doing, error.to_string()))
        })
    }

    fn pending(&self, order: &str, key: &KeyPair, replaces_refused: bool) -> Pending {
        Pending {
            directory: self.settings.acme_directory.clone(),
            order: order.to_owned(),
            domains: self.request.domains.to_vec(),
            key: self.request.key,
            profile: self.request.profile.map(str::to_owned),
            key_pem: key.serialize_pem(),
            replaces_refused,
        }
    }

    /// What the order that was left comes to; none if there is none to go on
    /// with.
    async fn resume(&self) -> Result<Option<Obtained>, AcmeError> {
        let Some(pending) = self.place.read()? else {
            return Ok(None);
        };
        let Ok(key) = key::parse(&pending.key_pem) else {
            return self.begin_anew("its key cannot be read");
        };
        if pending != self.pending(&pending.order, &key, pending.replaces_refused) {
            return self.begin_anew("it was for something else");
        }
        let mut order =
            match with_fresh_nonces(async || self.account.order(pending.order.clone()).await).await
            {
                Ok(order) => order,
                Err(error) => {
                    let error = self.failed("go on with an earlier order", &error);
                    return match error.class() {
                        Class::Refused | Class::Account => self.begin_anew(&error.to_string()),
                        _ => Err(error),
                    };
                }
            };
        if order.state().status == OrderStatus::Invalid {
            return self.begin_anew("it was never ready");
        }
        info!(certificate = %self.request.name, "going on with the order of an earlier attempt");
        if order.state().status == OrderStatus::Pending {
            self.prove_names(&mut order).await?;
        }
        let obtained = self.finish(&mut order, &key).await?;
        // From long ago, it is no renewal.
        if obtained.leaf.life_left(now()) < 0.5 {
            return self.begin_anew("what it issued is old");
        }
        Ok(Some(Obtained {
            replaces_refused: pending.replaces_refused,
            ..obtained
        }))
    }

    fn begin_anew(&self, why: &str) -> Result<Option<Obtained>, AcmeError> {
        info!(certificate = %self.request.name, "the order of an earlier attempt is left: {why}");
        self.place.remove().map(|()| None)
    }

    /// A new order: one that replaces what is published, if the authority takes
    /// that; for its limits do not count it. And whether it was refused as one.
    async fn place_order(&self) -> Result<(Order, bool), AcmeError> {
        let identifiers: Vec<Identifier> = self
            .request
            .domains
            .iter()
            .map(|domain| match domain.ip() {
                Some(address) => Identifier::Ip(address),
                None => Identifier::Dns(domain.to_string()),
            })
            .collect();
        if let Some(replaces) = &self.replaces {
            match self.new_order(&identifiers, Some(replaces)).await {
                Err(error) if is_about_replacing(&error) => {
                    let error = self.failed("order a replacement", &error);
                    info!(certificate = %self.request.name, "ordering without `replaces`: {error}");
                }
                other => {
                    let order = other.map_err(|error| self.failed("order", &error))?;
                    return Ok((order, false));
                }
            }
        }
        let order = self.new_order(&identifiers, None).await;
        let order = order.map_err(|error| self.failed("order", &error))?;
        Ok((order, self.replaces.is_some()))
    }

    async fn new_order(
        &self,
        identifiers: &[Identifier],
        replaces: Option<&CertificateIdentifier<'static>>,
    ) -> Result<Order, Error> {
        with_fresh_nonces(async || {
            let mut order = NewOrder::new(identifiers);
            if let Some(profile) = self.request.profile {
                order = order.profile(profile);
            }
            if let Some(replaces) = replaces {
                order = order.replaces(replaces.clone());
            }
            self.request.fence.pass().await;
            self.account.new_order(&order).await
        })
        .await
    }

    /// What the authority says of an order that is invalid.
    pub(super) fn invalid(&self, order: &mut Order) -> AcmeError {
        match &order.state().error {
            Some(problem) => AcmeError::told(None, "order", problem),
            None => AcmeError::new(
                Class::Refused,
                "order",
                "it is invalid, and nobody says why",
            ),
        }
    }

    /// Sends the request for a certificate, fetches it, and sees that it is what
    /// was asked for.
    async fn finish(&self, order: &mut Order, key: &KeyPair) -> Result<Obtained, AcmeError> {
        let request = key::request(key, self.request.domains)?;
        let result = self.fetch(order, &request).await;
        let result = result.and_then(|chain| {
            let key = key.serialize_pem();
            let leaf = chain::check(&chain, &key, self.request.domains)?;
            Ok(Obtained {
                leaf,
                chain,
                key,
                replaces_refused: false,
            })
        });
        // What will never be more than that is not gone on with.
        let is_final = |error: &AcmeError| {
            !matches!(
                error.class(),
                Class::Network | Class::Unavailable | Class::BadNonce | Class::RateLimited
            )
        };
        if result.as_ref().is_err_and(is_final) {
            self.place.remove()?;
        }
        result
    }

    /// From here on the authority may have issued, whatever became of its
    /// answer: so a broken connection is no reason to give up.
    async fn fetch(&self, order: &mut Order, request: &[u8]) -> Result<String, AcmeError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.step(order, request).await {
                Ok(Step::Chain(chain)) => return Ok(chain),
                Ok(Step::Invalid(error)) => return Err(error),
                Ok(Step::Processing) => {
                    self.wait(&mut pause, "the order is being processed")
                        .await?;
                }
                Err(error) => self.tolerate(error, &mut pause).await?,
            }
            if let Err(error) = self.look(order).await {
                self.tolerate(error, &mut pause).await?;
            }
        }
    }

    /// What can be done in the order's present state.
    async fn step(&self, order: &mut Order, request: &[u8]) -> Result<Step, AcmeError> {
        if order.state().status == OrderStatus::Ready {
            self.request.fence.pass().await;
            let sent = with_fresh_nonces(async || order.finalize_csr(request).await).await;
            self.passed(NamedStep::OrderFinalized).await;
            sent.map_err(|error| self.failed("send the certificate request", &error))?;
        }
        match order.state().status {
            OrderStatus::Ready | OrderStatus::Processing => Ok(Step::Processing),
            OrderStatus::Pending | OrderStatus::Invalid => Ok(Step::Invalid(self.invalid(order))),
            OrderStatus::Valid => self.download(order).await.map(Step::Chain),
        }
    }

    async fn look(&self, order: &mut Order) -> Result<(), AcmeError> {
        let looked = with_fresh_nonces(async || order.refresh().await.map(|_| ())).await;
        looked.map_err(|error| self.failed("look at the order", &error))
    }

    async fn download(&self, order: &mut Order) -> Result<String, AcmeError> {
        let doing = "fetch the certificate";
        let chain = with_fresh_nonces(async || order.certificate().await).await;
        let chain = chain.map_err(|error| self.failed(doing, &error))?;
        let chain = chain.ok_or_else(|| {
            AcmeError::new(
                Class::Malformed,
                doing,
                "expected a valid order, found another state",
            )
        })?;
        let alternates = self.client.heard().alternates;
        let words = &self.settings.acme.preferred_chain;
        Ok(chain::preferred(self.account, self.client, chain, alternates, words).await)
    }

    /// Waits after a failure that may pass; else it is the end.
    async fn tolerate(&self, error: AcmeError, pause: &mut Duration) -> Result<(), AcmeError> {
        match error.class() {
            Class::Network | Class::Unavailable | Class::BadNonce => {}
            _ => return Err(error),
        }
        *pause = (*pause).max(AFTER_A_FAILURE);
        if Instant::now() + *pause > self.deadline {
            return Err(error);
        }
        warn!(certificate = %self.request.name, "trying again: {error}");
        self.wait(pause, "the authority does not answer").await
    }

    /// Waits before the next look: as long as the authority asks, or twice as long
    /// as the time before.
    pub(super) async fn wait(
        &self,
        pause: &mut Duration,
        meanwhile: &str,
    ) -> Result<(), AcmeError> {
        let heard = self.client.heard();
        let asked = heard
            .retry_after
            .and_then(|at| Duration::try_from(at.duration_since(now())).ok());
        // At once is what nobody means.
        let asked = asked.filter(|asked| !asked.is_zero());
        let this = asked.unwrap_or(*pause);
        if Instant::now() + this > self.deadline {
            let limit = self.settings.acme.timeout.as_secs();
            let why = format!(
                "{meanwhile} after {limit} s (--acme-timeout); the next attempt goes on with it"
            );
            return Err(
                AcmeError::new(Class::Unavailable, "wait for the order", why).heard(&heard),
            );
        }
        sleep(this).await;
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    pub(super) fn failed(&self, doing: &str, error: &Error) -> AcmeError {
        AcmeError::of(doing, error, &self.client.heard())
    }
}

/// Where an order stands whose names are proved.
enum Step {
    Processing,
    /// For ever.
    Invalid(AcmeError),
    Chain(String),
}

/// Whether an order was refused for what it says to replace: replaced already,
/// another account's (as what certbot has obtained), unknown to the authority, or
/// the authority knows nothing of replacing.
fn is_about_replacing(error: &Error) -> bool {
    match error {
        Error::Unsupported(_) => true,
        Error::Api(problem) => {
            let kind = problem.r#type.as_deref().unwrap_or_default();
            let kind = kind.rsplit(':').next().unwrap_or_default();
            // Pebble calls a certificate that it does not know serverInternal.
            [
                "alreadyReplaced",
                "unauthorized",
                "malformed",
                "serverInternal",
            ]
            .contains(&kind)
        }
        // It took the order, and did not say that it replaces anything.
        Error::Other(other) => !other.is::<TransportError>(),
        _ => false,
    }
}
