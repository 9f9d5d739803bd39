//! A TLS server that misbehaves on a known schedule and counts how often it did.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

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
    /// Answers with something that is not HTTP.
    Garbage,
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

    /// Whether it is done to a request that was read.
    fn is_to_a_request(self) -> bool {
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

struct Shared {
    act: Act,
    every: usize,
    armed: AtomicUsize,
    turns: AtomicUsize,
    acts: AtomicUsize,
    connections: AtomicUsize,
    good: TlsAcceptor,
    bad: TlsAcceptor,
}

const BODY: &str = "0123456789abcdef";

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
        let bad_protocol = (act == Act::Alert).then_some("h2");
        let shared = Arc::new(Shared {
            act,
            every,
            armed: AtomicUsize::new(0),
            turns: AtomicUsize::new(0),
            acts: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            good: acceptor(good, None),
            bad: acceptor(bad, bad_protocol),
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

    /// How often it did what it does.
    pub(crate) fn acts(&self) -> usize {
        self.shared.acts.load(SeqCst)
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
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

fn acceptor(pair: CertifiedKey, protocol: Option<&str>) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = protocol
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    TlsAcceptor::from(Arc::new(config))
}

impl Shared {
    /// Whether it is this one's turn.
    fn acts_now(&self) -> bool {
        let armed = self.armed.load(SeqCst) == 1 && self.act != Act::Nothing;
        let acts = armed && self.turns.fetch_add(1, SeqCst) % self.every == self.every - 1;
        self.acts.fetch_add(usize::from(acts), SeqCst);
        acts
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
                    self.requests(stream).await;
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
            if !self.next_request(&mut stream).await {
                let _ = stream.shutdown().await;
                return;
            }
            if self.act.is_to_a_request() && self.acts_now() {
                if !misbehave(self.act, &mut stream).await {
                    return;
                }
            } else {
                send(&mut stream, &answer(200, "")).await;
            }
        }
    }

    /// Reads a request; false if none came (in time).
    async fn next_request(&self, stream: &mut TlsStream<TcpStream>) -> bool {
        let patience = match self.act {
            Act::CloseIdleAfter(time) if self.armed.load(SeqCst) == 1 => time,
            _ => Duration::MAX,
        };
        let request = tokio::time::timeout(patience, read_request(stream));
        request.await.is_ok_and(|request| request.is_some())
    }
}

/// Waits for a request, without reading it; false at the end.
async fn has_arrived(stream: &TlsStream<TcpStream>) -> bool {
    matches!(stream.get_ref().0.peek(&mut [0]).await, Ok(1))
}

async fn read_request(stream: &mut TlsStream<TcpStream>) -> Option<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
    Some(())
}

/// Does it; false if the connection is to be dropped.
async fn misbehave(act: Act, stream: &mut TlsStream<TcpStream>) -> bool {
    let whole = answer(200, "");
    let half = &whole[..whole.len() - BODY.len() / 2];
    match act {
        Act::Status(status) => {
            send(stream, &answer(status, "")).await;
            return true;
        }
        Act::Garbage => send(stream, "220 mail.example.test ESMTP\r\n\r\n").await,
        Act::AnnouncedClose => send(stream, &answer(200, "Connection: close\r\n")).await,
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

async fn wait_for_the_client_to_go(stream: &mut TlsStream<TcpStream>) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

async fn send(stream: &mut TlsStream<TcpStream>, text: &str) {
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.flush().await;
}

fn answer(status: u16, header: &str) -> String {
    let length = BODY.len();
    format!(
        "HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nX-Replica: r1\r\n{header}\r\n{BODY}"
    )
}
