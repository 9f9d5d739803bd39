//! A dual pair: one with an ECDSA and one with an RSA key, behind one name.

use std::time::Duration;

use super::drift::scale;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::wait::until;
use crate::site::{Engine, Serves, Site, SiteError, SiteOptions, told};
use crate::volume::MOUNT_POINT;

/// Both are renewed, and a replica that serves the new one of one kind and an old
/// one of the other is mended.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "dual-pair",
    about: "nginx has two certificates for one name, with an ECDSA and an RSA key. Both are \
            renewed and reach every replica. Then one replica loads an older version of the \
            second alone, and nobody asks: the daemon finds and mends it, and no task is replaced.",
    control: Control {
        wrong: "the runner does not run, and the replica keeps the old one of its second pair",
        found_by: &[Kind::Stale],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

/// The daemon looks once a minute; then a rollout.
const DEADLINE: Duration = Duration::from_secs(120);
/// Longer than from one look to the next.
const CONTROLS: Duration = Duration::from_secs(75);
const TO_SERVE: Duration = Duration::from_secs(180);
const TO_RELOAD: Duration = Duration::from_secs(30);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let options = SiteOptions {
        engine: Engine::Acme,
        dual_pair: true,
        ..stage.options()?
    };
    let (first, second) = (options.domain.clone(), options.second());
    let site = stage.site_with(options).await?;
    both_served(&site, TO_SERVE).await?;
    let before = site.seen().await?;
    let old = renewed(stage, &site, &first, &second).await?;
    if stage.is_control() {
        scale(&site, "0").await?;
    }
    fall_back(stage, &site, &second, &old).await?;
    let step = stage.step("a replica is behind with its second pair, and nobody asks");
    let mended = both_served(&site, stage.patience(DEADLINE, CONTROLS)).await;
    drop(step);
    if stage.is_control() {
        scale(&site, "1").await?;
    }
    if let Err(why) = mended {
        stage.found(Kind::Stale, why.to_string());
        return Ok(());
    }
    let after = site.seen().await?;
    let tasks = |served: &[Serves]| served.iter().map(|it| it.task.clone()).collect::<Vec<_>>();
    stage.check(tasks(&after) == tasks(&before), Kind::Touched, || {
        format!("expected the same tasks, found {}", told(&after))
    });
    let status = site.status().await?;
    let well = status.output.code == 0 && status.report.all_served;
    stage.check(well, Kind::Stale, || {
        format!("expected a status with every replica serving and exit code 0, found {status}")
    });
    Ok(())
}

/// Renews both; gives what was the second before.
async fn renewed(
    stage: &Stage<'_>,
    site: &Site<'_>,
    first: &str,
    second: &str,
) -> Result<String, SiteError> {
    let _step = stage.step("both are renewed");
    let before = [first, second].map(|name| site.published_as(name));
    let [before_first, before_second] = before;
    let (before_first, before_second) = (before_first?, before_second?);
    let once = site.once(&["--force", first, "--force", second]).await?;
    once.succeeded()?;
    let anew =
        site.published_as(first)? != before_first && site.published_as(second)? != before_second;
    stage.check(anew, Kind::Stale, || {
        "expected both to be renewed, found one that was not".to_owned()
    });
    both_served(site, TO_RELOAD).await?;
    Ok(before_second)
}

/// Waits until every replica serves the published one of each kind, to clients
/// that know only that.
async fn both_served(site: &Site<'_>, deadline: Duration) -> Result<(), SiteError> {
    let second = site.options().second();
    let what = "every replica serve both certificates";
    Ok(until(what, deadline, async || {
        let first = site.published().map_err(|error| error.to_string())?;
        let other = site.published_as(&second);
        let other = other.map_err(|error| error.to_string())?;
        all_serve(&site.served().await?, &first, "to all")?;
        all_serve(&site.served_by_rsa().await?, &other, "by RSA")
    })
    .await?)
}

fn all_serve(served: &[Serves], published: &str, to_whom: &str) -> Result<(), String> {
    let all = served.iter().all(|serves| serves.fingerprint == published);
    all.then_some(()).ok_or_else(|| {
        let (published, told) = (&published[..12], told(served));
        format!("{published} is published, and {to_whom} {told}")
    })
}

/// Has one replica load the version before of the second alone, which the volume
/// shows meanwhile.
async fn fall_back(
    stage: &Stage<'_>,
    site: &Site<'_>,
    second: &str,
    old: &str,
) -> Result<(), SiteError> {
    let _step = stage.step("one replica loads the version before of its second pair");
    let live = format!("{MOUNT_POINT}/live/{second}");
    let manager = site.lab().manager();
    let newest = manager.exec(&["readlink", &live]).await?;
    let newest = newest.succeeded("readlink")?.stdout.trim().to_owned();
    let before = newest
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory);
    let before = format!("{before}/previous");
    link(site, &before, &live).await?;
    let loaded = load_once(site, old).await;
    link(site, &newest, &live).await?;
    loaded
}

async fn link(site: &Site<'_>, to: &str, live: &str) -> Result<(), SiteError> {
    let command = ["ln", "-sfn", to, live];
    let output = site.lab().manager().exec(&command).await?;
    output.succeeded("ln")?;
    Ok(())
}

async fn load_once(site: &Site<'_>, old: &str) -> Result<(), SiteError> {
    let replica = site.load_balancer().replica(1).await?;
    replica.kill("HUP").await?;
    let what = "one replica serve the version before of its second pair";
    Ok(until(what, TO_RELOAD, async || {
        let served = site.served_by_rsa().await?;
        let behind = served.iter().filter(|serves| serves.fingerprint == old);
        (behind.count() == 1)
            .then_some(())
            .ok_or_else(|| told(&served))
    })
    .await?)
}
