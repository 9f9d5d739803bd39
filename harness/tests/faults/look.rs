//! Looks from outside: by this machine's own connections and packets.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};

use rollover_lab::lab::wait::until;
use rollover_lab::lab::{Lab, Node};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::stack::{runner, web, web_on};

/// A look: all is as it should be, or what is not.
pub(crate) type Look<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

/// Longer than an answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(2);
/// From a runner's start until it says something.
const FIRST_LINE: Duration = Duration::from_secs(20);

/// Every node's web server answers.
pub(crate) fn all_answer(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        for node in lab.nodes() {
            answer(web(node))
                .await
                .map_err(|why| format!("{}: {why}", node.name()))?;
        }
        Ok(())
    })
}

/// The node's web server does not answer, and those of the others do.
pub(crate) async fn only_silent(lab: &Lab, silent: &str) -> Result<(), String> {
    for node in lab.nodes() {
        let answered = answer(web(node)).await;
        if answered.is_ok() == (node.name() == silent) {
            return Err(format!("{}: {answered:?}", node.name()));
        }
    }
    Ok(())
}

async fn answer(server: SocketAddr) -> Result<(), String> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match timeout(PATIENCE, exchange).await {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200") => Ok(()),
        Ok(Ok(answer)) => Err(format!("it answered {answer:?}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}

/// The daemon of the node answers, or does not.
pub(crate) async fn daemon_answers(lab: &Lab, name: &str) -> bool {
    let node = lab.node(name).expect("the lab has that node");
    matches!(timeout(PATIENCE, node.docker().ping()).await, Ok(Ok(_)))
}

/// Whether a packet that the node sends arrives here.
pub(crate) async fn is_heard(lab: &Lab, node: &Node) -> bool {
    let gateway = lab.gateway();
    let socket = UdpSocket::bind((gateway, 0))
        .await
        .expect("the lab's gateway is here");
    let port = socket.local_addr().expect("it is bound").port();
    let send = format!("echo hello > /dev/udp/{gateway}/{port}");
    let sent = node.exec(&["bash", "-c", &send]).await;
    assert!(sent.is_ok(), "{sent:?}");
    timeout(PATIENCE, socket.recv(&mut [0; 16])).await.is_ok()
}

/// Whether a packet that is sent from here arrives at the node.
pub(crate) async fn hears(node: &Node) -> bool {
    let socket = UdpSocket::bind("0.0.0.0:0").await.expect("there is a port");
    let before = to_closed_ports(node).await;
    // Nobody listens there; the node's kernel counts it.
    let _ = socket.send_to(b"hello", (node.address(), 9)).await;
    to_closed_ports(node).await > before
}

/// Datagrams for ports at which nobody listens, since the node started.
async fn to_closed_ports(node: &Node) -> u64 {
    let command = ["sh", "-c", "grep ^Udp: /proc/net/snmp | tail -1"];
    let counters = node.exec(&command).await.expect("the node can be asked");
    let mut fields = counters.stdout.split_whitespace();
    fields
        .nth(2)
        .and_then(|count| count.parse().ok())
        .expect("it is counted")
}

/// Whether the node can send a few hundred kilobytes in no time.
pub(crate) async fn is_fast(lab: &Lab, node: &Node) -> bool {
    const BYTES: usize = 300_000;
    let gateway = lab.gateway();
    let listener = TcpListener::bind((gateway, 0))
        .await
        .expect("the lab's gateway is here");
    let port = listener.local_addr().expect("it is bound").port();
    let send = format!("head -c {BYTES} /dev/zero > /dev/tcp/{gateway}/{port}");
    let command = ["bash", "-c", &send];
    let receive = async {
        let (mut stream, _) = listener.accept().await?;
        let mut all = vec![0; BYTES];
        stream.read_exact(&mut all).await
    };
    timeout(PATIENCE, async {
        tokio::join!(node.exec(&command), receive).1
    })
    .await
    .is_ok_and(|received| received.is_ok())
}

/// How long a node takes to refuse a connection to a port at which nobody listens.
pub(crate) async fn refuses_within(node: &Node) -> Duration {
    let begun = Instant::now();
    let refused = timeout(PATIENCE, TcpStream::connect((node.address(), 9))).await;
    assert!(!matches!(refused, Ok(Ok(_))), "somebody listens there");
    begun.elapsed()
}

/// What a container that is started now on the node says when it runs `script`
/// with the volume at `/v`.
pub(crate) async fn in_a_new_container(node: &Node, script: &str) -> Result<String, String> {
    let run = [
        "docker",
        "run",
        "--rm",
        "--volume=/mnt/certificates:/v",
        "registry:5000/web:latest",
        "sh",
        "-c",
        script,
    ];
    let output = node.exec(&run).await.map_err(|error| error.to_string())?;
    if output.success() {
        return Ok(output.stdout);
    }
    Err(format!("{}{}", output.stdout, output.stderr))
}

/// What curl comes to in the web server's container on node-2, asking the ACME
/// server for its directory: the status, or why there is none.
pub(crate) async fn acme_status(lab: &Lab) -> Result<String, String> {
    let task = web_on(lab, "node-2").await?;
    let url = lab.acme().directory_url();
    let ask = [
        "curl",
        "-skS",
        "--max-time",
        "3",
        "-o/dev/null",
        "-w%{http_code}",
        &url,
    ];
    let output = task.exec(&ask).await.map_err(|error| error.to_string())?;
    if output.success() {
        return Ok(output.stdout);
    }
    Err(output.stderr)
}

/// What the runner that runs now has logged, once that is something.
pub(crate) async fn runner_log(lab: &Lab) -> Result<String, String> {
    let task = runner(lab).await?;
    let log = until("the runner's first line", FIRST_LINE, async || {
        match task.log().await {
            Ok(log) if log.is_empty() => Err("it has said nothing".to_owned()),
            Ok(log) => Ok(log),
            Err(error) => Err(error.to_string()),
        }
    });
    log.await.map_err(|error| error.to_string())
}

/// The runner can tell what it would do.
pub(crate) async fn runner_plans(lab: &Lab) -> Result<(), String> {
    let task = runner(lab).await?;
    let plan = task.exec(&["/rollover", "plan"]).await;
    let plan = plan.map_err(|error| error.to_string())?;
    if plan.success() {
        return Ok(());
    }
    Err(format!("{plan:?}"))
}
