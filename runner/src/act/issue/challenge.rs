//! Whether the answer to an HTTP-01 challenge would arrive.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use http_body_util::Full;
use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Request;
use crate::act::step::{About, NamedStep};
use crate::act::wait::{Seen, TimedOut, until};
use crate::config::{Settings, WEBROOT};
use crate::http;

/// Where RFC 8555 (section 8.3) has an authority look.
pub(super) const PATH: &str = ".well-known/acme-challenge";
/// The trial file. No authority asks for it.
const NAME: &str = "rollover-trial";
/// Where the load balancer gets a file of the webroot from.
pub(super) const FROM_VOLUME: &str = "from the shared volume";
/// The port that HTTP-01 is bound to.
pub(crate) const CHALLENGE_PORT: u16 = 80;
/// A volume may show a new file later on other nodes; two seconds are usual
/// on GlusterFS, a replica that needs more than this does not see the volume.
const DEADLINE: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(200);
const ANSWER: Duration = Duration::from_secs(3);

/// Why a challenge would fail.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChallengeError {
    #[error("write a trial file {file}: {source}", file = file.display())]
    Write {
        file: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    NotServed(#[from] TimedOut),
}

/// Puts a trial file into the webroot below the certificate root and waits until
/// each replica of `request` serves it; removes it again.
pub(super) async fn check_path(
    settings: &Settings,
    request: &Request<'_>,
) -> Result<(), ChallengeError> {
    let (hold_at, about) = (settings.hold_at, About::Certificate(request.name));
    let trial = Trial::write(&settings.certificate_root)?;
    hold_at.passed(NamedStep::TrialWritten, about).await;
    let answer = Answer {
        token: NAME.to_owned(),
        text: trial.content.clone(),
    };
    check_answer(&request.replicas, &answer, FROM_VOLUME).await?;
    hold_at.passed(NamedStep::ChallengeChecked, about).await;
    Ok(())
}

/// What is to be answered to a token.
pub(super) struct Answer {
    pub(super) token: String,
    pub(super) text: String,
}

/// Waits until each replica gives the answer; `from`: where it has it from.
pub(super) async fn check_answer(
    replicas: &[(String, SocketAddr)],
    answer: &Answer,
    from: &str,
) -> Result<(), TimedOut> {
    let checks = replicas.iter().map(|(replica, address)| async move {
        let what = format!("{replica} answers on /{PATH}/ {from}");
        until(what, DEADLINE, INTERVAL, async || {
            match ask(*address, answer).await {
                Ok(()) => Seen::Done(()),
                Err(why) => Seen::NotYet(why),
            }
        })
        .await
    });
    try_join_all(checks).await.map(|_| ())
}

/// The replicas of services that take connections at the challenge's port. Where a
/// service has no replica that does, an authority does not come to it: it only ends
/// TLS, beside one that has the web's port. If there is no other, all of them, to be
/// told of.
pub(crate) async fn listening(
    services: Vec<Vec<(String, SocketAddr)>>,
) -> Vec<(String, SocketAddr)> {
    let looks = services.iter().map(|replicas| async move {
        let looks = replicas.iter().map(|(_, address)| refuses(*address));
        !join_all(looks).await.contains(&false)
    });
    let refuse: Vec<bool> = join_all(looks).await;
    let none = !refuse.contains(&false);
    let asked = services.into_iter().zip(refuse);
    let asked = asked.filter(|(_, refuses)| none || !refuses);
    asked.flat_map(|(replicas, _)| replicas).collect()
}

/// Whether nobody listens at an address. Silence may be many things.
async fn refuses(address: SocketAddr) -> bool {
    match timeout(ANSWER, TcpStream::connect(address)).await {
        Ok(Err(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        Ok(Ok(_)) | Err(_) => false,
    }
}

/// A file in the webroot that goes away with this value.
struct Trial {
    file: PathBuf,
    content: String,
}

impl Trial {
    fn write(root: &Path) -> Result<Self, ChallengeError> {
        let directory = root.join(WEBROOT).join(PATH);
        // One name, so that a crash leaves one file and not many; but another
        // content each time, so that what an earlier one left is not taken for
        // this one.
        let file = directory.join(NAME);
        let content = format!("{:016x}", RandomState::new().hash_one(NAME));
        fs::create_dir_all(&directory)
            .and_then(|()| fs::write(&file, &content))
            .map_err(|source| ChallengeError::Write {
                file: file.clone(),
                source,
            })?;
        Ok(Self { file, content })
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // What stays behind is harmless and is written over next time.
        let _ = fs::remove_file(&self.file);
    }
}

async fn ask(address: SocketAddr, answer: &Answer) -> Result<(), String> {
    let Answer { token, text } = answer;
    let asked = format!("http://{address}/{PATH}/{token}");
    let request = hyper::Request::get(format!("/{PATH}/{token}"))
        .header("Host", address.ip().to_string())
        .body(Full::<Bytes>::default())
        .map_err(|error| error.to_string())?;
    let exchange = async {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| error.to_string())?;
        http::exchange(stream, request)
            .await
            .map_err(|error| error.to_string())
    };
    match timeout(ANSWER, exchange).await {
        Ok(Ok((StatusCode::OK, body))) if body == text.as_bytes() => Ok(()),
        Ok(Ok((status, _))) => Err(format!("GET {asked}: expected the answer, got {status}")),
        Ok(Err(why)) => Err(format!("GET {asked}: {why}")),
        Err(_) => Err(format!(
            "GET {asked}: no answer within {} s",
            ANSWER.as_secs()
        )),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn local() -> (TcpListener, (String, SocketAddr)) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, (address.to_string(), address))
    }

    #[tokio::test]
    async fn a_service_without_the_webs_port_is_not_asked_beside_one_that_has_it() {
        let (_web, first) = local().await;
        let (gone, second) = local().await;
        drop(gone);
        let (gone, only_tls) = local().await;
        drop(gone);
        // One replica of the web server may just be away, and is waited for.
        let web = vec![first.clone(), second.clone()];
        let services = vec![web.clone(), vec![only_tls.clone()]];
        assert_eq!(listening(services).await, web);
        let nobody = vec![vec![second.clone()], vec![only_tls.clone()]];
        assert_eq!(listening(nobody).await, [second, only_tls]);
        assert_eq!(listening(Vec::new()).await, []);
    }
}
