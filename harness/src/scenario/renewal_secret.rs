//! A renewal by secret: what it loses, what it leaves, and what a later deploy
//! does to it.

use std::time::Duration;

use super::renewal_restart::{every_loss_has_its_place, one_at_a_time};
use super::renewal_signal::proved;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::wait::until;
use crate::site::{Renewal, Site, SiteError, SiteOptions, Strategy, told};

/// By `secret`, under traffic: tasks are replaced one at a time, as `restart`
/// does, and each loss has its place. Of the secrets those of what is served are
/// kept and those of before; a deploy of the same file, which names none, is
/// mended.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "renewal/secret",
    about: "A due certificate is renewed as swarm secrets under traffic: tasks are replaced one \
            at a time, each lost request belongs to a replica and a moment, and two versions are \
            kept. A later deploy takes the secrets off the service, and gets them back.",
    control: Control {
        wrong: "another service names the secrets of an older version, which therefore stay",
        found_by: &[Kind::LeftBehind],
    },
    parameters: || Parameters {
        strategy: Strategy::Secret,
        ..Parameters::default()
    },
    play: |stage| Box::pin(play(stage)),
};

/// A look a minute, and three replicas one after the other.
const TO_MEND: Duration = Duration::from_secs(300);
/// The service that uses what is to be collected.
const OTHER: &str = "other";

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    // A swarm in which replicas run without secrets is another story: each
    // deploy over it would begin with one that cannot start.
    stage.empty().await?;
    let options = SiteOptions {
        restart_delay: "2s".to_owned(),
        ..stage.options()?
    };
    let site = stage.site_with(options.clone()).await?;
    if !stage.is_control() {
        renewed(stage, &site).await?;
        return deployed_again(stage, options).await;
    }
    used_elsewhere(&site).await?;
    let renewed = renewed(stage, &site).await;
    let remove = ["docker", "service", "rm", OTHER];
    let removed = stage.lab().manager().exec(&remove).await?;
    removed.succeeded("docker service rm")?;
    renewed
}

async fn renewed(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let before = site.published()?;
    let renewal = Renewal {
        load: stage.parameters().load(),
        times: 1,
    };
    let step = stage.step("a renewal by secret under traffic");
    let account = renewal.run(site).await?;
    drop(step);
    proved(stage, &account, renewal.times);
    let replaced = account.changes().iter().all(|change| change.replaced);
    stage.check(replaced, Kind::Stale, || {
        format!("expected every task to be replaced, found\n{account}")
    });
    one_at_a_time(stage, &account.moments);
    every_loss_has_its_place(stage, &account);
    two_are_kept(stage, site, &[before, site.published()?]).await?;
    stage.figure("requests lost", account.record.lost() as f64, "requests");
    stage.record(account.record);
    Ok(())
}

/// What is served and what was before, chain and key of each, and no more.
async fn two_are_kept(
    stage: &Stage<'_>,
    site: &Site<'_>,
    expected: &[String],
) -> Result<(), SiteError> {
    let (versions, secrets) = (site.secret_versions().await?, site.secrets().await?);
    let kept = versions == expected && secrets.len() == 2 * expected.len();
    stage.check(kept, Kind::LeftBehind, || {
        format!("expected the secrets of {expected:?}, found {secrets:?}")
    });
    Ok(())
}

/// A service that names the oldest secrets, though it does nothing with them.
async fn used_elsewhere(site: &Site<'_>) -> Result<(), SiteError> {
    let secrets = site.secrets().await?;
    let mut words = vec!["docker", "service", "create", "--quiet", "--detach"];
    words.extend(["--name", OTHER, "--replicas", "0"]);
    for secret in secrets.iter().take(2) {
        words.extend(["--secret", &secret.name]);
    }
    words.push("registry:5000/web:latest");
    let created = site.lab().manager().exec(&words).await?;
    Ok(created.succeeded("docker service create").map(drop)?)
}

/// The file names no secrets, so a deploy of it takes them away; the runner gives
/// them back.
async fn deployed_again(stage: &Stage<'_>, options: SiteOptions) -> Result<(), SiteError> {
    let _step = stage.step("the same file is deployed again");
    let site = stage.deploy(options).await?;
    let what = "the service get its secrets back";
    let served = until(what, TO_MEND, async || mended(&site).await).await?;
    let published = site.published()?;
    let all = served.iter().all(|one| one.fingerprint == published);
    stage.check(all, Kind::Stale, || {
        format!("expected {published} on all, found {}", told(&served))
    });
    Ok(())
}

async fn mended(site: &Site<'_>) -> Result<Vec<crate::site::Serves>, String> {
    let named = site.named_secrets().await.map_err(|it| it.to_string())?;
    if named.len() != 2 {
        return Err(format!("it names {named:?}"));
    }
    let failed = site.settled().await?;
    if !failed.is_empty() {
        return Err(failed.join("; "));
    }
    site.served().await
}
