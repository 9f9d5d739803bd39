//! A TLS server that misbehaves on a known schedule and counts how often it did.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::http2;

/// What the server does to the request (or connection) whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Answers every time, and keeps the connection.
    Nothing,
    /// Reads the client's hello and closes.
    DropAfterAccept,
    /// Resets the connection when it is accepted.
    ResetAfterAccept,
    /// Refuses the client's protocols by an alert.
    Alert,
    /// Serves a certificate whose key it does not have.
    ForeignKey,
    /// Reads the request and closes.
    CloseBeforeAnswer,
    /// Closes a connection without reading when a request arrives on it.
    CloseUnread,
    /// Resets the connection within the answer.
    ResetWithinAnswer,
    /// Closes the connection properly within the answer.
    Truncate,
    /// Never answers.
    Stall,
    /// Begins the answer, and never goes on.
    StallWithinAnswer,
    /// Answers with this status.
    Status(u16),
    /// Resets the connection half way through the request's body.
    ResetWithinUpload,
    /// Closes the connection half way through the request's body.
    CloseWithinUpload,
    /// Reads half of the request's body, and never goes on.
    StallWithinUpload,
    /// Answers with this status before the request's body has come.
    AnswerEarly(u16),
    /// Says that only half of the request's body came.
    LoseHalf,
    /// Answers with something that is not HTTP.
    Garbage,
    /// Resets the stream for this reason, instead of an answer (HTTP/2).
    StreamReset(u32),
    /// Resets the stream for this reason, within the answer (HTTP/2).
    StreamResetWithinAnswer(u32),
    /// Says GOAWAY, and that the stream is above the last that it will answer (HTTP/2).
    GoAwayBelow,
    /// Says GOAWAY, and that it will answer the stream, but closes (HTTP/2).
    GoAwayWithoutAnswer,
    /// Answers, says that it will close, and closes.
    AnnouncedClose,
    /// Closes whenever no request comes for this time.
    CloseIdleAfter(Duration),
}

impl Act {
    /// Whether it concerns a connection before its first request.
    fn is_before_requests(self) -> bool {
        matches!(
            self,
            Self::DropAfterAccept | Self::ResetAfterAccept | Self::Alert | Self::ForeignKey
        )
    }

    /// Whether it is done while a request's body comes in.
    fn is_within_upload(self) -> bool {
        matches!(
            self,
            Self::ResetWithinUpload
                | Self::CloseWithinUpload
                | Self::StallWithinUpload
                | Self::AnswerEarly(_)
        )
    }

    /// Whether it is done to a request that was read.
    pub(crate) fn is_to_a_request(self) -> bool {
        let unread = matches!(self, Self::CloseUnread | Self::CloseIdleAfter(_));
        !unread && !self.is_before_requests()
    }
}

/// The server. It misbehaves to every `EVERY`th once armed.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) fingerprint: String,
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) act: Act,
    every: usize,
    armed: AtomicUsize,
    turns: AtomicUsize,
    acts: AtomicUsize,
    connections: AtomicUsize,
    resumed: AtomicUsize,
    requests: AtomicUsize,
    good: TlsAcceptor,
    bad: TlsAcceptor,
}

/// The length of a body, unless the request's path ends with another.
pub(crate) const BODY: usize = 16;

impl Server {
    /// Does this to every so manyth, from the start.
    pub(crate) async fn start(act: Act, every: usize) -> Self {
        let server = Self::unarmed(act, every).await;
        server.arm();
        server
    }

    /// Behaves until it is armed.
    pub(crate) async fn unarmed(act: Act, every: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (good, fingerprint) = pair();
        let bad = match act {
            Act::ForeignKey => CertifiedKey::new(good.cert.clone(), pair().0.key),
            _ => CertifiedKey::new(good.cert.clone(), good.key.clone()),
        };
        let bad_protocols: &[&str] = match act {
            Act::Alert => &["another"],
            _ => &["h2", "http/1.1"],
        };
        let shared = Arc::new(Shared {
            act,
            every,
            armed: AtomicUsize::new(0),
            turns: AtomicUsize::new(0),
            acts: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            resumed: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            good: acceptor(good, &["h2", "http/1.1"]),
            bad: acceptor(bad, bad_protocols),
        });
        tokio::spawn(Arc::clone(&shared).listen(listener));
        Self {
            address,
            fingerprint,
            shared,
        }
    }

