//! What traffic to drive, against what.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The traffic of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Where the requests go, in turn.
    pub targets: Vec<Target>,
    /// Sent as SNI and as `Host`.
    pub server_name: String,
    /// The kinds of traffic, each on a schedule of its own.
    pub lanes: Vec<Lane>,
    /// How long one request may take, from its intended start, before it is lost.
    /// In a lane with a [deadline of its own](Lane::deadline): how long it may
    /// go without a byte of the answer.
    pub deadline: Duration,
    /// A complete answer that took longer, from its intended start, is late: not
    /// lost, and counted apart. What a lane's requests [last](Lane::lasting) by
    /// nature comes on top.
    pub late_after: Duration,
}

/// One address that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The node's name, such as `node-1`: what losses are attributed to.
    pub name: String,
    /// Where to connect.
    pub address: SocketAddr,
}

/// One kind of traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// How the lane is called in the record.
    pub name: String,
    /// How it treats its connections.
    pub kind: LaneKind,
    /// Requests a second over all targets together, which take turns.
    pub rate: u32,
    /// What is asked for.
    pub path: String,
    /// How long every byte is held in each direction, and half a TCP connect:
    /// the one-way latency of a network. Loopback hides races that are as wide
    /// as a round trip; this gives them their width back.
    pub delay: Option<Duration>,
    /// How long a body is made to take: it is read, or sent, no faster. Zero: as
    /// fast as it goes.
    pub lasting: Duration,
    /// How long one request may take as a whole. `None`: the plan's deadline, and
    /// what it lasts.
    pub deadline: Option<Duration>,
    /// How many requests may be unfinished at once; one that finds no room is
    /// not sent, which counts as lost and makes the run dishonest. `None`: as
    /// many as the rate can start within the deadline, and some.
    pub in_flight: Option<usize>,
}

/// How a lane treats its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum LaneKind {
    /// A new TCP connection and a full TLS handshake for each request.
    NewConnection,
    /// A new TCP connection for each request, whose TLS handshake resumes the
    /// session of an earlier one to the same target, if the server agrees.
    Resumed,
    /// Warm connections that take turns. Each is idle for
    /// `connections × targets / rate` seconds between two requests: choose that
    /// as long as the clients' pools whose losses are to be seen.
    KeepAlive {
        /// How many connections to **each** target.
        connections: usize,
    },
    /// HTTP/2: requests are streams that share a few warm connections, which take
    /// turns; any number of them at once.
    Http2 {
        /// How many connections to **each** target.
        connections: usize,
    },
    /// A new connection for each request, whose answer is a body that takes its
    /// time: what a rollout must wait for.
    Download,
    /// A new connection for each request, a POST whose body takes its time. If
    /// the answer says how much came (`X-Received`), that must be all.
    Upload {
        /// The body's length.
        bytes: u64,
    },
}

/// Why a plan cannot be driven.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// No target.
    #[error("find a target: expected one or more in the plan, found none")]
    NoTarget,
    /// No lane.
    #[error("find a lane: expected one or more in the plan, found none")]
    NoLane,
    /// Two lanes would be counted as one.
    #[error("tell lanes apart: expected different names, found {0:?} twice")]
    SameName(String),
    /// A rate without requests.
    #[error("schedule lane {lane:?}: expected a rate of 1 request/s or more, found 0")]
    NoRate {
        /// The lane.
        lane: String,
    },
    /// A body that cannot be slowed down.
    #[error("make the answers last in lane {lane:?}: expected a lane of HTTP/1.1, found HTTP/2")]
    Http2Lasting {
        /// The lane.
        lane: String,
    },
    /// A lane of warm connections without any.
    #[error("warm up lane {lane:?}: expected one or more connections to each target, found 0")]
    NoConnections {
        /// The lane.
        lane: String,
    },
    /// A lane of uploads without a body.
    #[error("upload in lane {lane:?}: expected one byte or more, found 0")]
    NoBody {
        /// The lane.
        lane: String,
    },
    /// A path that would not be one request line.
    #[error(
        "ask for {path:?} in lane {lane:?}: expected a path of visible ASCII that begins with /"
    )]
    Path {
        /// The lane.
        lane: String,
        /// What was found.
        path: String,
    },
    /// A name that TLS cannot send.
    #[error("use {0:?} as server name: expected a DNS name or an IP address")]
    ServerName(String),
}

