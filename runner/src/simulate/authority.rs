//! The model of an authority: what it answers to an order, by its limits.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::limit::{Bucket, Limit};
use super::rules::Rules;

/// One of its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LimitName {
    OrdersPerAccount,
    CertificatesPerDomain,
    CertificatesPerSet,
    FailedValidations,
}

/// An order, as the authority sees it.
pub(super) struct Asked {
    /// Which certificate: it stands for its set of names as well.
    pub(super) certificate: usize,
    /// The window that the authority gave the certificate that this replaces.
    pub(super) replaces: Option<(Timestamp, Timestamp)>,
    /// Whether the site answers the challenge.
    pub(super) can_be_validated: bool,
}

/// What it answers.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    Issued,
    Invalid,
    Limited { retry_after: SignedDuration },
}

pub(super) struct Authority<'a> {
    rules: &'a Rules,
    account: Bucket,
    domains: Vec<Bucket>,
    sets: Vec<Set>,
    /// How often each limit refused an order.
    pub(super) hits: BTreeMap<LimitName, u64>,
}

/// What it remembers of one set of names.
#[derive(Clone, Default)]
struct Set {
    issued: Bucket,
    failed: Bucket,
    /// It was issued before: what comes now is a renewal.
    known: bool,
}

impl<'a> Authority<'a> {
    pub(super) fn new(rules: &'a Rules, certificates: usize) -> Self {
        Self {
            rules,
            account: Bucket::default(),
            domains: vec![Bucket::default(); certificates],
            sets: vec![Set::default(); certificates],
            hits: BTreeMap::new(),
        }
    }

    /// Takes an order at `at`. A refusal costs nothing, as with Let's Encrypt.
    pub(super) fn order(&mut self, asked: &Asked, at: Timestamp) -> Reply {
        let exempt = asked
            .replaces
            .is_some_and(|(start, end)| start <= at && at < end);
        if !exempt && let Some((name, retry_after)) = self.refused(asked.certificate, at) {
            *self.hits.entry(name).or_default() += 1;
            return Reply::Limited { retry_after };
        }
        self.spend(asked, at, exempt)
    }

    /// The limit that stands longest in the way.
    fn refused(&self, certificate: usize, at: Timestamp) -> Option<(LimitName, SignedDuration)> {
        let (limits, set) = (&self.rules.limits, self.sets.get(certificate)?);
        let wait = |limit: Option<Limit>, bucket: &Bucket| bucket.wait(limit?, at);
        // The same names again are a renewal, and no more work for anybody.
        let first = |limit: Option<Limit>| limit.filter(|_| !set.known);
        let domain = self.domains.get(self.domain(certificate))?;
        [
            (
                LimitName::OrdersPerAccount,
                wait(first(limits.orders_per_account), &self.account),
            ),
            (
                LimitName::CertificatesPerDomain,
                wait(first(limits.certificates_per_domain), domain),
            ),
            (
                LimitName::CertificatesPerSet,
                wait(limits.certificates_per_set, &set.issued),
            ),
            (
                LimitName::FailedValidations,
                wait(limits.failed_validations, &set.failed),
            ),
        ]
        .into_iter()
        .filter_map(|(name, wait)| Some((name, wait?)))
        .max_by_key(|(_, wait)| *wait)
    }

    fn spend(&mut self, asked: &Asked, at: Timestamp, exempt: bool) -> Reply {
        let domain = self.domain(asked.certificate);
        let limits = &self.rules.limits;
        let Some(set) = self.sets.get_mut(asked.certificate) else {
            return Reply::Invalid;
        };
        let take = |limit: Option<Limit>, bucket: &mut Bucket| {
            if let Some(limit) = limit {
                bucket.take(limit, at);
            }
        };
        if !exempt && !set.known {
            take(limits.orders_per_account, &mut self.account);
        }
        if !asked.can_be_validated {
            take(limits.failed_validations, &mut set.failed);
            return Reply::Invalid;
        }
        if !exempt {
            take(limits.certificates_per_set, &mut set.issued);
        }
        if let Some(domain) = self.domains.get_mut(domain)
            && !exempt
            && !set.known
        {
            take(limits.certificates_per_domain, domain);
        }
        set.known = true;
        Reply::Issued
    }

    fn domain(&self, certificate: usize) -> usize {
        certificate / self.rules.certificates_per_domain.max(1) as usize
    }
}
