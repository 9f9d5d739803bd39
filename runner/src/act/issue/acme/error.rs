//! Why a certificate authority gave no certificate, and what to do about it.

use std::error::Error as StdError;
use std::fmt;

use instant_acme::{Error, Identifier, Problem};
use jiff::Timestamp;

use super::client::{Heard, TransportError};
use crate::act::issue::dns::{DnsError, DnsErrorClass};
use crate::model::Challenge;

/// What kind of failure it was, as far as it matters to when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcmeErrorClass {
    /// A limit of the authority is reached: not before it says so.
    RateLimited,
    /// The authority cannot do it now; it may soon.
    Unavailable,
    /// It refused nonce after nonce, although each was fresh.
    BadNonce,
    /// It looked and did not find the answer to its challenge.
    ValidationFailed,
    /// It does not issue for one of the names.
    RejectedIdentifier,
    /// Something is wrong with the account: until a person mends it.
    Account,
    /// The certificate that the order replaces was replaced already.
    AlreadyReplaced,
    /// It refused for another reason.
    Refused,
    /// It could not be reached, or the connection broke.
    Network,
    /// What it answered cannot be used.
    Malformed,
    /// Who keeps the zone of a name refused the record of a challenge: until a
    /// person mends a setting.
    DnsRefused,
    /// A DNS server or the provider did not answer, or could not do it now.
    DnsUnavailable,
    /// The record was written, and not every server of its zone showed it in time.
    DnsNotSeen,
    /// It was the runner that failed: its files, its own listener.
    Local,
}

/// What the authority said (RFC 7807, RFC 8555 section 6.7).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AcmeProblem {
    /// The problem type without its common beginning, such as `rateLimited`.
    pub kind: String,
    /// The authority's own words.
    pub detail: String,
    /// The HTTP status of the answer, if it said so.
    pub status: Option<u16>,
    /// What was wrong with single names.
    pub subproblems: Vec<AcmeSubproblem>,
}

/// What the authority said of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcmeSubproblem {
    /// The name; empty if it did not say.
    pub name: String,
    /// As [`AcmeProblem::kind`].
    pub kind: String,
    /// The authority's own words.
    pub detail: String,
}

/// A failure to get something from a certificate authority: at which step, what
/// it said, and what to do.
#[derive(Clone, Debug)]
pub struct AcmeError(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    class: AcmeErrorClass,
    doing: String,
    found: Found,
    retry_after: Option<Timestamp>,
    /// By which challenge the names are proved.
    challenge: Challenge,
}

#[derive(Clone, Debug)]
enum Found {
    Problem(AcmeProblem),
    Else(String),
}

const COMMON: &str = "urn:ietf:params:acme:error:";

impl AcmeError {
    /// What kind of failure it was.
    #[must_use]
    pub fn class(&self) -> AcmeErrorClass {
        self.0.class
    }

    /// Before when the authority does not want to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Timestamp> {
        self.0.retry_after
    }

    /// What the authority said, if it was a problem document.
    #[must_use]
    pub fn problem(&self) -> Option<&AcmeProblem> {
        match &self.0.found {
            Found::Problem(problem) => Some(problem),
            Found::Else(_) => None,
        }
    }

    /// Something that no answer of the authority's tells.
    pub(crate) fn new(
        class: AcmeErrorClass,
        doing: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self(Box::new(Parts {
            class,
            doing: doing.into(),
            found: Found::Else(found.into()),
            retry_after: None,
            challenge: Challenge::default(),
        }))
    }

    /// What the client library returned while `doing` something, with what was
    /// heard last on its connection.
    pub(super) fn of(doing: impl Into<String>, error: &Error, heard: &Heard) -> Self {
        let (class, found) = match error {
            Error::Api(problem) => {
                let problem = AcmeProblem::from(problem);
                (class_of(&problem), Found::Problem(problem))
            }
            Error::Json(_) | Error::Str(_) => unreadable(heard, error),
            Error::Other(other) if other.is::<TransportError>() => (
                AcmeErrorClass::Network,
                Found::Else(with_causes(other.as_ref())),
            ),
            Error::Timeout(_) => (AcmeErrorClass::Unavailable, Found::Else(error.to_string())),
            other => (AcmeErrorClass::Malformed, Found::Else(with_causes(other))),
        };
        Self(Box::new(Parts {
            class,
            doing: doing.into(),
            found,
            retry_after: heard.retry_after,
            challenge: Challenge::default(),
        }))
    }

    /// What kept the record of a challenge from being seen.
    pub(super) fn of_dns(doing: impl Into<String>, error: &DnsError) -> Self {
        let class = match error.class() {
            DnsErrorClass::Refused => AcmeErrorClass::DnsRefused,
            DnsErrorClass::Unavailable => AcmeErrorClass::DnsUnavailable,
            DnsErrorClass::NotSeen => AcmeErrorClass::DnsNotSeen,
            DnsErrorClass::Local => AcmeErrorClass::Local,
        };
        Self::new(class, doing, error.to_string())
    }

    /// The same, with the challenge by which names are proved.
    pub(super) fn by(mut self, challenge: Challenge) -> Self {
        self.0.challenge = challenge;
        self
    }

    /// The same, with what was heard of when to ask again.
    pub(super) fn heard(mut self, heard: &Heard) -> Self {
        self.0.retry_after = heard.retry_after;
        self
    }

    /// The same, with what the authority said of other names.
    pub(super) fn with_others(mut self, others: impl Iterator<Item = AcmeSubproblem>) -> Self {
        if let Found::Problem(problem) = &mut self.0.found {
            problem.subproblems.extend(others);
        }
        self
    }

    /// What the authority says of an order or of a challenge within an answer
    /// that is none of an error.
    pub(super) fn told(
        class: Option<AcmeErrorClass>,
        doing: impl Into<String>,
        problem: &Problem,
    ) -> Self {
        let problem = AcmeProblem::from(problem);
        Self(Box::new(Parts {
            class: class.unwrap_or_else(|| class_of(&problem)),
            doing: doing.into(),
            found: Found::Problem(problem),
            retry_after: None,
            challenge: Challenge::default(),
        }))
    }
}

