//! Other servers than nginx, by the files that `docs/servers.md` shows.

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::{Service, Task};
use crate::site::{Server, Site, SiteError};

/// A renewal reaches HAProxy and Apache httpd as it reaches nginx.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "servers",
    about: "HAProxy and Apache httpd, deployed from the files in docs/servers/, serve a renewed \
            certificate beside nginx: the runner proves it of each replica, and none is replaced.",
    control: Control {
        wrong: "httpd is sent a signal that it ignores",
        found_by: Kind::Runner,
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

const SERVERS: [Server; 2] = [Server::HAPROXY, Server::HTTPD];

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
        let deaf = ["--label-add", "rollover.signal=CONT"];
        lab.service(Server::HTTPD.service).update(&deaf).await?;
    }
    let once = site.renew(&["--signal-timeout", "20s"]).await?;
    let report = once.succeeded()?;
    let done = report.rollouts.iter().filter(|it| it.outcome == "done");
    stage.check(done.count() == 3, Kind::Stale, || {
        format!("expected three services to be rolled out, found {report:?}")
    });
    for (server, before) in SERVERS.iter().zip(before) {
        same_tasks(stage, lab.service(server.service), &before).await?;
    }
    Ok(())
}

async fn same_tasks(
    stage: &Stage<'_>,
    service: Service<'_>,
    before: &[Task],
) -> Result<(), SiteError> {
    let ids = |tasks: &[Task]| tasks.iter().map(|task| task.id.clone()).collect::<Vec<_>>();
    let after = service.running().await?;
    stage.check(ids(&after) == ids(before), Kind::Touched, || {
        format!(
            "expected the same tasks of {}, found {after:?}",
            service.name()
        )
    });
    Ok(())
}
