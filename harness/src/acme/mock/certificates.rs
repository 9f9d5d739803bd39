//! Certificates: handed out, revoked, and when to renew them (RFC 9773).

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{
    answer::Answer,
    key::decode,
    post::{Asked, By, Post},
    problem::{Problem, ProblemType},
    settings::Window,
    world::{Certificate, World},
};
use crate::clock;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Half of the window that is suggested.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// CRLReason (RFC 5280, section 5.3.1) goes to 10, and has no 7.
const REASONS: std::ops::RangeInclusive<u64> = 0..=10;
const UNUSED_REASON: u64 = 7;

pub(crate) fn download(world: &mut World, asked: &Asked<'_>, id: &str) -> Result<Answer, Problem> {
    let account = Post::as_get(world, asked)?;
    let Some(certificate) = world.certificates.get(id) else {
        return Ok(Answer::empty(404));
    };
    if certificate.account != account {
        return Err(Problem::unauthorized(
            "the certificate belongs to another account",
        ));
    }
    let content_type = "application/pem-certificate-chain; charset=utf-8";
    Ok(Answer::body(
        200,
        content_type,
        certificate.chain_pem.clone(),
    ))
}

#[derive(Deserialize)]
struct Revocation {
    #[serde(default)]
    certificate: String,
    reason: Option<u64>,
}

/// Revokes (RFC 8555, section 7.6), for the account that has the certificate or
/// for who has its key.
pub(crate) fn revoke(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Problem> {
    let post = Post::verify(world, asked, By::Either)?;
    let revocation: Revocation = post.json()?;
    if let Some(reason) = revocation.reason
        && (reason == UNUSED_REASON || !REASONS.contains(&reason))
    {
        let detail = format!("expected a reason of RFC 5280, found {reason}");
        return Err(Problem::new(ProblemType::BadRevocationReason, detail));
    }
    let der = decode(&revocation.certificate)
        .ok_or_else(|| Problem::malformed("expected a certificate as base64url"))?;
    let known = world
        .certificates
        .values_mut()
        .find(|known| known.der == der);
    let certificate =
        known.ok_or_else(|| Problem::malformed("the certificate is not from here"))?;
    if certificate.revoked {
        return Err(Problem::new(
            ProblemType::AlreadyRevoked,
            "it is revoked already",
        ));
    }
    let allowed = match &post.account {
        Some(account) => certificate.account == *account,
        None => certificate.subject_public_key == post.key.subject_public_key(),
    };
    if !allowed {
        return Err(Problem::unauthorized(
            "neither the account nor the key of the certificate",
        ));
    }
    certificate.revoked = true;
    Ok(Answer::empty(200))
}

/// Finds a certificate by its ID for renewal information (RFC 9773, section 4.1).
fn find<'a>(world: &'a World, id: &str) -> Result<Option<&'a Certificate>, Problem> {
    let parts = id
        .split_once('.')
        .and_then(|(key, serial)| Some((decode(key)?, decode(serial)?)));
    match parts {
        Some((key, serial)) if world.authority.issued(&key) && !serial.is_empty() => {
            Ok(world.certificates.get(id))
        }
        Some(_) => Err(Problem::malformed(format!(
            "{id:?} names another authority"
        ))),
        None => Err(Problem::malformed(format!(
            "expected KEYIDENTIFIER.SERIAL in base64url, found {id:?}"
        ))),
    }
}

/// Whether an order may say that it replaces this certificate (RFC 9773, section 5).
pub(crate) fn replaceable(
    world: &World,
    id: &str,
    account: &str,
    names: &[String],
) -> Result<(), Problem> {
    let Some(certificate) = find(world, id)? else {
        return Err(Problem::malformed(format!("there is no certificate {id}")).status(404));
    };
    if certificate.replaced {
        return Err(Problem::new(
            ProblemType::AlreadyReplaced,
            format!("{id} is replaced already"),
        ));
    }
    if certificate.account != account {
        return Err(Problem::unauthorized(
            "the certificate to replace belongs to another account",
        ));
    }
    if !certificate.names.iter().any(|name| names.contains(name)) {
        return Err(Problem::malformed(
            "the certificate to replace has none of the order's names",
        ));
    }
    Ok(())
}

pub(crate) fn renewal_info(world: &World, id: &str) -> Result<Answer, Problem> {
    if id.is_empty() {
        return Err(Problem::malformed("no certificate is named").status(404));
    }
    let Some(certificate) = find(world, id)? else {
        return Err(Problem::malformed(format!("there is no certificate {id}")).status(404));
    };
    let answer = match &world.settings.window {
        Window::Raw(body) => Answer::body(200, "application/json; charset=utf-8", body.clone()),
        Window::Between(start, end) => window(*start, *end),
        Window::NotOffered => return Err(Problem::malformed("there is no such thing").status(404)),
        Window::Past => past(clock::now()),
        Window::Usual if certificate.revoked => past(clock::now()),
        Window::Usual => usual(certificate),
    };
    Ok(answer.retry_after(world.settings.window_retry_after))
}

fn window(start: Timestamp, end: Timestamp) -> Answer {
    let window = json!({ "start": start.to_string(), "end": end.to_string() });
    Answer::json(200, &json!({ "suggestedWindow": window }))
}

fn past(now: Timestamp) -> Answer {
    window(now - HOUR, now - HOUR + Duration::from_secs(1))
}

fn usual(certificate: &Certificate) -> Answer {
    let (issued, expires) = (certificate.not_before, certificate.not_after);
    let life = Duration::try_from(expires.duration_since(issued)).unwrap_or_default();
    let ideal = expires - life / 3;
    window((ideal - DAY).max(issued), (ideal + DAY).min(expires))
}
