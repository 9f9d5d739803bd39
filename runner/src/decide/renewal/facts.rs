//! What the policy is asked about.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::draw::draw;
use super::shared::Shared;
use super::time::{DAY, before, part};
use crate::model::{Digest, Fingerprint, Leaf};

/// One certificate, as it is wanted and as it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The set of names that is wanted.
    pub(crate) wanted: Digest,
    /// The authority that is asked.
    pub(crate) authority: Digest,
    pub(crate) current: Current,
    /// A person wants it renewed now.
    pub(crate) forced: bool,
    /// What is known of other certificates for the same names.
    #[serde(default)]
    pub(crate) shared: Shared,
}

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Current {
    Missing,
    Placeholder,
    /// Files that are no pair, or cannot be read, in all looks since then.
    Broken {
        since: Timestamp,
    },
    Issued(Issued),
}

/// A certificate of an authority's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Issued {
    /// Tells this certificate from any other, as its ARI identifier (the issuer's
    /// key and the serial number) does.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) names: Digest,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// Its own part of the spread, in 0..1: by [`Issued::share_of`].
    pub(crate) share: Share,
}

/// A number in 0..1 as 32 bits, so that it can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Share(u32);

impl Share {
    fn get(self) -> f64 {
        f64::from(self.0) / (f64::from(u32::MAX) + 1.0)
    }
}

/// How much of a life the renewals of certificates with the same dates are
/// spread over, where the authority says nothing: a tenth. Ten thousand of 90
/// days are then 46 an hour.
const SPREAD: f64 = 0.1;
/// Lives below this are renewed at their half.
const SHORT: SignedDuration = SignedDuration::from_hours(24 * 10);

impl Issued {
    /// What the policy needs to know of a leaf.
    pub(crate) fn of(leaf: &Leaf) -> Self {
        Self {
            fingerprint: leaf.fingerprint,
            names: Digest::of_names(leaf.names.iter().map(String::as_str)),
            not_before: leaf.not_before,
            not_after: leaf.not_after,
            share: Self::share_of(leaf.fingerprint),
        }
    }

    /// The share of the spread that a certificate has.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is drawn is in 0..1, and its first 32 bits are enough"
    )]
    pub(crate) fn share_of(fingerprint: Fingerprint) -> Share {
        let drawn = draw(&["spread", &fingerprint.to_string()]);
        Share((drawn * (f64::from(u32::MAX) + 1.0)) as u32)
    }

    /// How long it is valid in all.
    pub(super) fn life(&self) -> SignedDuration {
        self.not_after
            .duration_since(self.not_before)
            .max(SignedDuration::ZERO)
    }

    /// When it is to be renewed if the authority names no window.
    pub(super) fn renewal_at(&self) -> Timestamp {
        let life = self.life();
        let left = if life < SHORT { 1.0 / 2.0 } else { 1.0 / 3.0 };
        before(self.not_after, part(life, left + SPREAD * self.share.get()))
    }

    /// From when on it is an emergency: a twentieth of its life is left.
    pub(super) fn nears_expiry_at(&self) -> Timestamp {
        before(self.not_after, self.life() / 20)
    }

    /// Over how long issuances of its set of names are counted: an authority's
    /// week, or its life if that is so short that a week would not do.
    pub(super) fn budget_period(&self) -> SignedDuration {
        let life = self.life();
        if life < DAY * 6 {
            life
        } else {
            super::time::WEEK
        }
    }
}

impl Current {
    /// The certificate, if an authority issued it.
    pub(super) fn issued(&self) -> Option<&Issued> {
        match self {
            Self::Issued(issued) => Some(issued),
            Self::Missing | Self::Placeholder | Self::Broken { .. } => None,
        }
    }
}
