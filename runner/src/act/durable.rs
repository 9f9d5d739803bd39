//! Writing so that it is on disk, and whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes the directory and those above it, where they are not there.
pub(crate) fn make_directory(directory: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(directory)
}

/// Waits until the names in a directory are on disk.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Writes a file that is not there yet.
pub(crate) fn write_new(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create_new(true);
    write(options, file, content, mode)
}

/// Puts a file with this content where one was or none, in one rename; makes
/// the directory.
pub(crate) fn replace(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    make_directory(directory, 0o700)?;
    let next = directory.join(format!(".{}.next", name.to_string_lossy()));
    let mut options = OpenOptions::new();
    options.create(true).truncate(true);
    write(options, &next, content, mode)?;
    fs::rename(&next, file)?;
    sync_directory(directory)
}

fn write(mut options: OpenOptions, file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = options.write(true).mode(mode).open(file)?;
    file.write_all(content)?;
    file.sync_all()
}
