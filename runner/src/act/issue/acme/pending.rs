//! An order under way, on disk: a crash or a broken connection must not waste it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{AcmeError, AcmeErrorClass};
use crate::act::durable;
use crate::model::{CertificateName, DomainName, KeyAlgorithm};

/// What is kept of an order. It has no `Debug`, for a key is in it.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Pending {
    /// The directory URL of the authority.
    pub(super) directory: String,
    pub(super) order: String,
    pub(super) domains: Vec<DomainName>,
    pub(super) key: KeyAlgorithm,
    pub(super) profile: Option<String>,
    pub(super) key_pem: String,
    /// The authority would not take it as what replaces another.
    #[serde(default)]
    pub(super) replaces_refused: bool,
}

/// Where the order of a certificate is kept.
#[derive(Clone, Debug)]
pub(super) struct Place(PathBuf);

impl Place {
    /// Beside its versions: on the volume, for the next runner may be on another
    /// node.
    pub(super) fn of(root: &Path, name: &CertificateName) -> Self {
        let archive = root.join("archive").join(name.as_str());
        Self(archive.join(".pending/order.json"))
    }

    /// Keeps it until it is [removed](Self::remove).
    pub(super) fn keep(&self, pending: &Pending) -> Result<(), AcmeError> {
        let content = serde_json::to_vec_pretty(pending).map_err(io::Error::from);
        content
            .and_then(|content| durable::replace(&self.0, &content, 0o600))
            .map_err(|error| self.failed("keep the order", &error))
    }

    /// What an earlier attempt has left; none if nothing, or nothing usable.
    pub(super) fn read(&self) -> Result<Option<Pending>, AcmeError> {
        match fs::read(&self.0) {
            Ok(content) => Ok(serde_json::from_slice(&content).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("look for an earlier order", &error)),
        }
    }

    pub(super) fn remove(&self) -> Result<(), AcmeError> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other.map_err(|error| self.failed("forget the order", &error)),
        }
    }

    fn failed(&self, doing: &str, error: &io::Error) -> AcmeError {
        let why = format!("{}: {error}", self.0.display());
        AcmeError::new(AcmeErrorClass::Local, doing, why)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_kept_for_its_owner_alone_and_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let domain = DomainName::parse("example.org").unwrap();
        let place = Place::of(root.path(), &CertificateName::of(&domain));
        assert!(place.read().unwrap().is_none());
        let pending = Pending {
            directory: "https://ca.example/directory".to_owned(),
            order: "https://ca.example/order/1".to_owned(),
            domains: vec![domain],
            key: KeyAlgorithm::Rsa2048,
            profile: None,
            key_pem: "a key".to_owned(),
            replaces_refused: false,
        };
        place.keep(&pending).unwrap();
        let mode = fs::metadata(&place.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(place.read().unwrap() == Some(pending));
        // Half of it, as a broken disk leaves it, is nothing to go on from.
        fs::write(&place.0, "{").unwrap();
        assert!(place.read().unwrap().is_none());
        place.remove().unwrap();
        place.remove().unwrap();
        assert!(place.read().unwrap().is_none());
    }
}
