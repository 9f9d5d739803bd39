//! The engine `acme` without a swarm, for tests against real servers.

use std::net::SocketAddr;

use clap::Parser;

use crate::act::issue::Request;
use crate::act::issue::acme::{Acme, AcmeError, AcmeErrorClass, RenewalWindow};
use crate::config::Settings;
use crate::decide::WhyIssue;
use crate::model::{CertificateName, Challenge, DomainName, KeyAlgorithm, Ordering};
use crate::observe::files;
use crate::state::Fence;

#[derive(Parser)]
struct Given {
    #[command(flatten)]
    settings: Settings,
}

/// The engine with its settings.
#[allow(missing_debug_implementations, reason = "a key may be in it")]
pub struct Engine {
    settings: Settings,
    acme: Acme,
}

/// A certificate that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Obtained {
    /// Its name: its directory below `live/`.
    pub name: String,
    /// The number of its version below `archive/`.
    pub version: u64,
    /// SHA-256 of the leaf's DER, in hexadecimal.
    pub fingerprint: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// Whether the authority would not take its order as one that replaces another.
    pub replaces_refused: bool,
}

impl Engine {
    /// With settings as the command line has them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(settings: &[&str]) -> Result<Self, String> {
        let given = Given::try_parse_from([&["rollover"], settings].concat());
        let settings = given.map_err(|error| error.to_string())?.settings;
        settings.check().map_err(|error| error.to_string())?;
        Ok(Self {
            settings,
            acme: Acme::default(),
        })
    }

    /// Obtains a certificate for these names, which is due, and publishes it; they are
    /// proved by http-01, and `replicas` are asked first whether they would answer the challenge.
    ///
    /// # Errors
    /// As the engine's.
    pub async fn obtain(
        &self,
        names: &[&str],
        key: &str,
        profile: Option<&str>,
        replicas: &[SocketAddr],
    ) -> Result<Obtained, AcmeError> {
        let ordering = Ordering {
            key: key.parse().map_err(|()| wrong(&"an unknown key"))?,
            profile: profile.map(str::to_owned),
            challenge: Challenge::Http01,
        };
        self.order(names, &ordering, replicas).await
    }

    /// The same; the names, which may be wildcards, are proved by dns-01.
    ///
    /// # Errors
    /// As the engine's.
    pub async fn obtain_by_dns(&self, names: &[&str]) -> Result<Obtained, AcmeError> {
        let ordering = Ordering {
            challenge: Challenge::Dns01,
            ..Ordering::default()
        };
        self.order(names, &ordering, &[]).await
    }

    /// Obtains a certificate for these names with each of these keys, as the label
    /// `rollover.key` has them.
    ///
    /// # Errors
    /// As the engine's; those before are published.
    pub async fn obtain_each(
        &self,
        names: &[&str],
        keys: &str,
        profile: Option<&str>,
        replicas: &[SocketAddr],
    ) -> Result<Vec<Obtained>, AcmeError> {
        let keys = KeyAlgorithm::parse_list(keys).ok_or_else(|| wrong(&"an unknown key"))?;
        let ordering = Ordering {
            profile: profile.map(str::to_owned),
            ..Ordering::default()
        };
        self.order_each(names, &keys, &ordering, replicas).await
    }

    async fn order(
        &self,
        names: &[&str],
        ordering: &Ordering,
        replicas: &[SocketAddr],
    ) -> Result<Obtained, AcmeError> {
        let keys = [ordering.key];
        let mut obtained = self.order_each(names, &keys, ordering, replicas).await?;
        obtained.pop().ok_or_else(|| wrong(&"no key"))
    }

    async fn order_each(
        &self,
        names: &[&str],
        keys: &[KeyAlgorithm],
        ordering: &Ordering,
        replicas: &[SocketAddr],
    ) -> Result<Vec<Obtained>, AcmeError> {
        let domains = names.iter().map(|name| DomainName::parse(name));
        let domains: Vec<DomainName> = domains
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(&error))?;
        let first = domains.first().ok_or_else(|| wrong(&"no name"))?;
        let replicas = replicas
            .iter()
            .map(|address| (address.to_string(), *address));
        let replicas: Vec<(String, SocketAddr)> = replicas.collect();
        let mut obtained = Vec::new();
        for (name, key) in CertificateName::of(first).each(keys) {
            let request = Request {
                name: &name,
                domains: &domains,
                why: WhyIssue::Forced,
                published: None,
                replicas: replicas.clone(),
                key,
                profile: ordering.profile.as_deref(),
                challenge: ordering.challenge,
                // Nobody else is there.
                fence: &Fence::default(),
            };
            let issued = self.acme.obtain(&self.settings, &request).await?;
            let version = issued.version;
            obtained.push(Obtained {
                name: name.to_string(),
                replaces_refused: issued.replaces_refused,
                version: version.number,
                fingerprint: version.leaf.fingerprint.to_string(),
                names: version.leaf.names,
            });
        }
        Ok(obtained)
    }

    /// When the authority would have the published certificate of this name
    /// renewed.
    ///
    /// # Errors
    /// As the engine's.
    pub async fn renewal_info(&self, name: &str) -> Result<RenewalWindow, AcmeError> {
        let name = CertificateName::parse(name).map_err(|error| wrong(&error))?;
        let certificate = files::certificate(&self.settings.certificate_root, &name);
        let certificate = certificate.map_err(|error| wrong(&error))?;
        self.acme.renewal_info(&self.settings, &certificate).await
    }

    /// Gives the account another key.
    ///
    /// # Errors
    /// As the engine's.
    pub async fn roll_account_key(&self) -> Result<(), AcmeError> {
        self.acme.roll_account_key(&self.settings).await
    }
}

fn wrong(what: &dyn std::fmt::Display) -> AcmeError {
    AcmeError::new(
        AcmeErrorClass::Local,
        "read what is wanted",
        what.to_string(),
    )
}
