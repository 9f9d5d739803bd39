//! One HTTP/1.1 exchange over a connection that the caller opened. The two
//! places that need it (the engine's socket, a replica's challenge path) ask
//! for one thing and close; neither wants a pool, a redirect or a retry.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Sends `request` over `stream` and reads the whole answer.
///
/// Caveat: there is no deadline in here; the caller sets one.
pub(crate) async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let content = response.into_body().collect().await?.to_bytes();
        Ok((status, content))
    };
    let result = answer.await;
    driver.abort();
    result
}
