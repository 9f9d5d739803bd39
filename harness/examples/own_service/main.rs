//! A test of somebody else's service on a real swarm: their image, three
//! replicas, and a node that dies: `cargo run -p rollover-lab --example own_service`.

use std::{error::Error, path::Path, time::Duration};

use rollover_lab::{
    acme::Acme,
    fault::{Fault, NodeFault},
    lab::Lab,
};

const MINUTE: Duration = Duration::from_secs(60);

/// The image must be on this machine's engine: `docker build -t shop:1 …`.
pub(crate) async fn survives_the_loss_of_a_node(image: &str) -> Result<(), Box<dyn Error>> {
    let lab = Lab::builder().nodes(4).acme(Acme::None).images([image]);
    let lab = lab.start().await?;
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/own_service/stack.yml");
    lab.deploy(&stack, "shop", &[("SHOP_IMAGE", &lab.image(image))])
        .await?;
    let replicas = lab.service("shop_web").converged(MINUTE).await?;

    let dead = NodeFault::killed(&replicas[0].node).inject(&lab).await?;
    let now = lab
        .service("shop_web")
        .replaced(&replicas[0], MINUTE)
        .await?;
    assert!(now.iter().all(|replica| replica.node != replicas[0].node));

    dead.end().await?;
    Ok(lab.stop().await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let image = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "shop:1".to_owned());
    survives_the_loss_of_a_node(&image).await
}
