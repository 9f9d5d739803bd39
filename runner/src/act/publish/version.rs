//! Writing one version, whole, before anything leads to it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::Content;
use super::error::{At, PublishError};
use super::layout::Layout;
use crate::act::durable::{make_directory, sync_directory, write_new};
use crate::model::{Leaf, Named, Pair, PairError};

const END: &str = "-----END CERTIFICATE-----";
/// Who may not read keys may still look at certificates.
const LINEAGE_MODE: u32 = 0o755;
/// As certbot makes them.
const PARENT_MODE: u32 = 0o700;

/// Sees that `content` is a pair.
pub(super) fn check(content: &Content<'_>) -> Result<Leaf, PublishError> {
    let (chain, key) = ("the new fullchain.pem", "the new privkey.pem");
    pair(
        (chain, content.chain.as_bytes()),
        (key, content.key.as_bytes()),
    )
}

/// Reads a version that is there, and sees that it is a pair.
pub(super) fn read(layout: &Layout<'_>, number: u64) -> Result<Leaf, PublishError> {
    let directory = layout.version(number);
    let content = |name: &str| {
        let file = directory.join(name);
        let content = fs::read(&file).at("read", &file)?;
        Ok::<_, PublishError>((file.display().to_string(), content))
    };
    let (chain, key) = (content("fullchain.pem")?, content("privkey.pem")?);
    pair((&chain.0, &chain.1), (&key.0, &key.1))
}

fn pair(chain: (&str, &[u8]), key: (&str, &[u8])) -> Result<Leaf, PublishError> {
    let named = |(file, content)| Named { file, content };
    let checked: Result<Pair, PairError> = Pair::check(&named(chain), &named(key));
    checked.map(|pair| pair.leaf).map_err(PublishError::Unfit)
}

/// Writes `content` under a number that is free; the number.
pub(super) fn write(layout: &Layout<'_>, content: &Content<'_>) -> Result<u64, PublishError> {
    for (directory, mode) in [
        (layout.root.join("archive"), PARENT_MODE),
        (layout.archive(), LINEAGE_MODE),
    ] {
        make_directory(&directory, mode).at("make", &directory)?;
    }
    let number = layout.next_number()?;
    let unfinished = layout.unfinished(number);
    stage(&unfinished, content)?;
    let version = layout.version(number);
    fs::rename(&unfinished, &version).at("make", &version)?;
    let archive = layout.archive();
    sync_directory(&archive).at("sync", &archive)?;
    Ok(number)
}

/// Writes the files of a version into a new directory, and waits for the disk.
pub(super) fn stage(directory: &Path, content: &Content<'_>) -> Result<(), PublishError> {
    DirBuilder::new()
        .mode(LINEAGE_MODE)
        .create(directory)
        .at("make", directory)?;
    let (leaf, issuers) = split(content.chain);
    let (chain, key) = (ended(content.chain), ended(content.key));
    // Without issuers, as of a self-signed one: an empty file is none that a
    // server loads.
    let issuers = if issuers.is_empty() { leaf } else { issuers };
    for (name, text, mode) in [
        ("privkey.pem", key.clone(), 0o600),
        ("combined.pem", format!("{chain}{key}"), 0o600),
        ("cert.pem", ended(leaf), 0o644),
        ("chain.pem", ended(issuers), 0o644),
        ("fullchain.pem", chain.clone(), 0o644),
    ] {
        let file = directory.join(name);
        // Never over one that is there: nginx re-uses a certificate whose inode
        // and whole-second time have not changed.
        write_new(&file, text.as_bytes(), mode).at("write", &file)?;
    }
    sync_directory(directory).at("sync", directory)
}

/// The first certificate, and what follows it.
fn split(chain: &str) -> (&str, &str) {
    let end = chain.find(END).map_or(chain.len(), |at| at + END.len());
    let (leaf, issuers) = chain.split_at(end);
    (leaf.trim(), issuers.trim())
}

/// Ends with one line break, so that files can be put together.
fn ended(text: &str) -> String {
    format!("{}\n", text.trim())
}