impl Plan {
    /// A plan without lanes: 5 s to answer, late after 1 s.
    pub fn new(targets: Vec<Target>, server_name: impl Into<String>) -> Self {
        Self {
            targets,
            server_name: server_name.into(),
            lanes: Vec::new(),
            deadline: Duration::from_secs(5),
            late_after: Duration::from_secs(1),
        }
    }

    /// Adds a lane.
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lanes.push(lane);
        self
    }

    /// Sets how long one request may take before it is lost.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(super) fn check(&self) -> Result<(), PlanError> {
        if self.targets.is_empty() {
            return Err(PlanError::NoTarget);
        }
        if self.lanes.is_empty() {
            return Err(PlanError::NoLane);
        }
        for (index, lane) in self.lanes.iter().enumerate() {
            lane.check()?;
            if self.lanes[..index]
                .iter()
                .any(|other| other.name == lane.name)
            {
                return Err(PlanError::SameName(lane.name.clone()));
            }
        }
        Ok(())
    }
}

impl Target {
    /// A target by its name and address.
    pub fn new(name: impl Into<String>, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            address,
        }
    }
}

impl Lane {
    /// A lane that opens a new connection for each request for `/`.
    pub fn new_connections(name: impl Into<String>, rate: u32) -> Self {
        Self::of_kind(name, rate, LaneKind::NewConnection)
    }

    /// A lane that asks for `/` over this many warm connections to each target.
    pub fn keep_alive(name: impl Into<String>, rate: u32, connections: usize) -> Self {
        Self::of_kind(name, rate, LaneKind::KeepAlive { connections })
    }

    /// A lane that asks for `/` over HTTP/2, on this many connections to each target.
    pub fn http2(name: impl Into<String>, rate: u32, connections: usize) -> Self {
        Self::of_kind(name, rate, LaneKind::Http2 { connections })
    }

    /// A lane that opens a new connection for each request for `/` and resumes an
    /// earlier TLS session on it, as browsers do.
    pub fn resumed(name: impl Into<String>, rate: u32) -> Self {
        Self::of_kind(name, rate, LaneKind::Resumed)
    }

    /// A lane that downloads `path`, over a new connection each time. How long that
    /// takes is up to the server, or to [`lasting`](Self::lasting); it may need a
    /// [`deadline`](Self::deadline) of its own.
    pub fn download(name: impl Into<String>, rate: u32, path: impl Into<String>) -> Self {
        Self::of_kind(name, rate, LaneKind::Download).path(path)
    }

    /// A lane that uploads so many bytes to `path`, over a new connection each
    /// time; [`lasting`](Self::lasting) says how slowly.
    pub fn upload(name: impl Into<String>, rate: u32, path: impl Into<String>, bytes: u64) -> Self {
        Self::of_kind(name, rate, LaneKind::Upload { bytes }).path(path)
    }

    fn of_kind(name: impl Into<String>, rate: u32, kind: LaneKind) -> Self {
        Self {
            name: name.into(),
            kind,
            rate,
            path: "/".to_owned(),
            delay: None,
            lasting: Duration::ZERO,
            deadline: None,
            in_flight: None,
        }
    }

