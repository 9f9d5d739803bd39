//! One `docker stack deploy` into an empty swarm.

use std::fs;

use rollover_lab::lab::Lab;
use rollover_lab::scenario::Site;

use crate::support::{Outcome, one_fingerprint, options};

/// From an empty swarm to certificates of Pebble on three replicas, by one
/// deploy and nothing else.
pub(crate) async fn from_an_empty_swarm_to_served_certificates(lab: &Lab) -> Outcome {
    empty(lab).await?;
    let site = Site::deploy(lab, options()?).await?;
    let served = site.serving().await?;
    assert_eq!(served.len(), 3);
    let fingerprint = one_fingerprint(&served);

    let log = site.runner().logs().await?;
    assert!(log.contains("publishing a placeholder"), "{log}");
    let issued = format!("issued {}", &fingerprint[..12]);
    assert!(log.contains(&issued), "{log}");

    answers_as_a_site(&site).await
}

/// The swarm and its volume as if nothing had ever been deployed.
async fn empty(lab: &Lab) -> Outcome {
    if lab.service("patch_loadbalancer").exists().await? {
        lab.remove_stack("patch").await?;
    }
    for name in ["live", "archive", "renewal", "accounts", "webroot"] {
        let directory = lab.certificates().join(name);
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
    }
    Ok(())
}

/// The stack is a site: pages by nginx and PHP, HTTP led to HTTPS.
async fn answers_as_a_site(site: &Site<'_>) -> Outcome {
    let replica = site.load_balancer().running().await?.remove(0);
    let ask =
        async |arguments: &[&str]| replica.exec(&[&["curl", "-ksS"], arguments].concat()).await;
    let page = ask(&["https://localhost/"]).await?;
    assert!(page.stdout.contains("from web replica"), "{page:?}");
    let page = ask(&["https://localhost/index.php"]).await?;
    assert!(page.stdout.contains("php replica"), "{page:?}");
    let moved = ask(&[
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{redirect_url}",
        "http://localhost/a",
    ]);
    assert_eq!(moved.await?.stdout, "301 https://localhost/a");
    Ok(())
}
