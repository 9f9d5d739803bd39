//! What a runner that was killed has left.

use rollover_lab::lab::Lab;
use rollover_lab::scenario::Site;

use crate::support::{Outcome, options, site};

/// A certbot container of an earlier runner: one that has ended is removed,
/// one that still runs is waited for, because two at once would spend an
/// authority's limits twice.
pub(crate) async fn certbot_of_an_earlier_runner_is_adopted_or_removed(lab: &Lab) -> Outcome {
    let site = site(lab, options()?).await?;
    let ended = left(&site, "0").await?;
    let running = left(&site, "4").await?;

    let once = site.once(&[]).await?;
    let said = once.output.stderr.clone();
    assert_eq!(once.succeeded()?.certificates[0].outcome, "not_due");
    assert!(
        said.contains("waiting for certbot, started by an earlier runner"),
        "{said}"
    );
    for container in [ended, running] {
        let inspected = lab
            .manager()
            .exec(&["docker", "inspect", &container])
            .await?;
        assert!(!inspected.success(), "{container} is still there");
    }
    Ok(())
}

/// A container such as the engine makes, that ends after `seconds`.
async fn left(
    site: &Site<'_>,
    seconds: &str,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let name = format!("rollover.certificate={}", site.options().domain);
    let run = [
        "docker",
        "run",
        "--detach",
        "--label",
        "rollover.engine=certbot",
        "--label",
        &name,
        "--entrypoint",
        "sleep",
        "registry:5000/certbot:latest",
        seconds,
    ];
    let output = site.lab().manager().exec(&run).await?;
    assert!(output.success(), "{output:?}");
    Ok(output.stdout.trim().to_owned())
}
