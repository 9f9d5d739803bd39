//! A server that shows another certificate by one name than by the first, and none by a
//! third.

use std::time::Duration;

use super::changed_stack::Beside;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::fault::{Fault, LabelChanged};
use crate::lab::wait::until;
use crate::site::{Site, SiteError, Status};

/// What is proved by the first name only is not said of the others.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "other-names",
    about: "A server has a block of its own for one of the names of its certificate, with files \
            that nobody renews, and one that refuses another name. After the rollout the daemon \
            says of both what they show, unasked, and that they no longer do when that is mended.",
    control: Control {
        wrong: "all blocks use the renewed files",
        found_by: &[Kind::Preflight],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

const STACK: &str = "names";
const SERVICE: &str = "names_server";
/// Images are there already; an order, and a rollout.
const TO_SERVE: Duration = Duration::from_secs(120);
/// The look that rolls it out goes on to ask.
const TO_SAY: Duration = Duration::from_secs(30);
/// As long as that takes where there is something to be said.
const CONTROLS: Duration = Duration::from_secs(10);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let played = rolled_out(stage, &site).await;
    stage.lab().remove_stack(STACK).await?;
    played
}

async fn rolled_out(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let first = format!("{STACK}.{}", site.options().domain);
    let (www, shop) = (format!("www.{first}"), format!("shop.{first}"));
    for name in [&first, &www, &shop] {
        site.leads_here(name).await?;
    }
    let step = stage.step("a server with two blocks is deployed and rolled out");
    let change = if stage.is_control() { mended } else { as_it_is };
    let file = Beside::write(&site.options().stack, ".other-names.yml", change)?;
    let image = ("LOADBALANCER_IMAGE", "registry:5000/loadbalancer:latest");
    let variables = [image, ("FIRST", first.as_str())];
    stage.lab().deploy(file.path(), STACK, &variables).await?;
    let server = stage.lab().service(SERVICE);
    server.converged(TO_SERVE).await?;
    let what = "it serve what was issued";
    let served = |status: &Status| status.is_issued(&first) && status.is_in_step(SERVICE);
    site.status_until(what, TO_SERVE, served).await?;
    drop(step);

    let found = format!("service {SERVICE}: error RO303");
    let names = [
        format!("for {www} "),
        format!("for {shop} no certificate is shown"),
    ];
    for name in &names {
        if !is_said(stage, site, &[&found, name]).await {
            return Ok(());
        }
    }
    let _step = stage.step("it is mended");
    for replica in server.running().await? {
        let copy = format!("cp -L /etc/letsencrypt/live/{first}/*.pem /tmp/own/");
        let show = format!("sed -i 's|{REFUSES}|{SHOWS}|' /tmp/nginx.conf");
        let mend = format!("{copy} && {show} && nginx -s reload -c /tmp/nginx.conf");
        let output = replica.exec(&["sh", "-c", &mend]).await?;
        stage.check(output.code == 0, Kind::Lab, || output.to_string());
    }
    // Then it looks.
    let changed = LabelChanged::of(SERVICE, "mended", "true");
    let changed = changed.inject(stage.lab()).await?;
    let found = format!("no longer: {found}");
    for name in &names {
        is_said(stage, site, &[&found, name]).await;
    }
    Ok(changed.end().await?)
}

/// Whether the daemon logs a line with all of `parts`.
async fn is_said(stage: &Stage<'_>, site: &Site<'_>, parts: &[&str]) -> bool {
    let deadline = stage.patience(TO_SAY, CONTROLS);
    let said = until("it be said", deadline, async || {
        let log = site.runner().logs().await.map_err(|it| it.to_string())?;
        let has_all = |line: &str| parts.iter().all(|part| line.contains(part));
        if log.lines().any(has_all) {
            return Ok(());
        }
        Err(format!("no line with {parts:?}"))
    })
    .await;
    stage.check(said.is_ok(), Kind::Preflight, || {
        said.as_ref()
            .err()
            .map(ToString::to_string)
            .unwrap_or_default()
    });
    said.is_ok()
}

const SERVER: &str = include_str!("other_names.yml");
/// What a block says that refuses its name, and what it says when that is mended.
const REFUSES: &str = "ssl_reject_handshake on;";
const SHOWS: &str = "ssl_certificate /tmp/own/fullchain.pem; \
                     ssl_certificate_key /tmp/own/privkey.pem;";

fn as_it_is(_: &str) -> String {
    SERVER.to_owned()
}

fn mended(_: &str) -> String {
    let shown = SERVER.replace(REFUSES, SHOWS);
    shown.replace("/tmp/own/", "/etc/letsencrypt/live/${FIRST}/")
}
