//! One connection: its first request is read and judged, and then either
//! answered or passed on.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};

use super::Answer;
use super::rule::Judge;

const LONGEST_HEAD: usize = 64 << 10;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A stream of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// Has the connection reset when it is dropped.
    fn reset_at_the_end(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for tokio::net::UnixStream {}

impl Stream for tokio::net::TcpStream {
    fn reset_at_the_end(&self) -> io::Result<()> {
        self.set_zero_linger()
    }
}

impl Stream for tokio_rustls::client::TlsStream<tokio::net::TcpStream> {}

impl Stream for tokio_rustls::server::TlsStream<tokio::net::TcpStream> {
    fn reset_at_the_end(&self) -> io::Result<()> {
        self.get_ref().0.set_zero_linger()
    }
}

/// Reads the head of the request, and what came with it; none if the client
/// closes without one.
pub(super) async fn read_request(client: &mut dyn Stream) -> io::Result<Option<Vec<u8>>> {
    let mut read = Vec::new();
    while !read
        .windows(END_OF_HEAD.len())
        .any(|part| part == END_OF_HEAD)
    {
        if read.len() > LONGEST_HEAD {
            return Err(io::Error::other("an endless head"));
        }
        if client.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(read))
}

/// The request line.
pub(super) fn line(request: &[u8]) -> String {
    let end = request.iter().position(|&byte| byte == b'\r');
    String::from_utf8_lossy(&request[..end.unwrap_or(request.len())]).into_owned()
}

/// Answers in the server's place.
pub(super) async fn answer(client: &mut dyn Stream, answer: Answer) -> io::Result<()> {
    match answer {
        Answer::Status(status) => {
            // What both Docker and ACME clients look for in an error.
            let body = format!(
                r#"{{"message":"broken on purpose","type":"urn:ietf:params:acme:error:serverInternal","detail":"broken on purpose","status":{status}}}"#
            );
            let head = format!(
                "HTTP/1.1 {status} Broken\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            client.write_all((head + &body).as_bytes()).await?;
            client.shutdown().await
        }
        Answer::Reset => client.reset_at_the_end(),
        Answer::Stall => std::future::pending().await,
        Answer::Garbage => {
            client
                .write_all(b"\0\x17\xff}{ this is no HTTP\r\n\r\n")
                .await?;
            client.shutdown().await
        }
        Answer::Truncated => {
            let begin = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                          Content-Length: 4096\r\n\r\n{\"";
            client.write_all(begin).await?;
            client.shutdown().await
        }
    }
}

/// Passes the request on and the answer back.
pub(super) async fn pass(
    client: &mut dyn Stream,
    server: &mut dyn Stream,
    request: &[u8],
) -> io::Result<()> {
    server.write_all(&once(request)).await?;
    copy_bidirectional(&mut *client, &mut *server).await?;
    Ok(())
}

/// The request as the only one on its connection, so that the next is judged
/// too. One that takes the connection over (`Connection: Upgrade`) stays so.
fn once(request: &[u8]) -> Vec<u8> {
    let end = request.windows(END_OF_HEAD.len());
    let end = end.into_iter().position(|part| part == END_OF_HEAD);
    let (head, rest) = request.split_at(end.unwrap_or(request.len()));
    let head = String::from_utf8_lossy(head);
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    let connection = |line: &&str| line.to_ascii_lowercase().starts_with("connection:");
    if lines
        .iter()
        .any(|line| connection(line) && line.to_ascii_lowercase().contains("upgrade"))
    {
        return request.to_vec();
    }
    lines.retain(|line| !connection(line));
    lines.push("Connection: close");
    [lines.join("\r\n").as_bytes(), rest].concat()
}

/// Judges one connection's request, and carries that out.
pub(super) async fn carry_out(
    mut client: Box<dyn Stream>,
    judge: &Judge,
    connect: impl AsyncFnOnce() -> io::Result<Box<dyn Stream>>,
) -> io::Result<()> {
    let Some(request) = read_request(&mut *client).await? else {
        return Ok(());
    };
    match judge.judge(&line(&request)) {
        Some(wrong) => answer(&mut *client, wrong).await,
        None => pass(&mut *client, &mut *connect().await?, &request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_made_the_only_one_of_its_connection() {
        let request = b"POST /a HTTP/1.1\r\nHost: b\r\nconnection: keep-alive\r\n\r\nbody";
        assert_eq!(line(request), "POST /a HTTP/1.1");
        assert_eq!(
            once(request),
            b"POST /a HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\nbody"
        );
        let upgrade = b"POST /exec HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
        assert_eq!(once(upgrade), upgrade);
    }
}
