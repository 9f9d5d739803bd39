//! The example with somebody else's service, as it stands in `examples/`.

use std::{path::Path, process::Command};

#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/own_service/main.rs"]
mod example;

/// An image that no lab of ours knows.
const IMAGE: &str = "rollover-lab-example/shop:1";

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_s_image_survives_the_loss_of_a_node() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/own_service");
    let built = Command::new("docker")
        .args(["build", "--quiet", "--tag", IMAGE])
        .arg(&sources)
        .env("BUILDX_BUILDER", "default")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{stderr}");
    example::survives_the_loss_of_a_node(IMAGE).await.unwrap();
}
