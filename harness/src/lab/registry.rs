//! The registry from which the lab's nodes pull.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use bollard::{
    models::VolumeCreateRequest,
    query_parameters::{
        PushImageOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
    },
};
use futures_util::{TryStreamExt, future::join_all};
use testcontainers::core::Mount;

use super::{
    Container, Engine, LabError, Recipe, Resources, Response,
    error::{Doing, not_found},
    network::LabNetwork,
    request, wait,
};

const PORT: u16 = 5000;
/// Kept between labs: what was pushed once need not be pushed again.
const VOLUME: &str = "rollover-lab-registry";
const DEADLINE: Duration = Duration::from_secs(30);
/// What an image manifest may be: with one of the two a registry answers with
/// what it has, where it would else convert to a form of its own.
const ACCEPT: &str = "Accept: application/vnd.docker.distribution.manifest.v2+json\n\
                      Accept: application/vnd.oci.image.manifest.v1+json\n\
                      Accept: application/vnd.oci.image.index.v1+json";

/// The registry of a lab.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    engine: Engine,
    published: SocketAddr,
}

impl Registry {
    /// Starts the registry, and waits until it answers.
    pub(crate) async fn start(
        resources: &Resources,
        network: &LabNetwork,
    ) -> Result<Self, LabError> {
        ensure_volume(resources.engine()).await?;
        let recipe = Recipe::new("registry", "registry", network.registry())
            .mounts([Mount::volume_mount(VOLUME, "/var/lib/registry")])
            .publish(PORT);
        let container = Container::start(resources, network, recipe).await?;
        let Some(port) = container.published(PORT).await? else {
            return Err(container
                .not_ready("its port is not published on 127.0.0.1")
                .await);
        };
        let published = SocketAddr::from(([127, 0, 0, 1], port));
        let answers = wait::until("the registry answer", DEADLINE, async || {
            let answer = request(published, None, "GET /v2/", "").await;
            answer
                .map_err(|error| error.to_string())
                .and_then(expect_ok)
        });
        if let Err(timed_out) = answers.await {
            return Err(container.not_ready(timed_out).await);
        }
        Ok(Self {
            engine: resources.engine().clone(),
            published,
        })
    }

    /// Brings the host's images in; those that it has are skipped. The first goes
    /// ahead with the layers that they share, then the others all at once.
    pub(crate) async fn push_all(&self, images: &[String]) -> Result<(), LabError> {
        let Some((first, others)) = images.split_first() else {
            return Ok(());
        };
        self.push(first).await?;
        join_all(others.iter().map(|image| self.push(image)))
            .await
            .into_iter()
            .collect()
    }

    /// Brings `rollover-lab/NAME:latest` in as `registry:5000/NAME:latest`.
    async fn push(&self, name: &str) -> Result<(), LabError> {
        let image = format!("rollover-lab/{name}:latest");
        let id = match self.engine.docker().inspect_image(&image).await {
            Err(error) if not_found(&error) => return Err(LabError::NoImage { image }),
            found => found
                .doing(|| format!("inspect the image {image}"))?
                .id
                .unwrap_or_default(),
        };
        if self.has(name, &id).await? {
            tracing::debug!(name, "the registry has the image");
            return Ok(());
        }
        tracing::info!(name, "pushing the image");
        let temporary = format!("{}/{name}", self.published);
        let docker = self.engine.docker();
        let tag = TagImageOptionsBuilder::new()
            .repo(&temporary)
            .tag("latest")
            .build();
        docker
            .tag_image(&image, Some(tag))
            .await
            .doing(|| format!("tag the image {image}"))?;
        let pushed = self.push_tagged(&temporary).await;
        let untag = RemoveImageOptionsBuilder::new().noprune(true).build();
        let untagged = docker
            .remove_image(&format!("{temporary}:latest"), Some(untag), None)
            .await;
        pushed?;
        untagged
            .doing(|| format!("remove the tag {temporary}"))
            .map(|_| ())
    }

    async fn push_tagged(&self, reference: &str) -> Result<(), LabError> {
        let options = PushImageOptionsBuilder::new().tag("latest").build();
        let steps = self
            .engine
            .docker()
            .push_image(reference, Some(options), None);
        let pushed = steps.try_for_each(|_| std::future::ready(Ok(()))).await;
        pushed.doing(|| format!("push the image {reference}"))
    }

    /// Whether the registry's image is the host's of that ID. A tag says nothing
    /// (it moves); an engine's ID is the digest of the image's configuration, or
    /// of its manifest where the engine keeps images in containerd's store.
    async fn has(&self, name: &str, id: &str) -> Result<bool, LabError> {
        let head = format!("GET /v2/{name}/manifests/latest\n{ACCEPT}");
        let answer = request(self.published, None, &head, "")
            .await
            .map_err(|error| self.unexpected("an answer", error.to_string()))?;
        match answer.status {
            200 => Ok(is_image(&answer, id)),
            404 => Ok(false),
            status => Err(self.unexpected("200 or 404", status.to_string())),
        }
    }

    fn unexpected(&self, expected: &'static str, found: String) -> LabError {
        let address = self.published.to_string();
        LabError::Answer {
            doing: "ask the registry for an image",
            address,
            expected,
            found,
        }
    }
}

async fn ensure_volume(engine: &Engine) -> Result<(), LabError> {
    let volume = VolumeCreateRequest {
        name: Some(VOLUME.to_owned()),
        labels: Some(HashMap::from([("rollover-lab".to_owned(), "1".to_owned())])),
        ..Default::default()
    };
    let made = engine.docker().create_volume(volume).await;
    made.doing(|| format!("make the volume {VOLUME}"))
        .map(|_| ())
}

fn expect_ok(response: Response) -> Result<(), String> {
    if response.status == 200 {
        Ok(())
    } else {
        Err(format!("status {}", response.status))
    }
}

fn is_image(manifest: &Response, id: &str) -> bool {
    let body: serde_json::Value = serde_json::from_str(&manifest.body).unwrap_or_default();
    body["config"]["digest"] == id || manifest.header("docker-content-digest") == Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_configuration_or_manifest_never_by_tag() {
        let manifest = Response {
            status: 200,
            headers: "Docker-Content-Digest: sha256:manifest".to_owned(),
            body: r#"{"config":{"digest":"sha256:config"}}"#.to_owned(),
        };
        assert!(is_image(&manifest, "sha256:config"));
        assert!(is_image(&manifest, "sha256:manifest"));
        assert!(!is_image(&manifest, "sha256:other"));
    }
}
