//! What there is in a directory, and what has changed since.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// By what a change of an entry is told, without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    kind: Kind,
    mode: u32,
    owner: (u32, u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Directory,
    Link(PathBuf),
    /// Seconds and nanoseconds; where nothing but the mode changes, the times of
    /// the content stay.
    File {
        inode: u64,
        length: u64,
        modified: (i64, i64),
    },
}

impl Mark {
    /// The mark of what is there now; none when there is nothing.
    pub(super) fn of(path: &Path) -> io::Result<Option<Self>> {
        match fs::symlink_metadata(path) {
            Ok(found) => Self::from(path, &found).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn from(path: &Path, found: &Metadata) -> io::Result<Self> {
        let kind = if found.is_dir() {
            Kind::Directory
        } else if found.is_symlink() {
            Kind::Link(fs::read_link(path)?)
        } else {
            Kind::File {
                inode: found.ino(),
                length: found.len(),
                modified: (found.mtime(), found.mtime_nsec()),
            }
        };
        Ok(Self {
            kind,
            mode: found.mode(),
            owner: (found.uid(), found.gid()),
        })
    }

    pub(super) fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }
}

/// Every entry by its path below the root, parents before what is in them.
pub(super) type Tree = BTreeMap<PathBuf, Mark>;

/// Looks at everything below `root` but what lies in `hidden`.
pub(super) fn look(root: &Path, hidden: &[PathBuf]) -> io::Result<Tree> {
    let mut tree = Tree::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        let entries = match fs::read_dir(root.join(&directory)) {
            // It was removed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound && directory != Path::new("") => {
                continue;
            }
            entries => entries?,
        };
        for entry in entries {
            let path = directory.join(entry?.file_name());
            if hidden.contains(&path) {
                continue;
            }
            let Some(mark) = Mark::of(&root.join(&path))? else {
                continue;
            };
            if mark.is_directory() {
                directories.push(path.clone());
            }
            tree.insert(path, mark);
        }
    }
    Ok(tree)
}

/// What has come to be at a path.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Removed,
    Directory(Rights),
    Link(PathBuf),
    /// A new file, or one written in the place of another.
    New(Arc<Content>),
    /// The same file, rewritten.
    Rewritten(Arc<Content>),
    /// The same content, with another mode or owner.
    Rights(Rights),
}

/// What is in a file.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) modified: std::time::SystemTime,
    pub(super) rights: Rights,
}

/// Who may do what.
#[derive(Debug, Clone)]
pub(super) struct Rights {
    pub(super) permissions: fs::Permissions,
    pub(super) owner: (u32, u32),
}

impl Rights {
    fn of(found: &Metadata) -> Self {
        Self {
            permissions: found.permissions(),
            owner: (found.uid(), found.gid()),
        }
    }
}

/// What has changed from one look at `root` to the next: directories first, then
/// links, removals and files, each by name.
pub(super) fn changes(root: &Path, old: &Tree, new: &Tree) -> io::Result<Vec<(PathBuf, Change)>> {
    let mut changes = Vec::new();
    for (path, mark) in new {
        let before = old.get(path);
        if before == Some(mark) {
            continue;
        }
        match change(&root.join(path), before, mark) {
            Ok(change) => changes.push((path.clone(), change)),
            // It was removed since; the next look says so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    // What was in a directory that is gone goes with it.
    let removed = old.keys().filter(|path| {
        let parent = path.parent().unwrap_or(Path::new(""));
        let in_root = parent == Path::new("");
        let parent_is_there = in_root || new.get(parent).is_some_and(Mark::is_directory);
        !new.contains_key(*path) && parent_is_there
    });
    changes.extend(removed.map(|path| (path.clone(), Change::Removed)));
    changes.sort_by_key(|(_, change)| change.rank());
    Ok(changes)
}

impl Change {
    fn rank(&self) -> u8 {
        match self {
            Self::Directory(_) => 0,
            Self::Link(_) => 1,
            Self::Removed => 2,
            Self::New(_) | Self::Rewritten(_) | Self::Rights(_) => 3,
        }
    }
}

fn change(path: &Path, before: Option<&Mark>, now: &Mark) -> io::Result<Change> {
    let rights = || fs::symlink_metadata(path).map(|found| Rights::of(&found));
    match (&now.kind, before.map(|before| &before.kind)) {
        (Kind::Directory, _) => Ok(Change::Directory(rights()?)),
        (Kind::Link(target), _) => Ok(Change::Link(target.clone())),
        (file, Some(before)) if file == before => Ok(Change::Rights(rights()?)),
        (Kind::File { inode, .. }, Some(Kind::File { inode: before, .. })) if inode == before => {
            Ok(Change::Rewritten(Arc::new(content(path)?)))
        }
        (Kind::File { .. }, _) => Ok(Change::New(Arc::new(content(path)?))),
    }
}

fn content(path: &Path) -> io::Result<Content> {
    let found = fs::symlink_metadata(path)?;
    Ok(Content {
        bytes: fs::read(path)?,
        modified: found.modified()?,
        rights: Rights::of(&found),
    })
}
