//! For `secret`: whether a service's specification names the secrets of what is
//! published. It decides about tasks that are yet to come; what those that run
//! serve, the probes tell.

use jiff::Timestamp;

use super::plan::{Expected, Named, Problem, SecretsStep};
use crate::model::{CertificateName, Leaf, Strategy, Version};
use crate::observe::{Snapshot, TargetView};

/// What the specification of a target by `secret` must name, and what is in the
/// way of that.
#[derive(Default)]
pub(super) struct Secrets {
    pub(super) step: Option<SecretsStep>,
    pub(super) problems: Vec<Problem>,
    /// One certificate has nothing to be named: to swap the others alone would
    /// take its secrets off the service.
    pub(super) incomplete: bool,
}

/// `None` in it for every other target, and for one without replicas: what
/// nobody starts with cannot be proved.
pub(super) fn secrets(snapshot: &Snapshot, view: &TargetView, now: Timestamp) -> Secrets {
    let by_secret = matches!(view.target.strategy, Strategy::Secret(_));
    if !by_secret || view.target.desired == Some(0) {
        return Secrets::default();
    }
    let (mut wanted, mut problems, mut named) = (Vec::new(), Vec::new(), Named::Current);
    let mut incomplete = false;
    for certificate in &view.target.certificates {
        let name = &certificate.name;
        let published = snapshot.certificates.get(name);
        let Some(leaf) = published.and_then(|it| it.published.leaf()) else {
            incomplete = true;
            continue;
        };
        match compare(view.mounted.get(name), leaf, now) {
            Mounted::Same => {}
            Mounted::Older => named.at_least(Named::Older),
            Mounted::Nothing => named.at_least(Named::Nothing(name.clone())),
            Mounted::Better(mounted) => problems.push(names_newer(view, name, mounted)),
        }
        wanted.push(Expected {
            certificate: name.clone(),
            leaf: leaf.clone(),
        });
    }
    Secrets {
        step: Some(SecretsStep { wanted, named }),
        problems,
        incomplete,
    }
}

/// How a specification compares with what is published.
#[derive(Debug, PartialEq, Eq)]
enum Mounted<'a> {
    Same,
    /// What is published is to take its place.
    Older,
    /// A task that starts now finds no certificate.
    Nothing,
    /// What is published must not take its place.
    Better(&'a Version),
}

fn compare<'a>(mounted: Option<&'a Version>, leaf: &Leaf, now: Timestamp) -> Mounted<'a> {
    let Some(mounted) = mounted else {
        // Even one that has expired lets a replica start, and answer the
        // challenge by which the next is obtained.
        return Mounted::Nothing;
    };
    if mounted.fingerprint == leaf.fingerprint {
        return Mounted::Same;
    }
    let newer = mounted.not_before > leaf.not_before;
    if !mounted.placeholder && (leaf.placeholder || newer || leaf.not_after < now) {
        return Mounted::Better(mounted);
    }
    Mounted::Older
}

fn names_newer(view: &TargetView, name: &CertificateName, mounted: &Version) -> Problem {
    Problem::NamesNewer {
        name: name.clone(),
        target: view.target.name.clone(),
        names: mounted.fingerprint,
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::model::secret_tests::version;
    use crate::model::{Chain, Fingerprint, KeyKind};

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_001_000).unwrap()
    }

    fn leaf(nth: u8) -> Leaf {
        let Version {
            fingerprint,
            not_before,
            ..
        } = version(nth);
        Leaf {
            fingerprint,
            names: vec!["example.org".into()],
            not_before,
            not_after: now() + SignedDuration::from_hours(24),
            placeholder: false,
            key: KeyKind::Ecdsa,
            chain: Chain::default(),
        }
    }

    #[test]
    fn a_specification_moves_forwards_and_never_backwards() {
        let (mounted, leaf2) = (version(2), leaf(2));
        assert_eq!(compare(None, &leaf2, now()), Mounted::Nothing);
        assert_eq!(compare(Some(&mounted), &leaf2, now()), Mounted::Same);
        assert_eq!(compare(Some(&mounted), &leaf(3), now()), Mounted::Older);
        let better = Mounted::Better(&mounted);
        assert_eq!(compare(Some(&mounted), &leaf(1), now()), better);
        let expired = Leaf {
            not_after: now() - SignedDuration::from_secs(1),
            ..leaf(3)
        };
        assert_eq!(compare(Some(&mounted), &expired, now()), better);
        assert_eq!(compare(None, &expired, now()), Mounted::Nothing);
    }

    #[test]
    fn a_placeholder_takes_the_place_of_no_certificate_but_of_another_placeholder() {
        let placeholder = Leaf {
            placeholder: true,
            fingerprint: Fingerprint::of_der(b"placeholder"),
            ..leaf(3)
        };
        let mut mounted = version(2);
        let better = compare(Some(&mounted), &placeholder, now());
        assert_eq!(better, Mounted::Better(&mounted));
        mounted.placeholder = true;
        assert_eq!(compare(Some(&mounted), &placeholder, now()), Mounted::Older);
        assert_eq!(compare(Some(&mounted), &leaf(1), now()), Mounted::Older);
    }
}
