//! HTTP/2 (RFC 9113) over our own connections: streams that are never re-sent.
//!
//! The `h2` crate speaks the protocol and nothing else: it opens no connection
//! and repeats no request.

use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::HeaderMap;

use super::connection::{Way, agree, look_at_the_network};
use super::loss::{Loss, LossClass};
use super::outcome::{Opened, Outcome};
use super::shared::Shared;
use super::wire::Wire;

/// The connections of an HTTP/2 lane to one target.
pub(super) struct Connections(Vec<Place>);

/// Where one connection is, once it is opened. Who finds none opens one, and
/// whoever comes meanwhile waits for it.
type Place = tokio::sync::Mutex<Option<Connection>>;

/// One connection, for any number of streams.
#[derive(Clone)]
struct Connection {
    streams: SendRequest<&'static [u8]>,
    known: Arc<Known>,
}

/// What is known of a connection.
struct Known {
    number: u32,
    local_port: Option<u16>,
    fingerprint: Option<Arc<str>>,
    served: AtomicU32,
    /// What the last answer said.
    replica: Mutex<Option<Arc<str>>>,
}

/// Why a stream came to no complete answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    /// There was no connection.
    #[error(transparent)]
    Connect(#[from] io::Error),
    /// There was one.
    #[error(transparent)]
    Http2(#[from] h2::Error),
}

/// What becomes of a request without a complete answer.
pub(super) enum Fate {
    /// It is lost.
    Lost(Loss),
    /// The server has said that it never began it.
    Retryable(Box<str>),
}

impl Connections {
    /// So many, none of them open yet.
    pub(super) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Place::default()).collect())
    }

    /// Sends the request once, over the connection whose turn it is, and reads
    /// the answer to its end. The outcome keeps what was seen, also when this
    /// fails or is given up half way.
    pub(super) async fn exchange(
        &self,
        turn: u64,
        shared: &Shared,
        way: &Way,
        request: &http::Request<()>,
        outcome: &mut Outcome,
    ) -> Result<(), StreamError> {
        // Twice, because a connection's frames are taken in by a task of its own.
        look_at_the_network().await;
        let begun = begin(self.place(turn), shared, way, request, outcome).await;
        let (connection, response) = begun?;
        let (head, body) = response.await?.into_parts();
        outcome.first_byte = Some(shared.clock.now());
        outcome.status = Some(head.status.as_u16());
        outcome.expected = text(&head.headers, "content-length").and_then(|it| it.parse().ok());
        if let Some(replica) = text(&head.headers, "x-replica") {
            let replica = Some(shared.names.share(replica));
            outcome.replica.clone_from(&replica);
            *connection.replica() = replica;
        }
        read_body(body, &mut outcome.received).await
    }

    /// Uses this connection no more, since it answers nothing. What is under way
    /// on it goes on.
    pub(super) fn retire(&self, turn: u64, number: Option<u32>) {
        // Where the place is locked, another connection is just being opened.
        if let Ok(mut place) = self.place(turn).try_lock() {
            place.take_if(|connection| Some(connection.known.number) == number);
        }
    }

    fn place(&self, turn: u64) -> &Place {
        &self.0[(turn % self.0.len() as u64) as usize]
    }
}

/// A GET request.
pub(super) fn request(host: &str, path: &str) -> Result<http::Request<()>, http::Error> {
    http::Request::get(format!("https://{host}{path}"))
        .version(http::Version::HTTP_2)
        .header("user-agent", "rollover-lab")
        .header("accept", "*/*")
        .body(())
}

/// Begins a stream on the place's connection, or on a new one if that takes no
/// more: a stream that was not begun has not been sent.
async fn begin(
    place: &Place,
    shared: &Shared,
    way: &Way,
    request: &http::Request<()>,
    outcome: &mut Outcome,
) -> Result<(Connection, ResponseFuture), StreamError> {
    let mut place = place.lock().await;
    if let Some(connection) = &mut *place {
        if let Ok(response) = connection.begin(request) {
            outcome.opened = Some(Opened::Reused);
            connection.introduce(outcome);
            return Ok((connection.clone(), response));
        }
        *place = None;
    }
    outcome.opened = Some(Opened::Reconnected);
    let mut connection = Connection::open(shared, way, outcome).await?;
    connection.introduce(outcome);
    let response = connection.begin(request)?;
    *place = Some(connection.clone());
    Ok((connection, response))
}

