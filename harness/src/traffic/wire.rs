//! TCP, as it is or with a network's latency added.
//!
//! Whoever sends on an idle connection races against a close that is already
//! under way. The window is one round trip wide, so loopback all but hides it.
//! [`Delayed`] holds every byte (and the end, and an error) for a fixed time in
//! each direction, stamped when it arrives, whether or not anyone is reading.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// A connected socket.
#[derive(Debug)]
pub(super) enum Wire {
    Direct(TcpStream),
    Delayed(Delayed),
}

impl Wire {
    /// Connects; with a delay, this takes a round trip as the handshake of TCP does.
    /// A narrow one takes in little ahead of its reader, so that a slow reader
    /// slows its server down. Returns the client's port with the socket.
    pub(super) async fn connect(
        address: SocketAddr,
        delay: Option<Duration>,
        narrow: bool,
    ) -> io::Result<(Self, u16)> {
        let Some(delay) = delay else {
            let (stream, port) = connect(address, narrow).await?;
            return Ok((Self::Direct(stream), port));
        };
        sleep(delay).await;
        let connected = connect(address, narrow).await;
        sleep(delay).await;
        let (stream, port) = connected?;
        Ok((Self::Delayed(Delayed::new(stream, delay)), port))
    }
}

async fn connect(address: SocketAddr, narrow: bool) -> io::Result<(TcpStream, u16)> {
    const NARROW: u32 = 32 * 1024;
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    if narrow {
        socket.set_recv_buffer_size(NARROW)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let port = stream.local_addr()?.port();
    Ok((stream, port))
}

/// A socket behind a link with latency. Two tasks move the bytes, so that they
/// travel while the connection is idle.
#[derive(Debug)]
pub(super) struct Delayed {
    delay: Duration,
    outgoing: Option<mpsc::UnboundedSender<(Instant, Vec<u8>)>>,
    incoming: mpsc::Receiver<(Instant, io::Result<Vec<u8>>)>,
    timer: Pin<Box<Sleep>>,
    travelling: Option<(Instant, io::Result<Vec<u8>>)>,
    arrived: VecDeque<u8>,
    ended: bool,
}

impl Delayed {
    fn new(stream: TcpStream, delay: Duration) -> Self {
        /// Chunks on their way to the client, before the socket is read no further.
        const TRAVELLING: usize = 256;
        let (reader, writer) = stream.into_split();
        let (outgoing, to_send) = mpsc::unbounded_channel();
        let (received, incoming) = mpsc::channel(TRAVELLING);
        tokio::spawn(carry_out(writer, to_send));
        tokio::spawn(carry_in(reader, received, delay));
        Self {
            delay,
            outgoing: Some(outgoing),
            incoming,
            timer: Box::pin(sleep(Duration::ZERO)),
            travelling: None,
            arrived: VecDeque::new(),
            ended: false,
        }
    }

    /// Waits for what is under way to arrive, and takes it in.
    fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.travelling.is_none() {
            self.travelling = ready!(self.incoming.poll_recv(context));
        }
        let Some((due, _)) = &self.travelling else {
            self.ended = true;
            return Poll::Ready(Ok(()));
        };
        if *due > Instant::now() {
            self.timer.as_mut().reset(*due);
            ready!(self.timer.as_mut().poll(context));
        }
        match self.travelling.take() {
            Some((_, chunk)) => self.arrived.extend(chunk?),
            None => self.ended = true,
        }
        Poll::Ready(Ok(()))
    }
}

async fn carry_out(
    mut writer: OwnedWriteHalf,
    mut chunks: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
) {
    while let Some((due, chunk)) = chunks.recv().await {
        sleep_until(due).await;
        // As on a network, a failed delivery is learnt from what comes back.
        if writer.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

async fn carry_in(
    mut reader: OwnedReadHalf,
    arrivals: mpsc::Sender<(Instant, io::Result<Vec<u8>>)>,
    delay: Duration,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = reader.read(&mut buffer) => read,
            () = arrivals.closed() => return,
        };
        let due = Instant::now() + delay;
        let chunk = match read {
            // The sender's end is the end of the stream, but it must travel too.
            Ok(0) => {
                let _ = arrivals.send((due, Ok(Vec::new()))).await;
                return;
            }
            Ok(length) => Ok(buffer[..length].to_vec()),
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if arrivals.send((due, chunk)).await.is_err() || failed {
            return;
        }
    }
}

impl AsyncRead for Delayed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.arrived.is_empty() && !self.ended {
            ready!(self.poll_arrival(context))?;
        }
        let (first, _) = self.arrived.as_slices();
        let length = buffer.remaining().min(first.len());
        buffer.put_slice(&first[..length]);
        self.arrived.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Delayed {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let chunk = (Instant::now() + self.delay, bytes.to_vec());
        match &self.outgoing {
            Some(outgoing) if outgoing.send(chunk).is_ok() => Poll::Ready(Ok(bytes.len())),
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The socket's sending side closes once what was written is delivered.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing = None;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Direct(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Delayed(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Direct(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Delayed(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Direct(stream) => Pin::new(stream).poll_flush(context),
            Self::Delayed(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Direct(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Delayed(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
