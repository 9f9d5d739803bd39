//! One node's own directory, and what is done in it.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::tree::{self, Change, Content, Mark, Rights, Tree};
use crate::volume::files::remove;

/// One thing that a node sees.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Directory(Rights),
    Link(PathBuf),
    Removed,
    /// A new file, with nothing in it, in the place of what was there.
    New,
    /// The file that is there, with nothing in it.
    Emptied,
    Half(Arc<Content>),
    Whole(Arc<Content>),
    Finished(Arc<Content>),
    Rights(Rights),
}

/// One node's own directory.
#[derive(Debug)]
pub(super) struct Side {
    root: PathBuf,
    pub(super) delay: Duration,
    /// Paths that are not its own.
    hidden: Vec<PathBuf>,
    /// On the same disk: where an entry is made before it is put in its place.
    staging: PathBuf,
    known: Tree,
    /// Which change of a path was last seen here.
    latest: BTreeMap<PathBuf, u64>,
    /// Which change last took a path away with all that was in it.
    gone: BTreeMap<PathBuf, u64>,
}

impl Side {
    pub(super) fn new(
        root: PathBuf,
        delay: Duration,
        hidden: Vec<PathBuf>,
        staging: PathBuf,
    ) -> Self {
        Self {
            root,
            delay,
            hidden,
            staging,
            known: Tree::new(),
            latest: BTreeMap::new(),
            gone: BTreeMap::new(),
        }
    }

    /// What was changed here by others than [`take`](Self::take) since the last
    /// look.
    pub(super) fn look(&mut self) -> io::Result<Vec<(PathBuf, Change)>> {
        let now = tree::look(&self.root, &self.hidden)?;
        let changes = tree::changes(&self.root, &self.known, &now)?;
        self.known = now;
        Ok(changes)
    }

    /// Remembers that the change of that number was made here: steps of earlier
    /// ones that are still to come are void.
    pub(super) fn made(&mut self, number: u64, path: &Path, change: &Change) {
        let takes_away = matches!(change, Change::Removed | Change::Link(_));
        self.note(number, path, takes_away);
    }

    /// Takes one step of the change of that number, unless a later change of the
    /// same path was seen here before.
    pub(super) fn take(&mut self, number: u64, path: &Path, step: &Step) -> io::Result<()> {
        if self.is_void(number, path) || !self.parent_is_directory(path) {
            return Ok(());
        }
        let taken = match self.carry_out(&self.root.join(path), step) {
            // What it would change has been removed here meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            taken => taken,
        };
        self.note(number, path, matches!(step, Step::Removed | Step::Link(_)));
        self.known
            .retain(|known, _| !known.starts_with(path) || is_kept(step, known, path));
        if let Some(mark) = Mark::of(&self.root.join(path))? {
            self.known.insert(path.to_owned(), mark);
        }
        taken
    }

    fn note(&mut self, number: u64, path: &Path, takes_away: bool) {
        let latest = self.latest.entry(path.to_owned()).or_default();
        *latest = number.max(*latest);
        if takes_away {
            self.gone.insert(path.to_owned(), number);
        }
    }

    fn is_void(&self, number: u64, path: &Path) -> bool {
        let later = |seen: Option<&u64>| seen.is_some_and(|seen| *seen > number);
        later(self.latest.get(path)) || path.ancestors().any(|above| later(self.gone.get(above)))
    }

    /// Never through a link: that would change what it leads to.
    fn parent_is_directory(&self, path: &Path) -> bool {
        let above = path.ancestors().skip(1);
        above.filter(|above| *above != Path::new("")).all(|above| {
            fs::symlink_metadata(self.root.join(above)).is_ok_and(|found| found.is_dir())
        })
    }

    fn carry_out(&self, path: &Path, step: &Step) -> io::Result<()> {
        match step {
            Step::Directory(rights) => {
                if !fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
                    remove(path)?;
                    fs::create_dir(path)?;
                }
                give(path, rights)
            }
            Step::Link(target) => self.put(path, |staged| symlink(target, staged)),
            Step::Removed => remove(path),
            Step::New => self.put(path, |staged| empty(staged).map(drop)),
            Step::Emptied => empty(path).map(drop),
            Step::Half(content) => show(path, &content.bytes[..content.bytes.len() / 2]),
            Step::Whole(content) => show(path, &content.bytes),
            Step::Finished(content) => {
                File::options()
                    .write(true)
                    .open(path)?
                    .set_modified(content.modified)?;
                give(path, &content.rights)
            }
            Step::Rights(rights) => give(path, rights),
        }
    }

    /// Makes an entry and moves it into its place in one step.
    fn put(&self, path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let staged = self.staging.join("next");
        remove(&staged)?;
        make(&staged)?;
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
            remove(path)?;
        }
        fs::rename(staged, path)
    }
}

/// Whether a known entry at or below `path` is still there after the step.
fn is_kept(step: &Step, known: &Path, path: &Path) -> bool {
    matches!(step, Step::Directory(_)) && known != path
}

fn empty(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // Nobody but its owner, until its own mode comes.
    options.mode(0o600).open(path)
}

/// The first so many bytes of a file, and nothing more: what is there already is
/// not taken away for a moment.
fn show(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.write_all_at(bytes, 0)?;
    file.set_len(bytes.len() as u64)
}

fn give(path: &Path, rights: &Rights) -> io::Result<()> {
    let (user, group) = rights.owner;
    chown(path, Some(user), Some(group))?;
    fs::set_permissions(path, Permissions::from_mode(rights.permissions.mode()))
}