    /// From now on it misbehaves.
    pub(crate) fn arm(&self) {
        self.shared.armed.store(1, SeqCst);
    }

    /// Whether it makes requests time out.
    pub(crate) fn stalls(&self) -> bool {
        matches!(
            self.shared.act,
            Act::Stall | Act::StallWithinAnswer | Act::StallWithinUpload
        )
    }

    /// How often it did what it does.
    pub(crate) fn acts(&self) -> usize {
        self.shared.acts.load(SeqCst)
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// How many requests it has read.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(SeqCst)
    }

    /// How many sessions were resumed.
    pub(crate) fn resumed(&self) -> usize {
        self.shared.resumed.load(SeqCst)
    }
}

fn pair() -> (CertifiedKey, String) {
    use sha2::Digest;
    let names = vec!["example.test".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let key = ring::sign::any_supported_type(&key).unwrap();
    let digest = sha2::Sha256::digest(made.cert.der());
    let fingerprint = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let certificate = made.cert.der().clone();
    (CertifiedKey::new(vec![certificate], key), fingerprint)
}

fn acceptor(pair: CertifiedKey, protocols: &[&str]) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    TlsAcceptor::from(Arc::new(config))
}

impl Shared {
    /// Whether it is this one's turn.
    pub(crate) fn acts_now(&self) -> bool {
        let armed = self.armed.load(SeqCst) == 1 && self.act != Act::Nothing;
        let acts = armed && self.turns.fetch_add(1, SeqCst) % self.every == self.every - 1;
        self.note_acts(usize::from(acts));
        acts
    }

    /// So many more were treated badly.
    pub(crate) fn note_acts(&self, more: usize) {
        self.acts.fetch_add(more, SeqCst);
    }

    /// So many more requests have come.
    pub(crate) fn note_requests(&self, more: usize) {
        self.requests.fetch_add(more, SeqCst);
    }

    async fn listen(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            self.connections.fetch_add(1, SeqCst);
            tokio::spawn(Arc::clone(&self).connection(stream));
        }
    }

    async fn connection(self: Arc<Self>, mut stream: TcpStream) {
        let acts = self.act.is_before_requests() && self.acts_now();
        match (acts, self.act) {
            (true, Act::DropAfterAccept) => {
                let _ = stream.read(&mut [0; 4096]).await;
            }
            (true, Act::ResetAfterAccept) => stream.set_zero_linger().unwrap(),
            (true, _) => drop(self.bad.accept(stream).await),
            (false, _) => {
                if let Ok(stream) = self.good.accept(stream).await {
                    let kind = stream.get_ref().1.handshake_kind();
                    let resumed = kind == Some(HandshakeKind::Resumed);
                    self.resumed.fetch_add(usize::from(resumed), SeqCst);
                    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                        http2::serve(&self, stream).await;
                    } else {
                        self.requests(stream).await;
                    }
                }
            }
        }
    }

    async fn requests(&self, mut stream: TlsStream<TcpStream>) {
        let mut idle = false;
        loop {
            // A connection's first request may be read along with its handshake.
            let unread = idle && self.act == Act::CloseUnread && has_arrived(&stream).await;
            if unread && self.acts_now() {
                return;
            }
            idle = true;
            let Some(mut asked) = self.next_request(&mut stream).await else {
                let _ = stream.shutdown().await;
                return;
            };
            let acts = self.act.is_to_a_request() && self.acts_now();
            if acts && self.act.is_within_upload() {
                disturb(self.act, &mut stream, &mut asked).await;
                return;
            }
            asked.read_body(&mut stream, asked.length).await;
            if acts {
                if !misbehave(self.act, &mut stream, &asked).await {
                    return;
                }
            } else {
                send(&mut stream, &asked.answer(200, "")).await;
            }
        }
    }

    /// Reads a request's head; none if none came (in time).
    async fn next_request(&self, stream: &mut TlsStream<TcpStream>) -> Option<Asked> {
        let patience = match self.act {
            Act::CloseIdleAfter(time) if self.armed.load(SeqCst) == 1 => time,
            _ => Duration::MAX,
        };
        let request = tokio::time::timeout(patience, Asked::read(stream));
        let request = request.await.ok().flatten();
        self.note_requests(usize::from(request.is_some()));
        request
    }
}

