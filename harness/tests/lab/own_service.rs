//! Somebody else's service: in a lab, and tested by a crate of their own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rollover_lab::{
    acme::Acme,
    fault::{Fault, NodeFault},
    lab::Lab,
};

/// An image that no lab of ours knows.
const IMAGE: &str = "example/shop:1";
const MINUTE: Duration = Duration::from_secs(60);

fn checkout() -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    checkout.canonicalize().unwrap()
}

fn own_crate() -> PathBuf {
    checkout().join("fixtures/own-crate")
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{command:?}: {stdout}{stderr}");
}

fn image_is_built() {
    let mut build = Command::new("docker");
    build.args(["build", "--quiet", "--tag", IMAGE]);
    succeeds(build.arg(own_crate()).env("BUILDX_BUILDER", "default"));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_s_image_survives_the_loss_of_a_node() {
    image_is_built();
    let lab = Lab::builder().nodes(4).acme(Acme::None).images([IMAGE]);
    let lab = lab.start().await.unwrap();
    let variables = [("SHOP_IMAGE", &*lab.image(IMAGE))];
    let stack = own_crate().join("shop.yml");
    lab.deploy(&stack, "shop", &variables).await.unwrap();
    let web = lab.service("shop_web");
    let replicas = web.converged(MINUTE).await.unwrap();

    let dead = NodeFault::killed(&replicas[0].node);
    let dead = dead.inject(&lab).await.unwrap();
    let now = web.replaced(&replicas[0], MINUTE).await.unwrap();
    assert!(now.iter().all(|replica| replica.node != replicas[0].node));

    dead.end().await.unwrap();
    lab.stop().await.unwrap();
}

/// The crate has the library as a dev-dependency and no word from this repository but
/// where that is.
#[test]
#[ignore = "compiles a crate of its own: ci/test --full runs it"]
fn a_crate_of_somebody_else_s_tests_its_stack() {
    image_is_built();
    let elsewhere = tempfile::tempdir().unwrap();
    copy_of_the_crate(elsewhere.path());
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut test = Command::new(env!("CARGO"));
    test.arg("test").current_dir(elsewhere.path());
    test.env("CARGO_TARGET_DIR", tmp.parent().unwrap());
    // What a lint says of our own code is nothing to it.
    succeeds(test.env_remove("RUSTC_WORKSPACE_WRAPPER"));
}

/// With the versions and the profile of this workspace, so that what it has compiled is
/// used again.
fn copy_of_the_crate(to: &Path) {
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    for file in ["src/lib.rs", "tests/shop.rs", "shop.yml"] {
        fs::create_dir_all(to.join(file).parent().unwrap()).unwrap();
        fs::write(to.join(file), read(own_crate().join(file))).unwrap();
    }
    let manifest = read(own_crate().join("Cargo.toml"));
    let harness = format!("{:?}", checkout().join("harness"));
    let manifest = manifest.replace("\"../../harness\"", &harness);
    let workspace = read(checkout().join("Cargo.toml"));
    let (_, profile) = workspace.split_once("[profile.dev]").unwrap();
    let manifest = format!("{manifest}\n[profile.dev]{profile}");
    fs::write(to.join("Cargo.toml"), manifest).unwrap();
    let lock = read(checkout().join("Cargo.lock"));
    fs::write(to.join("Cargo.lock"), lock).unwrap();
}
