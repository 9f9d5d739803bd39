//! What the manager can tell of each service that asks for certificates, as
//! facts for the preflight. What only a look into replicas can tell is left out.

mod around;
mod spec;

use bollard::Docker;
use bollard::models::{ImageConfig, ServiceSpec};
use tracing::debug;

use super::own::Own;
use super::swarm::{self, Listed, SwarmError};
use crate::docker::{Manager, describe};
use crate::model::{Strategy, Target};
use crate::preflight::{Asked, Facts, WrongLabel};
use around::Around;

pub(crate) use spec::merged_health_check;

/// A service that asks for certificates, rightly or not.
pub(crate) struct Candidate {
    pub(crate) facts: Facts,
    /// Absent when its labels are so wrong that it is left out.
    pub(crate) target: Option<Target>,
}

impl Candidate {
    /// As if its label named that strategy.
    pub(crate) fn rolled_out_by(&mut self, strategy: &Strategy) {
        self.facts.rollout = Some(strategy.into());
    }
}

/// The services that ask for certificates, by name.
///
/// # Errors
/// When the swarm cannot be read. What a manager does not know (an image that
/// only workers have) is no error, but not known.
pub(crate) async fn candidates(
    manager: &Manager,
    own: Option<&Own>,
) -> Result<Vec<Candidate>, SwarmError> {
    let services = swarm::services(manager).await?;
    let around = Around::look(manager, own).await?;
    let mut candidates = Vec::new();
    for listed in services {
        candidates.extend(candidate(&manager.docker, listed, &around).await);
    }
    candidates.sort_by(|a, b| a.facts.service.cmp(&b.facts.service));
    Ok(candidates)
}

async fn candidate(docker: &Docker, listed: Listed, around: &Around) -> Option<Candidate> {
    let spec = listed.service.spec.clone().unwrap_or_default();
    let (target, errors) = swarm::target(listed);
    if target.is_none() && errors.is_empty() {
        return None;
    }
    let image = image_of(docker, &spec).await;
    let mut facts = spec::facts(&spec, image.as_ref());
    let asked = target
        .as_ref()
        .map(|it| Asked::rightly(&it.strategy, it.probe, &it.certificates));
    let asked = Asked {
        label_errors: errors.iter().map(WrongLabel::from).collect(),
        ..asked.unwrap_or_default()
    };
    facts.ask(asked, |port| spec::is_host_port(&spec, port));
    around.add_to(&mut facts, docker, &spec).await;
    Some(Candidate { facts, target })
}

/// What the image sets by itself, if this engine has it.
async fn image_of(docker: &Docker, spec: &ServiceSpec) -> Option<ImageConfig> {
    let template = spec.task_template.as_ref()?;
    let image = template.container_spec.as_ref()?.image.as_ref()?;
    match docker.inspect_image(image).await {
        Ok(found) => Some(found.config.unwrap_or_default()),
        Err(error) => {
            debug!(image, "not known to this engine: {}", describe(&error));
            None
        }
    }
}
