//! TLS in front of the server, and what goes wrong below HTTP.
//!
//! wiremock speaks plain HTTP and answers every request. Here its answers are
//! passed on through TLS, or lost on the way: one that carries
//! [`Fault::HEADER`] goes wrong as that says.

use std::{io, net::SocketAddr, ops::Range, sync::Arc, thread};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{call::Call, fault::Fault, server::Shared};

const GARBAGE: &[u8] = b"\x00\xff\x13\x37 this is neither TLS nor HTTP \xc0\xc1\r\n\r\n";
/// Longer than any answer's header.
const LONGEST_HEAD: usize = 64 * 1024;

/// What listens; dropped, its address refuses connections and those that are
/// open are closed.
#[derive(Debug)]
pub(crate) struct Front {
    /// Dropping it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Front {
    /// Passes on what comes to `listener`, in a thread of its own: it serves
    /// whatever runtime its clients have.
    pub(crate) fn start(
        listener: std::net::TcpListener,
        tls: TlsAcceptor,
        server: SocketAddr,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let front = Arc::new(Passage {
            tls,
            server,
            shared,
        });
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(&listener, &front) => {}
                    _ = stopped => {}
                }
            });
            // Its connections end with the runtime.
        });
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It panicked, if at all, in a task, which is not the thread's end.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: &TcpListener, passage: &Arc<Passage>) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                let passage = Arc::clone(passage);
                tokio::spawn(async move {
                    if let Err(error) = passage.serve(stream).await {
                        tracing::debug!(%client, %error, "a connection to the mock ended");
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "the mock could not take a connection"),
        }
    }
}

struct Passage {
    tls: TlsAcceptor,
    server: SocketAddr,
    shared: Arc<Shared>,
}

impl Passage {
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let scripted = self.shared.script().take(Call::Connection);
        if let Some(scripted) = scripted {
            self.shared.note_connection(scripted.fault());
            sleep(scripted.delay()).await;
            match scripted.fault() {
                None => {}
                Some(Fault::Reset) => return reset(&stream),
                Some(fault) => return fail(&mut stream, fault, b"").await,
            }
        }
        let mut client = self.tls.accept(stream).await?;
        let mut server = TcpStream::connect(self.server).await?;
        match self.pass(&mut client, &mut server).await? {
            None => client.shutdown().await,
            Some((Fault::Reset, _)) => reset(client.get_ref().0),
            Some((fault, answer)) => fail(&mut client, fault, &answer).await,
        }
    }

    /// Passes on requests and answers, until the connection ends or an answer
    /// shall go wrong, which is returned.
    async fn pass(
        &self,
        client: &mut TlsStream<TcpStream>,
        server: &mut TcpStream,
    ) -> io::Result<Option<(Fault, Vec<u8>)>> {
        let (mut from_client, mut to_client) = split(client);
        let (mut from_server, mut to_server) = server.split();
        let requests = async {
            copy(&mut from_client, &mut to_server).await?;
            // It closes in turn, when it has answered.
            to_server.shutdown().await?;
            std::future::pending().await
        };
        tokio::select! {
            ended = requests => ended,
            ended = answers(&mut from_server, &mut to_client) => ended,
        }
    }
}

/// Passes on answers, one after the other.
async fn answers(
    server: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
) -> io::Result<Option<(Fault, Vec<u8>)>> {
    let mut read = Vec::new();
    loop {
        let Some(head) = Head::read(server, &mut read).await? else {
            return Ok(None);
        };
        while read.len() < head.answer {
            if server.read_buf(&mut read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let answer: Vec<u8> = read.drain(..head.answer).collect();
        match head.fault {
            Some((fault, line)) => {
                let visible = [&answer[..line.start], &answer[line.end..]].concat();
                return Ok(Some((fault, visible)));
            }
            None => {
                client.write_all(&answer).await?;
                client.flush().await?;
            }
        }
    }
}

/// What the header of an answer says of its length and its fate.
struct Head {
    /// Header and body, in bytes.
    answer: usize,
    /// What shall go wrong, and where the line is that says so.
    fault: Option<(Fault, Range<usize>)>,
}

impl Head {
    /// Reads until a header is whole; none, if the connection ended before one.
    async fn read(
        server: &mut (impl AsyncRead + Unpin),
        read: &mut Vec<u8>,
    ) -> io::Result<Option<Self>> {
        loop {
            if let Some(head) = Self::parse(read)? {
                return Ok(Some(head));
            }
            if read.len() > LONGEST_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if server.read_buf(read).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn parse(read: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut answer = httparse::Response::new(&mut headers);
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let httparse::Status::Complete(length) = answer.parse(read).map_err(invalid)? else {
            return Ok(None);
        };
        let value = |name: &str| {
            let header = answer
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name));
            header.and_then(|header| std::str::from_utf8(header.value).ok())
        };
        // The server knows the length of every body, and sends none for HEAD.
        let body: usize = value("content-length")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let fault = value(Fault::HEADER).and_then(Fault::parse);
        let fault = fault.and_then(|fault| Some((fault, line_of(&read[..length], Fault::HEADER)?)));
        Ok(Some(Self {
            answer: length + body,
            fault,
        }))
    }
}

/// Where the line of a header is, its end included.
fn line_of(head: &[u8], name: &str) -> Option<Range<usize>> {
    let head = std::str::from_utf8(head).ok()?;
    let start = head.to_ascii_lowercase().find(&format!("\r\n{name}:"))? + 2;
    let end = start + head[start..].find("\r\n")? + 2;
    Some(start..end)
}

/// Lets an answer go wrong; the connection is at its end after that.
async fn fail(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    fault: Fault,
    answer: &[u8],
) -> io::Result<()> {
    match fault {
        Fault::HalfOpen => {
            copy(client, &mut tokio::io::sink()).await?;
        }
        Fault::Garbage => client.write_all(GARBAGE).await?,
        Fault::CutAfter(bytes) => client.write_all(&answer[..bytes.min(answer.len())]).await?,
        Fault::Trickle(pause) => {
            for byte in answer {
                client.write_all(&[*byte]).await?;
                client.flush().await?;
                sleep(pause).await;
            }
        }
        // It has no bytes: the caller does it on the socket.
        Fault::Reset => {}
    }
    client.flush().await?;
    client.shutdown().await
}

/// Closing a socket that does not linger resets the connection.
fn reset(socket: &TcpStream) -> io::Result<()> {
    socket.set_zero_linger()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_length_and_fault() {
        let text = b"HTTP/1.1 200 OK\r\nA: b\r\nrollover-lab-fault: cut-after 3\r\ncontent-length: 5\r\n\r\nhello";
        let head = Head::parse(text).unwrap().unwrap();
        assert_eq!(head.answer, text.len());
        let (fault, line) = head.fault.unwrap();
        assert_eq!(fault, Fault::CutAfter(3));
        assert_eq!(&text[line], b"rollover-lab-fault: cut-after 3\r\n");
        assert!(Head::parse(&text[..40]).unwrap().is_none());
    }
}
