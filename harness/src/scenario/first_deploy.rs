//! One `docker stack deploy` into an empty swarm.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::wait::until;
use crate::site::{Site, SiteError, told};

/// From an empty swarm to certificates of the authority on every replica.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "first-deploy",
    about: "One docker stack deploy into an empty swarm comes up by itself: \
            every replica serves a certificate of the authority, and the site answers.",
    control: Control {
        wrong: "the site's name leads nowhere, so the authority cannot validate it",
        found_by: &[Kind::Stuck],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

/// From an empty swarm: images to pull, a placeholder, an order, a rollout.
const TO_SERVE: Duration = Duration::from_secs(180);
/// A replica is asked for pages when it is healthy, and when those in front have
/// asked again where it is.
const TO_ANSWER: Duration = Duration::from_secs(30);
/// Longer than it takes where the name leads to the site.
const CONTROLS: Duration = Duration::from_secs(40);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    stage.empty().await?;
    let step = stage.step("from an empty swarm to served certificates");
    let site = stage.deploy(stage.options()?).await?;
    if stage.is_control() {
        let domain = &site.options().domain;
        let acme = stage.lab().acme();
        acme.set_addresses(domain, &[Ipv4Addr::LOCALHOST]).await?;
    }
    let served = site
        .serving_within(stage.patience(TO_SERVE, CONTROLS))
        .await?;
    drop(step);
    let replicas = usize::from(stage.parameters().replicas);
    stage.check(served.len() == replicas, Kind::Stale, || {
        format!(
            "expected {replicas} replicas to serve, found {}",
            told(&served)
        )
    });
    let issued = stage.one_certificate(&served).unwrap_or_default();
    logged(
        stage,
        &site,
        &["publishing a placeholder", &issued_line(&issued)],
    )
    .await?;
    answers_as_a_site(&site).await
}

fn issued_line(fingerprint: &str) -> String {
    format!("issued {}", fingerprint.get(..12).unwrap_or(fingerprint))
}

async fn logged(stage: &Stage<'_>, site: &Site<'_>, expected: &[&str]) -> Result<(), SiteError> {
    let log = site.runner().logs().await?;
    for line in expected {
        stage.check(log.contains(line), Kind::Unclear, || {
            format!("expected the runner to log {line:?}, found:\n{log}")
        });
    }
    Ok(())
}

/// The stack is a site: pages by nginx and PHP, HTTP led to HTTPS. What is behind
/// the load balancer may come up after it.
async fn answers_as_a_site(site: &Site<'_>) -> Result<(), SiteError> {
    let pages: [(&[&str], &str); 3] = [
        (&["https://localhost/"], "from web replica"),
        (&["https://localhost/index.php"], "php replica"),
        (
            &[
                "-o/dev/null",
                "-w%{http_code} %{redirect_url}",
                "http://localhost/a",
            ],
            "301 https://localhost/a",
        ),
    ];
    let replicas = site.load_balancer().running().await?;
    for replica in replicas.iter().take(1) {
        for (arguments, expected) in pages {
            let words = [&["curl", "-ksS"], arguments].concat();
            let what = "the site answer";
            let answered = until(what, TO_ANSWER, async || {
                let answer = replica.exec(&words).await.map_err(|it| it.to_string())?;
                if answer.stdout.contains(expected) {
                    return Ok(());
                }
                let found = answer.stdout.trim();
                Err(format!(
                    "expected {expected:?} from {arguments:?}, found {found:?}; {answer}"
                ))
            });
            answered.await?;
        }
    }
    Ok(())
}
