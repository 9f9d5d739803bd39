//! What stands under the certificate root.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

use futures_util::stream::{self, StreamExt};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::Archived;
use crate::model::{CertificateName, Named, Pair, PairError, Published, leaf_of};

/// How many certificates are read in one go, elsewhere than where everything else
/// waits: with thousands of them, or a volume that is slow, the lease would lapse
/// meanwhile.
const IN_ONE_GO: usize = 128;
/// How many goes there are at a time. What a volume over the network takes is the
/// way there and back.
const AT_ONCE: usize = 4;

/// Whether the certificate in this file is a placeholder.
pub(crate) fn is_placeholder(file: &Path) -> bool {
    std::fs::read(file)
        .ok()
        .and_then(|pem| CertificateDer::from_pem_slice(&pem).ok())
        .and_then(|der| leaf_of(&[der]).ok())
        .is_some_and(|leaf| leaf.placeholder)
}

/// Reads `live/NAME` below `root` for each of the names, as [`published`] does.
pub(crate) async fn all_published(
    root: &Path,
    names: &[CertificateName],
) -> BTreeMap<CertificateName, Published> {
    let goes = stream::iter(names.chunks(IN_ONE_GO)).map(|names| {
        let (root, names) = (root.to_owned(), names.to_vec());
        tokio::task::spawn_blocking(move || {
            let read = |name: CertificateName| {
                let published = published(&root, &name);
                (name, published)
            };
            names.into_iter().map(read).collect::<Vec<_>>()
        })
    });
    let mut all = BTreeMap::new();
    let mut read = goes.buffer_unordered(AT_ONCE);
    while let Some(go) = read.next().await {
        match go {
            Ok(read) => all.extend(read),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    all
}

/// Reads `live/NAME` below `root` and checks the pair.
///
/// Two files are read one after the other, and certbot may switch its links
/// between the two: then they do not match. A mismatch is therefore read once
/// more, and only one that stays counts.
pub(crate) fn published(root: &Path, name: &CertificateName) -> Published {
    match read(root, name) {
        Published::Broken(PairError::Mismatch { .. }) => read(root, name),
        published => published,
    }
}

fn read(root: &Path, name: &CertificateName) -> Published {
    let directory = root.join("live").join(name.as_str());
    // A link that leads nowhere is broken, not missing.
    if std::fs::symlink_metadata(&directory).is_err_and(|error| error.kind() == ErrorKind::NotFound)
    {
        return Published::Missing;
    }
    let (chain, key) = (
        directory.join("fullchain.pem"),
        directory.join("privkey.pem"),
    );
    match pair(&chain, &key) {
        Ok(pair) => Published::Pair(pair.leaf),
        Err(error) => Published::Broken(error),
    }
}

fn pair(chain: &Path, key: &Path) -> Result<Pair, PairError> {
    Ok(whole(chain, key)?.pair)
}

/// The content of a pair, seen to fit together. It has no `Debug`, for a key is
/// in it.
pub(crate) struct PairContent {
    pub(crate) pair: Pair,
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

/// Reads the leaf certificate under `live/NAME` below `root`.
pub(crate) fn certificate(
    root: &Path,
    name: &CertificateName,
) -> Result<CertificateDer<'static>, PairError> {
    let file = root.join("live").join(name.as_str()).join("fullchain.pem");
    let unreadable = |why: String| PairError::Unreadable {
        file: file.display().to_string(),
        why,
    };
    CertificateDer::from_pem_slice(&content(&file)?).map_err(|error| unreadable(error.to_string()))
}

/// The versions of a certificate in the archive below `root` that are pairs, as
/// the engine acme lays them out.
///
/// # Errors
/// When the archive cannot be listed.
pub(crate) fn versions(root: &Path, name: &CertificateName) -> io::Result<Vec<Archived>> {
    let mut versions = Vec::new();
    for entry in std::fs::read_dir(root.join("archive").join(name.as_str()))? {
        let directory = entry?.path();
        // Whatever else lies there has no number, or is no directory.
        let number = directory
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        let (chain, key) = (
            directory.join("fullchain.pem"),
            directory.join("privkey.pem"),
        );
        if let (Some(number), Ok(Pair { leaf, .. })) = (number, pair(&chain, &key)) {
            versions.push(Archived { number, leaf });
        }
    }
    Ok(versions)
}

/// Reads `live/NAME` below `root` with what is in it.
pub(crate) fn content_of(root: &Path, name: &CertificateName) -> Result<PairContent, PairError> {
    let directory = root.join("live").join(name.as_str());
    whole(
        &directory.join("fullchain.pem"),
        &directory.join("privkey.pem"),
    )
}

fn whole(chain: &Path, key: &Path) -> Result<PairContent, PairError> {
    let (chain_content, key_content) = (content(chain)?, content(key)?);
    let pair = Pair::read(
        &Named {
            file: &chain.to_string_lossy(),
            content: &chain_content,
        },
        &Named {
            file: &key.to_string_lossy(),
            content: &key_content,
        },
    )?;
    Ok(PairContent {
        pair,
        chain: chain_content,
        key: key_content,
    })
}

fn content(path: &Path) -> Result<Vec<u8>, PairError> {
    std::fs::read(path).map_err(|error| PairError::Unreadable {
        file: path.display().to_string(),
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;
    use crate::model::tests::pair;

    fn name() -> CertificateName {
        CertificateName::of(&DomainName::parse("example.org").unwrap())
    }

    fn root_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let live = root.path().join("live/example.org");
        std::fs::create_dir_all(&live).unwrap();
        for (file, content) in files {
            std::fs::write(live.join(file), content).unwrap();
        }
        root
    }

    #[test]
    fn an_empty_root_has_nothing() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(published(root.path(), &name()), Published::Missing);
    }

    #[test]
    fn a_pair_that_fits_is_published() {
        let (chain, key) = pair(&["example.org"]);
        let root = root_with(&[("fullchain.pem", &chain), ("privkey.pem", &key)]);
        let leaf = published(root.path(), &name()).leaf().cloned().unwrap();
        assert_eq!(leaf.names, ["example.org"]);
    }

    #[test]
    fn what_must_not_be_served_is_broken_and_says_which_file() {
        let (chain, key) = pair(&["example.org"]);
        let (_, other_key) = pair(&["example.org"]);
        let half = &chain[..chain.len() / 2];
        for (chain, key, expected) in [
            ("", key.as_str(), "fullchain.pem is empty"),
            (half, &key, "fullchain.pem is not whole"),
            (&chain, "", "privkey.pem is empty"),
            (&chain, &other_key, "privkey.pem is not the key of"),
        ] {
            let root = root_with(&[("fullchain.pem", chain), ("privkey.pem", key)]);
            match published(root.path(), &name()) {
                Published::Broken(error) => {
                    assert!(error.to_string().contains(expected), "{error}");
                }
                other => panic!("expected broken ({expected}), found {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn all_are_read_however_many() {
        let (chain, key) = pair(&["example.org"]);
        let root = root_with(&[("fullchain.pem", &chain), ("privkey.pem", &key)]);
        let missing = (0..2 * IN_ONE_GO)
            .map(|nth| DomainName::parse(&format!("site{nth}.example.org")).unwrap());
        let mut names: Vec<_> = missing.map(|domain| CertificateName::of(&domain)).collect();
        names.push(name());
        let all = all_published(root.path(), &names).await;
        assert_eq!(all.len(), names.len());
        assert!(all[&name()].leaf().is_some());
        assert_eq!(all[&names[0]], Published::Missing);
    }

    #[test]
    fn a_missing_key_is_broken_not_missing() {
        let (chain, _) = pair(&["example.org"]);
        let root = root_with(&[("fullchain.pem", &chain)]);
        assert!(matches!(
            published(root.path(), &name()),
            Published::Broken(PairError::Unreadable { .. })
        ));
    }
}