impl Connection {
    async fn open(shared: &Shared, way: &Way, outcome: &mut Outcome) -> Result<Self, StreamError> {
        let stream = agree(shared, way, outcome).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(io::Error::new(io::ErrorKind::InvalidData, NoHttp2).into());
        }
        let (streams, connection) = h2::client::Builder::new()
            .enable_push(false)
            .handshake::<_, &'static [u8]>(stream)
            .await?;
        tokio::spawn(drive(connection));
        Ok(Self {
            streams,
            known: Arc::new(Known {
                number: shared.next_connection(),
                local_port: outcome.local_port,
                fingerprint: outcome.fingerprint.clone(),
                served: AtomicU32::new(0),
                replica: Mutex::default(),
            }),
        })
    }

    /// Begins a stream, unless the connection is at its end.
    fn begin(&mut self, request: &http::Request<()>) -> Result<ResponseFuture, h2::Error> {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(Err(error)) = self.streams.poll_ready(&mut context) {
            return Err(error);
        }
        let (response, _) = self.streams.send_request(request.clone(), true)?;
        Ok(response)
    }

    fn replica(&self) -> std::sync::MutexGuard<'_, Option<Arc<str>>> {
        let replica = &self.known.replica;
        replica.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes in the outcome which connection it uses.
    fn introduce(&self, outcome: &mut Outcome) {
        outcome.connection = Some(self.known.number);
        outcome.nth = self.known.served.fetch_add(1, Relaxed) + 1;
        outcome.local_port = self.known.local_port;
        outcome.fingerprint.clone_from(&self.known.fingerprint);
        outcome.replica.clone_from(&self.replica());
    }
}

/// Moves the frames until the connection's end. What that means for a stream,
/// the stream learns itself.
async fn drive(
    connection: h2::client::Connection<tokio_rustls::client::TlsStream<Wire>, &'static [u8]>,
) {
    if let Err(error) = connection.await {
        tracing::trace!(%error, "an HTTP/2 connection has ended");
    }
}

async fn read_body(mut body: RecvStream, received: &mut u64) -> Result<(), StreamError> {
    while let Some(data) = body.data().await {
        let length = data?.len();
        *received += length as u64;
        body.flow_control().release_capacity(length)?;
    }
    // Trailers may still tell of the stream's failure.
    poll_fn(|context| body.poll_trailers(context)).await?;
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The server chose another protocol.
#[derive(Debug, thiserror::Error)]
#[error("expected the server to agree on HTTP/2, found another protocol or none")]
struct NoHttp2;

impl StreamError {
    /// What it means for the request.
    pub(super) fn fate(&self, outcome: &Outcome) -> Fate {
        match self {
            Self::Connect(error) => Fate::Lost(lost_by(error, outcome)),
            Self::Http2(error) => of_http2(error, outcome),
        }
    }
}

/// A stream above the last that a GOAWAY names, and one that was refused, were
/// never begun (RFC 9113, section 8.7). `h2` tells only those streams of a
/// GOAWAY; what becomes of the others, the connection's end tells.
fn of_http2(error: &h2::Error, outcome: &Outcome) -> Fate {
    let reason = error.reason().unwrap_or(Reason::NO_ERROR);
    if error.is_remote() {
        let frame = if error.is_go_away() {
            "GOAWAY"
        } else {
            "RST_STREAM"
        };
        let detail = format!("{frame} {reason:?}").into();
        if error.is_go_away() || reason == Reason::REFUSED_STREAM {
            return Fate::Retryable(detail);
        }
        return Fate::Lost(loss(LossClass::StreamReset, detail, outcome));
    }
    if let Some(io) = error.get_io() {
        return Fate::Lost(lost_by(&as_met(io), outcome));
    }
    // What `h2` itself finds wrong with what has come.
    let short = outcome.expected.is_some_and(|all| outcome.received < all);
    let class = if short {
        LossClass::Truncated
    } else {
        LossClass::Malformed
    };
    Fate::Lost(loss(class, error.to_string().into(), outcome))
}

fn lost_by(error: &io::Error, outcome: &Outcome) -> Loss {
    let reused = outcome.opened == Some(Opened::Reused);
    Loss::from_error(error, outcome.phase(), reused)
}

/// `h2` calls the end of a connection with streams on it a broken pipe.
fn as_met(error: &io::Error) -> io::Error {
    let kind = match error.kind() {
        io::ErrorKind::BrokenPipe => io::ErrorKind::UnexpectedEof,
        kind => kind,
    };
    io::Error::new(kind, error.to_string())
}

fn loss(class: LossClass, detail: Box<str>, outcome: &Outcome) -> Loss {
    Loss {
        class,
        phase: outcome.phase(),
        detail,
    }
}
