//! What became of one request.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::loss::{Loss, Phase};

/// What became of one request. Times count from the run's start
/// ([`Record::started_at`](super::Record::started_at)); in JSON they are
/// microseconds. Names are shared, so that 100,000 outcomes stay small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The lane's name.
    pub lane: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
    /// The request's number in its lane, from 0.
    pub sequence: u64,
    /// When the schedule wanted it to start.
    #[serde(with = "micros")]
    pub intended: Duration,
    /// When it did start.
    #[serde(with = "micros")]
    pub started: Duration,
    /// When TCP was connected; `None` on a connection used before.
    #[serde(with = "optional_micros")]
    pub connected: Option<Duration>,
    /// When TLS was agreed on; `None` on a connection used before.
    #[serde(with = "optional_micros")]
    pub handshaken: Option<Duration>,
    /// Whether the handshake resumed an earlier session, or was a full one; `None`
    /// without a handshake.
    pub resumed: Option<bool>,
    /// When the answer began.
    #[serde(with = "optional_micros")]
    pub first_byte: Option<Duration>,
    /// When it was complete, or lost.
    #[serde(with = "micros")]
    pub ended: Duration,
    /// How it came by its connection; `None` if it never looked for one.
    pub opened: Option<Opened>,
    /// The client's port.
    pub local_port: Option<u16>,
    /// The connection's number in the run.
    pub connection: Option<u32>,
    /// Which request this was on its connection, from 1; what warmed it up counts.
    pub nth: u32,
    /// Bytes of the request's body that were sent.
    pub sent: u64,
    /// The answer's status.
    pub status: Option<u16>,
    /// Bytes of the answer's body, without framing.
    pub received: u64,
    /// What `Content-Length` promised.
    pub expected: Option<u64>,
    /// SHA-256 of the leaf certificate's DER, as lowercase hex. A resumed session
    /// shows that of the handshake which began it.
    pub fingerprint: Option<Arc<str>>,
    /// The answer's `X-Replica`; of a request that was lost, what the answer
    /// before it on the same connection said.
    pub replica: Option<Arc<str>>,
    /// Why it is lost; `None` when it was answered, or is retryable.
    pub loss: Option<Loss>,
    /// By which HTTP/2 frame the server said that it never began the request, so
    /// that any client may send it again: neither lost nor answered.
    pub retryable: Option<Box<str>>,
}

/// How a request came by its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opened {
    /// The lane opens one for each request.
    Always,
    /// It stood already.
    Reused,
    /// The connection whose turn it was had been closed, and was opened anew.
    Reconnected,
    /// All connections were busy: one more was opened and closed after use.
    Extra,
}

impl Outcome {
    /// A request before anything has happened to it.
    pub fn planned(lane: Arc<str>, target: Arc<str>, sequence: u64, intended: Duration) -> Self {
        Self {
            lane,
            target,
            sequence,
            intended,
            started: intended,
            connected: None,
            handshaken: None,
            resumed: None,
            first_byte: None,
            ended: intended,
            opened: None,
            local_port: None,
            connection: None,
            nth: 0,
            sent: 0,
            status: None,
            received: 0,
            expected: None,
            fingerprint: None,
            replica: None,
            loss: None,
            retryable: None,
        }
    }

    /// How far the request has come.
    pub fn phase(&self) -> Phase {
        if self.first_byte.is_some() {
            Phase::Response
        } else if self.handshaken.is_some() || self.opened == Some(Opened::Reused) {
            Phase::Request
        } else if self.connected.is_some() {
            Phase::Handshake
        } else {
            Phase::Connect
        }
    }

    /// From the intended start to the end: what a user would have waited.
    pub fn latency(&self) -> Duration {
        self.ended.saturating_sub(self.intended)
    }

    /// How late the client itself was.
    pub fn lateness(&self) -> Duration {
        self.started.saturating_sub(self.intended)
    }

    /// Whether a complete, successful answer came in time.
    pub fn is_answered(&self) -> bool {
        self.loss.is_none() && self.retryable.is_none()
    }

    /// Whether no complete, successful answer came in time, and the server did not
    /// say that it never began.
    pub fn is_lost(&self) -> bool {
        self.loss.is_some()
    }
}

/// Durations as whole microseconds.
pub(super) mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        time: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.as_micros().serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}

/// Durations that may be absent, as whole microseconds.
pub(super) mod optional_micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.as_micros()).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_micros))
    }
}
