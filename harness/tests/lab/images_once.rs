//! Images move into a node once.

use std::{collections::HashSet, fs, time::Duration};

use rollover_lab::{
    acme::Acme,
    lab::{Lab, Pull},
};

const MINUTE: Duration = Duration::from_secs(60);
/// Two images that share their lower layers, or all of them.
const STACK: &str = "
services:
  web: {image: \"registry:5000/web:latest\", deploy: {mode: global}}
  balancer: {image: \"registry:5000/loadbalancer:latest\", entrypoint: [sleep, infinity], deploy: {mode: global}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_moves_into_a_node_once_and_never_for_a_second_deploy() {
    let builder = Lab::builder().nodes(2).acme(Acme::None);
    let lab = builder
        .images(["web", "loadbalancer"])
        .start()
        .await
        .unwrap();
    deploy(&lab).await;
    let first = layers(&lab).await;
    let nodes: HashSet<&str> = first.iter().map(|pull| pull.node.as_str()).collect();
    assert_eq!(nodes, HashSet::from(["node-1", "node-2"]));
    // By their configurations: where all layers are the same, one image moves none.
    let pulls = lab.pulls().await.unwrap();
    let images: HashSet<&str> = pulls.iter().map(|pull| pull.repository.as_str()).collect();
    assert_eq!(images, HashSet::from(["web", "loadbalancer"]));
    let mut seen = HashSet::new();
    let twice = first
        .iter()
        .filter(|pull| !seen.insert((&pull.node, &pull.digest)));
    assert_eq!(twice.collect::<Vec<_>>(), [] as [&Pull; 0]);

    lab.remove_stack("shop").await.unwrap();
    deploy(&lab).await;
    let second = layers(&lab).await;
    assert_eq!(second[first.len()..], []);
    lab.stop().await.unwrap();
}

async fn layers(lab: &Lab) -> Vec<Pull> {
    let mut pulls = lab.pulls().await.unwrap();
    assert!(pulls.iter().any(|pull| !pull.layer), "{pulls:?}");
    pulls.retain(|pull| pull.layer);
    pulls
}

async fn deploy(lab: &Lab) {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("stack.yml");
    fs::write(&file, STACK).unwrap();
    lab.deploy(&file, "shop", &[]).await.unwrap();
    for service in ["shop_web", "shop_balancer"] {
        lab.service(service).converged(MINUTE).await.unwrap();
    }
}
