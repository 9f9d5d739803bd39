//! One question to one server, and its answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use domain::base::Message;
use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::message::{Answer, ComposeError, Question};

/// A packet may be lost; then it is sent again.
const TRIES: u32 = 3;
const TRY: Duration = Duration::from_secs(2);
/// An update may take longer: some servers write it to disk first.
pub(super) const BY_TCP: Duration = Duration::from_secs(10);
/// Any answer by UDP fits.
const LARGEST: usize = 65_535;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::act::issue) enum Unanswered {
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("what it answers is no DNS message")]
    Malformed,
    #[error("ask: {0}")]
    Compose(#[from] ComposeError),
}

impl Unanswered {
    /// Whether this host has no way to such an address: mostly it has no IPv6.
    pub(super) fn is_no_way(&self) -> bool {
        use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkUnreachable};
        let Self::Io(error) = self else { return false };
        let kinds = [AddrNotAvailable, HostUnreachable, NetworkUnreachable];
        // A kernel without IPv6 at all says what has no kind.
        let unknown = Errno::AFNOSUPPORT.raw_os_error();
        kinds.contains(&error.kind()) || error.raw_os_error() == Some(unknown)
    }
}

/// Asks by UDP, and by TCP when the answer does not fit.
pub(super) async fn ask(server: SocketAddr, question: Question<'_>) -> Result<Answer, Unanswered> {
    let request = question.compose()?;
    let answer = by_udp(server, &request).await?;
    if !answer.header().tc() {
        return Ok(Answer::new(answer));
    }
    let answer = by_tcp(server, &request).await?;
    Ok(Answer::new(answer))
}

async fn by_udp(server: SocketAddr, request: &[u8]) -> Result<Message<Vec<u8>>, Unanswered> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    // Packets of others are dropped by the kernel then, and it tells that nobody
    // listens there.
    socket.connect(server).await?;
    for _ in 0..TRIES {
        socket.send(request).await?;
        if let Ok(answer) = timeout(TRY, answer_to(&socket, request)).await {
            return answer;
        }
    }
    Err(Unanswered::Late(TRY * TRIES))
}

/// Waits for the answer to that request; whatever else comes is none.
async fn answer_to(socket: &UdpSocket, request: &[u8]) -> Result<Message<Vec<u8>>, Unanswered> {
    let asked = Message::from_octets(request).map_err(|_| Unanswered::Malformed)?;
    let mut packet = vec![0; LARGEST];
    loop {
        let length = socket.recv(&mut packet).await?;
        let got = packet.get(..length).unwrap_or_default().to_vec();
        match Message::from_octets(got) {
            Ok(answer) if answer.is_answer(&asked) => return Ok(answer),
            _ => {}
        }
    }
}

/// Sends a message by TCP and reads the answer, which is that of the only question
/// on its connection.
pub(super) async fn by_tcp(
    server: SocketAddr,
    request: &[u8],
) -> Result<Message<Vec<u8>>, Unanswered> {
    let answer = timeout(BY_TCP, over_stream(server, request)).await;
    answer.unwrap_or(Err(Unanswered::Late(BY_TCP)))
}

async fn over_stream(server: SocketAddr, request: &[u8]) -> Result<Message<Vec<u8>>, Unanswered> {
    let length = u16::try_from(request.len()).map_err(|_| Unanswered::Malformed)?;
    let mut stream = TcpStream::connect(server).await?;
    // In one piece: some servers take a length alone for the end.
    let framed = [&length.to_be_bytes(), request].concat();
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await?;
    let answer = Message::from_octets(answer).map_err(|_| Unanswered::Malformed)?;
    let id = request.get(..2).unwrap_or_default();
    let is_answer = answer.header().qr() && answer.header().id().to_be_bytes() == id;
    is_answer.then_some(answer).ok_or(Unanswered::Malformed)
}
