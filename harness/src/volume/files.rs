//! The files on a volume, wherever it can be reached.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::MOUNT_POINT;
use crate::lab::{At, Container, LabError, Raw};

/// The files on a volume, each named by its path below the certificate root.
///
/// Calls wait for their end without async, so that a value that goes away can
/// put back what it changed. Where the volume can be reached from within a node
/// only, each is a command in that node, of some 50 ms.
#[derive(Debug, Clone)]
pub struct Files(Place);

#[derive(Debug, Clone)]
enum Place {
    Here(Here),
    In(Container),
}

/// A directory of this machine, as a node sees it.
#[derive(Debug, Clone)]
struct Here {
    root: PathBuf,
    /// What the node has mounted over directories of it: each by its path below
    /// the root, and where this machine finds it.
    over: Vec<(PathBuf, PathBuf)>,
}

impl Here {
    fn find(&self, path: &Path) -> PathBuf {
        let mut over = self.over.iter();
        let found = over.find_map(|(below, at)| Some(at.join(path.strip_prefix(below).ok()?)));
        found.unwrap_or_else(|| self.root.join(path))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if !self.over.iter().any(|(below, _)| below == path) {
            return remove(&self.find(path));
        }
        // What is mounted in nodes stays, and is empty then.
        for entry in fs::read_dir(self.find(path))? {
            remove(&entry?.path())?;
        }
        Ok(())
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let end = fs::canonicalize(self.find(path))?;
        let root = (PathBuf::new(), self.root.clone());
        for (below, at) in self.over.iter().chain([&root]) {
            if let Ok(rest) = end.strip_prefix(fs::canonicalize(at)?) {
                return Ok(below.join(rest));
            }
        }
        Err(off_the_volume(&end))
    }
}

fn off_the_volume(end: &Path) -> io::Error {
    io::Error::other(format!("it leads to {}", end.display()))
}

/// A file or directory in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the directory's.
    pub name: String,
    /// When it was last written; of a link, when the link was.
    pub modified: Timestamp,
}

impl Files {
    /// Those in a directory of this machine.
    pub(super) fn here(root: PathBuf) -> Self {
        Self(Place::Here(Here {
            root,
            over: Vec::new(),
        }))
    }

    /// Those in a directory of this machine over which others are mounted.
    pub(super) fn here_under(root: PathBuf, over: Vec<(PathBuf, PathBuf)>) -> Self {
        Self(Place::Here(Here { root, over }))
    }

    /// Those that a node has mounted.
    pub(super) fn within(node: Container) -> Self {
        Self(Place::In(node))
    }

    /// What is in a file; links are followed.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, LabError> {
        let path = path.as_ref();
        match &self.0 {
            Place::Here(here) => fs::read(here.find(path)).at("read", path),
            Place::In(node) => ask(node, "read", path, &["cat", "--"]).map(|raw| raw.stdout),
        }
    }

    /// As [`read`](Self::read); what is no UTF-8 is replaced.
    ///
    /// # Errors
    /// As there.
    pub fn read_text(&self, path: impl AsRef<Path>) -> Result<String, LabError> {
        let content = self.read(path)?;
        Ok(String::from_utf8_lossy(&content).into_owned())
    }

    /// Writes a file in place, or makes it; links are followed.
    ///
    /// # Errors
    /// When its directory does not exist, or it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<(), LabError> {
        let (path, content) = (path.as_ref(), content.as_ref());
        match &self.0 {
            Place::Here(here) => fs::write(here.find(path), content).at("write", path),
            Place::In(node) => {
                // That many bytes: so the end of the input needs no telling.
                let length = content.len().to_string();
                let script = r#"head -c "$1" >"$2""#;
                let command = ["sh", "-c", script, "sh", &length];
                give(node, "write", path, &command, content).map(drop)
            }
        }
    }

    /// What is in a directory, in no order.
    ///
    /// # Errors
    /// When there is none.
    pub fn list(&self, path: impl AsRef<Path>) -> Result<Vec<Entry>, LabError> {
        let path = path.as_ref();
        match &self.0 {
            Place::Here(here) => list_here(&here.find(path)).at("list", path),
            Place::In(node) => {
                let script = r#"find "$1" -mindepth 1 -maxdepth 1 -printf '%T@ %f\n'"#;
                let found = ask(node, "list", path, &["sh", "-c", script, "sh"])?;
                let found = String::from_utf8_lossy(&found.stdout).into_owned();
                Ok(found.lines().filter_map(listed).collect())
            }
        }
    }

    /// Whether there is something: a file, a directory, or a link wherever it
    /// leads.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn exists(&self, path: impl AsRef<Path>) -> Result<bool, LabError> {
        let path = path.as_ref();
        match &self.0 {
            Place::Here(here) => match fs::symlink_metadata(here.find(path)) {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error).at("look for", path),
            },
            Place::In(node) => {
                let script = r#"[ -e "$1" ] || [ -L "$1" ] || echo none"#;
                let looked = ask(node, "look for", path, &["sh", "-c", script, "sh"])?;
                Ok(looked.stdout.is_empty())
            }
        }
    }

    /// Removes a file, a link, or a directory with all in it; that there is
    /// nothing is no error.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, path: impl AsRef<Path>) -> Result<(), LabError> {
        let path = path.as_ref();
        match &self.0 {
            Place::Here(here) => here.remove(path).at("remove", path),
            Place::In(node) => ask(node, "remove", path, &["rm", "-rf", "--"]).map(drop),
        }
    }

    /// Where a path leads to once all links are followed.
    ///
    /// # Errors
    /// When it leads nowhere, or off the volume.
    pub fn resolve(&self, path: impl AsRef<Path>) -> Result<PathBuf, LabError> {
        let path = path.as_ref();
        match &self.0 {
            Place::Here(here) => here.resolve(path).at("follow on the volume", path),
            Place::In(node) => {
                let doing = "follow on the volume";
                let found = ask(node, doing, path, &["realpath", "-e", "--"])?;
                let found = String::from_utf8_lossy(&found.stdout).into_owned();
                let end = Path::new(found.trim_end());
                let below = end.strip_prefix(MOUNT_POINT).map(Path::to_path_buf);
                below.map_err(|_| off_the_volume(end)).at(doing, path)
            }
        }
    }
}

