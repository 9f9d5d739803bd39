//! One connection: opened once, used for one request at a time, never twice for
//! the same request.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::http as http1;
use super::incoming::{Incoming, Stalled};
use super::outcome::Outcome;
use super::pace::Pace;
use super::shared::Shared;
use super::wire::Wire;

/// How a lane opens its connections to one target.
pub(super) struct Way {
    pub(super) address: SocketAddr,
    pub(super) delay: Option<Duration>,
    /// Whether little is to be taken in ahead of the reader.
    pub(super) narrow: bool,
    pub(super) tls: TlsConnector,
}

/// What a lane sends each time.
pub(super) struct Request {
    pub(super) head: Vec<u8>,
    /// The same over HTTP/2.
    pub(super) http2: http::Request<()>,
    /// The length of the body that follows.
    pub(super) body: Option<u64>,
    pub(super) pace: Option<Pace>,
}

/// A TLS connection and what is known of it.
pub(super) struct Connection {
    incoming: Incoming<TlsStream<Wire>>,
    number: u32,
    local_port: Option<u16>,
    fingerprint: Option<Arc<str>>,
    /// What the last answer said.
    replica: Option<Arc<str>>,
    served: u32,
    reusable: bool,
}

impl Connection {
    /// Opens a connection, and notes in the outcome how far that came.
    pub(super) async fn open(
        shared: &Shared,
        way: &Way,
        outcome: &mut Outcome,
    ) -> io::Result<Self> {
        let stream = agree(shared, way, outcome).await?;
        Ok(Self {
            incoming: Incoming::new(stream),
            number: shared.next_connection(),
            local_port: outcome.local_port,
            fingerprint: outcome.fingerprint.clone(),
            replica: None,
            served: 0,
            reusable: true,
        })
    }

    /// Whether another request may be sent: the last answer did not announce the
    /// close, and no close (or anything else nobody asked for) has arrived.
    ///
    /// One look without waiting. It sees what the runtime has seen arrive, so the
    /// caller yields to the runtime first.
    pub(super) fn is_usable(&mut self) -> bool {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        self.reusable
            && self.incoming.buffer.is_empty()
            && Pin::new(&mut self.incoming.stream)
                .poll_read(&mut context, &mut buffer)
                .is_pending()
    }

    /// Sends the request once and reads the answer to its end; the outcome keeps
    /// what was seen, also when this fails or is given up half way. Returns how
    /// much of the request's body came, if the server says so.
    pub(super) async fn exchange(
        &mut self,
        shared: &Shared,
        request: &Request,
        outcome: &mut Outcome,
    ) -> io::Result<Option<u64>> {
        self.introduce(outcome);
        let incoming = &mut self.incoming;
        incoming.patience = request.pace.map(|pace| pace.patience);
        incoming.turns = None;
        incoming.stream.write_all(&request.head).await?;
        incoming.stream.flush().await?;
        if let Some(length) = request.body {
            send_body(incoming, length, request.pace, &mut outcome.sent).await?;
        }
        if incoming.buffer.is_empty() {
            incoming.fill().await?;
        }
        outcome.first_byte = Some(shared.clock.now());
        let head = http1::read_head(incoming).await?;
        outcome.status = Some(head.status);
        outcome.expected = head.body.promised();
        if let Some(replica) = &head.replica {
            self.replica = Some(shared.names.share(replica));
            outcome.replica.clone_from(&self.replica);
        }
        self.reusable = head.keep_alive;
        let received = &mut outcome.received;
        http1::read_body(incoming, head.body, request.pace, received).await?;
        Ok(head.came)
    }

    /// Says good-bye as a well-behaved client does. What becomes of it is no
    /// longer part of any request.
    pub(super) async fn close(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.incoming.stream.shutdown()).await;
    }

    /// Notes in the outcome which connection it uses.
    fn introduce(&mut self, outcome: &mut Outcome) {
        self.served += 1;
        outcome.connection = Some(self.number);
        outcome.nth = self.served;
        outcome.local_port = self.local_port;
        outcome.fingerprint.clone_from(&self.fingerprint);
        outcome.replica.clone_from(&self.replica);
    }
}

/// Connects and agrees on TLS, and notes in the outcome how far that came.
pub(super) async fn agree(
    shared: &Shared,
    way: &Way,
    outcome: &mut Outcome,
) -> io::Result<TlsStream<Wire>> {
    let (wire, local_port) = Wire::connect(way.address, way.delay, way.narrow).await?;
    outcome.connected = Some(shared.clock.now());
    outcome.local_port = Some(local_port);
    let stream = way.tls.connect(shared.server_name.clone(), wire).await?;
    outcome.handshaken = Some(shared.clock.now());
    let session = stream.get_ref().1;
    outcome.resumed = Some(session.handshake_kind() == Some(HandshakeKind::Resumed));
    outcome.fingerprint = shared.fingerprint_of(session.peer_certificates());
    Ok(stream)
}

/// Sends a body, unless the server begins to answer before: whatever it has to
/// say, it has made up its mind.
async fn send_body(
    incoming: &mut Incoming<TlsStream<Wire>>,
    length: u64,
    pace: Option<Pace>,
    sent: &mut u64,
) -> io::Result<()> {
    const BYTES: [u8; 16 * 1024] = [b'.'; 16 * 1024];
    let pace = pace.unwrap_or(Pace::UNLIMITED);
    let mut turns = pace.begin(length);
    while *sent < length && incoming.buffer.is_empty() {
        let most = tokio::select! {
            biased;
            answered = incoming.look() => { answered?; continue },
            most = turns.next() => most.min(length - *sent),
        };
        let bytes = usize::try_from(most).map_or(&BYTES[..], |most| &BYTES[..most]);
        let writing = async {
            incoming.stream.write_all(bytes).await?;
            incoming.stream.flush().await
        };
        timeout(pace.patience, writing)
            .await
            .map_err(|_| Stalled(pace.patience))??;
        *sent += bytes.len() as u64;
        turns.went(bytes.len() as u64);
    }
    Ok(())
}

/// Lets the runtime take in what has arrived: without it, a close that the
/// kernel has already announced could be overlooked. (Tokio wakes a task that
/// yields only after it has polled its I/O driver.)
pub(super) async fn look_at_the_network() {
    tokio::task::yield_now().await;
}
