//! Who asks, and whether they may (RFC 8555, sections 6.2 to 6.5).

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use wiremock::{Request, http::HeaderMap};

use super::{
    jws::{Jws, Signer},
    key::PublicKey,
    problem::{Problem, ProblemType},
    world::World,
};

const JOSE: &str = "application/jose+json";

/// A request, and the URL that the client must have meant.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) path: &'a str,
    /// Scheme, host and port of this server, as the client knows it.
    pub(crate) base: String,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(request: &'a Request) -> Self {
        let host = header(&request.headers, "host").unwrap_or("localhost");
        Self {
            method: request.method.as_str(),
            headers: &request.headers,
            body: &request.body,
            path: request.url.path(),
            base: format!("https://{host}"),
        }
    }

    pub(crate) fn url(&self) -> String {
        self.at(self.path)
    }

    /// The URL of a path on this server.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) fn account_url(&self, id: &str) -> String {
        self.at(&format!("/account/{id}"))
    }
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// How a resource wants to be told who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// By the key itself: there need be no account.
    Key,
    /// By the URL of an account.
    Account,
    /// Either: the account's, or the certificate's key.
    Either,
}

/// A request whose signature, URL and nonce have been checked.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) key: PublicKey,
    /// The account, where it was named.
    pub(crate) account: Option<String>,
    pub(crate) payload: Vec<u8>,
}

impl Post {
    /// Checks everything that makes a request genuine, and takes its nonce.
    pub(crate) fn verify(world: &mut World, asked: &Asked<'_>, by: By) -> Result<Self, Problem> {
        check_headers(asked.headers)?;
        let jws = Jws::parse(asked.body)?;
        let (key, account) = signer(world, asked, &jws, by)?;
        jws.verify(&key)?;
        let Some(url) = &jws.url else {
            return Err(Problem::malformed("the protected header has no url"));
        };
        // It is gone from now on, whatever else is wrong.
        if !jws
            .nonce
            .as_ref()
            .is_some_and(|nonce| world.nonces.remove(nonce))
        {
            let detail = format!(
                "expected a nonce that was given out and not used, found {:?}",
                jws.nonce
            );
            return Err(Problem::new(ProblemType::BadNonce, detail));
        }
        if *url != asked.url() {
            let detail = format!(
                "expected {:?} as url in the protected header, found {url:?}",
                asked.url()
            );
            return Err(Problem::malformed(detail));
        }
        let payload = jws.payload;
        Ok(Self {
            key,
            account,
            payload,
        })
    }

    /// As [`verify`](Self::verify), by an account that may act; its ID is returned.
    pub(crate) fn of_account(
        world: &mut World,
        asked: &Asked<'_>,
    ) -> Result<(Self, String), Problem> {
        let post = Self::verify(world, asked, By::Account)?;
        let id = post.account.clone().unwrap_or_default();
        active(world, &id)?;
        Ok((post, id))
    }

    /// As [`of_account`](Self::of_account), for a look (RFC 8555, section 6.3).
    pub(crate) fn as_get(world: &mut World, asked: &Asked<'_>) -> Result<String, Problem> {
        let post = Self::verify(world, asked, By::Account)?;
        if !post.is_look() {
            return Err(Problem::malformed(
                "expected an empty payload: a look is POST-as-GET",
            ));
        }
        let id = post.account.unwrap_or_default();
        active(world, &id)?;
        Ok(id)
    }

    pub(crate) fn is_look(&self) -> bool {
        self.payload.is_empty()
    }

    /// The payload, which must be an object.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let wrong =
            |error| Problem::malformed(format!("the payload is not what it must be: {error}"));
        // From an array serde would take the members in turn.
        let members: Map<String, Value> = serde_json::from_slice(&self.payload).map_err(wrong)?;
        serde_json::from_value(members.into()).map_err(wrong)
    }
}

fn active(world: &World, id: &str) -> Result<(), Problem> {
    if world.accounts.get(id).is_some_and(|account| account.active) {
        return Ok(());
    }
    Err(Problem::unauthorized("the account is deactivated"))
}

fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = header(headers, "content-type");
    if content_type != Some(JOSE) {
        let detail = format!("expected {JOSE:?} as Content-Type, found {content_type:?}");
        return Err(Problem::malformed(detail).status(415));
    }
    if headers.contains_key("replay-nonce") {
        let detail = "a request has its nonce in the protected header, not in Replay-Nonce";
        return Err(Problem::malformed(detail));
    }
    Ok(())
}

fn signer(
    world: &World,
    asked: &Asked<'_>,
    jws: &Jws,
    by: By,
) -> Result<(PublicKey, Option<String>), Problem> {
    match (&jws.signer, by) {
        (Signer::Key(key), By::Key | By::Either) => Ok((key.clone(), None)),
        (Signer::Key(_), By::Account) => Err(Problem::malformed("expected a kid, found a jwk")),
        (Signer::Account(_), By::Key) => Err(Problem::malformed("expected a jwk, found a kid")),
        (Signer::Account(url), By::Account | By::Either) => {
            let prefix = asked.account_url("");
            let id = url.strip_prefix(&prefix).filter(|id| !id.is_empty());
            let id = id.ok_or_else(|| {
                Problem::malformed(format!("expected {prefix}… as kid, found {url:?}"))
            })?;
            let account = world.accounts.get(id).ok_or_else(|| {
                Problem::new(
                    ProblemType::AccountDoesNotExist,
                    format!("there is no account {url}"),
                )
            })?;
            Ok((account.key.clone(), Some(id.to_owned())))
        }
    }
}
