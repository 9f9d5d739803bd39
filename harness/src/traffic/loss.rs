//! What it is to be lost, and by what.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// Why a request had no complete, successful answer in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// What happened.
    pub class: LossClass,
    /// How far the request had come.
    pub phase: Phase,
    /// The error or status as it was met.
    pub detail: Box<str>,
}

/// What made a request lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossClass {
    /// Nobody listened.
    Refused,
    /// No route to the host or network.
    Unreachable,
    /// The connection was reset, at any time after it was asked for.
    Reset,
    /// The connection was closed before a byte of the answer.
    Eof,
    /// A connection that had served requests before was reset or closed before a
    /// byte of the answer: the server closed it while the request was under way.
    StaleKeepAlive,
    /// No complete answer by the deadline.
    TimedOut,
    /// The server ended the handshake or session by an alert.
    TlsAlert,
    /// The client found the TLS session wrong, such as a key that does not
    /// belong to the certificate.
    Tls,
    /// The connection was closed within the answer; or an upload was answered
    /// before all of it had come.
    Truncated,
    /// The server gave up an HTTP/2 stream (RST_STREAM); the detail names its reason.
    StreamReset,
    /// What came was not HTTP.
    Malformed,
    /// A complete answer with a status of 500 or above.
    ServerError,
    /// A complete answer with another status than 200 to 299.
    UnexpectedStatus,
    /// Another error of the operating system; the detail names it.
    Io,
    /// The client's own doing: no room among the unfinished requests, or no file
    /// descriptor or port left. A run with any of these does not count.
    NotSent,
}

/// How far a request had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The TCP connection was being opened.
    Connect,
    /// TLS was being agreed on.
    Handshake,
    /// The connection stood; no byte of the answer had come.
    Request,
    /// The answer had begun.
    Response,
}

impl Loss {
    /// Sorts an error of the exchange, on a connection that was reused or not.
    pub(super) fn from_error(error: &io::Error, phase: Phase, reused: bool) -> Self {
        let class = classify(error, phase);
        let stale = reused && phase == Phase::Request && class.is_cut();
        Self {
            class: if stale {
                LossClass::StaleKeepAlive
            } else {
                class
            },
            phase,
            detail: error.to_string().into(),
        }
    }

    /// The deadline has passed.
    pub(super) fn timed_out(phase: Phase) -> Self {
        Self {
            class: LossClass::TimedOut,
            phase,
            detail: "no complete answer by the deadline".into(),
        }
    }

    /// The lane had no room for the request.
    pub(super) fn no_room(limit: usize) -> Self {
        Self {
            class: LossClass::NotSent,
            phase: Phase::Connect,
            detail: format!("{limit} requests were unfinished, the lane's limit").into(),
        }
    }

    /// The server has answered well, but to less than was to be sent to it.
    pub(super) fn short_upload(came: u64, of: u64) -> Option<Self> {
        (came < of).then(|| Self {
            class: LossClass::Truncated,
            phase: Phase::Response,
            detail: format!("answered after {came} of {of} bytes of the request").into(),
        })
    }

    /// A complete answer is a loss by its status, or is none.
    pub(super) fn from_status(status: u16) -> Option<Self> {
        let class = match status {
            200..=299 => return None,
            500.. => LossClass::ServerError,
            _ => LossClass::UnexpectedStatus,
        };
        Some(Self {
            class,
            phase: Phase::Response,
            detail: format!("status {status}").into(),
        })
    }
}

fn classify(error: &io::Error, phase: Phase) -> LossClass {
    use io::ErrorKind as Kind;
    if let Some(class) = classify_tls(error) {
        return class;
    }
    if is_short_of_descriptors(error) {
        return LossClass::NotSent;
    }
    match error.kind() {
        Kind::ConnectionRefused => LossClass::Refused,
        Kind::HostUnreachable | Kind::NetworkUnreachable => LossClass::Unreachable,
        // A write after the reset has arrived meets EPIPE.
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => LossClass::Reset,
        Kind::UnexpectedEof if phase == Phase::Response => LossClass::Truncated,
        Kind::UnexpectedEof => LossClass::Eof,
        Kind::TimedOut => LossClass::TimedOut,
        Kind::InvalidData => LossClass::Malformed,
        Kind::AddrNotAvailable => LossClass::NotSent,
        _ => LossClass::Io,
    }
}

fn classify_tls(error: &io::Error) -> Option<LossClass> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match tls {
        rustls::Error::AlertReceived(_) => LossClass::TlsAlert,
        _ => LossClass::Tls,
    })
}

/// EMFILE and ENFILE, which have no stable `ErrorKind`.
fn is_short_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

impl LossClass {
    /// Whether the client itself is to blame.
    pub fn is_clients_own(self) -> bool {
        self == Self::NotSent
    }

    /// Whether the connection was cut.
    fn is_cut(self) -> bool {
        matches!(self, Self::Reset | Self::Eof)
    }
}

impl fmt::Display for LossClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Eof => "closed before the answer",
            Self::StaleKeepAlive => "stale keep-alive",
            Self::TimedOut => "timed out",
            Self::TlsAlert => "TLS alert",
            Self::Tls => "TLS error",
            Self::Truncated => "truncated",
            Self::StreamReset => "stream reset",
            Self::Malformed => "malformed",
            Self::ServerError => "server error",
            Self::UnexpectedStatus => "unexpected status",
            Self::Io => "I/O error",
            Self::NotSent => "not sent by the client",
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Connect => "connect",
            Self::Handshake => "handshake",
            Self::Request => "request",
            Self::Response => "response",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_end_of_file_is_another_loss_once_the_answer_has_begun() {
        let eof = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(classify(&eof, Phase::Request), LossClass::Eof);
        assert_eq!(classify(&eof, Phase::Handshake), LossClass::Eof);
        assert_eq!(classify(&eof, Phase::Response), LossClass::Truncated);
    }

    #[test]
    fn a_cut_is_stale_keep_alive_on_a_reused_connection_before_the_answer() {
        let class = |kind: io::ErrorKind, phase, reused| {
            Loss::from_error(&io::Error::from(kind), phase, reused).class
        };
        for cut in [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof] {
            let stale = LossClass::StaleKeepAlive;
            assert_eq!(class(cut, Phase::Request, true), stale);
            assert_ne!(class(cut, Phase::Request, false), stale);
            assert_ne!(class(cut, Phase::Response, true), stale);
        }
        let garbage = class(io::ErrorKind::InvalidData, Phase::Request, true);
        assert_eq!(garbage, LossClass::Malformed);
    }

    #[test]
    fn running_out_of_descriptors_or_ports_is_the_clients_own_doing() {
        const EADDRNOTAVAIL: i32 = 99;
        for errno in [23, 24, EADDRNOTAVAIL] {
            let error = io::Error::from_raw_os_error(errno);
            assert!(classify(&error, Phase::Connect).is_clients_own(), "{error}");
        }
    }

    #[test]
    fn no_route_is_not_mixed_with_refused() {
        const EHOSTUNREACH: i32 = 113;
        let error = io::Error::from_raw_os_error(EHOSTUNREACH);
        assert_eq!(classify(&error, Phase::Connect), LossClass::Unreachable);
    }

    #[test]
    fn only_success_is_an_answer() {
        let class = |status| Loss::from_status(status).map(|loss| loss.class);
        assert_eq!(class(204), None);
        assert_eq!(class(301), Some(LossClass::UnexpectedStatus));
        assert_eq!(class(404), Some(LossClass::UnexpectedStatus));
        assert_eq!(class(502), Some(LossClass::ServerError));
    }
}
