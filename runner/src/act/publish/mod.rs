//! Publishing a certificate: `live/NAME` leads to a whole new version, or still
//! to the one before.
//!
//! Every version is a directory of its own, `archive/NAME/N`, written in full
//! before anything leads to it, and never written again. `live/NAME` is a link
//! to one of them that is moved by a single rename, so key and chain change
//! together.
//!
//! What a reader can count on: one open of `combined.pem`, or files opened
//! within a directory that was opened once, are of one version. Two opens by
//! path can stand on either side of the rename; who does so has to compare key
//! and chain, as nginx does at each load, and read again.

mod adopt;
mod error;
mod layout;
mod live;
mod prune;
mod version;

#[cfg(test)]
mod tests;

use std::path::Path;

use tracing::info;

use crate::model::{CertificateName, Leaf};

pub(crate) use error::PublishError;
use layout::Layout;
pub(crate) use layout::links_of;
use live::Exchange;

/// Publishes the versions of one certificate.
#[derive(Debug)]
pub(crate) struct Publisher<'a> {
    layout: Layout<'a>,
    keep: usize,
    exchange: Exchange,
}

/// A key and its chain, in PEM, to be published. It has no `Debug`, for a key
/// is in it.
pub(crate) struct Content<'a> {
    /// The leaf first.
    pub(crate) chain: &'a str,
    pub(crate) key: &'a str,
}

/// What a publication led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Its number, which names its directory.
    pub(crate) number: u64,
    pub(crate) leaf: Leaf,
}

impl<'a> Publisher<'a> {
    /// Publishes under `root`, and keeps so many versions besides the live one.
    pub(crate) fn new(root: &'a Path, name: &'a CertificateName, keep: usize) -> Self {
        Self {
            layout: Layout { root, name },
            keep,
            exchange: live::exchange,
        }
    }

    /// Publishes `content` as a new version.
    ///
    /// Guarantees: all of it is on disk, and seen to be a pair, before
    /// `live/NAME` leads to it; at no moment is a path under `live/NAME`
    /// missing. A crash leaves the version before, or this one. What was there
    /// before the first version (a lineage of certbot's) becomes a version too.
    ///
    /// Assumes: no other publication of the same certificate is under way.
    ///
    /// # Errors
    /// When it is no pair, or a file cannot be written; then what was live is
    /// still so.
    pub(crate) fn publish(&self, content: &Content<'_>) -> Result<Version, PublishError> {
        let leaf = version::check(content)?;
        live::clear_leftovers(&self.layout)?;
        adopt::adopt(&self.layout, self.exchange)?;
        let number = version::write(&self.layout, content)?;
        live::lead_to(&self.layout, number, self.exchange)?;
        prune::prune(&self.layout, self.keep);
        info!(certificate = %self.layout.name, version = number, "published");
        Ok(Version { number, leaf })
    }

    /// The version that was live before the one that is; none if there was none,
    /// or it is gone.
    #[cfg(test)]
    pub(crate) fn previous(&self) -> Result<Option<Version>, PublishError> {
        let live = self.layout.live_version();
        let number = self.layout.previous().filter(|&it| Some(it) != live);
        let Some(number) = number.filter(|&it| self.layout.version(it).is_dir()) else {
            return Ok(None);
        };
        let leaf = version::read(&self.layout, number)?;
        Ok(Some(Version { number, leaf }))
    }

    /// Makes an earlier version the live one again.
    ///
    /// # Errors
    /// When there is no such version, or it is no pair any more; then what was
    /// live is still so.
    pub(crate) fn republish(&self, number: u64) -> Result<Version, PublishError> {
        if !self.layout.version(number).is_dir() {
            return Err(PublishError::NoVersion {
                number,
                archive: self.layout.archive(),
                there: self.layout.versions()?.into_iter().collect(),
            });
        }
        let leaf = version::read(&self.layout, number)?;
        live::clear_leftovers(&self.layout)?;
        live::lead_to(&self.layout, number, self.exchange)?;
        info!(certificate = %self.layout.name, version = number, "published again");
        Ok(Version { number, leaf })
    }
}
