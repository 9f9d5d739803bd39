//! A small HTTP/1.1 server: one request a connection, each in its time, and no more
//! connections at once than there is room for.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

/// A request is small, and who sends it is in a hurry.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than the vantage points of an authority, for all names of an order.
const AT_ONCE: usize = 256;
/// How long an address may be somebody's who is about to leave it.
const TO_BE_LEFT: Duration = Duration::from_secs(2);
const TO_LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How soon to accept again when the system is out of something.
const AFTER_AN_ERROR: Duration = Duration::from_millis(100);

/// What is sent back.
pub(crate) type Answer = Response<Full<Bytes>>;

/// A socket at the address. Who had it before may not quite have left: a program that
/// was started meanwhile holds, until it has begun, what was open here then.
///
/// # Errors
/// When nobody can listen there.
pub(crate) async fn bound(address: SocketAddr) -> io::Result<TcpListener> {
    let end = Instant::now() + TO_BE_LEFT;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < end => {
                sleep(TO_LOOK_AGAIN).await;
            }
            bound => return bound,
        }
    }
}

/// Answers whoever connects, for ever. The log knows the connections as those for
/// `what`.
pub(crate) async fn serve<F>(listener: TcpListener, what: &'static str, answer: F)
where
    F: Fn(&Request<Incoming>) -> Answer + Clone + Send + Sync + 'static,
{
    let room = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("cannot take a connection for {what}: {error}");
                sleep(AFTER_AN_ERROR).await;
                continue;
            }
        };
        // It is never closed, and who comes when it is full is turned away.
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            let _place = place;
            let answered = timeout(PATIENCE, exchange(stream, what, answer)).await;
            if !matches!(answered, Ok(Ok(()))) {
                debug!("a connection for {what} from {from} ended without an answer");
            }
        });
    }
}

async fn exchange<F>(stream: TcpStream, what: &str, answer: F) -> Result<(), hyper::Error>
where
    F: Fn(&Request<Incoming>) -> Answer,
{
    let service = service_fn(async |request: Request<Incoming>| {
        let answer = answer(&request);
        debug!(
            path = request.uri().path(),
            status = answer.status().as_u16(),
            "asked for {what}"
        );
        Ok::<_, Infallible>(answer)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}
