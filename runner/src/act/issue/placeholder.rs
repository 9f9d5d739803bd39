//! A self-signed certificate, so that a load balancer can start before an
//! authority was asked.
//!
//! certbot refuses to make a lineage where something stands under `live/NAME`.
//! So the placeholder *is* a lineage, laid out as certbot does it (`archive/`,
//! `renewal/`, four links): certbot takes it over as a renewal, switches the
//! links to version 2, and the path is never missing. Read from certbot's
//! `_internal/storage.py` (`RenewableCert`, `_consistent`).
//!
//! The directory of links stands beside `live/NAME`, which is itself a link to it:
//! certbot looks at no more than the four in it, and a link is what one rename can
//! lead elsewhere on every file system, GlusterFS among them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use time::OffsetDateTime;

use super::key::KeyError;
use crate::act::publish::links_of;
use crate::model::{CertificateName, DomainName, KeyAlgorithm, KeyKind, PLACEHOLDER_ORGANISATION};
use crate::observe::files::is_placeholder;

/// Long enough for a person to notice on a Monday that an order failed on
/// Friday; short enough never to be taken for the real thing.
const LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
const KINDS: [&str; 4] = ["cert", "privkey", "chain", "fullchain"];
/// Where certbot's container sees the certificate root.
const ROOT_IN_CERTBOT: &str = "/etc/letsencrypt";

/// Why no placeholder was published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceholderError {
    #[error("certificate {name}: publish a placeholder: {path}: {source}", path = path.display())]
    Io {
        name: CertificateName,
        path: PathBuf,
        source: io::Error,
    },
    #[error("certificate {name}: publish a placeholder: {source}")]
    Make {
        name: CertificateName,
        source: rcgen::Error,
    },
    #[error("certificate {name}: publish a placeholder: {source}")]
    Key {
        name: CertificateName,
        source: KeyError,
    },
    #[error(
        "certificate {name}: publish a placeholder: {path} is there, but live/{name} is not; \
         restore live/{name}, or move {path} away to begin anew", path = path.display()
    )]
    Leftover {
        name: CertificateName,
        path: PathBuf,
    },
}

/// A placeholder of which everything is written but `live/NAME`.
#[must_use = "nobody sees it before it is published"]
#[derive(Debug)]
pub(crate) struct Prepared<'a>(Lineage<'a>);

/// What the key of a placeholder is, for a certificate that is to have one of this
/// kind: a server that is given two of one kind serves only the last.
pub(crate) fn key_of(kind: KeyKind) -> KeyAlgorithm {
    match kind {
        KeyKind::Rsa => KeyAlgorithm::Rsa2048,
        KeyKind::Ecdsa | KeyKind::Other => KeyAlgorithm::Ecdsa,
    }
}

/// Writes a placeholder for `domains` under `root`, all but `live/NAME`.
///
/// What an earlier crash left of a placeholder is replaced; what is left of a
/// real lineage is never touched.
pub(crate) fn prepare<'a>(
    root: &'a Path,
    name: &'a CertificateName,
    domains: &[DomainName],
    key: &KeyPair,
    now: Timestamp,
) -> Result<Prepared<'a>, PlaceholderError> {
    let made = make(domains, key, now).map_err(|source| PlaceholderError::Make {
        name: name.clone(),
        source,
    })?;
    let lineage = Lineage { root, name };
    lineage.clear_leftovers()?;
    lineage.write(&made)?;
    Ok(Prepared(lineage))
}

impl Prepared<'_> {
    /// Publishes it, all of it or nothing: `live/NAME` appears at once, after
    /// everything that it leads to.
    pub(crate) fn publish(self) -> Result<(), PlaceholderError> {
        self.0.link_live()
    }
}

struct Made {
    chain: String,
    key: String,
}

fn make(domains: &[DomainName], key: &KeyPair, now: Timestamp) -> Result<Made, rcgen::Error> {
    let names: Vec<String> = domains.iter().map(ToString::to_string).collect();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, PLACEHOLDER_ORGANISATION);
    if let Some(first) = names.first().filter(|name| name.len() <= 64) {
        subject.push(DnType::CommonName, first);
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = subject;
    // Begun yesterday: a node whose clock is behind must not refuse it.
    params.not_before = moment(now - SignedDuration::from_hours(24));
    params.not_after = moment(now + LIFE);
    Ok(Made {
        chain: params.self_signed(key)?.pem(),
        key: key.serialize_pem(),
    })
}

