//! The Docker API fails the runner.

use std::fmt;
use std::time::Duration;

use super::proxy::{Proxy, Rule, Server};
use super::runner_step::SERVICE;
use super::service::Update;
use super::{Active, Fault, Pending, mending};
use crate::lab::{Lab, LabError, wait};

/// The runner looks once a minute, or starts.
const TO_BE_SEEN: Duration = Duration::from_secs(120);

/// The Docker API that the runner speaks to answers wrongly.
///
/// The runner is started again, with `--docker-host` leading to a proxy in front
/// of its manager's daemon, and once more when the fault ends. What it makes on
/// other nodes speaks to the daemons there, as ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerApiBroken {
    /// Which calls, and how.
    pub rule: Rule,
}

impl DockerApiBroken {
    /// With such calls answered wrongly.
    #[must_use]
    pub fn by(rule: Rule) -> Self {
        Self { rule }
    }
}

impl Fault for DockerApiBroken {
    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let server = Server::Socket(lab.manager().socket().to_owned());
            let proxy = Proxy::start(lab.gateway(), server, self.rule.clone())?;
            let proxy = std::sync::Arc::new(proxy);
            let (service, held) = (Update::of(lab, SERVICE), std::sync::Arc::clone(&proxy));
            let mended = service.clone();
            let mend = mending(move || async move {
                let back = ["--env-rm=ROLLOVER_DOCKER_HOST".to_owned()];
                mended.change(&back).await?;
                drop(held);
                Ok(())
            });
            let active = Active::new(self, lab, Some(mend));
            let to = format!("--env-add=ROLLOVER_DOCKER_HOST=tcp://{}", proxy.address());
            service.begin(&[to]).await?;
            seen(&proxy, &self.to_string()).await?;
            Ok(active)
        })
    }
}

/// Waits until a call was answered wrongly.
async fn seen(proxy: &Proxy, what: &str) -> Result<(), LabError> {
    Ok(
        wait::until(what, TO_BE_SEEN, async || match proxy.broken() {
            0 => Err("no such call was made"),
            _ => Ok(()),
        })
        .await?,
    )
}

impl fmt::Display for DockerApiBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the Docker API {}", self.rule)
    }
}
