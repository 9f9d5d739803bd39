//! A service that is changed while it changes.

use futures_util::future::join_all;
use rollover_lab::{acme::Acme, lab::Lab};

const STACK: &str = "
services:
  web: {image: registry:5000/web:latest}
";

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_made_when_many_are_made_at_once() {
    let builder = Lab::builder().nodes(1).acme(Acme::None).images(["web"]);
    let lab = builder.start().await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("stack.yml");
    std::fs::write(&file, STACK).unwrap();
    lab.deploy(&file, "shop", &[]).await.unwrap();

    let web = lab.service("shop_web");
    let labels: Vec<_> = (0..8).map(|number| format!("test.{number}=set")).collect();
    let changes = labels.iter().map(|label| {
        let web = &web;
        async move { web.update(&["--label-add", label]).await }
    });
    for changed in join_all(changes).await {
        changed.unwrap();
    }
    let spec = web.inspect().await.unwrap().and_then(|web| web.spec);
    let set = spec.and_then(|spec| spec.labels).unwrap_or_default();
    let set = set.keys().filter(|label| label.starts_with("test."));
    assert_eq!(set.count(), labels.len());
    lab.stop().await.unwrap();
}