fn moment(time: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(time.as_second()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[derive(Debug)]
struct Lineage<'a> {
    root: &'a Path,
    name: &'a CertificateName,
}

impl Lineage<'_> {
    fn archive(&self) -> PathBuf {
        self.root.join("archive").join(self.name.as_str())
    }

    fn renewal(&self) -> PathBuf {
        self.root
            .join("renewal")
            .join(format!("{}.conf", self.name))
    }

    fn live(&self) -> PathBuf {
        self.root.join("live").join(self.name.as_str())
    }

    /// The directory of links that `live/NAME` leads to.
    fn links(&self) -> PathBuf {
        self.root.join("live").join(links_of(self.name))
    }

    /// Removes what a crash in the middle of an earlier call left.
    fn clear_leftovers(&self) -> Result<(), PlaceholderError> {
        self.clear_archive()?;
        // Nothing that they lead to is there any more.
        let links = self.links();
        if !links.exists() {
            return Ok(());
        }
        fs::remove_dir_all(&links).map_err(self.failed(&links))
    }

    fn clear_archive(&self) -> Result<(), PlaceholderError> {
        let archive = self.archive();
        if !archive.exists() {
            return Ok(());
        }
        let is_ours = is_placeholder(&archive.join("cert1.pem"));
        let only_version_one = !archive.join("cert2.pem").exists();
        // The engine acme keeps each version in a directory of its own.
        let no_directories = directories_in(&archive).map_err(self.failed(&archive))? == 0;
        if !(is_ours && only_version_one && no_directories) {
            return Err(PlaceholderError::Leftover {
                name: self.name.clone(),
                path: archive,
            });
        }
        fs::remove_dir_all(&archive).map_err(self.failed(&archive))
    }

    fn write(&self, made: &Made) -> Result<(), PlaceholderError> {
        self.write_archive(made)?;
        let renewal = self.renewal();
        self.directory(&self.root.join("renewal"))?;
        write_file(&renewal, &self.renewal_conf(), 0o644).map_err(self.failed(&renewal))
    }

    fn write_archive(&self, made: &Made) -> Result<(), PlaceholderError> {
        let archive = self.archive();
        self.directory(&self.root.join("archive"))?;
        let staging = self.staging("archive");
        self.fresh(&staging)?;
        for kind in KINDS {
            let file = staging.join(format!("{kind}1.pem"));
            let (content, mode) = match kind {
                "privkey" => (&made.key, 0o600),
                _ => (&made.chain, 0o644),
            };
            write_file(&file, content, mode).map_err(self.failed(&file))?;
        }
        fs::rename(&staging, &archive).map_err(self.failed(&archive))
    }

    fn link_live(&self) -> Result<(), PlaceholderError> {
        self.directory(&self.root.join("live"))?;
        let staging = self.staging("live");
        self.fresh(&staging)?;
        for kind in KINDS {
            let link = staging.join(format!("{kind}.pem"));
            let leads_to = format!("../../archive/{}/{kind}1.pem", self.name);
            symlink(leads_to, &link).map_err(self.failed(&link))?;
        }
        let (links, live) = (self.links(), self.live());
        fs::rename(&staging, &links).map_err(self.failed(&links))?;
        symlink(links_of(self.name), &live).map_err(self.failed(&live))?;
        let parent = self.root.join("live");
        File::open(&parent)
            .and_then(|directory| directory.sync_all())
            .map_err(self.failed(&parent))
    }

    /// What certbot needs to take the lineage for one of its own. The paths
    /// are those inside its container.
    fn renewal_conf(&self) -> String {
        let (root, name) = (ROOT_IN_CERTBOT, self.name);
        let mut conf = format!(
            "# A placeholder by Rollover; certbot rewrites this file at its first run.\n\
             version = 2.0.0\n\
             archive_dir = {root}/archive/{name}\n"
        );
        for kind in KINDS {
            conf.push_str(&format!("{kind} = {root}/live/{name}/{kind}.pem\n"));
        }
        conf.push_str("[renewalparams]\nauthenticator = webroot\n");
        conf
    }

    /// A directory beside the final one, so that a rename stays on one volume.
    fn staging(&self, parent: &str) -> PathBuf {
        self.root
            .join(parent)
            .join(format!(".{}.rollover", self.name))
    }

    fn fresh(&self, directory: &Path) -> Result<(), PlaceholderError> {
        if directory.exists() {
            fs::remove_dir_all(directory).map_err(self.failed(directory))?;
        }
        self.directory(directory)
    }

    fn directory(&self, directory: &Path) -> Result<(), PlaceholderError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(self.failed(directory))
    }

    fn failed(&self, path: &Path) -> impl Fn(io::Error) -> PlaceholderError {
        let (name, path) = (self.name.clone(), path.to_owned());
        move |source| PlaceholderError::Io {
            name: name.clone(),
            path: path.clone(),
            source,
        }
    }
}

