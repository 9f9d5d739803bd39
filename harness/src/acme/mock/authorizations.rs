//! Authorizations and their challenges (RFC 8555, section 7.5).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    post::{Asked, Post},
    problem::Problem,
    settings::Validation,
    validate::Job,
    world::{Authorization, Challenge, Status, World, identifiers, random},
};
use crate::clock;

/// The only kind of challenge that the mock can validate.
const HTTP_01: &str = "http-01";

/// Makes an authorization for a name, with its challenges; returns its ID.
pub(crate) fn create(world: &mut World, account: &str, order: &str, name: &str) -> String {
    let id = random::<8>();
    let challenges = kinds(world.settings.validation, name)
        .iter()
        .map(|kind| create_challenge(world, &id, kind))
        .collect();
    let authorization = Authorization {
        order: order.to_owned(),
        account: account.to_owned(),
        name: name.to_owned(),
        status: Status::Pending,
        challenges,
    };
    world.authorizations.insert(id.clone(), authorization);
    id
}

fn kinds(validation: Validation, name: &str) -> &'static [&'static str] {
    match validation {
        _ if name.starts_with("*.") => &["dns-01"],
        Validation::Fetch { .. } => &[HTTP_01],
        _ => &[HTTP_01, "tls-alpn-01", "dns-01"],
    }
}

fn create_challenge(world: &mut World, authorization: &str, kind: &'static str) -> String {
    let id = random::<8>();
    let challenge = Challenge {
        authorization: authorization.to_owned(),
        kind,
        token: random::<32>(),
        status: Status::Pending,
        validated: None,
        error: None,
        verdict: None,
    };
    world.challenges.insert(id.clone(), challenge);
    id
}

/// Carries out what validation has found since the last request.
pub(crate) fn settle(world: &mut World) {
    let decided: Vec<String> = world
        .challenges
        .iter()
        .filter(|(_, challenge)| challenge.verdict.is_some())
        .map(|(id, _)| id.clone())
        .collect();
    for id in decided {
        settle_challenge(world, &id);
    }
}

fn settle_challenge(world: &mut World, id: &str) -> Option<()> {
    let challenge = world.challenges.get_mut(id)?;
    let verdict = challenge.verdict.take()?;
    challenge.validated = Some(clock::now());
    let status = match &verdict {
        Ok(()) => Status::Valid,
        Err(_) => Status::Invalid,
    };
    challenge.status = status;
    challenge.error = verdict.clone().err();
    let authorization = world.authorizations.get_mut(&challenge.authorization)?;
    authorization.status = status;
    let order = authorization.order.clone();
    settle_order(world, &order, verdict.err())
}

fn settle_order(world: &mut World, id: &str, error: Option<Problem>) -> Option<()> {
    let order = world.orders.get_mut(id)?;
    if order.status != Status::Pending {
        return None;
    }
    let is = |id: &String, status| {
        world
            .authorizations
            .get(id)
            .is_some_and(|found| found.status == status)
    };
    if error.is_some() {
        order.status = Status::Invalid;
        order.error = error;
    } else if order
        .authorizations
        .iter()
        .any(|id| is(id, Status::Deactivated))
    {
        order.status = Status::Invalid;
    } else if order.authorizations.iter().all(|id| is(id, Status::Valid)) {
        order.status = Status::Ready;
    }
    Some(())
}

#[derive(Deserialize)]
struct Update {
    #[serde(default)]
    status: String,
}

pub(crate) fn look(world: &mut World, asked: &Asked<'_>, id: &str) -> Result<Answer, Problem> {
    let (post, account) = Post::of_account(world, asked)?;
    let Some(authorization) = world.authorizations.get_mut(id) else {
        return Ok(Answer::empty(404));
    };
    if authorization.account != account {
        return Err(Problem::unauthorized(
            "the authorization belongs to another account",
        ));
    }
    if !post.is_look() {
        let status = post.json::<Update>()?.status;
        if status != "deactivated" {
            return Err(Problem::malformed(format!(
                "expected \"deactivated\" as status, found {status:?}"
            )));
        }
        authorization.status = Status::Deactivated;
        let order = authorization.order.clone();
        settle_order(world, &order, None);
    }
    let Some(authorization) = world.authorizations.get(id) else {
        return Ok(Answer::empty(404));
    };
    let under_way = authorization.status == Status::Pending
        && challenges(world, authorization)
            .any(|(_, challenge)| challenge.status == Status::Processing);
    let retry_after = world.settings.retry_after.filter(|_| under_way);
    Ok(Answer::json(200, &show(world, asked, authorization)).retry_after(retry_after))
}