/// Waits for a request, without reading it; false at the end. What a client says that
/// closes in an orderly way arrives too, and is known by its length.
async fn has_arrived(stream: &TlsStream<TcpStream>) -> bool {
    /// An alert of two bytes, its type, and the tag (RFC 8446, 5.2).
    const ALERT: u16 = 2 + 1 + 16;
    let mut header = [0; 5];
    let seen = stream.get_ref().0.peek(&mut header).await;
    let [_, _, _, length @ ..] = header;
    matches!(seen, Ok(5)) && u16::from_be_bytes(length) > ALERT
}

/// A request.
struct Asked {
    /// The length of the body that it wants.
    wants: usize,
    /// The length of its own body.
    length: usize,
    /// How much of that has come.
    came: usize,
}

impl Asked {
    async fn read(stream: &mut TlsStream<TcpStream>) -> Option<Self> {
        let mut read = Vec::new();
        let end = loop {
            if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        };
        let head = std::str::from_utf8(&read[..end]).unwrap();
        let number = |after: &str| {
            let rest = head.split_once(after)?.1;
            let digits = rest.split(|it: char| !it.is_ascii_digit()).next()?;
            digits.parse().ok()
        };
        Some(Self {
            wants: number("?bytes=").unwrap_or(BODY),
            length: number("Content-Length: ").unwrap_or(0),
            came: read.len() - end,
        })
    }

    async fn read_body(&mut self, stream: &mut TlsStream<TcpStream>, length: usize) {
        let mut read = vec![0; 4096];
        while self.came < length {
            match stream.read(&mut read).await {
                Ok(0) | Err(_) => return,
                Ok(some) => self.came += some,
            }
        }
    }

    fn answer(&self, status: u16, header: &str) -> String {
        let (length, came) = (self.wants, self.came);
        let body = ".".repeat(length);
        format!(
            "HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nX-Replica: r1\r\nX-Received: {came}\r\n{header}\r\n{body}"
        )
    }
}

/// Does it to a request whose body is coming in.
async fn disturb(act: Act, stream: &mut TlsStream<TcpStream>, asked: &mut Asked) {
    asked.read_body(stream, asked.length / 2).await;
    match act {
        Act::ResetWithinUpload => return stream.get_ref().0.set_zero_linger().unwrap(),
        Act::AnswerEarly(status) => {
            let close = "Connection: close\r\n";
            send(stream, &asked.answer(status, close)).await;
            wait_for_the_client_to_go(stream).await;
        }
        Act::StallWithinUpload => tokio::time::sleep(Duration::from_secs(60)).await,
        _ => {}
    }
    let _ = stream.shutdown().await;
}

/// Does it; false if the connection is to be dropped.
async fn misbehave(act: Act, stream: &mut TlsStream<TcpStream>, asked: &Asked) -> bool {
    let whole = asked.answer(200, "");
    let half = &whole[..whole.len() - asked.wants / 2];
    match act {
        Act::Status(status) => {
            send(stream, &asked.answer(status, "")).await;
            return true;
        }
        Act::LoseHalf => {
            let came = asked.length / 2;
            send(stream, &Asked { came, ..*asked }.answer(200, "")).await;
            return true;
        }
        Act::Garbage => send(stream, "220 mail.example.test ESMTP\r\n\r\n").await,
        Act::AnnouncedClose => send(stream, &asked.answer(200, "Connection: close\r\n")).await,
        Act::ResetWithinAnswer => {
            send(stream, half).await;
            stream.get_ref().0.set_zero_linger().unwrap();
            return false;
        }
        Act::Truncate => send(stream, half).await,
        Act::Stall => wait_for_the_client_to_go(stream).await,
        Act::StallWithinAnswer => {
            send(stream, half).await;
            wait_for_the_client_to_go(stream).await;
        }
        _ => {}
    }
    let _ = stream.shutdown().await;
    false
}

pub(crate) async fn wait_for_the_client_to_go(stream: &mut TlsStream<TcpStream>) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

async fn send(stream: &mut TlsStream<TcpStream>, text: &str) {
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.flush().await;
}
