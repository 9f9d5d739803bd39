//! What a lab leaves behind when its test fails: its bundle, without being asked for it.
//!
//! A test that fails ends by a panic or by `?`. Either drops its lab before anybody can
//! ask for the bundle; so a lab that is dropped before it was stopped writes it.

use std::{
    env, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{Lab, LabError, bundle, error::At};

/// Names the directory, where it is not to be found by itself.
const DIRECTORY: &str = "ROLLOVER_LAB_FAILURES";
/// A node that is frozen does not answer for minutes; what was written until then is kept.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where failed tests leave the bundles of their labs: `ROLLOVER_LAB_FAILURES`, or
/// `lab-failures/` in the target directory of the test that runs, or where temporary
/// files go.
#[must_use]
pub fn failures() -> PathBuf {
    let named = env::var_os(DIRECTORY).filter(|name| !name.is_empty());
    let program = env::current_exe().unwrap_or_default();
    named
        .map(PathBuf::from)
        .or_else(|| beside(&program))
        .unwrap_or_else(|| env::temp_dir().join("rollover-lab-failures"))
}

/// Cargo puts the program of a test into `target/debug/deps/`.
fn beside(program: &Path) -> Option<PathBuf> {
    let directory = program.parent()?;
    let target = directory.parent()?.parent()?;
    (directory.file_name()? == "deps").then(|| target.join("lab-failures"))
}

/// Writes the bundle of a lab that is being dropped, and says where it is.
#[expect(
    clippy::print_stderr,
    reason = "who runs the test is to find it, and a log may not be set up"
)]
pub(super) fn explain(lab: &Lab) {
    let directory = failures().join(name(thread::current().name(), lab.run()));
    let told = match write_from_drop(lab, &directory) {
        Ok(()) => format!("what may explain it is in {}", directory.display()),
        Err(error) => format!("its bundle was not written: {}", crate::with_causes(&error)),
    };
    eprintln!("a lab was dropped before it was stopped; {told}");
}

/// A thread and a runtime of its own: it works the same from a `drop` in any kind of
/// runtime and in none.
fn write_from_drop(lab: &Lab, directory: &Path) -> Result<(), LabError> {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .at("start a runtime to write a bundle", "")?;
        let written = async { tokio::time::timeout(DEADLINE, bundle::write(lab, directory)).await };
        let late = || Err(io::Error::from(io::ErrorKind::TimedOut)).at("write all of", directory);
        runtime.block_on(written).unwrap_or_else(|_| late())
    };
    thread::scope(|scope| {
        let written = scope.spawn(work).join();
        let panicked = |_| Err(io::Error::other("it panicked")).at("write", directory);
        written.unwrap_or_else(panicked)
    })
}

/// A test runs in a thread that has its name. A run's ID tells its labs apart, and one
/// failure from the next.
fn name(thread: Option<&str>, run: &str) -> String {
    let test = thread.filter(|name| *name != "main" && !name.starts_with("tokio"));
    test.map_or_else(
        || run.to_owned(),
        |test| {
            format!(
                "{}-{run}",
                test.replace(|c: char| !c.is_alphanumeric() && c != '_', "-")
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_named_by_its_test_and_its_lab() {
        assert_eq!(name(Some("lab::is_up"), "x1"), "lab--is_up-x1");
        for nobody_s in [Some("main"), Some("tokio-rt-worker"), None] {
            assert_eq!(name(nobody_s, "x1"), "x1");
        }
    }

    #[test]
    fn bundles_go_into_the_target_directory_of_a_test() {
        let of = |program: &str| beside(Path::new(program));
        let here = of("/shop/target/debug/deps/shop-0123");
        assert_eq!(here, Some(PathBuf::from("/shop/target/lab-failures")));
        assert_eq!(of("/usr/bin/rollover-lab"), None);
    }
}
