//! Files as a container sees them, through its mounts and its links: by the
//! engine, so it works for images without a shell too.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use bollard::Docker;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder,
};
use futures_util::TryStreamExt;

use crate::docker::describe;
use crate::model::{Named, Pair};

/// Links are followed this far, as a kernel would; certbot's need one.
const MAX_LINKS: usize = 8;
/// No chain and no key is larger, nor a certificate's directory; what is, is not what
/// is looked for.
const MAX_ARCHIVE: usize = 1 << 20;

/// The key's name, beside its chain.
pub(super) const KEY: &str = "privkey.pem";

/// The pair that the container sees: `chain`, and its key beside it.
///
/// # Errors
/// In words, when it sees none, or not a whole one.
pub(super) async fn pair_in(
    docker: &Docker,
    container: &str,
    chain: &Path,
) -> Result<Pair, String> {
    let key = chain.with_file_name(KEY);
    let (chain_content, key_content) = match together(docker, container, chain, &key).await {
        Some(both) => both,
        None => (
            read(docker, container, chain).await?,
            read(docker, container, &key).await?,
        ),
    };
    Pair::check(
        &Named {
            file: &chain.display().to_string(),
            content: &chain_content,
        },
        &Named {
            file: &key.display().to_string(),
            content: &key_content,
        },
    )
    .map_err(|error| error.to_string())
}

/// Two files of one directory, by one question: each starts a process of the engine's.
/// `None` where they cannot be had so, because they are links (as certbot's are), or
/// there is more in that directory than is to be read, or none.
async fn together(
    docker: &Docker,
    container: &str,
    one: &Path,
    other: &Path,
) -> Option<(Vec<u8>, Vec<u8>)> {
    // The engine follows a link to a directory when something in it is meant.
    let directory = one.parent()?.join(".");
    let archive = archive(docker, container, &directory).await.ok()?;
    let mut files = files(&archive).ok()?;
    let mut content = |path: &Path| {
        let name = path.file_name()?;
        let place = files.iter().position(|(file, _)| file == name)?;
        Some(files.swap_remove(place).1)
    };
    Some((content(one)?, content(other)?))
}

/// The files that an archive of a directory has, but for those deeper in it.
fn files(archive: &[u8]) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = normal(&entry.path()?);
        if entry.header().entry_type().is_file() && path.components().count() == 1 {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            files.push((path, content));
        }
    }
    Ok(files)
}

/// One file; links are followed inside the container.
async fn read(docker: &Docker, container: &str, path: &Path) -> Result<Vec<u8>, String> {
    let file = resolve(docker, container, path).await?;
    let of_it = |why: String| format!("{}: {why}", path.display());
    let archive = archive(docker, container, &file).await.map_err(of_it)?;
    let files = files(&archive).map_err(|error| of_it(error.to_string()))?;
    let file = files.into_iter().next();
    let (_, content) = file.ok_or_else(|| of_it("no file".to_owned()))?;
    Ok(content)
}

/// What is at `path`, which has to be no link, as the engine packs it.
async fn archive(docker: &Docker, container: &str, path: &Path) -> Result<Vec<u8>, String> {
    let options = DownloadFromContainerOptionsBuilder::default()
        .path(&path.to_string_lossy())
        .build();
    let mut parts = docker.download_from_container(container, Some(options));
    let mut archive = Vec::new();
    while let Some(part) = parts.try_next().await.map_err(|error| describe(&error))? {
        archive.extend_from_slice(&part);
        if archive.len() > MAX_ARCHIVE {
            return Err(format!("more than {} KiB", MAX_ARCHIVE >> 10));
        }
    }
    Ok(archive)
}

async fn resolve(docker: &Docker, container: &str, path: &Path) -> Result<PathBuf, String> {
    let mut file = path.to_owned();
    for _ in 0..MAX_LINKS {
        let options = ContainerArchiveInfoOptionsBuilder::default()
            .path(&file.to_string_lossy())
            .build();
        let info = docker
            .get_container_archive_info(container, Some(options))
            .await
            .map_err(|error| format!("{}: {}", file.display(), describe(&error)))?;
        if info.link_target.is_empty() {
            return Ok(file);
        }
        file = match file.parent() {
            Some(parent) => normal(&parent.join(&info.link_target)),
            None => PathBuf::from(&info.link_target),
        };
    }
    Err(format!("{}: more than {MAX_LINKS} links", path.display()))
}

/// `path` without `.` and `..`, which the engine would take literally.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_as_the_kernel_would() {
        let link = Path::new("/etc/letsencrypt/live/example.org/../../archive/a/./cert1.pem");
        assert_eq!(
            normal(link),
            Path::new("/etc/letsencrypt/archive/a/cert1.pem")
        );
    }

    #[test]
    fn an_archive_of_a_directory_gives_its_files_and_no_links_and_nothing_deeper() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |path: &str, kind, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, path, content).unwrap();
        };
        add("./", tar::EntryType::Directory, b"");
        add("./fullchain.pem", tar::EntryType::Regular, b"chain");
        add("./chain.pem", tar::EntryType::Symlink, b"");
        add("./old/", tar::EntryType::Directory, b"");
        add("./old/fullchain.pem", tar::EntryType::Regular, b"older");
        let files = files(&archive.into_inner().unwrap()).unwrap();
        assert_eq!(files, [("fullchain.pem".into(), b"chain".to_vec())]);
    }
}
