//! The settings of the engine that speaks ACME itself.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use clap::{ArgAction, Args, ValueEnum};

use super::SettingError;
use crate::model::parse_duration;

/// What only the engine acme needs.
#[derive(Args, Clone, Debug)]
pub(crate) struct AcmeSettings {
    /// Whether you agree to the terms of service of the ACME server; without,
    /// the engine acme makes no account
    #[arg(long = "acme-agree-terms", env = "ROLLOVER_ACME_AGREE_TERMS",
          value_name = "BOOL", action = ArgAction::Set, default_value_t = true)]
    pub(crate) agree_terms: bool,

    /// The key identifier of an external account, where the ACME server binds
    /// accounts to its customers (engine acme)
    #[arg(
        long = "acme-eab-key-id",
        env = "ROLLOVER_ACME_EAB_KEY_ID",
        value_name = "ID",
        default_value = ""
    )]
    eab_key_id: String,

    /// A file, such as a secret, with the HMAC key of the external account as
    /// base64url (engine acme)
    #[arg(
        long = "acme-eab-hmac-key-file",
        env = "ROLLOVER_ACME_EAB_HMAC_KEY_FILE",
        value_name = "FILE",
        default_value = ""
    )]
    eab_hmac_key_file: String,

    /// Words in the name of an issuer, such as ISRG Root X1: of several chains
    /// that the ACME server offers, the one that has such an issuer; the
    /// server's own choice if empty (engine acme)
    #[arg(
        long = "acme-preferred-chain",
        env = "ROLLOVER_ACME_PREFERRED_CHAIN",
        value_name = "WORDS",
        default_value = ""
    )]
    pub(crate) preferred_chain: String,

    /// How long one order may take before it is left for the next attempt, which
    /// goes on with it (engine acme)
    #[arg(id = "acme_timeout", long = "acme-timeout", env = "ROLLOVER_ACME_TIMEOUT", value_name = "DURATION",
          default_value = "5m", value_parser = parse_duration)]
    pub(crate) timeout: Duration,

    /// Who answers the authority's challenge (engine acme)
    #[arg(
        long = "challenge",
        env = "ROLLOVER_CHALLENGE",
        value_enum,
        default_value = "listener"
    )]
    pub(crate) answer_by: AnswerBy,

    /// Where the runner listens while it answers challenges (engine acme)
    #[arg(
        long = "challenge-listen",
        env = "ROLLOVER_CHALLENGE_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "0.0.0.0:8402"
    )]
    pub(crate) listen: SocketAddr,

    /// How many certificates are obtained at the same time (engine acme)
    #[arg(long, env = "ROLLOVER_CERTIFICATES_AT_ONCE", value_name = "NUMBER",
          default_value_t = 4, value_parser = at_least_one)]
    pub(crate) certificates_at_once: usize,

    /// How many older versions of each certificate are kept, besides the one
    /// that is published (engine acme)
    #[arg(
        long,
        env = "ROLLOVER_KEEP_VERSIONS",
        value_name = "NUMBER",
        default_value_t = 3
    )]
    pub(crate) keep_versions: usize,
}

/// Who answers the challenge http-01.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum AnswerBy {
    /// The runner, to which the load balancer passes the request on
    Listener,
    /// The load balancer, from a file in webroot/ below the certificate root
    Webroot,
}

/// An external account. It has no `Debug`, for a key is in it.
pub(crate) struct External {
    pub(crate) key_id: String,
    pub(crate) hmac_key: Vec<u8>,
}

impl AcmeSettings {
    /// Checks what can be checked before anything is started.
    pub(super) fn check(&self) -> Result<(), SettingError> {
        self.external().map(|_| ())
    }

    /// The external account to bind a new account to.
    ///
    /// # Errors
    /// When only half of it is set, or the file holds no key.
    pub(crate) fn external(&self) -> Result<Option<External>, SettingError> {
        let (id, file) = (self.eab_key_id.trim(), self.eab_hmac_key_file.as_str());
        match (id.is_empty(), file.is_empty()) {
            (true, true) => Ok(None),
            (false, false) => Ok(Some(External {
                key_id: id.to_owned(),
                hmac_key: hmac_key(Path::new(file))?,
            })),
            _ => Err(SettingError::HalfExternal),
        }
    }
}

fn hmac_key(file: &Path) -> Result<Vec<u8>, SettingError> {
    let failed = |why: String| SettingError::ExternalKey {
        file: file.to_owned(),
        why,
    };
    let text = fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let text = text.trim();
    // Some authorities pad it, some do not. What it decodes to is not shown.
    let key = URL_SAFE_NO_PAD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text));
    let key = key.map_err(|_| failed("expected base64url, found something else".to_owned()))?;
    if key.is_empty() {
        return Err(failed("expected a key, found nothing".to_owned()));
    }
    Ok(key)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&number: &usize| number > 0);
    number.ok_or_else(|| "expected a number, 1 or more".to_owned())
}
