//! A certificate as swarm secrets: how they are called, and what they say of
//! themselves. Swarm never gives their content back, so all that is known of a
//! secret is its name and its labels.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::{CertificateName, CertificateSpec, Fingerprint, Leaf};

/// By which the runner knows its secrets.
pub(crate) const CERTIFICATE_LABEL: &str = "rollover.certificate";
const FINGERPRINT_LABEL: &str = "rollover.fingerprint";
const PART_LABEL: &str = "rollover.part";
const NOT_BEFORE_LABEL: &str = "rollover.not-before";
const PLACEHOLDER_LABEL: &str = "rollover.placeholder";

/// Swarm's own directory, for a reference that names no absolute path.
const DIRECTORY: &str = "/run/secrets";

/// Half of a pair: what one secret holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// The certificate and those that it is signed by.
    Chain,
    /// The private key.
    Key,
}

impl Part {
    pub(crate) const BOTH: [Self; 2] = [Self::Chain, Self::Key];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Key => "key",
        }
    }

    /// Where the replica sees this part, if it sees the chain at `chain`.
    pub(crate) fn path(self, chain: &Path) -> PathBuf {
        match self {
            Self::Chain => chain.to_owned(),
            Self::Key => chain.with_file_name("privkey.pem"),
        }
    }
}

/// A version of a certificate, as the labels of its secrets tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Version {
    pub(crate) certificate: CertificateName,
    pub(crate) fingerprint: Fingerprint,
    /// Tells a newer one from an older one, also when no replica serves it.
    pub(crate) not_before: Timestamp,
    pub(crate) placeholder: bool,
}

impl Version {
    pub(crate) fn of(certificate: &CertificateName, leaf: &Leaf) -> Self {
        Self {
            certificate: certificate.clone(),
            fingerprint: leaf.fingerprint,
            not_before: leaf.not_before,
            placeholder: leaf.placeholder,
        }
    }

    /// The name of a secret with this part: the same for all time, so that one
    /// that a killed runner has made is found again. Swarm takes 64 characters.
    pub(crate) fn secret_name(&self, part: Part) -> String {
        let fingerprint = self.fingerprint.to_string();
        format!("rollover-{}-{}", &fingerprint[..40], part.as_str())
    }

    /// What such a secret says of itself.
    pub(crate) fn labels(&self, part: Part) -> HashMap<String, String> {
        let labels = [
            (CERTIFICATE_LABEL, self.certificate.to_string()),
            (FINGERPRINT_LABEL, self.fingerprint.to_string()),
            (PART_LABEL, part.as_str().to_owned()),
            (NOT_BEFORE_LABEL, self.not_before.to_string()),
            (PLACEHOLDER_LABEL, self.placeholder.to_string()),
        ];
        labels
            .map(|(label, value)| (label.to_owned(), value))
            .into()
    }

    fn read(labels: &HashMap<String, String>) -> Option<Self> {
        let label = |name: &str| labels.get(name);
        Some(Self {
            certificate: CertificateName::parse(label(CERTIFICATE_LABEL)?).ok()?,
            fingerprint: label(FINGERPRINT_LABEL)?.parse().ok()?,
            not_before: label(NOT_BEFORE_LABEL)?.parse().ok()?,
            placeholder: label(PLACEHOLDER_LABEL)?.parse().ok()?,
        })
    }
}

/// A secret of the swarm that the runner has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnSecret {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) part: Part,
    pub(crate) created_at: Timestamp,
}

impl OwnSecret {
    /// Reads a secret's labels; `None` when it is not one of the runner's.
    pub(crate) fn read(
        id: String,
        name: String,
        created_at: Timestamp,
        labels: &HashMap<String, String>,
    ) -> Option<Self> {
        let part = labels.get(PART_LABEL)?;
        Some(Self {
            id,
            name,
            version: Version::read(labels)?,
            part: Part::BOTH
                .into_iter()
                .find(|known| known.as_str() == part)?,
            created_at,
        })
    }
}

/// That a service's specification names a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SecretReference {
    pub(crate) secret: String,
    /// Where its tasks see it.
    pub(crate) path: PathBuf,
}

