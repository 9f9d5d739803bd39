//! A lab with a web server on every node, and the runner, which has nothing to do.

use std::net::SocketAddr;

use rollover_lab::acme::Acme;
use rollover_lab::lab::{Lab, LabBuilder, LabError, Node, Task};
use rollover_lab::volume::Volume;

/// The service that is broken.
pub(crate) const SERVICE: &str = "patch_web";
/// The runner, under the name that it has where `stack.yml` is deployed.
pub(crate) const RUNNER: &str = "patch_rollover";
const PORT: u16 = 8080;
const STACK: &str = "
services:
  web:
    image: registry:5000/web:latest
    ports: [{target: 80, published: 8080, mode: host}]
    stop_grace_period: 5s
    deploy:
      mode: global
      restart_policy: {condition: any, delay: 1s}
      # Of an update only the end is looked at.
      update_config: {parallelism: 0, monitor: 1s}
  rollover:
    image: registry:5000/runner:latest
    environment: {ROLLOVER_HOLD_AT: ''}
    volumes:
      - {type: bind, source: /var/run/docker.sock, target: /var/run/docker.sock}
      - {type: bind, source: /mnt/certificates, target: /etc/letsencrypt}
    deploy:
      placement: {constraints: [node.role == manager]}
      restart_policy: {condition: any, delay: 1s}
";

/// Brings it up.
pub(crate) async fn up(volume: Volume) -> Result<Lab, LabError> {
    deployed(Lab::builder().nodes(3).volume(volume)).await
}

/// The same of one node, without an ACME server.
pub(crate) async fn up_small() -> Result<Lab, LabError> {
    deployed(Lab::builder().nodes(1).acme(Acme::None)).await
}

/// The same, with a runner that has a certificate to see to, and an ACME server that does
/// not answer.
pub(crate) async fn up_with_a_target() -> Result<Lab, LabError> {
    let lab = up_small().await?;
    let directory = "ROLLOVER_ACME_DIRECTORY=https://127.0.0.1:1/directory";
    let runner = lab.service(RUNNER);
    runner.update(&["--env-add", directory]).await?;
    let labels = ["rollover.enable=true", "rollover.domains=faults.test"];
    let labels = labels.map(|label| format!("--label-add={label}"));
    lab.service(SERVICE).update(&labels).await?;
    Ok(lab)
}

async fn deployed(lab: LabBuilder) -> Result<Lab, LabError> {
    let lab = lab.images(["web", "runner"]).start().await?;
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let file = directory.path().join("stack.yml");
    std::fs::write(&file, STACK).expect("a temporary file can be written");
    lab.deploy(&file, "patch", &[]).await?;
    Ok(lab)
}

/// The web server's task on a node.
pub(crate) async fn web_on(lab: &Lab, node: &str) -> Result<Task, String> {
    let tasks = lab.service(SERVICE).running().await;
    let mut tasks = tasks.map_err(|error| error.to_string())?.into_iter();
    tasks
        .find(|task| task.node == node)
        .ok_or_else(|| format!("no web server runs on {node}"))
}

/// The runner's task.
pub(crate) async fn runner(lab: &Lab) -> Result<Task, String> {
    let mut tasks = lab
        .service(RUNNER)
        .running()
        .await
        .map_err(|e| e.to_string())?;
    tasks
        .pop()
        .ok_or_else(|| "the runner does not run".to_owned())
}

/// Where the web server on a node listens.
pub(crate) fn web(node: &Node) -> SocketAddr {
    SocketAddr::from((node.address(), PORT))
}
