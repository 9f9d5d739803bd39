//! Moving `live/NAME` from one version to another.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tracing::info;

use super::error::{At, PublishError};
use super::layout::{FILES, Layout};
use crate::act::durable::{make_directory, sync_directory};
use crate::observe::files::is_placeholder;

/// Lets two paths change places at once.
pub(super) type Exchange = fn(&Path, &Path) -> io::Result<()>;

/// By renameat2(2). Where the file system cannot, as GlusterFS through FUSE,
/// the error is one that [`is_unsupported`] knows.
pub(super) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

fn is_unsupported(error: &io::Error) -> bool {
    // FUSE says EINVAL for a server that does not know the call, as a kernel
    // does that does not know the flag.
    let unsupported = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP];
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| unsupported.contains(&errno))
}

/// Makes `live/NAME` lead to version `number`, and remembers the one before.
pub(super) fn lead_to(
    layout: &Layout<'_>,
    number: u64,
    exchange: Exchange,
) -> Result<(), PublishError> {
    let before = layout.live_version().filter(|&before| before != number);
    if let Some(before) = before {
        remember_previous(layout, before)?;
    }
    let (parent, live) = (layout.live_parent(), layout.live());
    make_directory(&parent, 0o700).at("make", &parent)?;
    match look_at(&live)? {
        Some(found) if found.is_dir() => replace_directory(layout, number, exchange)?,
        Some(found) if !found.is_symlink() => return Err(PublishError::InTheWay { path: live }),
        _ => {
            replace_link(&layout.next_live(), &to_version(layout, number), &live)?;
            // A placeholder's files stay until the next publication: they may have
            // been opened.
            if !is_placeholder(&layout.lineage().join("fullchain.pem")) {
                retire_lineage(layout, number)?;
            }
        }
    }
    sync_directory(&parent).at("sync", &parent)
}

/// What is at `path` itself, whatever it leads to.
fn look_at(path: &Path) -> Result<Option<Metadata>, PublishError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some).at("look at", path),
    }
}

/// Relative: the root is mounted elsewhere in each container.
fn to_version(layout: &Layout<'_>, number: u64) -> PathBuf {
    PathBuf::from(format!("../archive/{}/{number}", layout.name))
}

/// Makes `link` a link to `target`, in one rename.
fn replace_link(next: &Path, target: &Path, link: &Path) -> Result<(), PublishError> {
    symlink(target, next).at("make the link", next)?;
    fs::rename(next, link).at("replace", link)
}

fn remember_previous(layout: &Layout<'_>, number: u64) -> Result<(), PublishError> {
    let link = layout.previous_link();
    let next = link.with_file_name(".unfinished-previous");
    replace_link(&next, Path::new(&number.to_string()), &link)
}

/// Puts a link in the place of a directory, as certbot has it: by one exchange, or
/// file by file where the file system cannot.
fn replace_directory(
    layout: &Layout<'_>,
    number: u64,
    exchange: Exchange,
) -> Result<(), PublishError> {
    let (live, next) = (layout.live(), layout.next_live());
    symlink(to_version(layout, number), &next).at("make the link", &next)?;
    match exchange(&next, &live) {
        // What was the link is now the directory.
        Ok(()) => set_aside(layout, &next, number),
        Err(error) if is_unsupported(&error) => {
            fs::remove_file(&next).at("remove", &next)?;
            replace_files(layout, number)
        }
        Err(error) => Err(error).at("exchange a link for", &live),
    }
}

/// Puts away the directory of links that `live/NAME` led to before it led to version
/// `number`: a placeholder's is removed, certbot's is kept.
fn retire_lineage(layout: &Layout<'_>, number: u64) -> Result<(), PublishError> {
    let lineage = layout.lineage();
    if look_at(&lineage)?.is_none() {
        return Ok(());
    }
    if is_placeholder(&lineage.join("fullchain.pem")) {
        return remove(&lineage);
    }
    set_aside(layout, &lineage, number)
}

/// Keeps `directory`, in whose place version `number` came.
fn set_aside(layout: &Layout<'_>, directory: &Path, number: u64) -> Result<(), PublishError> {
    let aside = layout.set_aside(number);
    fs::rename(directory, &aside).at("set aside", directory)?;
    info!(certificate = %layout.name, "what stood under live/ is now {}", aside.display());
    Ok(())
}

/// Makes each file in the directory a link to that of version `number`.
///
/// Caveat: a reader can meet the new key with the old chain. Never the other
/// way round, for who finds the new chain finds the new key after it: servers
/// and the agent read the chain first, so the key comes first here. Who meets
/// such a pair finds that it does not match, keeps what it has, and is told
/// again.
fn replace_files(layout: &Layout<'_>, number: u64) -> Result<(), PublishError> {
    let live = layout.live();
    for name in FILES {
        let target = format!("../../archive/{}/{number}/{name}", layout.name);
        let next = live.join(format!(".{name}.next"));
        replace_link(&next, Path::new(&target), &live.join(name))?;
    }
    sync_directory(&live).at("sync", &live)
}

/// Removes what a crash in the middle of a publication left.
pub(super) fn clear_leftovers(layout: &Layout<'_>) -> Result<(), PublishError> {
    for unfinished in layout.all_unfinished()? {
        remove(&unfinished)?;
    }
    if layout.live().is_dir() {
        for name in FILES {
            let next = layout.live().join(format!(".{name}.next"));
            if look_at(&next)?.is_some() {
                remove(&next)?;
            }
        }
    }
    let (next, live) = (layout.next_live(), layout.live_version());
    match (look_at(&next)?, live) {
        (None, _) => {}
        // It died between the exchange and the next step.
        (Some(found), Some(number)) if found.is_dir() => set_aside(layout, &next, number)?,
        (Some(_), _) => remove(&next)?,
    }
    live.map_or(Ok(()), |number| retire_lineage(layout, number))
}

fn remove(path: &Path) -> Result<(), PublishError> {
    let is_directory = look_at(path)?.is_some_and(|found| found.is_dir());
    let removed = if is_directory {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.at("remove", path)
}
