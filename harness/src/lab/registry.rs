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
    images,
    network::LabNetwork,
    request, wait,
};

/// The name of its container, which is also what the nodes call it.
pub(crate) const NAME: &str = "registry";
const PORT: u16 = 5000;
const DEADLINE: Duration = Duration::from_secs(30);
/// What an image manifest may be: with one of the two a registry answers with
/// what it has, where it would else convert to a form of its own.
const ACCEPT: &str = "Accept: application/vnd.docker.distribution.manifest.v2+json\n\
                      Accept: application/vnd.oci.image.manifest.v1+json\n\
                      Accept: application/vnd.oci.image.index.v1+json";

/// The volume that holds what it has. It is kept between labs: what was pushed
/// once need not be pushed again. Each tag of the lab's images has its own, for in
/// the registry they all are `latest`.
fn volume() -> String {
    format!("rollover-lab-registry-{}", images::tag())
}

/// An image by the name that people give it, and what it is called where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Image {
    /// On this machine's engine.
    here: String,
    /// In the registry.
    repository: String,
    tag: String,
}

impl Image {
    /// A bare `NAME` is one of the lab's own, `rollover-lab/NAME:latest`; whatever
    /// has a tag or a slash is a reference as the engine knows it.
    fn new(name: &str) -> Self {
        if !name.contains(['/', ':']) {
            return Self {
                here: images::own(name),
                repository: name.to_owned(),
                tag: "latest".to_owned(),
            };
        }
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (name, "latest"),
        };
        // A registry with a port is no part of a name within another registry.
        let within = match repository.split_once('/') {
            Some((host, within)) if host.contains(':') => within,
            _ => repository,
        };
        Self {
            here: format!("{repository}:{tag}"),
            repository: within.to_owned(),
            tag: tag.to_owned(),
        }
    }
}

/// What the nodes of a lab call an image.
pub(crate) fn in_lab(name: &str) -> String {
    let image = Image::new(name);
    format!("{NAME}:{PORT}/{}:{}", image.repository, image.tag)
}

/// The registry of a lab.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    engine: Engine,
    container: Container,
    published: SocketAddr,
}

impl Registry {
    /// Starts the registry, and waits until it answers.
    pub(crate) async fn start(
        resources: &Resources,
        network: &LabNetwork,
    ) -> Result<Self, LabError> {
        ensure_volume(resources.engine()).await?;
        let recipe = Recipe::new(NAME, "registry", network.registry())
            // It is quiet by itself; what was pulled is told by its access log.
            .environment("REGISTRY_LOG_ACCESSLOG_DISABLED", "false")
            .mounts([Mount::volume_mount(volume(), "/var/lib/registry")])
            .publish(PORT);
        Self::again(Container::start(resources, network, recipe).await?).await
    }

    /// The registry in that container, once it answers.
    pub(crate) async fn again(container: Container) -> Result<Self, LabError> {
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
            engine: container.engine().clone(),
            container,
            published,
        })
    }

    /// What it wrote: a line for each request, so for each layer that was pulled.
    pub(crate) async fn log(&self) -> Result<String, LabError> {
        self.container.log(None).await
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

    /// Brings one image in, unless it has it.
    pub(crate) async fn push(&self, name: &str) -> Result<(), LabError> {
        let image = Image::new(name);
        let id = match self.engine.docker().inspect_image(&image.here).await {
            Err(error) if not_found(&error) => return Err(LabError::NoImage { image: image.here }),
            found => found
                .doing(|| format!("inspect the image {}", image.here))?
                .id
                .unwrap_or_default(),
        };
        if self.has(&image, &id).await? {
            tracing::debug!(name, "the registry has the image");
            return Ok(());
        }
        tracing::info!(name, "pushing the image");
        let temporary = format!("{}/{}", self.published, image.repository);
        let docker = self.engine.docker();
        let tag = TagImageOptionsBuilder::new()
            .repo(&temporary)
            .tag(&image.tag)
            .build();
        docker
            .tag_image(&image.here, Some(tag))
            .await
            .doing(|| format!("tag the image {}", image.here))?;
        let pushed = self.push_tagged(&temporary, &image.tag).await;
        let untag = RemoveImageOptionsBuilder::new().noprune(true).build();
        let tagged = format!("{temporary}:{}", image.tag);
        let untagged = docker.remove_image(&tagged, Some(untag), None).await;
        pushed?;
        untagged
            .doing(|| format!("remove the tag {tagged}"))
            .map(|_| ())
    }

    async fn push_tagged(&self, reference: &str, tag: &str) -> Result<(), LabError> {
        let options = PushImageOptionsBuilder::new().tag(tag).build();
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
    async fn has(&self, image: &Image, id: &str) -> Result<bool, LabError> {
        let answer = self.manifest(&image.repository, &image.tag).await?;
        match answer.status {
            200 => Ok(is_image(&answer, id)),
            404 => Ok(false),
            status => Err(self.unexpected("200 or 404", status.to_string())),
        }
    }

    /// The digest of an image's configuration; none where there is no such image,
    /// or where the reference leads to a list of images.
    pub(crate) async fn configuration(
        &self,
        repository: &str,
        reference: &str,
    ) -> Result<Option<String>, LabError> {
        let manifest = self.manifest(repository, reference).await?;
        let manifest: serde_json::Value = serde_json::from_str(&manifest.body).unwrap_or_default();
        Ok(manifest["config"]["digest"].as_str().map(str::to_owned))
    }

    async fn manifest(&self, repository: &str, reference: &str) -> Result<Response, LabError> {
        let head = format!("GET /v2/{repository}/manifests/{reference}\n{ACCEPT}");
        request(self.published, None, &head, "")
            .await
            .map_err(|error| self.unexpected("an answer", error.to_string()))
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
    let request = VolumeCreateRequest {
        name: Some(volume()),
        labels: Some(HashMap::from([("rollover-lab".to_owned(), "1".to_owned())])),
        ..Default::default()
    };
    let made = engine.docker().create_volume(request).await;
    made.doing(|| format!("make the volume {}", volume()))
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
    fn a_bare_name_is_one_of_the_lab_s_own_and_others_are_as_they_are() {
        let image = |here: &str, repository: &str, tag: &str| Image {
            here: here.to_owned(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
        };
        let own = image(&images::own("web"), "web", "latest");
        assert_eq!(Image::new("web"), own);
        assert_eq!(Image::new("shop:2"), image("shop:2", "shop", "2"));
        let slash = image("acme/shop:latest", "acme/shop", "latest");
        assert_eq!(Image::new("acme/shop"), slash);
        let host = image("host.test:80/a/b:3", "a/b", "3");
        assert_eq!(Image::new("host.test:80/a/b:3"), host);
        assert_eq!(in_lab("shop:2"), "registry:5000/shop:2");
        assert_eq!(in_lab("web"), "registry:5000/web:latest");
    }

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
