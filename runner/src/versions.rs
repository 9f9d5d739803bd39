//! Carrying out what was decided of versions: which of those that there are is
//! published. Each change is remembered in the swarm before it is made, so that
//! after a crash the archive and the record say how it goes on.

use tracing::{error, info, warn};

use crate::act::publish::{PublishError, Publisher};
use crate::clock::now;
use crate::decide::{Turn, VersionStep};
use crate::model::CertificateName;
use crate::observe::files;
use crate::reconcile::Runner;
use crate::report::VersionResult;

/// Why a version was not published.
#[derive(Debug, thiserror::Error)]
#[error("certificate {name}: publish version {number} again: {cause}")]
struct TurnError {
    name: CertificateName,
    number: u64,
    cause: PublishError,
}

impl Runner {
    /// Publishes what `steps` name in place of what is published. One that has come
    /// true already, or for which something else was published since, is left out.
    pub(crate) async fn turn<'a>(
        &mut self,
        steps: impl IntoIterator<Item = &'a VersionStep>,
    ) -> Vec<VersionResult> {
        let mut results = Vec::new();
        for step in steps {
            let root = &self.settings.certificate_root;
            let published = files::published(root, &step.name);
            let published = published.leaf().map(|leaf| leaf.fingerprint);
            if published != step.from {
                continue;
            }
            let result = match step.turn {
                Turn::Back(_) => self.turn_back(step).await,
                Turn::Again(_) => self.try_again(step).await,
            };
            if let Err(why) = &result {
                error!("{why}");
            }
            results.push(VersionResult::new(step, result.err()));
        }
        results
    }

    /// Nothing but the rollout that failed is held against the new version, and it
    /// is remembered by then: this is only the link.
    async fn turn_back(&mut self, step: &VersionStep) -> Result<(), TurnError> {
        // Why was said when the rollout failed, and is when it is held back.
        warn!(
            certificate = %step.name,
            version = step.number,
            "no replica came to serve the newest version: {} is published again", step.to.short()
        );
        self.republish(step).await
    }

    async fn try_again(&mut self, step: &VersionStep) -> Result<(), TurnError> {
        info!(certificate = %step.name, "{step}");
        for name in self.memory.record_tried(&step.name) {
            self.state.keep(&self.memory, &name).await;
        }
        let published = self.republish(step).await;
        if let Err(why) = &published {
            self.memory
                .record_not_tried(&step.name, now(), &why.to_string());
            self.state.keep(&self.memory, &step.name).await;
        }
        published
    }

    async fn republish(&self, step: &VersionStep) -> Result<(), TurnError> {
        let (root, keep) = (
            &self.settings.certificate_root,
            self.settings.acme.keep_versions,
        );
        let publisher = Publisher::new(root, &step.name, keep);
        self.manager.fence.pass().await;
        let published = publisher.republish(step.number);
        published.map(|_| ()).map_err(|cause| TurnError {
            name: step.name.clone(),
            number: step.number,
            cause,
        })
    }

    /// Forgets what is held back no more.
    pub(crate) async fn release(&mut self, released: &[CertificateName]) {
        for name in released {
            info!(certificate = %name, "nothing is held back any more");
            self.memory.release(name);
            self.state.keep(&self.memory, name).await;
        }
    }
}
