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
    let mut content = Vec::new();
    let status = exchange_in_pieces(stream, request, |_, piece| content.extend_from_slice(piece));
    Ok((status.await?, content.into()))
}

/// The same, but hands on each piece of the answer as it comes, with its status.
pub(crate) async fn exchange_in_pieces<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    mut each: impl FnMut(StatusCode, &[u8]),
) -> Result<StatusCode, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Some(piece) = frame?.data_ref() {
                each(status, piece);
            }
        }
        Ok(status)
    };
    let result = answer.await;
    driver.abort();
    result
}