/// An answer that is neither what was asked for nor a problem document, as of a
/// proxy whose server is gone.
fn unreadable(heard: &Heard, error: &Error) -> (AcmeErrorClass, Found) {
    let class = match heard.status {
        Some(429) => AcmeErrorClass::RateLimited,
        Some(500..) => AcmeErrorClass::Unavailable,
        _ => AcmeErrorClass::Malformed,
    };
    let status = heard
        .status
        .map(|it| format!("HTTP status {it}, "))
        .unwrap_or_default();
    (class, Found::Else(format!("{status}{error}")))
}

fn class_of(problem: &AcmeProblem) -> AcmeErrorClass {
    use AcmeErrorClass as Class;
    match problem.kind.as_str() {
        "rateLimited" => Class::RateLimited,
        "serverInternal" => Class::Unavailable,
        "badNonce" => Class::BadNonce,
        "caa" | "connection" | "dns" | "incorrectResponse" | "tls" => Class::ValidationFailed,
        "rejectedIdentifier" | "unsupportedIdentifier" => Class::RejectedIdentifier,
        "accountDoesNotExist"
        | "badPublicKey"
        | "badSignatureAlgorithm"
        | "externalAccountRequired"
        | "invalidContact"
        | "unauthorized"
        | "unsupportedContact"
        | "userActionRequired" => Class::Account,
        "alreadyReplaced" => Class::AlreadyReplaced,
        _ => match problem.status {
            Some(429) => Class::RateLimited,
            Some(500..) => Class::Unavailable,
            _ => Class::Refused,
        },
    }
}

impl AcmeSubproblem {
    /// What the authority said of `name`.
    pub(super) fn of(name: &str, problem: &Problem) -> Self {
        Self {
            name: name.to_owned(),
            kind: short(problem.r#type.as_deref()),
            detail: problem.detail.clone().unwrap_or_default(),
        }
    }
}

impl From<&Problem> for AcmeProblem {
    fn from(problem: &Problem) -> Self {
        let subproblems = problem.subproblems.iter().map(|it| AcmeSubproblem {
            name: it.identifier.as_ref().map(name_of).unwrap_or_default(),
            kind: short(it.r#type.as_deref()),
            detail: it.detail.clone().unwrap_or_default(),
        });
        Self {
            kind: short(problem.r#type.as_deref()),
            detail: problem.detail.clone().unwrap_or_default(),
            status: problem.status,
            subproblems: subproblems.collect(),
        }
    }
}

fn short(kind: Option<&str>) -> String {
    let kind = kind.unwrap_or_default();
    kind.strip_prefix(COMMON).unwrap_or(kind).to_owned()
}

/// An identifier, as people write it.
fn name_of(identifier: &Identifier) -> String {
    identifier.authorized(false).to_string()
}

/// An error with all its causes, once each.
pub(in crate::act::issue) fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

impl StdError for AcmeError {}

impl fmt::Display for AcmeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            class,
            doing,
            found,
            retry_after,
            challenge,
        } = self.0.as_ref();
        write!(f, "{doing}: ")?;
        match found {
            Found::Problem(problem) => write!(f, "{problem}")?,
            Found::Else(text) => f.write_str(text)?,
        }
        if let Some(at) = retry_after {
            write!(f, "; not to be asked again before {at}")?;
        }
        match class.advice(*challenge) {
            "" => Ok(()),
            advice => write!(f, "; {advice}"),
        }
    }
}

