//! A service's clock is ahead.

use std::fmt;
use std::time::Duration;

use super::service::Update;
use super::{Active, Fault, Pending, mending};
use crate::lab::{Lab, LabError};

/// Debian's libfaketime, in the node's image.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
const IN_CONTAINER: &str = "/run/rollover-lab-faketime.so";

/// The clock of a service's containers is ahead; they are replaced for it, and
/// again when the fault ends.
///
/// # Caveats
/// The kernel has one clock for all. So a program is told another time by a
/// library that is loaded before its own: that works where the program is
/// linked dynamically with glibc (nginx, certbot, PHP), and does nothing where it
/// is static. The runner, which is, has its own setting for this, and is given it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockAhead {
    /// The service's full name: `patch_loadbalancer`.
    pub service: String,
    /// By how much, in whole seconds.
    pub ahead: Duration,
    means: Means,
}

/// How a program is told another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// By libfaketime.
    Library,
    /// By `ROLLOVER_CLOCK_AHEAD`.
    Setting,
}

impl ClockAhead {
    /// The clock of a service whose programs are linked dynamically.
    #[must_use]
    pub fn of(service: impl Into<String>, ahead: Duration) -> Self {
        Self {
            service: service.into(),
            ahead,
            means: Means::Library,
        }
    }

    /// The runner's clock.
    #[must_use]
    pub fn of_the_runner(ahead: Duration) -> Self {
        Self {
            service: super::runner_step::SERVICE.to_owned(),
            ahead,
            means: Means::Setting,
        }
    }

    /// What changes in the service, and what changes it back.
    fn changes(&self) -> (Vec<String>, Vec<String>) {
        let seconds = self.ahead.as_secs();
        let (there, back) = match self.means {
            Means::Setting => (
                vec![format!("--env-add=ROLLOVER_CLOCK_AHEAD={seconds}s")],
                vec!["--env-rm=ROLLOVER_CLOCK_AHEAD".to_owned()],
            ),
            Means::Library => (
                vec![
                    format!(
                        "--mount-add=type=bind,source={LIBRARY},target={IN_CONTAINER},readonly"
                    ),
                    format!("--env-add=LD_PRELOAD={IN_CONTAINER}"),
                    format!("--env-add=FAKETIME=+{seconds}s"),
                ],
                vec![
                    format!("--mount-rm={IN_CONTAINER}"),
                    "--env-rm=LD_PRELOAD".to_owned(),
                    "--env-rm=FAKETIME".to_owned(),
                ],
            ),
        };
        (there, back)
    }

    async fn supported(&self, lab: &Lab) -> Result<(), LabError> {
        if self.means == Means::Setting {
            return Ok(());
        }
        let there = lab.manager().exec(&["test", "-e", LIBRARY]).await?;
        if there.success() {
            return Ok(());
        }
        Err(LabError::Unsupported {
            what: self.to_string(),
            reason: format!("the node's image has no {LIBRARY}: build the images anew"),
        })
    }
}

impl Fault for ClockAhead {
    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            self.supported(lab).await?;
            let service = Update::of(lab, &self.service);
            let (there, back) = self.changes();
            let mended = service.clone();
            let mend = mending(move || async move { mended.change(&back).await });
            let active = Active::new(self, lab, Some(mend));
            service.change(&there).await?;
            Ok(active)
        })
    }
}

impl fmt::Display for ClockAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, ahead, .. } = self;
        write!(f, "the clock of {service} is {ahead:?} ahead")
    }
}