fn list_here(directory: &Path) -> io::Result<Vec<Entry>> {
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        let modified = entry.metadata()?.modified()?;
        Ok(Entry {
            name: entry.file_name().to_string_lossy().into_owned(),
            modified: Timestamp::try_from(modified).unwrap_or(Timestamp::MIN),
        })
    };
    fs::read_dir(directory)?.map(entry).collect()
}

/// One line of what `find -printf '%T@ %f\n'` writes.
fn listed(line: &str) -> Option<Entry> {
    let (seconds, name) = line.split_once(' ')?;
    let (seconds, fraction) = seconds.split_once('.')?;
    let nanoseconds = fraction.get(..9)?.parse().ok()?;
    Some(Entry {
        name: name.to_owned(),
        modified: Timestamp::new(seconds.parse().ok()?, nanoseconds).ok()?,
    })
}

/// Removes a file, a link, or a directory with all in it, if there is one.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Runs a command in the node, with the path as its last word.
fn ask(
    node: &Container,
    doing: &'static str,
    path: &Path,
    command: &[&str],
) -> Result<Raw, LabError> {
    give(node, doing, path, command, &[])
}

/// As [`ask`]; `input` is what the command reads.
fn give(
    node: &Container,
    doing: &'static str,
    path: &Path,
    command: &[&str],
    input: &[u8],
) -> Result<Raw, LabError> {
    let whole = Path::new(MOUNT_POINT).join(path).display().to_string();
    let command = [command, &[&whole]].concat();
    let raw = apart(node.exec_raw(&command, input))?;
    if raw.code == 0 {
        return Ok(raw);
    }
    let said = String::from_utf8_lossy(&raw.stderr).trim_end().to_owned();
    Err(io::Error::other(said)).at(doing, path)
}

/// Waits for `work` in a thread with a runtime of its own, so that it works the
/// same from a `drop`, from any kind of runtime and from none.
fn apart<T: Send>(work: impl Future<Output = Result<T, LabError>> + Send) -> Result<T, LabError> {
    let wait = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .at("start a runtime to reach the volume", "")?
            .block_on(work)
    };
    let waited = std::thread::scope(|scope| scope.spawn(wait).join());
    waited.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_find_writes() {
        let entry = listed("1795601113.2279082260 full chain.pem").unwrap();
        assert_eq!(entry.name, "full chain.pem");
        assert_eq!(entry.modified.to_string(), "2026-11-25T10:05:13.227908226Z");
        assert_eq!(listed("nonsense"), None);
    }

    #[test]
    fn what_is_written_is_read_listed_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let files = Files::here(root.path().to_owned());
        fs::create_dir(root.path().join("live")).unwrap();
        std::os::unix::fs::symlink("live", root.path().join("link")).unwrap();
        files.write("live/a.pem", "content").unwrap();
        assert_eq!(files.read("link/a.pem").unwrap(), b"content");
        assert_eq!(
            files.resolve("link/a.pem").unwrap(),
            Path::new("live/a.pem")
        );
        let names = files.list("live").unwrap().into_iter().map(|e| e.name);
        assert_eq!(names.collect::<Vec<_>>(), ["a.pem"]);
        files.remove("live").unwrap();
        assert!(!files.exists("live").unwrap());
        assert!(files.exists("link").unwrap(), "a link that leads nowhere");
        files.remove("live").unwrap();
        assert!(files.read("live/a.pem").is_err());
    }

    #[test]
    fn what_is_mounted_over_a_directory_stays_when_it_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let (below, above) = (root.path().join("below"), root.path().join("above"));
        fs::create_dir_all(below.join("webroot")).unwrap();
        fs::create_dir(&above).unwrap();
        let files = Files::here_under(below, vec![("webroot".into(), above.clone())]);
        files.write("webroot/token", "a").unwrap();
        assert_eq!(fs::read(above.join("token")).unwrap(), b"a");
        assert_eq!(
            files.resolve("webroot/token").unwrap(),
            Path::new("webroot/token")
        );
        files.remove("webroot").unwrap();
        assert!(above.exists() && !files.exists("webroot/token").unwrap());
    }

    #[test]
    fn a_link_that_leads_off_the_volume_is_told() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", root.path().join("out")).unwrap();
        let error = Files::here(root.path().to_owned()).resolve("out");
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("follow on the volume")
        );
    }
}
