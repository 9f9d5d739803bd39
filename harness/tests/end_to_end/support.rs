//! One lab for all, and the states that a test can ask for.

use std::any::Any;
use std::error::Error;
use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use libtest_mimic::{Failed, Trial};
use rollover_lab::lab::wait::until;
use rollover_lab::lab::{Lab, Task};
use rollover_lab::scenario::{Account, Renewal, Serves, Site, SiteOptions};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// What a test comes to. Assertions panic; what could not be done is an error.
pub(crate) type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Three replicas one after the other, with their drain and health checks.
const TO_SETTLE: Duration = Duration::from_secs(240);

/// The lab that all share; it comes up with the first test that is run.
pub(crate) struct Suite {
    runtime: Arc<Runtime>,
    lab: Arc<OnceCell<Lab>>,
}

impl Suite {
    pub(crate) fn new() -> Self {
        // What was expected and found, without a trace through the runtime.
        std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
        let runtime = Runtime::new().expect("a runtime needs no more than threads");
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_env("ROLLOVER_LAB_LOG"))
            .with_writer(std::io::stderr)
            .try_init();
        Self {
            runtime: Arc::new(runtime),
            lab: Arc::new(OnceCell::new()),
        }
    }

    /// A test on the shared lab.
    pub(crate) fn trial(
        &self,
        name: &'static str,
        test: impl AsyncFnOnce(&Lab) -> Outcome + Send + 'static,
    ) -> Trial {
        let (runtime, lab) = (Arc::clone(&self.runtime), Arc::clone(&self.lab));
        Trial::test(name, move || {
            runtime.block_on(async {
                let lab = lab
                    .get_or_try_init(|| Lab::builder().nodes(3).start())
                    .await
                    .map_err(|error| Failed::from(with_causes(&error)))?;
                let begun = Instant::now();
                let ended = AssertUnwindSafe(test(lab)).catch_unwind().await;
                eprint!("({:.0} s) ", begun.elapsed().as_secs_f64());
                let failure = match ended {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(error)) => with_causes(error.as_ref()),
                    Err(panic) => said(panic.as_ref()),
                };
                Err(Failed::from(format!(
                    "{failure}\n{}",
                    keep(lab, name).await
                )))
            })
        })
    }

    /// Takes the lab down.
    pub(crate) fn end(self) {
        let Some(lab) = Arc::into_inner(self.lab).and_then(OnceCell::into_inner) else {
            return;
        };
        if let Err(error) = self.runtime.block_on(lab.stop()) {
            eprintln!("the lab was not taken down: {error}");
        }
    }
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it panicked")
        .to_owned()
}

/// Keeps what can be known of a failure.
async fn keep(lab: &Lab, name: &str) -> String {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../lab-failures");
    let directory = directory.join(name.replace("::", "-"));
    match lab.bundle(&directory).await {
        Ok(()) => format!("logs and states of the lab: {}", directory.display()),
        Err(error) => format!("nothing more is known: {error}"),
    }
}

/// What the tests deploy, but for what one of them changes.
pub(crate) fn options() -> Result<SiteOptions, Box<dyn Error + Send + Sync>> {
    Ok(SiteOptions::find()?)
}

/// The stack as `options` have it, settled, every replica serving a
/// certificate of the lab's authority.
pub(crate) async fn site(
    lab: &Lab,
    options: SiteOptions,
) -> Result<Site<'_>, Box<dyn Error + Send + Sync>> {
    let site = Site::deploy(lab, options).await?;
    settled(&site).await?;
    site.serving().await?;
    Ok(site)
}

/// Waits until swarm has carried out the last deploy.
pub(crate) async fn settled(site: &Site<'_>) -> Outcome {
    let failed = until("the stack settle", TO_SETTLE, async || site.settled().await).await?;
    assert_eq!(failed, [""; 0], "updates that swarm gave up");
    Ok(())
}

/// The IDs of the tasks of the load balancer that run.
pub(crate) async fn task_ids(site: &Site<'_>) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    let tasks: Vec<Task> = site.load_balancer().running().await?;
    Ok(tasks.into_iter().map(|task| task.id).collect())
}

/// A renewal that proves: every replica changed, all to what the runner says.
pub(crate) async fn proved(
    site: &Site<'_>,
    renewal: Renewal,
) -> Result<Account, Box<dyn Error + Send + Sync>> {
    let account = renewal.run(site).await?;
    let last = account.reports.last().expect("a renewal has a report");
    let issued = last.certificates[0].after.clone();
    assert_eq!(account.changes().len(), site.lab().nodes().len());
    for change in account.changes() {
        assert_ne!(change.before.as_ref(), Some(&change.after), "{account}");
        assert_eq!(issued.as_ref(), Some(&change.after), "{account}");
        assert!(change.changed_at.is_some(), "{account}");
    }
    assert_eq!(account.seconds_to_verified().len(), renewal.times as usize);
    Ok(account)
}

/// The fingerprints that are served, which are all the same.
pub(crate) fn one_fingerprint(served: &[Serves]) -> String {
    let first = served.first().expect("a replica").fingerprint.clone();
    assert!(served.iter().all(|s| s.fingerprint == first), "{served:?}");
    first
}

/// The file that a link of the site's lineage leads to now, on this machine.
pub(crate) fn live_file(site: &Site<'_>, file: &str) -> PathBuf {
    let live = site.lab().certificates().join("live");
    let link = live.join(&site.options().domain).join(file);
    fs::canonicalize(&link).unwrap_or(link)
}
