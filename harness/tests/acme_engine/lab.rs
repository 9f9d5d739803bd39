//! In a swarm: nginx passes the challenge to the runner, and every replica gets
//! what it publishes.

use std::path::Path;

use rollover_lab::{
    lab::Lab,
    site::{Engine, Site, SiteOptions},
    volume::Volume,
};

/// One replica on each node: the authority may ask at any of them.
fn options(engine: Engine, nodes: u8) -> SiteOptions {
    SiteOptions {
        engine,
        replicas: nodes,
        ..SiteOptions::find().unwrap()
    }
}

async fn renewed(site: &Site<'_>) -> String {
    let before = site.seen().await.unwrap();
    let once = site.once(&["--force", "example.org"]).await.unwrap();
    assert_eq!(once.output.code, 0, "{once:?}");
    let after = site.serving().await.unwrap();
    assert_ne!(before[0].fingerprint, after[0].fingerprint);
    assert_eq!(after[0].fingerprint, site.published().unwrap());
    after[0].fingerprint.clone()
}

#[tokio::test]
async fn a_swarm_is_served_without_certbot() {
    let lab = Lab::builder().nodes(1).start().await.unwrap();
    let site = Site::deploy(&lab, options(Engine::Acme, 1)).await.unwrap();
    site.serving().await.unwrap();
    renewed(&site).await;
    // The schedule finds that it is not due.
    let once = site.once(&["--detailed-exit-code"]).await.unwrap();
    assert_eq!(once.output.code, 0, "{once:?}");
    lab.stop().await.unwrap();
}

/// What certbot has made is taken over; on GlusterFS, which may not be able to
/// exchange a directory for a link.
#[tokio::test]
async fn what_certbot_made_is_taken_over() {
    let lab = Lab::builder()
        .nodes(3)
        .volume(Volume::Gluster)
        .start()
        .await
        .unwrap();
    let site = Site::deploy(&lab, options(Engine::Certbot, 3))
        .await
        .unwrap();
    site.serving().await.unwrap();
    let site = Site::deploy(&lab, options(Engine::Acme, 3)).await.unwrap();
    site.serving().await.unwrap();
    let first = renewed(&site).await;
    assert_ne!(first, renewed(&site).await);
    let files = lab.volume().certificates();
    for file in ["combined.pem", "fullchain.pem", "privkey.pem"] {
        let text = files.read_text(Path::new("live/example.org").join(file));
        assert!(text.unwrap().contains("BEGIN"), "{file}");
    }
    let live = files.list("live").unwrap();
    println!("{live:?}");
    lab.stop().await.unwrap();
}
