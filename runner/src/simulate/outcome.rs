//! What became of it all.

use std::collections::BTreeMap;
use std::fmt;

use jiff::SignedDuration;
use serde::Serialize;

use super::authority::LimitName;
use super::rules::Rules;
use crate::decide::renewal::FailureClass;

/// The result of a simulation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) ca: String,
    pub(crate) certificates: usize,
    pub(crate) days: u32,
    pub(crate) seed: u64,
    pub(crate) restarts: u64,
    /// Orders that reached the authority.
    pub(crate) orders: u64,
    /// Those that replaced a certificate.
    pub(crate) renewals: u64,
    /// How often a certificate expired before it was replaced.
    pub(crate) expired: u64,
    /// Certificates that were never issued.
    pub(crate) never_issued: u64,
    /// Orders that a limit of the authority's refused.
    pub(crate) limit_hits: u64,
    pub(crate) limits: BTreeMap<LimitName, u64>,
    pub(crate) failures: BTreeMap<FailureClass, u64>,
    /// What was left of a certificate's life when it was replaced; below zero, it
    /// had expired.
    #[serde(flatten)]
    pub(crate) margin: Margin,
    pub(crate) peak_orders_per_hour: u32,
    /// How often the authority was asked for the time of a renewal.
    pub(crate) ari_questions: u64,
    pub(crate) profiles: Vec<OfProfile>,
}

/// The part of it that one profile has.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct OfProfile {
    pub(crate) name: String,
    pub(crate) certificates: u64,
    pub(crate) renewals: u64,
    pub(crate) expired: u64,
    #[serde(flatten)]
    pub(crate) margin: Margin,
}

/// The least and the most that was left, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Margin {
    pub(crate) min_margin_seconds: Option<i64>,
    pub(crate) max_margin_seconds: Option<i64>,
}

impl Margin {
    fn saw(&mut self, seconds: i64) {
        let least = self.min_margin_seconds.unwrap_or(seconds);
        let most = self.max_margin_seconds.unwrap_or(seconds);
        self.min_margin_seconds = Some(least.min(seconds));
        self.max_margin_seconds = Some(most.max(seconds));
    }
}

impl Outcome {
    pub(super) fn new(rules: &Rules, certificates: usize, days: u32, seed: u64) -> Self {
        let profiles = rules.profiles.iter().map(|profile| OfProfile {
            name: profile.name.clone(),
            ..OfProfile::default()
        });
        Self {
            ca: rules.name.clone(),
            certificates,
            days,
            seed,
            restarts: 0,
            orders: 0,
            renewals: 0,
            expired: 0,
            never_issued: 0,
            limit_hits: 0,
            limits: BTreeMap::new(),
            failures: BTreeMap::new(),
            margin: Margin::default(),
            peak_orders_per_hour: 0,
            ari_questions: 0,
            profiles: profiles.collect(),
        }
    }

    /// A certificate of that profile was replaced with so much of its life left.
    pub(super) fn renewed(&mut self, profile: usize, left: SignedDuration) {
        let seconds = left.as_secs();
        self.renewals += 1;
        self.margin.saw(seconds);
        if let Some(of) = self.profiles.get_mut(profile) {
            of.renewals += 1;
            of.margin.saw(seconds);
        }
        if left.is_negative() {
            self.has_expired(profile);
        }
    }

    pub(super) fn has_expired(&mut self, profile: usize) {
        self.expired += 1;
        if let Some(of) = self.profiles.get_mut(profile) {
            of.expired += 1;
        }
    }

    pub(super) fn failed(&mut self, class: FailureClass) {
        *self.failures.entry(class).or_default() += 1;
    }

    /// Whether each was issued, none expired, and no limit was hit.
    pub(crate) fn is_good(&self) -> bool {
        self.expired == 0 && self.never_issued == 0 && self.limit_hits == 0
    }
}

/// A duration as a person wants it: `28d 7h`, `3h 12m`.
fn span(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else {
        return "-".to_owned();
    };
    let (sign, of) = (if seconds < 0 { "-" } else { "" }, seconds.abs());
    let (days, hours, minutes) = (of / 86_400, of / 3600 % 24, of / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{sign}{minutes}m"),
        (0, _) => format!("{sign}{hours}h {minutes}m"),
        _ => format!("{sign}{days}d {hours}h"),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} certificates, {} days, {}, seed {}, {} restarts\n",
            self.certificates, self.days, self.ca, self.seed, self.restarts
        )?;
        writeln!(
            f,
            "{:<12} {:>12} {:>10} {:>8} {:>11} {:>11}",
            "profile", "certificates", "renewals", "expired", "least left", "most left"
        )?;
        for of in &self.profiles {
            let (least, most) = (of.margin.min_margin_seconds, of.margin.max_margin_seconds);
            writeln!(
                f,
                "{:<12} {:>12} {:>10} {:>8} {:>11} {:>11}",
                of.name,
                of.certificates,
                of.renewals,
                of.expired,
                span(least),
                span(most)
            )?;
        }
        writeln!(f)?;
        self.write_counts(f)
    }
}

impl Outcome {
    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, count: u64| writeln!(f, "{name:<28} {count:>9}");
        line("orders", self.orders)?;
        line("most orders in an hour", self.peak_orders_per_hour.into())?;
        line("questions for the time", self.ari_questions)?;
        for (class, count) in &self.failures {
            line(&format!("failed, {}", short(*class)), *count)?;
        }
        line("refused by a limit", self.limit_hits)?;
        for (name, count) in &self.limits {
            let name = match name {
                LimitName::OrdersPerAccount => "  orders of the account",
                LimitName::CertificatesPerDomain => "  certificates of a domain",
                LimitName::CertificatesPerSet => "  certificates of a set",
                LimitName::FailedValidations => "  failed validations",
            };
            line(name, *count)?;
        }
        line("never issued", self.never_issued)?;
        line("expired", self.expired)
    }
}

fn short(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Unreachable => "no answer",
        FailureClass::Server => "error of the server",
        FailureClass::RateLimited => "limit",
        FailureClass::Validation => "validation",
        FailureClass::Refused => "refused",
        FailureClass::Local => "on this side",
    }
}
