//! One connection: opened once, used for one request at a time, never twice for
//! the same request.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::http;
use super::outcome::Outcome;
use super::shared::Shared;
use super::wire::Wire;

/// A TLS connection and what is known of it.
pub(super) struct Connection {
    stream: TlsStream<Wire>,
    /// What has been read and not used.
    buffer: Vec<u8>,
    number: u32,
    local_port: u16,
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
        address: SocketAddr,
        delay: Option<Duration>,
        outcome: &mut Outcome,
    ) -> io::Result<Self> {
        let (wire, local_port) = Wire::connect(address, delay).await?;
        outcome.connected = Some(shared.clock.now());
        outcome.local_port = Some(local_port);
        let name = shared.server_name.clone();
        let stream = shared.tls.connect(name, wire).await?;
        outcome.handshaken = Some(shared.clock.now());
        let fingerprint = shared.fingerprint_of(stream.get_ref().1.peer_certificates());
        outcome.fingerprint.clone_from(&fingerprint);
        Ok(Self {
            stream,
            buffer: Vec::new(),
            number: shared.next_connection(),
            local_port,
            fingerprint,
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
            && self.buffer.is_empty()
            && Pin::new(&mut self.stream)
                .poll_read(&mut context, &mut buffer)
                .is_pending()
    }

    /// Sends the request once and reads the answer to its end; the outcome keeps
    /// what was seen, also when this fails or is given up half way.
    pub(super) async fn exchange(
        &mut self,
        shared: &Shared,
        request: &[u8],
        outcome: &mut Outcome,
    ) -> io::Result<()> {
        self.introduce(outcome);
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        http::fill(&mut self.stream, &mut self.buffer).await?;
        outcome.first_byte = Some(shared.clock.now());
        let head = http::read_head(&mut self.stream, &mut self.buffer).await?;
        outcome.status = Some(head.status);
        outcome.expected = head.body.promised();
        if let Some(replica) = &head.replica {
            self.replica = Some(shared.names.share(replica));
            outcome.replica.clone_from(&self.replica);
        }
        self.reusable = head.keep_alive;
        let received = &mut outcome.received;
        http::read_body(&mut self.stream, &mut self.buffer, head.body, received).await
    }

    /// Says good-bye as a well-behaved client does. What becomes of it is no
    /// longer part of any request.
    pub(super) async fn close(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.stream.shutdown()).await;
    }

    /// Notes in the outcome which connection it uses.
    fn introduce(&mut self, outcome: &mut Outcome) {
        self.served += 1;
        outcome.connection = Some(self.number);
        outcome.nth = self.served;
        outcome.local_port = Some(self.local_port);
        outcome.fingerprint.clone_from(&self.fingerprint);
        outcome.replica.clone_from(&self.replica);
    }
}

/// Lets the runtime take in what has arrived: without it, a close that the
/// kernel has already announced could be overlooked. (Tokio wakes a task that
/// yields only after it has polled its I/O driver.)
pub(super) async fn look_at_the_network() {
    tokio::task::yield_now().await;
}
