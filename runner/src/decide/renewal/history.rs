//! What is remembered of one certificate, across restarts and on any node.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use super::ari::{Ari, AriAnswer, AriFailure};
use super::time::{WEEK, before, whole};
use crate::model::{Digest, Fingerprint};

/// The form in which a history is written. Raised when an older runner would
/// misread it; a field that may be missing is no reason.
const FORM: u16 = 1;
/// How many issuances are kept at most: a week of all that the budget allows,
/// and of what persons force besides. It bounds the size of what is stored.
const KEPT: usize = 12;

/// One certificate's history with one authority. Nothing in it is private; as
/// JSON it is far below 2 KiB.
///
/// Guarantees: what is remembered of failures and budgets is of one authority; an
/// order to another begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct History {
    #[serde(deserialize_with = "known_form")]
    form: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authority: Option<Digest>,
    /// Oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    issuances: Vec<Issuance>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Last>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failures: Option<Failures>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ari: Option<Ari>,
}

/// A success, as far as the budget needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Issuance {
    at: Timestamp,
    names: Digest,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    exempt: bool,
}

/// The last success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Last {
    pub(super) at: Timestamp,
    pub(super) certificate: Fingerprint,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replaced: Option<Fingerprint>,
}

/// Failures in a row, up to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failures {
    pub(super) in_a_row: u32,
    pub(super) at: Timestamp,
    pub(super) class: FailureClass,
    /// In seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retry_after: Option<i64>,
}

/// An order that was carried out, well or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) authority: Digest,
    /// The set of names that was asked for.
    pub(crate) names: Digest,
    /// The certificate that was published when it was asked, a placeholder apart.
    pub(crate) replaced: Option<Fingerprint>,
    /// Whether the authority counts it against no limit.
    pub(crate) exempt: bool,
}

/// How an order failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) class: FailureClass,
    /// What the authority asked for, if it did.
    pub(crate) retry_after: Option<SignedDuration>,
}

/// Whose turn it is to do something about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureClass {
    /// No answer from the authority.
    Unreachable,
    /// The authority failed, or did not answer as RFC 8555 says.
    Server,
    /// It refused because of a limit.
    RateLimited,
    /// It did not find the challenge answered.
    Validation,
    /// It refuses the account, the names or the profile, and will again.
    Refused,
    /// It issued, or would have: but a key, a file or a volume failed here.
    Local,
}

impl FailureClass {
    /// Whether it is about the names, and so meets every order for them.
    pub(super) fn is_about_the_names(self) -> bool {
        match self {
            Self::RateLimited | Self::Validation => true,
            Self::Unreachable | Self::Server | Self::Refused | Self::Local => false,
        }
    }
}

fn known_form<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let form = u16::deserialize(deserializer)?;
    if form > FORM {
        return Err(serde::de::Error::custom(format!(
            "it was written by a later version of rollover, in form {form}: expected at most \
             {FORM}; run the version that wrote it"
        )));
    }
    Ok(form)
}

impl Default for History {
    fn default() -> Self {
        Self {
            form: FORM,
            authority: None,
            issuances: Vec::new(),
            last: None,
            failures: None,
            ari: None,
        }
    }
}

impl History {
    /// Remembers that `certificate` was issued and published at `at`.
    pub(crate) fn issued(&mut self, at: Timestamp, order: &Order, certificate: Fingerprint) {
        self.turn_to(order.authority);
        let at = whole(at);
        let since = before(at, WEEK);
        self.issuances.retain(|issuance| issuance.at > since);
        self.issuances.push(Issuance {
            at,
            names: order.names,
            exempt: order.exempt,
        });
        let too_many = self.issuances.len().saturating_sub(KEPT);
        self.issuances.drain(..too_many);
        self.last = Some(Last {
            at,
            certificate,
            replaced: order.replaced,
        });
        self.failures = None;
        self.ari = None;
    }

    /// Remembers that an order failed at `at`.
    pub(crate) fn failed(&mut self, at: Timestamp, order: &Order, failure: Failure) {
        self.turn_to(order.authority);
        let before = self.failures.map_or(0, |failures| failures.in_a_row);
        self.failures = Some(Failures {
            in_a_row: before.saturating_add(1),
            at: whole(at),
            class: failure.class,
            retry_after: failure.retry_after.map(|span| span.as_secs()),
        });
    }

    /// Remembers what the authority answered at `at` of the renewal of
    /// `certificate`. The moment in the window is drawn here, once.
    pub(crate) fn ari_answered(
        &mut self,
        at: Timestamp,
        certificate: Fingerprint,
        answer: &AriAnswer,
    ) {
        self.ari_of(certificate).answered(at, answer);
    }

    /// Remembers that it gave no answer at `at`.
    pub(crate) fn ari_failed(
        &mut self,
        at: Timestamp,
        certificate: Fingerprint,
        failure: AriFailure,
    ) {
        self.ari_of(certificate).failed(at, failure);
    }

    /// What is known of the renewal of `certificate`; what was known of another is
    /// forgotten.
    fn ari_of(&mut self, certificate: Fingerprint) -> &mut Ari {
        if !self
            .ari
            .as_ref()
            .is_some_and(|ari| ari.is_about(certificate))
        {
            self.ari = None;
        }
        self.ari.get_or_insert_with(|| Ari::of(certificate))
    }

    /// Another authority has other limits, and has refused nothing yet. A
    /// certificate that it did not see is none the less there.
    fn turn_to(&mut self, authority: Digest) {
        if self.authority != Some(authority) {
            self.authority = Some(authority);
            self.issuances.clear();
            self.failures = None;
        }
    }

    /// When they were issued, and whether the authority counted it.
    pub(super) fn issuances_of(
        &self,
        authority: Digest,
        names: Digest,
    ) -> impl Iterator<Item = (Timestamp, bool)> {
        let same = self.authority == Some(authority);
        let issuances = self.issuances.iter().filter(move |_| same);
        issuances
            .filter(move |issuance| issuance.names == names)
            .map(|issuance| (issuance.at, !issuance.exempt))
    }

    /// The orders that the authority counted against the account, as far as they
    /// are known: those that succeeded, and the last that it has refused.
    pub(crate) fn orders_that_count(&self) -> impl Iterator<Item = Timestamp> {
        let issued = self.issuances.iter().filter(|issuance| !issuance.exempt);
        let refused = self.failures.iter().filter(|failures| {
            !matches!(
                failures.class,
                FailureClass::Unreachable | FailureClass::Local
            )
        });
        issued
            .map(|issuance| issuance.at)
            .chain(refused.map(|failures| failures.at))
    }

    /// Whether the last issuance was of this certificate.
    pub(super) fn has_issued(&self, certificate: Fingerprint) -> bool {
        self.last
            .is_some_and(|last| last.certificate == certificate)
    }

    pub(super) fn failures_with(&self, authority: Digest) -> Option<&Failures> {
        let failures = self.failures.as_ref();
        failures.filter(|_| self.authority == Some(authority))
    }

    pub(super) fn last(&self) -> Option<&Last> {
        self.last.as_ref()
    }

    pub(super) fn ari(&self) -> Option<&Ari> {
        self.ari.as_ref()
    }
}
