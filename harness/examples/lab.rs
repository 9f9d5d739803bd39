//! Brings a lab up, deploys a small stack on it, breaks it a little, and takes it
//! down: `cargo run -p rollover-lab --example lab [hold]`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "an example")]

use std::{net::SocketAddr, time::Duration};

use rollover_lab::lab::{Lab, wait};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const STACK: &str = "
services:
  web:
    image: registry:5000/web:${TAG:-latest}
    ports: [{target: 80, published: 8080, mode: host}]
    deploy: {mode: global}
";

async fn status(server: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let begin = std::time::Instant::now();
    let step = |what: &str| println!("{:6.2?} {what}", begin.elapsed());

    let lab = Lab::builder().nodes(3).start().await?;
    step(&format!("up: run {} on {}", lab.run(), lab.network()));

    let scratch = tempfile::tempdir()?;
    let file = scratch.path().join("stack.yml");
    std::fs::write(&file, STACK)?;
    let refused = lab
        .deploy("/nowhere.yml".as_ref(), "demo", &[])
        .await
        .unwrap_err();
    println!("       {refused}");
    lab.deploy(&file, "demo", &[("TAG", "latest")]).await?;
    step("deployed");
    let tasks = wait::until("three tasks", Duration::from_secs(60), async || {
        let tasks = lab
            .service("demo_web")
            .running()
            .await
            .map_err(|error| error.to_string())?;
        if tasks.len() == 3 {
            Ok(tasks)
        } else {
            Err(format!("{} run", tasks.len()))
        }
    })
    .await?;
    step("running");
    for node in lab.nodes() {
        let server = SocketAddr::from((node.address(), 8080));
        let answer = wait::until("an answer", Duration::from_secs(20), || status(server)).await?;
        step(&format!("{} {server} {answer}", node.name()));
    }
    if std::env::args().any(|argument| argument == "hold") {
        println!("holding");
        std::future::pending::<()>().await;
    }

    let task = &tasks[1];
    println!("       task {} at {:?}", task.id, task.addresses);
    let test = task
        .exec(&["sh", "-c", "nginx -t; echo out; exit 3"])
        .await?;
    println!("       {test:?}");
    println!("       {:?}", lab.manager().exec(&["hostname"]).await?);
    task.kill("KILL").await?;
    wait::until("the task replaced", Duration::from_secs(60), async || {
        let tasks = lab
            .service("demo_web")
            .running()
            .await
            .map_err(|error| error.to_string())?;
        let replaced = tasks.len() == 3 && tasks.iter().all(|other| other.id != task.id);
        if replaced {
            Ok(())
        } else {
            Err(format!("{tasks:?}"))
        }
    })
    .await?;
    step("a killed task was replaced");

    let acme = lab.acme();
    acme.set_addresses("example.test", &[lab.manager().address()])
        .await?;
    let before = acme.roots().await?;
    acme.stop().await?;
    println!("       {}", acme.roots().await.unwrap_err());
    acme.start().await?;
    step(&format!(
        "Pebble back at {}, {}",
        acme.directory_url(),
        before != acme.roots().await?
    ));

    for event in lab.timeline() {
        println!(
            "       {} {} {:?} {:?}",
            event.at, event.node, event.service, event.what
        );
    }
    let bundle = scratch.path().join("bundle");
    lab.bundle(&bundle).await?;
    for file in std::fs::read_dir(&bundle)? {
        let file = file?;
        println!(
            "       {} {}",
            file.file_name().display(),
            file.metadata()?.len()
        );
    }
    lab.remove_stack("demo").await?;
    step("stack removed");
    lab.stop().await?;
    step("down");
    Ok(())
}