fn challenges<'a>(
    world: &'a World,
    authorization: &'a Authorization,
) -> impl Iterator<Item = (&'a String, &'a Challenge)> {
    let ids = authorization.challenges.iter();
    ids.filter_map(|id| Some((id, world.challenges.get(id)?)))
}

fn show(world: &World, asked: &Asked<'_>, authorization: &Authorization) -> Value {
    // Once it is decided, only those that decided it are shown.
    let pending = authorization.status == Status::Pending;
    let shown: Vec<Value> = challenges(world, authorization)
        .filter(|(_, challenge)| {
            pending || challenge.error.is_some() || challenge.status == Status::Valid
        })
        .map(|(id, challenge)| show_challenge(asked, id, challenge))
        .collect();
    let name = authorization.name.strip_prefix("*.");
    let plain = name.unwrap_or(&authorization.name).to_owned();
    let order = world.orders.get(&authorization.order);
    let mut document = json!({
        "status": authorization.status.name(),
        "identifier": identifiers(&[plain])[0],
        "challenges": shown,
        "expires": order.map(|order| order.expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    });
    if name.is_some() {
        document["wildcard"] = true.into();
    }
    document
}

fn show_challenge(asked: &Asked<'_>, id: &str, challenge: &Challenge) -> Value {
    let mut shown = json!({
        "type": challenge.kind,
        "url": asked.at(&format!("/challenge/{id}")),
        "token": challenge.token,
        "status": challenge.status.name(),
    });
    if let Some(validated) = challenge.validated {
        shown["validated"] = validated.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    }
    if let Some(error) = &challenge.error {
        shown["error"] = error.document();
    }
    shown
}

#[derive(Deserialize)]
struct Start {
    /// What clients of early drafts sent.
    #[serde(rename = "keyAuthorization")]
    key_authorization: Option<Value>,
}

/// A look at a challenge, or word that it may be validated; with the latter, what
/// there is to fetch.
pub(crate) fn challenge(
    world: &mut World,
    asked: &Asked<'_>,
    id: &str,
) -> Result<(Answer, Option<Job>), Problem> {
    let (post, account) = Post::of_account(world, asked)?;
    let validation = world.settings.validation;
    let Some(challenge) = world.challenges.get_mut(id) else {
        return Ok((Answer::empty(404), None));
    };
    let Some(authorization) = world.authorizations.get(&challenge.authorization) else {
        return Ok((Answer::empty(404), None));
    };
    if authorization.account != account {
        return Err(Problem::unauthorized(
            "the challenge belongs to another account",
        ));
    }
    if post.is_look() {
        return Ok((
            Answer::json(200, &show_challenge(asked, id, challenge)),
            None,
        ));
    }
    if post.json::<Start>()?.key_authorization.is_some() {
        return Err(Problem::malformed(
            "expected {} as payload: the server knows the key authorization",
        ));
    }
    if challenge.status != Status::Pending {
        let detail = format!(
            "expected a challenge that is pending, found one that is {}",
            challenge.status.name()
        );
        return Err(Problem::malformed(detail));
    }
    challenge.status = Status::Processing;
    let mut job = None;
    match validation {
        Validation::Always => challenge.verdict = Some(Ok(())),
        Validation::Fails(kind) => {
            let problem = Problem::new(kind, "the mock was told to fail this challenge");
            challenge.verdict = Some(Err(problem));
        }
        Validation::Never => {}
        Validation::Fetch { .. } if challenge.kind != HTTP_01 => {
            let detail = format!(
                "the mock validates by {HTTP_01} only, not by {}",
                challenge.kind
            );
            challenge.verdict = Some(Err(Problem::unauthorized(detail)));
        }
        Validation::Fetch { port } => {
            job = Some(Job {
                challenge: id.to_owned(),
                name: authorization.name.clone(),
                addresses: world
                    .addresses
                    .get(&authorization.name)
                    .cloned()
                    .unwrap_or_default(),
                port,
                token: challenge.token.clone(),
                expected: format!("{}.{}", challenge.token, post.key.thumbprint()),
            });
        }
    }
    let shown = Answer::json(200, &show_challenge(asked, id, challenge));
    let up = asked.at(&format!("/authorization/{}", challenge.authorization));
    Ok((shown.link(&up, "up"), job))
}
