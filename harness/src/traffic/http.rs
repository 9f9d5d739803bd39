//! As much of HTTP/1.1 (RFC 9112) as a client that never re-sends needs.

use std::io;

use tokio::io::AsyncRead;

use super::incoming::Incoming;
use super::pace::Pace;

/// More of a head, or of a chunk's first line, is taken for garbage.
const LONGEST_HEAD: usize = 32 * 1024;
const MOST_HEADERS: usize = 100;

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) body: Body,
    /// Whether the server will take another request on the connection.
    pub(super) keep_alive: bool,
    pub(super) replica: Option<String>,
    /// How much of the request's body came, if the server says so.
    pub(super) came: Option<u64>,
}

/// Where the body ends (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Body {
    /// What `Content-Length` promised.
    pub(super) fn promised(self) -> Option<u64> {
        match self {
            Self::Length(length) => Some(length),
            Self::Chunked | Self::UntilClose => None,
        }
    }
}

/// What a request says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    /// The length of the body that follows; without one it is a GET.
    pub(super) body: Option<u64>,
    pub(super) keep_alive: bool,
}

impl Request<'_> {
    /// Its head, as it is sent.
    pub(super) fn head(self) -> Vec<u8> {
        let (host, path) = (self.host, self.path);
        let (method, body) = match self.body {
            None => ("GET", String::new()),
            Some(length) => {
                let kind = "application/octet-stream";
                let body = format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n");
                ("POST", body)
            }
        };
        let connection = if self.keep_alive {
            ""
        } else {
            "Connection: close\r\n"
        };
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: rollover-lab\r\nAccept: */*\r\n{body}{connection}\r\n"
        )
        .into_bytes()
    }
}

/// Reads the final head; interim ones (100, 103) are passed over.
pub(super) async fn read_head<S: AsyncRead + Unpin>(
    incoming: &mut Incoming<S>,
) -> io::Result<Head> {
    loop {
        match parse_head(&incoming.buffer)? {
            Some((length, head)) => {
                incoming.buffer.drain(..length);
                if head.status >= 200 {
                    return Ok(head);
                }
            }
            None if incoming.buffer.len() > LONGEST_HEAD => {
                return Err(malformed("an endless head"));
            }
            None => incoming.fill().await?,
        }
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Option<(usize, Head)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes).map_err(malformed)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.unwrap_or_default();
    let body = body_of(status, response.headers)?;
    let head = Head {
        status,
        body,
        keep_alive: body != Body::UntilClose && keeps_alive(&response),
        replica: text(response.headers, "x-replica").map(str::to_owned),
        came: text(response.headers, "x-received").and_then(|came| came.trim().parse().ok()),
    };
    Ok(Some((length, head)))
}

fn body_of(status: u16, headers: &[httparse::Header<'_>]) -> io::Result<Body> {
    if status < 200 || status == 204 || status == 304 {
        return Ok(Body::Length(0));
    }
    // Transfer-Encoding overrides Content-Length.
    if let Some(coding) = text(headers, "transfer-encoding") {
        let chunked = coding.trim().eq_ignore_ascii_case("chunked");
        return Ok(if chunked {
            Body::Chunked
        } else {
            Body::UntilClose
        });
    }
    match text(headers, "content-length") {
        Some(length) => length.trim().parse().map(Body::Length).map_err(malformed),
        None => Ok(Body::UntilClose),
    }
}

fn keeps_alive(response: &httparse::Response<'_, '_>) -> bool {
    let mut options = text(response.headers, "connection")
        .unwrap_or_default()
        .split(',')
        .map(str::trim);
    match response.version {
        Some(1) => !options.any(|option| option.eq_ignore_ascii_case("close")),
        _ => options.any(|option| option.eq_ignore_ascii_case("keep-alive")),
    }
}

fn text<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a str> {
    let header = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(header.value).ok()
}

/// Reads the body to its end, counting its bytes while they come, so that the
/// count is right also when this is given up at the deadline. How fast is up to
/// the pace, if the length is known.
pub(super) async fn read_body<S: AsyncRead + Unpin>(
    incoming: &mut Incoming<S>,
    body: Body,
    pace: Option<Pace>,
    received: &mut u64,
) -> io::Result<()> {
    match body {
        Body::Length(length) => {
            incoming.turns = pace.map(|pace| pace.begin(length));
            take(incoming, length, received).await
        }
        Body::Chunked => read_chunks(incoming, received).await,
        Body::UntilClose => read_to_end(incoming, received).await,
    }
}

/// Takes exactly `left` bytes from the answer.
async fn take<S: AsyncRead + Unpin>(
    incoming: &mut Incoming<S>,
    mut left: u64,
    received: &mut u64,
) -> io::Result<()> {
    loop {
        let taken = usize::try_from(left).map_or(incoming.buffer.len(), |left| {
            left.min(incoming.buffer.len())
        });
        incoming.buffer.drain(..taken);
        *received += taken as u64;
        left -= taken as u64;
        if left == 0 {
            return Ok(());
        }
        incoming.fill().await?;
    }
}

async fn read_to_end<S: AsyncRead + Unpin>(
    incoming: &mut Incoming<S>,
    received: &mut u64,
) -> io::Result<()> {
    loop {
        *received += incoming.buffer.len() as u64;
        incoming.buffer.clear();
        if incoming.read().await? == 0 {
            return Ok(());
        }
    }
}

async fn read_chunks<S: AsyncRead + Unpin>(
    incoming: &mut Incoming<S>,
    received: &mut u64,
) -> io::Result<()> {
    loop {
        let size = read_chunk_size(incoming).await?;
        if size == 0 {
            return skip_trailers(incoming).await;
        }
        take(incoming, size, received).await?;
        if !read_line(incoming).await?.is_empty() {
            return Err(malformed("a chunk longer than it said"));
        }
    }
}

async fn read_chunk_size<S: AsyncRead + Unpin>(incoming: &mut Incoming<S>) -> io::Result<u64> {
    loop {
        let parsed = httparse::parse_chunk_size(&incoming.buffer)
            .map_err(|_| malformed("a chunk whose size is no number"))?;
        match parsed {
            httparse::Status::Complete((length, size)) => {
                incoming.buffer.drain(..length);
                return Ok(size);
            }
            httparse::Status::Partial => incoming.fill().await?,
        }
    }
}

async fn skip_trailers<S: AsyncRead + Unpin>(incoming: &mut Incoming<S>) -> io::Result<()> {
    while !read_line(incoming).await?.is_empty() {}
    Ok(())
}

/// Takes one line, without its end.
async fn read_line<S: AsyncRead + Unpin>(incoming: &mut Incoming<S>) -> io::Result<Vec<u8>> {
    loop {
        if let Some(end) = incoming.buffer.windows(2).position(|pair| pair == b"\r\n") {
            let line = incoming.buffer.drain(..end + 2).take(end).collect();
            return Ok(line);
        }
        if incoming.buffer.len() > LONGEST_HEAD {
            return Err(malformed("an endless line"));
        }
        incoming.fill().await?;
    }
}

fn malformed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an answer that arrives one byte at a time, the hardest way to cut it.
    async fn answer(bytes: &[u8]) -> io::Result<(Head, u64, Vec<u8>)> {
        let (near, mut far) = tokio::io::duplex(1);
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            far.write_all(&bytes).await
        });
        let mut incoming = Incoming::new(near);
        let mut received = 0;
        let head = read_head(&mut incoming).await?;
        read_body(&mut incoming, head.body, None, &mut received).await?;
        Ok((head, received, incoming.buffer))
    }

    #[tokio::test]
    async fn a_body_ends_where_its_length_says() {
        let (head, received, _) =
            answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Replica: a1\r\n\r\nhello")
                .await
                .unwrap();
        assert_eq!((head.status, received, head.keep_alive), (200, 5, true));
        assert_eq!(head.replica.as_deref(), Some("a1"));
    }

    #[tokio::test]
    async fn chunks_and_trailers_are_counted_without_their_framing() {
        let (head, received, rest) = answer(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
        )
        .await
        .unwrap();
        assert_eq!((head.body, received), (Body::Chunked, 13));
        assert!(rest.is_empty() && head.keep_alive);
    }

    #[tokio::test]
    async fn an_answer_without_length_ends_with_its_connection() {
        let (head, received, _) = answer(b"HTTP/1.1 200 OK\r\n\r\nhello").await.unwrap();
        assert_eq!((received, head.keep_alive), (5, false));
    }

    #[tokio::test]
    async fn interim_answers_are_not_the_answer() {
        let (head, ..) =
            answer(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
                .await
                .unwrap();
        assert_eq!(head.status, 204);
    }

    #[tokio::test]
    async fn a_server_that_will_close_is_believed() {
        let close = b"HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n";
        assert!(!answer(close).await.unwrap().0.keep_alive);
        let old = b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n";
        assert!(!answer(old).await.unwrap().0.keep_alive);
    }

    #[tokio::test]
    async fn an_early_end_is_one_wherever_it_comes() {
        let whole: [&[u8]; 2] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ];
        for bytes in whole {
            for length in 0..bytes.len() {
                let error = answer(&bytes[..length]).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "after {length}");
            }
        }
    }

    #[tokio::test]
    async fn garbage_is_called_so() {
        for bytes in [
            &b"SSH-2.0-OpenSSH\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
        ] {
            let error = answer(bytes).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }
}
