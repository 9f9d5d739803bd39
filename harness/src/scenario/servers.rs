//! Other servers than the stack's own, by the files that `docs/servers.md` shows.

use std::time::Duration;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::Task;
use crate::site::{Server, Site, SiteError};

/// A renewal reaches HAProxy and Apache httpd as it reaches nginx.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "servers",
    about: "nginx, HAProxy and Apache httpd, deployed from the files in docs/servers/, pass an \
            authority's question on and serve a renewed certificate beside the stack: the runner \
            proves it of each replica, of those too that appear meanwhile, and none is replaced.",
    control: Control {
        wrong: "httpd is told by a command that tells it nothing",
        found_by: &[Kind::Runner],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

const SERVERS: [Server; 3] = [Server::NGINX, Server::HAPROXY, Server::HTTPD];
const HAPROXY_JOB: &str = "rollover-signal-haproxy_proxy";
/// Until a renewed certificate is published, and its rollouts begin.
const TO_BEGIN: Duration = Duration::from_secs(60);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let renewed = renewed(stage, &site).await;
    for server in SERVERS {
        stage.lab().remove_stack(server.stack).await?;
    }
    renewed
}

async fn renewed(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let lab = stage.lab();
    let mut before = Vec::new();
    for server in &SERVERS {
        before.push(server.deploy(site).await?);
    }
    if stage.is_control() {
        let deaf = ["--label-add", "rollover.exec=true"];
        lab.service(Server::HTTPD.service).update(&deaf).await?;
    }
    let hurry = ["--signal-timeout", "20s"];
    let (once, appeared) = tokio::join!(site.renew(&hurry), more_appear(site));
    appeared?;
    let report = once?.succeeded()?;
    let done = report.rollouts.iter().filter(|it| it.outcome == "done");
    stage.check(done.count() == 1 + SERVERS.len(), Kind::Stale, || {
        format!("expected all four services to be rolled out, found {report:?}")
    });
    let mut wanted = usize::from(stage.parameters().replicas);
    for (server, before) in SERVERS.iter().zip(before) {
        let after = lab.service(server.service).running().await?;
        wanted += after.len();
        let stays = |task: &Task| after.iter().any(|it| it.id == task.id);
        stage.check(before.iter().all(stays), Kind::Touched, || {
            let name = server.service;
            format!("expected the tasks of {name} to stay, found {after:?} in place of {before:?}")
        });
    }
    let status = site.status().await?;
    let seen = status.replicas().count();
    stage.check(
        seen == wanted && status.all_are("serving"),
        Kind::Stale,
        || format!("expected {wanted} replicas that serve what is published, found {status}"),
    );
    Ok(())
}

/// More replicas of HAProxy are wanted while those that there are, are told. They
/// read the new files by themselves.
async fn more_appear(site: &Site<'_>) -> Result<(), SiteError> {
    let job = site.lab().service(HAPROXY_JOB);
    job.made(TO_BEGIN).await?;
    Server::HAPROXY.scale(site, 4).await?;
    Ok(())
}
