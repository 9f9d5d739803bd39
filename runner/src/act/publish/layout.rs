//! Where the versions of a certificate lie, and which there are.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::{At, PublishError};
use crate::model::CertificateName;

/// The files of a version.
pub(super) const FILES: [&str; 5] = [
    "privkey.pem",
    "combined.pem",
    "cert.pem",
    "chain.pem",
    "fullchain.pem",
];
/// What certbot's flat files are called, before their number.
const FLAT: [&str; 4] = ["privkey", "fullchain", "chain", "cert"];
/// How what is not finished begins: certbot and the world look past it.
const UNFINISHED: &str = ".unfinished-";

/// What the directory of links is called that a placeholder's `live/NAME` leads to,
/// and certbot's after it.
pub(crate) fn links_of(name: &CertificateName) -> String {
    format!(".{name}.lineage")
}

/// The paths of one certificate below the certificate root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout<'a> {
    pub(super) root: &'a Path,
    pub(super) name: &'a CertificateName,
}

impl Layout<'_> {
    pub(super) fn archive(&self) -> PathBuf {
        self.root.join("archive").join(self.name.as_str())
    }

    /// Where the certificates of all names are live.
    pub(super) fn live_parent(&self) -> PathBuf {
        self.root.join("live")
    }

    pub(super) fn live(&self) -> PathBuf {
        self.live_parent().join(self.name.as_str())
    }

    pub(super) fn version(&self, number: u64) -> PathBuf {
        self.archive().join(number.to_string())
    }

    /// Where a version is written before it has its name.
    pub(super) fn unfinished(&self, number: u64) -> PathBuf {
        self.archive().join(format!("{UNFINISHED}{number}"))
    }

    /// The versions that were never finished.
    pub(super) fn all_unfinished(&self) -> Result<Vec<PathBuf>, PublishError> {
        let names = self.names()?.into_iter();
        let unfinished = names.filter(|name| name.starts_with(UNFINISHED));
        Ok(unfinished.map(|name| self.archive().join(name)).collect())
    }

    /// A link in the making, to be renamed to `live/NAME`.
    pub(super) fn next_live(&self) -> PathBuf {
        self.live_parent().join(format!(".{}.next", self.name))
    }

    /// The directory of links that a placeholder's `live/NAME` leads to, and
    /// certbot's after it.
    pub(super) fn lineage(&self) -> PathBuf {
        self.live_parent().join(links_of(self.name))
    }

    /// Where a directory goes in whose place version `number` came. Beside
    /// `live/NAME`, so that the relative links in it still lead somewhere.
    pub(super) fn set_aside(&self, number: u64) -> PathBuf {
        self.live_parent()
            .join(format!(".{}.before-{number}", self.name))
    }

    /// A link to the version that was live before.
    pub(super) fn previous_link(&self) -> PathBuf {
        self.archive().join("previous")
    }

    /// The numbers of the versions that are whole.
    pub(super) fn versions(&self) -> Result<BTreeSet<u64>, PublishError> {
        let names = self.names()?.into_iter();
        let numbers = names.filter_map(|name| number(&name));
        Ok(numbers
            .filter(|&number| self.version(number).is_dir())
            .collect())
    }

    /// A number that nothing in the archive has: above our own versions and
    /// above certbot's flat files.
    pub(super) fn next_number(&self) -> Result<u64, PublishError> {
        let names = self.names()?.into_iter();
        let taken = names.filter_map(|name| {
            let flat = name.strip_suffix(".pem");
            let flat = flat.and_then(|it| FLAT.iter().find_map(|kind| it.strip_prefix(kind)));
            number(flat.unwrap_or(&name))
        });
        Ok(taken.max().unwrap_or(0) + 1)
    }

    /// The version that `live/NAME` leads to; none if it leads to none of ours.
    pub(super) fn live_version(&self) -> Option<u64> {
        // Where a directory could not be replaced, its files are links.
        self.leads_to(&self.live())
            .or_else(|| self.leads_to(&self.live().join("fullchain.pem")))
    }

    pub(super) fn previous(&self) -> Option<u64> {
        number(fs::read_link(self.previous_link()).ok()?.to_str()?)
    }

    /// The version that a link leads to, itself or by a file in it.
    fn leads_to(&self, link: &Path) -> Option<u64> {
        let target = fs::read_link(link).ok()?;
        let mut parts = target.iter().filter_map(|part| part.to_str());
        parts.find(|&part| part == self.name.as_str())?;
        number(parts.next()?)
    }

    /// What is in the archive, by name.
    fn names(&self) -> Result<Vec<String>, PublishError> {
        let archive = self.archive();
        let entries = match fs::read_dir(&archive) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.at("list", &archive)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.at("list", &archive)?.file_name();
            names.extend(name.into_string().ok());
        }
        Ok(names)
    }
}

/// A version's number. Only its own spelling: `007` is nobody's.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number > 0 && number.to_string() == text).then_some(number)
}
