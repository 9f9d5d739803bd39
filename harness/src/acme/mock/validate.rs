//! Looking whether a challenge was answered (RFC 8555, section 8.3).

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use super::{
    problem::{Problem, ProblemType},
    server::Shared,
};
use crate::lab::{Response, request_for};

/// The blanks that may follow a key authorization.
const BLANKS: [char; 4] = ['\n', '\r', '\t', ' '];

/// What there is to fetch, and what it must be.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) challenge: String,
    pub(crate) name: String,
    pub(crate) addresses: Vec<Ipv4Addr>,
    pub(crate) port: u16,
    pub(crate) token: String,
    pub(crate) expected: String,
}

/// Fetches, and notes what was found for the next look at the challenge.
pub(crate) async fn run(job: Job, shared: Arc<Shared>) {
    let verdict = check(&job).await;
    if let Some(challenge) = shared.world().challenges.get_mut(&job.challenge) {
        challenge.verdict = Some(verdict);
    }
}

async fn check(job: &Job) -> Result<(), Problem> {
    let found = fetch(job).await?;
    if found.status != 200 {
        let detail = format!(
            "expected 200 for the challenge's file, found {}",
            found.status
        );
        return Err(Problem::unauthorized(detail));
    }
    let body = found.body.trim_end_matches(BLANKS);
    if body != job.expected {
        let detail = format!(
            "expected {:?} in the challenge's file, found {body:?}",
            job.expected
        );
        return Err(Problem::unauthorized(detail));
    }
    Ok(())
}

/// From the first address that answers.
async fn fetch(job: &Job) -> Result<Response, Problem> {
    let line = format!("GET /.well-known/acme-challenge/{}", job.token);
    let mut failed = Problem::new(ProblemType::Dns, format!("{} has no address", job.name));
    for address in &job.addresses {
        let server = SocketAddr::from((*address, job.port));
        match request_for(&job.name, server, &line).await {
            Ok(response) => return Ok(response),
            Err(error) => {
                let detail = format!("fetch the challenge's file from {server}: {error}");
                failed = Problem::new(ProblemType::Connection, detail);
            }
        }
    }
    Err(failed)
}
