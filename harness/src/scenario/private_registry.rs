//! Images that need a login.

use std::time::Duration;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::{Lab, Node};
use crate::site::{Site, SiteError};

/// The login reaches the engine that pulls certbot's image, and every node that pulls
/// the job's.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "private-registry",
    about: "certbot's image, and that of the job that tells replicas, are in a registry that asks \
            for a login. With what `docker login` has written as a swarm secret, certbot renews \
            and every replica is told.",
    control: Control {
        wrong: "the runner has no login",
        found_by: &[Kind::Runner],
    },
    parameters: Parameters::with_certbot,
    play: |stage| Box::pin(play(stage)),
};

/// One on each node, so that each reaches its own here, where engines ask for no TLS.
const REGISTRY: &str = "127.0.0.1:5001";
const SERVICE: &str = "private";
/// As htpasswd(1) writes it with `-B`; of no use to anybody.
const HTPASSWD: &str = "lab:$2b$04$abcdefghijklmnopqrstuu3CtKYQW2GOkdUZvJJL3HKByynG/YODe";
const PASSWORD: &str = "in the lab only";
/// With which each node is filled.
const LOGIN: &str = "/tmp/private-registry";
/// What `docker login` is answered with, where the page has it ask.
const ANSWER: &str = "/tmp/private-registry-password";
/// Where the commands are that a person follows.
const PAGE: &str = "docs/login.md";
/// The secret that they make.
const SECRET: &str = "registry-login";
const TO_START: Duration = Duration::from_secs(60);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    stage.empty().await?;
    let site = stage.site().await?;
    let begun = stage.step("a registry that asks for a login");
    begin(&site).await?;
    drop(begun);
    let played = renewed(stage, &site).await;
    let _step = stage.step("that registry goes");
    stage.empty().await?;
    end(stage.lab()).await?;
    played
}

async fn renewed(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let mut update = vec![
        format!("--env-add=ROLLOVER_CERTBOT_IMAGE={REGISTRY}/certbot:latest"),
        format!("--env-add=ROLLOVER_AGENT_IMAGE={REGISTRY}/runner:latest"),
    ];
    if !stage.is_control() {
        update.push(format!("--secret-add={SECRET}"));
        update.push(format!(
            "--env-add=ROLLOVER_REGISTRY_AUTH_FILE=/run/secrets/{SECRET}"
        ));
    }
    site.runner().update(&update).await?;
    site.settle().await?;
    let before = site.published()?;
    site.once(&["--force", &site.options().domain])
        .await?
        .succeeded()?;
    let published = site.published()?;
    let served = stage.one_certificate(&site.seen().await?);
    let renewed = published != before && served.as_ref() == Some(&published);
    stage.check(renewed, Kind::Stale, || {
        format!("expected {published}, not {before}, on all, found {served:?}")
    });
    for node in stage.lab().nodes() {
        // Only a pull of the job's brings it there.
        let image = format!("{REGISTRY}/runner:latest");
        let there = node.exec(&["docker", "image", "inspect", &image]).await?;
        stage.check(there.code == 0, Kind::Lab, || {
            format!("expected {image} on {}, found {there}", node.name())
        });
    }
    Ok(())
}

async fn begin(site: &Site<'_>) -> Result<(), SiteError> {
    let lab = site.lab();
    lab.push("registry").await?;
    let (image, port) = (lab.image("registry"), REGISTRY.rsplit(':').next());
    let port = port.unwrap_or_default();
    let script = format!(
        "printf '%s\\n' '{HTPASSWD}' | docker config create {SERVICE} - \
         && docker service create --quiet --detach --name {SERVICE} --mode global \
            --publish mode=host,published={port},target=5000 \
            --config source={SERVICE},target=/htpasswd \
            --env REGISTRY_AUTH=htpasswd --env REGISTRY_AUTH_HTPASSWD_REALM=lab \
            --env REGISTRY_AUTH_HTPASSWD_PATH=/htpasswd {image}"
    );
    shell(lab.manager(), &script).await?;
    lab.service(SERVICE).converged(TO_START).await?;
    for node in lab.nodes() {
        log_in(node).await?;
        fill(lab, node, "runner").await?;
    }
    fill(lab, lab.manager(), "certbot").await?;
    let asked = "login registry.example.org";
    let answered = format!("login --username lab --password-stdin {REGISTRY}");
    let script = commands(site)?.replace(asked, &answered);
    let script = script.replace("registry.example.org", REGISTRY);
    let script = format!("set -e; printf %s '{PASSWORD}' > {ANSWER}; exec < {ANSWER}\n{script}");
    shell(lab.manager(), &script).await
}

/// The commands of the page.
fn commands(site: &Site<'_>) -> Result<String, SiteError> {
    let page = site.options().page(PAGE)?;
    let block = page.split("```sh\n").nth(1);
    let block = block.and_then(|block| block.split("```").next());
    Ok(block.unwrap_or_default().to_owned())
}

async fn log_in(node: &Node) -> Result<(), SiteError> {
    let script = format!(
        "printf %s '{PASSWORD}' \
         | docker --config {LOGIN} login --username lab --password-stdin {REGISTRY}"
    );
    shell(node, &script).await
}

/// Brings an image into the node's registry, and leaves it on the node by no name of
/// that registry.
async fn fill(lab: &Lab, node: &Node, name: &str) -> Result<(), SiteError> {
    let (open, private) = (lab.image(name), format!("{REGISTRY}/{name}:latest"));
    let script = format!(
        "docker pull --quiet {open} && docker tag {open} {private} \
         && docker --config {LOGIN} push --quiet {private} && docker image rm {private}"
    );
    shell(node, &script).await
}

async fn end(lab: &Lab) -> Result<(), SiteError> {
    let script = format!(
        "docker service rm {SERVICE} && docker config rm {SERVICE} && docker secret rm {SECRET}"
    );
    shell(lab.manager(), &script).await?;
    for node in lab.nodes() {
        shell(node, &format!("rm -rf {LOGIN} {ANSWER}")).await?;
    }
    Ok(())
}

pub(super) async fn shell(node: &Node, script: &str) -> Result<(), SiteError> {
    let output = node.exec(&["sh", "-c", script]).await?;
    Ok(output.succeeded(script).map(drop)?)
}