impl SecretReference {
    /// `file` as a specification has it: absolute, or below swarm's directory.
    pub(crate) fn new(secret: &str, file: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            path: Path::new(DIRECTORY).join(file),
        }
    }
}

/// Which version of each of `certificates` new tasks of a service would find:
/// both parts, each at its path. The runner's references are those whose
/// secrets carry its labels.
pub(crate) fn mounted(
    certificates: &[CertificateSpec],
    references: &[SecretReference],
    own: &[OwnSecret],
) -> BTreeMap<CertificateName, Version> {
    let at = |path: &Path| {
        let reference = references.iter().find(|reference| reference.path == path)?;
        own.iter().find(|secret| secret.id == reference.secret)
    };
    let version = |wanted: &CertificateSpec| {
        let [chain, key] = Part::BOTH.map(|part| {
            let secret = at(&part.path(&wanted.path))?;
            (secret.part == part).then_some(&secret.version)
        });
        let version = chain.filter(|version| Some(*version) == key)?;
        (version.certificate == wanted.name).then(|| (wanted.name.clone(), version.clone()))
    };
    certificates.iter().filter_map(version).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::DomainName;

    pub(crate) fn name() -> CertificateName {
        CertificateName::of(&DomainName::parse("example.org").unwrap())
    }

    /// A version told apart by `nth`; a higher one is newer.
    pub(crate) fn version(nth: u8) -> Version {
        Version {
            certificate: name(),
            fingerprint: Fingerprint::of_der(&[nth]),
            not_before: Timestamp::from_second(1_800_000_000 + i64::from(nth)).unwrap(),
            placeholder: false,
        }
    }

    /// The secret with that part of a version, made when the version began.
    pub(crate) fn secret(nth: u8, part: Part) -> OwnSecret {
        let version = version(nth);
        let name = version.secret_name(part);
        let id = format!("{nth}-{}", part.as_str());
        OwnSecret::read(id, name, version.not_before, &version.labels(part)).unwrap()
    }

    fn wanted() -> CertificateSpec {
        CertificateSpec {
            ordering: Default::default(),
            name: name(),
            domains: vec![DomainName::parse("example.org").unwrap()],
            path: PathBuf::from("/run/secrets/example.org/fullchain.pem"),
        }
    }

    fn found(references: &[(&str, &str)]) -> Option<Version> {
        let own = [1, 2].map(|nth| Part::BOTH.map(|part| secret(nth, part)));
        let references: Vec<_> = references
            .iter()
            .map(|(secret, file)| SecretReference::new(secret, file))
            .collect();
        mounted(&[wanted()], &references, &own.concat()).remove(&name())
    }

    #[test]
    fn a_name_is_one_that_swarm_takes_and_a_secret_is_known_by_its_labels() {
        let key = secret(1, Part::Key);
        assert!(key.name.len() <= 64, "{}", key.name);
        assert_eq!((&key.version, key.part), (&version(1), Part::Key));
        for label in version(1).labels(Part::Key).keys() {
            let mut labels = version(1).labels(Part::Key);
            labels.remove(label);
            let read = OwnSecret::read(String::new(), String::new(), key.created_at, &labels);
            assert_eq!(read, None, "{label}");
        }
    }

    #[test]
    fn a_version_is_mounted_when_both_parts_are_at_their_paths() {
        let chain = "/run/secrets/example.org/fullchain.pem";
        let key = "/run/secrets/example.org/privkey.pem";
        assert_eq!(
            found(&[("1-chain", chain), ("1-key", key)]),
            Some(version(1))
        );
        let below = [
            ("2-key", "example.org/privkey.pem"),
            ("2-chain", "example.org/fullchain.pem"),
        ];
        assert_eq!(found(&below), Some(version(2)));
        for wrong in [
            &[][..],
            &[("1-chain", chain)],
            &[("1-chain", chain), ("2-key", key)],
            &[("1-key", chain), ("1-chain", key)],
            &[("1-chain", chain), ("1-key", "privkey.pem")],
            &[("other", chain), ("another", key)],
        ] {
            assert_eq!(found(wrong), None, "{wrong:?}");
        }
    }
}
