//! What comes in on a connection.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::pace::Turns;

/// What comes in on a connection.
pub(super) struct Incoming<S> {
    pub(super) stream: S,
    /// What has been read and not used.
    pub(super) buffer: Vec<u8>,
    /// How long to wait for a byte, where that is limited.
    pub(super) patience: Option<Duration>,
    /// How fast a body is read, where that is limited.
    pub(super) turns: Option<Turns>,
}

impl<S: AsyncRead + Unpin> Incoming<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            patience: None,
            turns: None,
        }
    }

    /// Reads some more of the answer. The end is an error, because whoever asks
    /// for more expects more.
    pub(super) async fn fill(&mut self) -> io::Result<()> {
        match self.read().await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Waits for the answer to begin, for as long as that takes.
    pub(super) async fn look(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Reads some more, if there is more.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        /// Left to itself, a buffer begins with 64 bytes.
        const ROOM: usize = 4 * 1024;
        let most = match &self.turns {
            Some(turns) => turns.next().await,
            None => u64::MAX,
        };
        if self.buffer.is_empty() {
            self.buffer.reserve(ROOM);
        }
        let mut part = (&mut self.stream).take(most);
        let reading = part.read_buf(&mut self.buffer);
        let read = match self.patience {
            None => reading.await?,
            Some(patience) => timeout(patience, reading)
                .await
                .map_err(|_| Stalled(patience))??,
        };
        if let Some(turns) = &mut self.turns {
            turns.went(read as u64);
        }
        Ok(read)
    }
}

/// The exchange has come to a standstill.
#[derive(Debug, thiserror::Error)]
#[error("no byte for {0:?}")]
pub(super) struct Stalled(pub(super) Duration);

impl From<Stalled> for io::Error {
    fn from(stalled: Stalled) -> Self {
        Self::new(io::ErrorKind::TimedOut, stalled)
    }
}
