//! The runner is killed at one of its steps.

use std::fmt;
use std::time::Duration;

use super::container::Place;
use super::service::Update;
use super::{Active, Fault, How, Pending, mending};
use crate::lab::{Lab, LabError, Task, wait};

/// The runner's service in `stack.yml`, deployed as `patch`.
pub(super) const SERVICE: &str = "patch_rollover";
/// The variable that names the step at which the runner shall stand still.
const HOLD_AT: &str = "ROLLOVER_HOLD_AT";
/// A runner is replaced, starts, and works its way to the step: an update of
/// every replica may be among it.
const TO_HOLD: Duration = Duration::from_secs(180);

/// The runner stands still at a step, is killed there, and stays away; when the
/// fault ends it starts again and goes on without standing still.
///
/// The step is one of those that `rollover --hold-at` takes. Something must be
/// there to do that leads the runner to it: a certificate that is due, an empty
/// volume. A runner that was deployed with the same `--hold-at` stands still
/// already, or will; one that was not is started again with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerKilled {
    /// The step's name: `issued`.
    pub step: String,
    /// The runner's service.
    pub service: String,
}

impl RunnerKilled {
    /// The runner of `stack.yml` is killed at a step.
    #[must_use]
    pub fn at(step: impl Into<String>) -> Self {
        Self {
            step: step.into(),
            service: SERVICE.to_owned(),
        }
    }

    /// The runner that stands still at the step.
    async fn held(&self, lab: &Lab) -> Result<Task, LabError> {
        let what = format!("{} stand still at {}", self.service, self.step);
        let held = format!("held={}", self.step);
        Ok(wait::until(what, TO_HOLD, async || {
            let runners = lab.service(&self.service).running().await;
            let mut last = "no runner runs".to_owned();
            for runner in runners.map_err(|error| error.to_string())? {
                let log = runner.log().await.map_err(|error| error.to_string())?;
                if log.contains(&held) {
                    return Ok(runner);
                }
                last = log.lines().last().unwrap_or_default().to_owned();
            }
            Err(last)
        })
        .await?)
    }
}

impl Fault for RunnerKilled {
    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let service = Update::of(lab, &self.service);
            let nowhere = format!("--env-add={HOLD_AT}=");
            let here = format!("--env-add={HOLD_AT}={}", self.step);
            let (mended, go_on) = (service.clone(), nowhere.clone());
            let mend =
                mending(
                    move || async move { mended.change(&["--replicas=1".to_owned(), go_on]).await },
                );
            let active = Active::new(self, lab, Some(mend));
            service.begin(&[here]).await?;
            let runner = self.held(lab).await?;
            Place::of(&runner)?.take(How::Killed).await?;
            // Before the swarm, which waits two seconds, has started another.
            service.begin(&["--replicas=0".to_owned(), nowhere]).await?;
            Ok(active)
        })
    }
}

impl fmt::Display for RunnerKilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the runner is killed at {}", self.step)
    }
}
