//! How what a replica serves stands against what is published. One judgement,
//! for the plan, the report and the status alike.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::issue;
use crate::model::{CertificateName, ChainFlaw, DomainName, Fingerprint, Leaf, Serving};
use crate::observe::{CertificateView, ReplicaView, Snapshot, TargetView};

/// One replica and one certificate, or a public address and one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "standing")]
pub(crate) enum Standing {
    /// The published certificate, with the published chain, for every name, in
    /// its time.
    Serving,
    /// Another version of it: a rollout is to replace it.
    Stale { serves: Fingerprint },
    /// Nothing was seen.
    Unreachable { why: String },
    /// Something that a rollout would not mend, or must not.
    Wrong {
        serves: Fingerprint,
        flaws: Vec<Flaw>,
    },
}

/// What is wrong with what is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Flaw {
    /// Nothing is published that it could be compared with.
    NothingPublished,
    /// It is another certificate, for these names.
    Another(Vec<String>),
    /// It is newer than what is published.
    Newer,
    Chain(ChainFlaw),
    /// Names of the label that it is not for.
    Names(Vec<DomainName>),
    ExpiredAt(Timestamp),
    NotValidBefore(Timestamp),
}

/// What `serving` is for the certificate `name`.
pub(crate) fn standing(
    snapshot: &Snapshot,
    name: &CertificateName,
    serving: Option<&Serving>,
    now: Timestamp,
) -> Standing {
    let leaf = match serving {
        Some(Serving::Leaf(leaf)) => leaf,
        Some(Serving::Unreachable(why)) => return Standing::Unreachable { why: why.clone() },
        None => {
            let why = "it was not asked".to_owned();
            return Standing::Unreachable { why };
        }
    };
    let view = snapshot.certificates.get(name);
    let compared = view.and_then(|view| Some((view, view.published.leaf()?)));
    let flaws = match compared {
        None => vec![Flaw::NothingPublished],
        Some((view, published)) if published.fingerprint == leaf.fingerprint => {
            flaws(view, published, leaf, now)
        }
        Some((view, published)) => {
            match not_to_be_replaced(snapshot, name, view, published, leaf) {
                Some(flaw) => vec![flaw],
                None => {
                    let serves = leaf.fingerprint;
                    return Standing::Stale { serves };
                }
            }
        }
    };
    if flaws.is_empty() {
        return Standing::Serving;
    }
    let serves = leaf.fingerprint;
    Standing::Wrong { serves, flaws }
}

/// Why a leaf that is served is no earlier version of the published one.
fn not_to_be_replaced(
    snapshot: &Snapshot,
    name: &CertificateName,
    view: &CertificateView,
    published: &Leaf,
    leaf: &Leaf,
) -> Option<Flaw> {
    if leaf.placeholder && !issue::is_the_other(snapshot, name, view, leaf) {
        return None;
    }
    if !issue::is_it(snapshot, name, view, leaf) {
        return Some(Flaw::Another(leaf.names.clone()));
    }
    // A placeholder that is published replaces nothing, however new it is.
    (published.placeholder || leaf.not_before > published.not_before).then_some(Flaw::Newer)
}

/// What is wrong with the published certificate as it is served.
fn flaws(view: &CertificateView, published: &Leaf, leaf: &Leaf, now: Timestamp) -> Vec<Flaw> {
    let chain = leaf.chain.flaw(&published.chain).map(Flaw::Chain);
    let missing: Vec<DomainName> = view
        .domains
        .iter()
        .filter(|domain| !leaf.is_for(domain))
        .cloned()
        .collect();
    let names = (!missing.is_empty()).then_some(Flaw::Names(missing));
    let expired = (leaf.not_after < now).then_some(Flaw::ExpiredAt(leaf.not_after));
    let early = (leaf.not_before > now).then_some(Flaw::NotValidBefore(leaf.not_before));
    [chain, names, expired, early]
        .into_iter()
        .flatten()
        .collect()
}

/// Each replica of a target with each of its certificates.
pub(crate) fn standings<'a>(
    snapshot: &'a Snapshot,
    view: &'a TargetView,
    now: Timestamp,
) -> impl Iterator<Item = (&'a ReplicaView, &'a CertificateName, Standing)> {
    view.replicas.iter().flat_map(move |replica| {
        let names = view.target.certificates.iter().map(|wanted| &wanted.name);
        names.map(move |name| {
            let serving = replica.serving.get(name);
            (replica, name, standing(snapshot, name, serving, now))
        })
    })
}

/// Whether every replica that is wanted serves what is published, and there is
/// at least one.
pub(crate) fn target_in_step(snapshot: &Snapshot, view: &TargetView, now: Timestamp) -> bool {
    let wanted = view.target.desired.unwrap_or(1).max(1);
    view.replicas.len() as u64 >= wanted
        && standings(snapshot, view, now).all(|(_, _, standing)| standing == Standing::Serving)
}

impl Standing {
    /// Every [`name`](Self::name).
    pub(crate) const NAMES: [&'static str; 4] = ["serving", "stale", "unreachable", "wrong"];

    /// The word for it.
    pub(crate) fn name(&self) -> &'static str {
        let [serving, stale, unreachable, wrong] = Self::NAMES;
        match self {
            Self::Serving => serving,
            Self::Stale { .. } => stale,
            Self::Unreachable { .. } => unreachable,
            Self::Wrong { .. } => wrong,
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serving => f.write_str("serves it"),
            Self::Stale { serves } => write!(f, "serves {}", serves.short()),
            Self::Unreachable { why } => write!(f, "cannot be seen: {why}"),
            Self::Wrong { serves, flaws } => {
                let flaws: Vec<String> = flaws.iter().map(ToString::to_string).collect();
                write!(f, "serves {}: {}", serves.short(), flaws.join("; "))
            }
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| names.join(", ");
        match self {
            Self::NothingPublished => {
                f.write_str("nothing is published that it could be compared with")
            }
            Self::Another(names) if names.is_empty() => {
                f.write_str("it is another certificate, for no name")
            }
            Self::Another(names) => write!(f, "it is another certificate, for {}", list(names)),
            Self::Newer => f.write_str("it is newer than the published one"),
            Self::Chain(flaw) => flaw.fmt(f),
            Self::Names(names) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                write!(f, "it is not for {}", list(&names))
            }
            Self::ExpiredAt(at) => write!(f, "it expired at {at}"),
            Self::NotValidBefore(at) => write!(f, "it is not valid before {at}"),
        }
    }
}