    /// Asks for another path.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Holds every byte for this long in each direction.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Makes each body take this long, by reading (or sending) it no faster.
    ///
    /// # Caveats
    /// What fits into the socket's buffers a server has sent at once, and it may
    /// take the request for finished: to see what a server does to a download,
    /// let the server be slow, or the body be large (some megabytes).
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasting = time;
        self
    }

    /// Sets how long one request may take as a whole. Besides, it must get on: it
    /// is lost when for the plan's deadline no byte of the answer has come.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets how many requests may be unfinished at once.
    #[must_use]
    pub fn in_flight(mut self, limit: usize) -> Self {
        self.in_flight = Some(limit);
        self
    }

    /// When request `sequence` shall start, counted from the lane's first.
    /// Computed from the sequence number, so that rounding does not add up.
    pub(super) fn intended(&self, sequence: u64) -> Duration {
        let rate = u64::from(self.rate);
        let nanos = (sequence % rate) * 1_000_000_000 / rate;
        Duration::from_secs(sequence / rate) + Duration::from_nanos(nanos)
    }

    /// How long one request may take as a whole, in a plan of this deadline.
    pub(super) fn whole(&self, deadline: Duration) -> Duration {
        self.deadline.unwrap_or(deadline + self.lasting)
    }

    /// Whether a request must get on, and not only come to its end in time.
    pub(super) fn is_long(&self) -> bool {
        self.deadline.is_some() || !self.lasting.is_zero()
    }

    /// How many requests may be unfinished at once. Without a limit given, the
    /// bound is out of reach of a server that answers nothing at all.
    pub(super) fn room(&self, deadline: Duration) -> usize {
        const SLACK: f64 = 64.0;
        self.in_flight.unwrap_or_else(|| {
            let startable = f64::from(self.rate) * self.whole(deadline).as_secs_f64();
            (startable * 1.25 + SLACK) as usize
        })
    }

    fn check(&self) -> Result<(), PlanError> {
        let lane = || self.name.clone();
        if self.rate == 0 {
            return Err(PlanError::NoRate { lane: lane() });
        }
        if self.kind.connections() == Some(0) {
            return Err(PlanError::NoConnections { lane: lane() });
        }
        if matches!(self.kind, LaneKind::Http2 { .. }) && !self.lasting.is_zero() {
            return Err(PlanError::Http2Lasting { lane: lane() });
        }
        if self.kind == (LaneKind::Upload { bytes: 0 }) {
            return Err(PlanError::NoBody { lane: lane() });
        }
        if !self.path.starts_with('/') || !self.path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PlanError::Path {
                lane: lane(),
                path: self.path.clone(),
            });
        }
        Ok(())
    }
}

impl LaneKind {
    /// How many warm connections it has to each target, if it has any.
    pub(super) fn connections(self) -> Option<usize> {
        match self {
            Self::KeepAlive { connections } | Self::Http2 { connections } => Some(connections),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan::new(
            vec![Target::new("node-1", "127.0.0.1:1".parse().unwrap())],
            "example.test",
        )
    }

    #[test]
    fn a_schedule_does_not_drift() {
        let lane = Lane::new_connections("new", 3);
        assert_eq!(lane.intended(0), Duration::ZERO);
        assert_eq!(lane.intended(1), Duration::from_nanos(333_333_333));
        assert_eq!(lane.intended(3 * 86_400), Duration::from_secs(86_400));
    }

    #[test]
    fn a_server_that_answers_nothing_does_not_exhaust_the_room() {
        let lane = Lane::new_connections("new", 100);
        assert!(lane.room(Duration::from_secs(5)) > 500);
        let lasting = lane.lasting(Duration::from_secs(5));
        assert!(lasting.room(Duration::from_secs(5)) > 1000);
    }

    #[test]
    fn a_plan_that_cannot_be_driven_says_what_is_wrong() {
        let checked = |plan: Plan| plan.check().unwrap_err().to_string();
        assert_eq!(plan().check(), Err(PlanError::NoLane));
        let twice = plan()
            .lane(Lane::new_connections("new", 1))
            .lane(Lane::keep_alive("new", 1, 1));
        assert!(checked(twice).contains("\"new\" twice"));
        assert!(checked(plan().lane(Lane::new_connections("new", 0))).contains("found 0"));
        for idle in [Lane::keep_alive("idle", 1, 0), Lane::http2("idle", 1, 0)] {
            assert!(checked(plan().lane(idle)).contains("connections"));
        }
        let slow = Lane::http2("slow", 1, 1).lasting(Duration::from_secs(1));
        assert!(checked(plan().lane(slow)).contains("HTTP/2"));
        assert!(checked(plan().lane(Lane::upload("up", 1, "/", 0))).contains("byte"));
        let path = Lane::new_connections("new", 1).path("/a b");
        assert!(checked(plan().lane(path)).contains("/a b"));
    }
}
