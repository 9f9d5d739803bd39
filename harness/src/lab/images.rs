//! The lab's images: built by a script, before anything is started.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    process::Command,
    sync::{Mutex, OnceCell},
};

use super::{LabError, error::At};

const FIXTURES: &str = "ROLLOVER_LAB_FIXTURES";
const IMAGES: &str = "ROLLOVER_LAB_IMAGES";
const TAG: &str = "ROLLOVER_LAB_TAG";
const SCRIPT: &str = "images/build";

/// The lab's own image of that name, as this machine's engine knows it:
/// `rollover-lab/NAME:latest`, or with the tag that `ROLLOVER_LAB_TAG` names, by
/// which several checkouts keep theirs apart on one engine.
pub fn own(name: &str) -> String {
    let (name, tag) = parts(name);
    format!("{name}:{tag}")
}

/// Its name and its tag.
pub(crate) fn parts(name: &str) -> (String, String) {
    (format!("rollover-lab/{name}"), tag())
}

/// The tag of the lab's own images.
pub(crate) fn tag() -> String {
    let tag = env::var(TAG).ok().filter(|tag| !tag.is_empty());
    tag.unwrap_or_else(|| "latest".to_owned())
}

/// Builds the lab's images with `fixtures/images/build`, once in a process;
/// what has not changed comes from the engine's cache.
///
/// With `ROLLOVER_LAB_IMAGES=ready` it takes those that are there.
///
/// # Errors
/// When there is no script, or it fails: its own messages are on stderr.
pub async fn ensure() -> Result<(), LabError> {
    static BUILT: OnceCell<()> = OnceCell::const_new();
    if are_ready() {
        return Ok(());
    }
    BUILT.get_or_try_init(|| build(&[])).await.map(|&()| ())
}

/// The same for one image that no lab needs.
///
/// # Errors
/// As [`ensure`].
pub async fn ensure_one(name: &str) -> Result<(), LabError> {
    ensure_only(&[name]).await
}

/// The same for those alone, each once in a process.
pub(super) async fn ensure_only(names: &[&str]) -> Result<(), LabError> {
    static BUILT: Mutex<BTreeSet<String>> = Mutex::const_new(BTreeSet::new());
    if are_ready() {
        return Ok(());
    }
    let mut built = BUILT.lock().await;
    let missing = names.iter().copied().filter(|name| !built.contains(*name));
    let missing: Vec<&str> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    build(&missing).await?;
    built.extend(missing.into_iter().map(str::to_owned));
    Ok(())
}

fn are_ready() -> bool {
    env::var_os(IMAGES).is_some_and(|value| value == "ready")
}

/// Builds all that labs need, or only those that are named.
async fn build(only: &[&str]) -> Result<(), LabError> {
    let script = script()?;
    let status = Command::new(&script)
        .args(only)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .at("run", &script)?;
    if status.success() {
        return Ok(());
    }
    Err(LabError::Command {
        command: script.display().to_string(),
        status: status.to_string(),
        output: "what it said is above".to_owned(),
    })
}

fn script() -> Result<PathBuf, LabError> {
    if let Some(fixtures) = env::var_os(FIXTURES) {
        return Ok(Path::new(&fixtures).join(SCRIPT));
    }
    let here = env::current_dir().at("find the current directory", ".")?;
    find_above(&here)
        .or_else(of_the_sources)
        .ok_or(LabError::NoFixtures)
}

/// Whether the script that makes them is found.
pub(crate) fn can_be_built() -> bool {
    script().is_ok_and(|script| script.is_file())
}

/// Where this was compiled: cargo keeps the whole repository of a dependency.
fn of_the_sources() -> Option<PathBuf> {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = harness.with_file_name("fixtures").join(SCRIPT);
    script.is_file().then_some(script)
}

fn find_above(directory: &Path) -> Option<PathBuf> {
    directory
        .ancestors()
        .map(|ancestor| ancestor.join("fixtures").join(SCRIPT))
        .find(|script| script.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_found_from_a_directory_below() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        assert_eq!(find_above(&below), None);
        let images = root.path().join("fixtures/images");
        std::fs::create_dir_all(&images).unwrap();
        std::fs::write(images.join("build"), "").unwrap();
        assert_eq!(find_above(&below), Some(images.join("build")));
    }
}