impl fmt::Display for AcmeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind.as_str() {
            "" => "no problem type",
            kind => kind,
        };
        write!(f, "the authority says: {} ({kind})", self.detail)?;
        for sub in &self.subproblems {
            write!(f, "; {}: {} ({})", sub.name, sub.detail, sub.kind)?;
        }
        Ok(())
    }
}

impl AcmeErrorClass {
    /// What a person can do about it; nothing where waiting is all.
    fn advice(self, challenge: Challenge) -> &'static str {
        match self {
            Self::RateLimited => "waiting is all that helps",
            Self::ValidationFailed if challenge == Challenge::Dns01 => {
                "do the servers that the authority is led to from outside show the record, and does \
                 it take DNSSEC and CAA of the zone for good?"
            }
            Self::ValidationFailed => {
                "does the name lead to this swarm, and does port 80 from outside reach the load \
                 balancer?"
            }
            Self::RejectedIdentifier => {
                "take the name out of rollover.domains, or ask another authority"
            }
            Self::Account => {
                "see --acme-directory, --acme-contact, --acme-agree-terms and the settings of \
                 external accounts"
            }
            Self::Network => {
                "is --acme-directory right, can the runner reach it, and does it trust its \
                 certificate (--acme-ca-file)?"
            }
            Self::DnsUnavailable => "it is tried again; docs/dns.md says what has to be reached",
            Self::DnsNotSeen => {
                "does that server get changes from the primary (notify, transfer), and can the \
                 runner reach it on port 53?"
            }
            // What to do depends on who refused, and is said there.
            Self::DnsRefused
            | Self::Unavailable
            | Self::BadNonce
            | Self::AlreadyReplaced
            | Self::Refused
            | Self::Malformed
            | Self::Local => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> Error {
        Error::Api(serde_json::from_str(json).unwrap())
    }

    fn heard(status: u16, retry_after: Option<&str>) -> Heard {
        Heard {
            status: Some(status),
            retry_after: retry_after.map(|at| at.parse().unwrap()),
            ..Heard::default()
        }
    }

    #[test]
    fn a_person_reads_what_the_authority_said_and_until_when() {
        let error = problem(
            r#"{"type": "urn:ietf:params:acme:error:rateLimited", "status": 429,
                "detail": "too many certificates (5) already issued for this exact set"}"#,
        );
        let error = AcmeError::of("order", &error, &heard(429, Some("2026-11-28T12:00:00Z")));
        assert_eq!(error.class(), AcmeErrorClass::RateLimited);
        insta::assert_snapshot!(error, @"order: the authority says: too many certificates (5) already issued for this exact set (rateLimited); not to be asked again before 2026-11-28T12:00:00Z; waiting is all that helps");
    }

    #[test]
    fn each_name_is_told_with_its_own_problem() {
        let error = problem(
            r#"{"type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "some names",
                "subproblems": [{"type": "urn:ietf:params:acme:error:caa", "detail": "CAA forbids",
                                 "identifier": {"type": "dns", "value": "a.example.org"}}]}"#,
        );
        let error = AcmeError::of("order", &error, &heard(400, None));
        assert_eq!(error.class(), AcmeErrorClass::RejectedIdentifier);
        assert_eq!(
            error.problem().unwrap().subproblems[0].name,
            "a.example.org"
        );
        insta::assert_snapshot!(error, @"order: the authority says: some names (rejectedIdentifier); a.example.org: CAA forbids (caa); take the name out of rollover.domains, or ask another authority");
    }

    #[test]
    fn classes() {
        let class = |kind: &str| {
            let json = format!(r#"{{"type": "{COMMON}{kind}", "detail": ""}}"#);
            AcmeError::of("ask", &problem(&json), &heard(400, None)).class()
        };
        assert_eq!(class("unauthorized"), AcmeErrorClass::Account);
        assert_eq!(class("dns"), AcmeErrorClass::ValidationFailed);
        assert_eq!(class("serverInternal"), AcmeErrorClass::Unavailable);
        assert_eq!(class("alreadyReplaced"), AcmeErrorClass::AlreadyReplaced);
        assert_eq!(class("badCSR"), AcmeErrorClass::Refused);
        let no_json = || Error::Json(serde_json::from_str::<u8>("<html>").unwrap_err());
        let class = |status| AcmeError::of("ask", &no_json(), &heard(status, None)).class();
        assert_eq!(class(503), AcmeErrorClass::Unavailable);
        assert_eq!(class(429), AcmeErrorClass::RateLimited);
        assert_eq!(class(200), AcmeErrorClass::Malformed);
    }
}