fn directories_in(directory: &Path) -> io::Result<usize> {
    let mut found = 0;
    for entry in fs::read_dir(directory)? {
        found += usize::from(entry?.file_type()?.is_dir());
    }
    Ok(found)
}

fn write_file(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::files::published;
    use std::os::unix::fs::PermissionsExt;

    fn publish(
        root: &Path,
        name: &CertificateName,
        domains: &[DomainName],
        now: Timestamp,
    ) -> Result<(), PlaceholderError> {
        let key = KeyPair::generate().unwrap();
        prepare(root, name, domains, &key, now)?.publish()
    }

    fn setting() -> (
        tempfile::TempDir,
        CertificateName,
        Vec<DomainName>,
        Timestamp,
    ) {
        let domains = vec![DomainName::parse("example.org").unwrap()];
        let name = CertificateName::of(&domains[0]);
        let now = "2026-11-24T00:00:00Z".parse().unwrap();
        (tempfile::tempdir().unwrap(), name, domains, now)
    }

    #[test]
    fn is_a_pair_that_says_what_it_is() {
        let (root, name, domains, now) = setting();
        publish(root.path(), &name, &domains, now).unwrap();
        let leaf = published(root.path(), &name).leaf().cloned().unwrap();
        assert!(leaf.placeholder);
        assert!(leaf.is_for_exactly(&domains));
        assert!(leaf.not_before < now && now < leaf.not_after);
        let key = root.path().join("live/example.org/privkey.pem");
        let mode = fs::metadata(key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_a_crash_left_is_replaced() {
        let (root, name, domains, now) = setting();
        publish(root.path(), &name, &domains, now).unwrap();
        // It had not come to the last step …
        fs::remove_file(root.path().join("live/example.org")).unwrap();
        publish(root.path(), &name, &domains, now).unwrap();
        // … or to the one before.
        fs::remove_file(root.path().join("live/example.org")).unwrap();
        fs::remove_dir_all(root.path().join("live/.example.org.lineage")).unwrap();
        publish(root.path(), &name, &domains, now).unwrap();
        assert!(published(root.path(), &name).leaf().is_some());
    }

    #[test]
    fn versions_beside_a_placeholder_are_not_touched() {
        let (root, name, domains, now) = setting();
        publish(root.path(), &name, &domains, now).unwrap();
        fs::remove_file(root.path().join("live/example.org")).unwrap();
        let version = root.path().join("archive/example.org/2");
        fs::create_dir(&version).unwrap();
        publish(root.path(), &name, &domains, now).unwrap_err();
        assert!(version.exists());
    }

    #[test]
    fn what_is_left_of_a_real_lineage_is_not_touched() {
        let (root, name, domains, now) = setting();
        let archive = root.path().join("archive/example.org");
        fs::create_dir_all(&archive).unwrap();
        let (chain, _) = crate::model::tests::pair(&["example.org"]);
        fs::write(archive.join("cert1.pem"), &chain).unwrap();
        let error = publish(root.path(), &name, &domains, now).unwrap_err();
        assert!(
            error.to_string().contains("restore live/example.org"),
            "{error}"
        );
        assert_eq!(
            fs::read_to_string(archive.join("cert1.pem")).unwrap(),
            chain
        );
    }
}
