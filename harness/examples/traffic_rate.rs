//! How much traffic the client can drive and still keep its schedule, against an
//! nginx of the lab's image on this machine; `wrk` beside it, where it is
//! installed.
//!
//! ```sh
//! cargo run -p rollover-lab --example traffic_rate
//! ```
//!
//! It takes a local Docker engine and the lab's images (`fixtures/images/build`).
//! Rates grow by a half until the client is no longer honest or the server
//! answers no more in time; the last one before is the figure. The client's own
//! share is in CPU time, which the server's does not mix with.

#![expect(clippy::print_stdout, reason = "it is a program that prints figures")]

use std::error::Error;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rollover_lab::traffic::{Lane, Plan, Record, Target, Traffic};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How long each rate is tried.
const STRETCH: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 100;

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::start()?;
    println!(
        "{:<12} {:>9} {:>8} {:>8} {:>9} {:>9} {:>10} {:>12}",
        "lane", "rate", "sent", "lost", "p99", "client", "cores", "CPU each"
    );
    greatest(&server, 500, |rate| {
        Lane::keep_alive("keep-alive", rate, CONNECTIONS)
    })
    .await?;
    greatest(&server, 100, |rate| Lane::new_connections("new", rate)).await?;
    greatest(&server, 100, |rate| Lane::resumed("resumed", rate)).await?;
    greatest(&server, 500, |rate| Lane::http2("http2", rate, 8)).await?;
    beside(&server);
    Ok(())
}

/// Raises the rate until it is too much, and says what the greatest was.
async fn greatest(server: &Server, first: u32, lane: impl Fn(u32) -> Lane) -> Result<()> {
    let mut rate = first;
    let mut greatest = None;
    loop {
        let (record, cpu) = drive(server, lane(rate)).await?;
        let fits = record.honest().is_ok() && record.lost() == 0 && late(&record) == 0;
        println!(
            "{}{}",
            row(&record, cpu),
            if fits { "" } else { "  too much" }
        );
        if !fits {
            break;
        }
        greatest = Some(rate);
        rate += rate / 2;
    }
    let name = lane(rate).name;
    let found = match greatest {
        Some(rate) => format!("{rate}/s with every request started and answered in time"),
        None => format!("not even {rate}/s"),
    };
    println!("{name}: {found}\n");
    Ok(())
}

/// Drives the lane; returns what it saw, and the CPU time of the client's threads.
async fn drive(server: &Server, lane: Lane) -> Result<(Record, Duration)> {
    let plan = Plan::new(vec![Target::new("nginx", server.address)], "localhost").lane(lane);
    let traffic = Traffic::start(plan)?;
    traffic.begun().await;
    let before = cpu_time()?;
    // Time itself is the subject here.
    tokio::time::sleep(STRETCH).await;
    let cpu = cpu_time()?.saturating_sub(before);
    Ok((traffic.stop().await?, cpu))
}

fn late(record: &Record) -> usize {
    record.summary().lanes.iter().map(|lane| lane.late).sum()
}

fn row(record: &Record, cpu: Duration) -> String {
    let summary = record.summary();
    let lane = &summary.lanes[0];
    let each = cpu / u32::try_from(lane.sent).unwrap_or(u32::MAX).max(1);
    format!(
        "{:<12} {:>7}/s {:>8} {:>8} {:>6.1} ms {:>6.1} ms {:>10.2} {:>9} µs",
        lane.lane,
        record.plan.lanes[0].rate,
        lane.sent,
        lane.lost(),
        lane.p99.as_secs_f64() * 1e3,
        lane.lateness_max.as_secs_f64() * 1e3,
        cpu.as_secs_f64() / STRETCH.as_secs_f64(),
        each.as_micros(),
    )
}

/// CPU time of the traffic's threads up to now (proc(5): fields 14 and 15 of
/// `stat`, in hundredths of a second).
fn cpu_time() -> Result<Duration> {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        // A thread may end while we look.
        let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else {
            continue;
        };
        let Some((name, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        if name.ends_with("(traffic") {
            let fields: Vec<_> = rest.split_whitespace().collect();
            ticks += fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        }
    }
    Ok(Duration::from_millis(ticks * 10))
}

/// The same server under `wrk`. A closed loop: it sends the next request when the
/// answer to the last has come, so its rate is the server's and not a schedule.
fn beside(server: &Server) {
    let (connections, seconds) = (CONNECTIONS.to_string(), STRETCH.as_secs().to_string());
    let url = format!("https://{}/", server.address);
    let mut wrk = Command::new("wrk");
    wrk.args([
        "-t",
        "1",
        "-c",
        &connections,
        "-d",
        &seconds,
        "--latency",
        &url,
    ]);
    match wrk.output() {
        Ok(said) => println!(
            "wrk, one thread, keep-alive, closed loop:\n{}",
            String::from_utf8_lossy(&said.stdout)
        ),
        Err(_) => println!("wrk is not installed (apt-get install wrk): nothing to compare with"),
    }
}

/// nginx in a container, on a port of the loopback address.
struct Server {
    address: SocketAddr,
    container: String,
    _configuration: tempfile::TempDir,
}

impl Server {
    fn start() -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let directory = tempfile::tempdir()?;
        configure(directory.path(), address)?;
        let mount = format!("{}:/etc/nginx-rate:ro", directory.path().display());
        let started = Command::new("docker")
            .args([
                "run",
                "--rm",
                "--detach",
                "--network",
                "host",
                "--volume",
                &mount,
            ])
            .arg(rollover_lab::lab::own_image("loadbalancer"))
            .args(["nginx", "-g", "daemon off;"])
            .args(["-c", "/etc/nginx-rate/nginx.conf"])
            .output()?;
        if !started.status.success() {
            return Err(String::from_utf8_lossy(&started.stderr).into());
        }
        let container = String::from_utf8(started.stdout)?.trim().to_owned();
        let server = Self {
            address,
            container,
            _configuration: directory,
        };
        for _ in 0..100 {
            if TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err("expected nginx to listen within 10 s".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["rm", "--force", &self.container])
            .output();
    }
}

fn configure(directory: &Path, address: SocketAddr) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    std::fs::write(directory.join("cert.pem"), made.cert.pem())?;
    std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem())?;
    let configuration = format!(
        "worker_processes 1; user root; error_log /dev/stderr warn;
         events {{ worker_connections 4096; }}
         http {{
             access_log off; keepalive_requests 1000000;
             server {{
                 listen {address} ssl backlog=4096; http2 on;
                 ssl_certificate /etc/nginx-rate/cert.pem;
                 ssl_certificate_key /etc/nginx-rate/key.pem;
                 location / {{ return 200 ok; }}
             }}
         }}"
    );
    Ok(std::fs::write(directory.join("nginx.conf"), configuration)?)
}
