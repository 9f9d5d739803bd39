//! The same server under `wrk`. That is a closed loop: it sends the next request when the
//! answer to the last has come, so its rate is what the server can do, and no schedule.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use tokio::process::Command;

use super::super::{CouldNot, cpu};

/// What `wrk` came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wrk {
    pub(super) per_second: f64,
    /// Processor time of its own for each request, in microseconds.
    pub(super) cpu_each: f64,
}

/// Has one thread of it ask for as long; none where it is not installed.
pub(super) async fn run(
    server: SocketAddr,
    connections: usize,
    length: Duration,
    header: Option<&str>,
) -> Result<Option<Wrk>, CouldNot> {
    let mut command = Command::new("wrk");
    command.args(["--threads", "1", "--connections", &connections.to_string()]);
    command.args(["--duration", &length.as_secs().to_string()]);
    command.args(header.into_iter().flat_map(|header| ["--header", header]));
    command.arg(format!("https://{server}/"));
    let before = cpu::of_ended_children()?;
    let said = match command.output().await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        said => String::from_utf8_lossy(&said?.stdout).into_owned(),
    };
    let taken = cpu::of_ended_children()?.saturating_sub(before);
    let read = read(&said, taken);
    Ok(Some(read.ok_or_else(|| {
        format!("run wrk: expected it to say how many requests a second, found {said:?}")
    })?))
}

/// "  5000 requests in 5.00s, 0.72MB read", "Requests/sec:   999.63"
fn read(said: &str, cpu: Duration) -> Option<Wrk> {
    let mut lines = said.lines().map(str::trim);
    let requests: Option<f64> =
        lines.find_map(|line| line.split_once(" requests in ")?.0.parse().ok());
    let per_second = lines.find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    Some(Wrk {
        per_second: per_second?,
        cpu_each: cpu.as_secs_f64() * 1e6 / requests?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_figures_are_read_as_it_prints_them() {
        let said = "Running 5s test @ https://172.28.0.2/\n  1 threads and 100 connections\n  \
                    5000 requests in 5.00s, 0.72MB read\nRequests/sec:    999.63\n\
                    Transfer/sec:    147.86KB\n";
        let found = read(said, Duration::from_millis(250)).unwrap();
        assert_eq!((found.per_second, found.cpu_each), (999.63, 50.0));
        assert_eq!(read("unable to connect", Duration::ZERO), None);
    }
}
