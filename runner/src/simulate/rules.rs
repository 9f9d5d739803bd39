//! What the model of an authority is told: its limits, profiles and windows. A
//! file of JSON, or Let's Encrypt's as it documents them.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::limit::Limit;
use crate::decide::renewal::AriAnswer;

/// All that an authority does, as far as it matters to when one renews.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    pub(crate) name: String,
    /// Its profiles, and how many of the certificates have each.
    pub(crate) profiles: Vec<Profile>,
    pub(crate) limits: Limits,
    /// Absent: it suggests no times (RFC 9773).
    #[serde(default)]
    pub(crate) ari: Option<Windows>,
    /// How many of all validations fail for a reason of the site's own, in 0..1.
    #[serde(default)]
    pub(crate) validation_failures: f64,
    /// How many certificates share one registered domain.
    #[serde(default = "one")]
    pub(crate) certificates_per_domain: u32,
}

/// A kind of certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) name: String,
    /// How many of the certificates have it, as a part of the sum of all shares.
    pub(crate) share: f64,
    /// How long what is issued lives, from each of these dates on, oldest first.
    pub(crate) lives: Vec<Life>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Life {
    /// Absent: since ever.
    #[serde(default)]
    pub(crate) from: Option<Timestamp>,
    pub(crate) hours: u32,
}

/// Its limits; one that is absent does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Orders of one account.
    #[serde(default)]
    pub(crate) orders_per_account: Option<Limit>,
    /// Certificates below one registered domain.
    #[serde(default)]
    pub(crate) certificates_per_domain: Option<Limit>,
    /// Certificates for one exact set of names.
    #[serde(default)]
    pub(crate) certificates_per_set: Option<Limit>,
    /// Failed validations of one name by one account.
    #[serde(default)]
    pub(crate) failed_validations: Option<Limit>,
}

/// The windows that it suggests: around two thirds of the life, or the half of
/// one that is shorter than ten days.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Windows {
    /// How long a window is, as a part of the life.
    pub(crate) length: f64,
    pub(crate) retry_after_seconds: u32,
}

/// Why there are no rules to simulate by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RulesError {
    #[error(
        "--ca {}: expected `letsencrypt` or a file of JSON (see docs/simulate.md): {source}",
        path.display()
    )]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("--ca {}: expected the rules of an authority (see docs/simulate.md): {source}", path.display())]
    Json {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("--ca {}: {what}", path.display())]
    Senseless { path: PathBuf, what: &'static str },
}

fn one() -> u32 {
    1
}

/// The longest life that is simulated: a hundred years, in hours.
const LONGEST: u32 = 100 * 8766;
/// Below this, an authority suggests the half of a life.
const SHORT: SignedDuration = SignedDuration::from_hours(24 * 10);

impl Rules {
    /// The rules that `given` names: `letsencrypt`, or a file.
    ///
    /// # Errors
    /// When there is no such file, or it holds something else.
    pub(crate) fn read(given: &str) -> Result<Self, RulesError> {
        if given == "letsencrypt" {
            return Ok(Self::letsencrypt());
        }
        let path = Path::new(given);
        let text = std::fs::read_to_string(path).map_err(|source| RulesError::Read {
            path: path.to_owned(),
            source,
        })?;
        let rules: Self = serde_json::from_str(&text).map_err(|source| RulesError::Json {
            path: path.to_owned(),
            source,
        })?;
        match rules.senseless() {
            Some(what) => Err(RulesError::Senseless {
                path: path.to_owned(),
                what,
            }),
            None => Ok(rules),
        }
    }

    fn senseless(&self) -> Option<&'static str> {
        let limits = [
            self.limits.orders_per_account,
            self.limits.certificates_per_domain,
            self.limits.certificates_per_set,
            self.limits.failed_validations,
        ];
        let profiles = &self.profiles;
        let lives = || profiles.iter().flat_map(|profile| &profile.lives);
        if profiles.is_empty() || profiles.iter().any(|profile| profile.lives.is_empty()) {
            Some("expected at least one profile, each with at least one life")
        } else if lives().any(|life| !(1..=LONGEST).contains(&life.hours)) {
            Some("expected lives of an hour or more, and not above a hundred years")
        } else if !profiles.iter().all(|profile| profile.share > 0.0) {
            Some("expected each profile's share to be above 0")
        } else if !(0.0..1.0).contains(&self.validation_failures) {
            Some("expected validation_failures from 0 to below 1")
        } else if self.certificates_per_domain == 0 {
            Some("expected certificates_per_domain of 1 or more")
        } else if limits
            .into_iter()
            .flatten()
            .any(|limit| !limit.is_sensible())
        {
            Some("expected limits of 1 or more within a second or more")
        } else if self
            .ari
            .is_some_and(|ari| !(ari.length > 0.0 && ari.length < 0.5))
        {
            Some("expected ari.length above 0 and below 0.5")
        } else {
            None
        }
    }

    /// Let's Encrypt's: limits from letsencrypt.org/docs/rate-limits, dates from
    /// its announcement of shorter lives, windows as Boulder makes them.
    pub(crate) fn letsencrypt() -> Self {
        let limit = |count, hours: u32| {
            Some(Limit {
                count,
                seconds: hours * 3600,
            })
        };
        Self {
            name: "Let's Encrypt".to_owned(),
            profiles: letsencrypt_profiles(),
            limits: Limits {
                orders_per_account: limit(300, 3),
                certificates_per_domain: limit(50, 168),
                certificates_per_set: limit(5, 168),
                failed_validations: limit(5, 1),
            },
            ari: Some(Windows {
                length: 0.02,
                retry_after_seconds: 6 * 3600,
            }),
            validation_failures: 0.02,
            certificates_per_domain: 20,
        }
    }
}

fn letsencrypt_profiles() -> Vec<Profile> {
    let from = |date: &str, hours| Life {
        from: date.parse().ok(),
        hours,
    };
    let always = |hours| Life { from: None, hours };
    let profile = |name: &str, share, lives| Profile {
        name: name.to_owned(),
        share,
        lives,
    };
    let classic = vec![
        always(90 * 24),
        from("2027-02-10T00:00:00Z", 64 * 24),
        from("2028-02-16T00:00:00Z", 45 * 24),
    ];
    vec![
        profile("classic", 0.6, classic),
        profile("tlsserver", 0.25, vec![always(45 * 24)]),
        profile("shortlived", 0.15, vec![always(160)]),
    ]
}

impl Profile {
    /// How long a certificate lives that is issued at `at`.
    pub(crate) fn life(&self, at: Timestamp) -> SignedDuration {
        let begun = |life: &&Life| life.from.is_none_or(|from| from <= at);
        let life = self.lives.iter().rfind(begun).or(self.lives.first());
        SignedDuration::from_hours(life.map_or(1, |life| i64::from(life.hours)))
    }
}

impl Windows {
    /// What is answered of a certificate with these dates.
    pub(super) fn answer(&self, begins: Timestamp, ends: Timestamp) -> AriAnswer {
        AriAnswer {
            window: Some(self.of(begins, ends)),
            retry_after: Some(SignedDuration::from_secs(self.retry_after_seconds.into())),
        }
    }

    fn of(&self, begins: Timestamp, ends: Timestamp) -> (Timestamp, Timestamp) {
        let life = ends.duration_since(begins);
        let middle = ends - if life < SHORT { life / 2 } else { life / 3 };
        let half = life.as_secs_f64() * self.length / 2.0;
        let half = SignedDuration::try_from_secs_f64(half.round()).unwrap_or_default();
        (middle - half, middle + half)
    }
}
