//! The server itself: every request comes through here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use wiremock::{Request, Respond, ResponseTemplate};

use super::{
    accounts,
    answer::Answer,
    authorizations,
    call::Call,
    certificates,
    fault::Fault,
    journal::Received,
    key::decode,
    orders,
    post::{Asked, By, Post, header},
    problem::Problem,
    script::Script,
    settings::Window,
    validate::{self, Job},
    world::World,
};

/// What the parts of a mock share.
pub(crate) struct Shared {
    world: Mutex<World>,
    pub(super) script: Mutex<Script>,
    received: Mutex<Vec<Received>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self {
            world: Mutex::new(world),
            script: Mutex::default(),
            received: Mutex::default(),
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        lock(&self.script)
    }

    pub(crate) fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        lock(&self.received)
    }

    /// Notes a connection that does not come to a request.
    pub(crate) fn note_connection(&self, fault: Option<Fault>) {
        let received = Received {
            fault,
            ..Received::new(Call::Connection)
        };
        self.received().push(received);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers every request.
pub(crate) struct Responder(pub(crate) Arc<Shared>);

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let asked = Asked::new(request);
        let (call, id) = Call::parse(asked.path);
        let scripted = self.0.script().take(call);
        let carried_out = scripted
            .as_ref()
            .is_none_or(super::Scripted::is_carried_out);
        let mut answer = if carried_out {
            self.carry_out(&asked, call, id)
        } else {
            Answer::empty(200)
        };
        if let Some(scripted) = &scripted {
            answer = scripted.replace(answer);
        }
        answer = dress(&mut self.0.world(), &asked, call, answer);
        if let Some(scripted) = &scripted {
            answer = scripted.change(answer);
        }
        let fault = scripted.and_then(|scripted| scripted.fault());
        self.0.received().push(note(&asked, call, &answer, fault));
        if asked.method == "HEAD" {
            answer.body.clear();
        }
        answer.into_template()
    }
}

impl Responder {
    fn carry_out(&self, asked: &Asked<'_>, call: Call, id: &str) -> Answer {
        let (answer, job) = {
            let world = &mut self.0.world();
            authorizations::settle(world);
            match route(world, asked, call, id) {
                Ok(done) => done,
                Err(problem) => (Answer::problem(&problem), None),
            }
        };
        if let Some(job) = job {
            // wiremock answers within a runtime, which lives as long as the server.
            tokio::spawn(validate::run(job, Arc::clone(&self.0)));
        }
        answer
    }
}

fn route(
    world: &mut World,
    asked: &Asked<'_>,
    call: Call,
    id: &str,
) -> Result<(Answer, Option<Job>), Problem> {
    if header(asked.headers, "user-agent").is_none_or(str::is_empty) {
        return Err(Problem::malformed(
            "a client must say what it is: User-Agent is missing",
        ));
    }
    if call != Call::Unknown && !call.methods().contains(&asked.method) {
        let detail = format!(
            "expected one of {:?}, found {}",
            call.methods(),
            asked.method
        );
        let answer = Answer::problem(&Problem::malformed(detail).status(405));
        return Ok((answer.header("Allow", call.methods().join(", ")), None));
    }
    let answer = match call {
        Call::Challenge => return authorizations::challenge(world, asked, id),
        Call::Directory => directory(world, asked)?,
        Call::NewNonce => nonce(world, asked)?,
        Call::NewAccount => accounts::create(world, asked)?,
        Call::Account => accounts::update(world, asked)?,
        Call::Orders => accounts::orders(world, asked, id)?,
        Call::KeyChange => accounts::change_key(world, asked)?,
        Call::NewOrder => orders::create(world, asked)?,
        Call::Order => orders::look(world, asked, id)?,
        Call::Finalize => orders::finalize(world, asked, id)?,
        Call::Authorization => authorizations::look(world, asked, id)?,
        Call::Certificate => certificates::download(world, asked, id)?,
        Call::RevokeCertificate => certificates::revoke(world, asked)?,
        Call::RenewalInfo => certificates::renewal_info(world, id)?,
        Call::Connection | Call::Unknown => Answer::body(404, "text/plain", "nothing is here"),
    };
    Ok((answer, None))
}

/// Where everything is (RFC 8555, section 7.1.1).
fn directory(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Problem> {
    if asked.method == "POST" {
        Post::as_get(world, asked)?;
    }
    let settings = &world.settings;
    let profiles: serde_json::Map<String, Value> = settings
        .profiles
        .iter()
        .map(|(name, profile)| (name.clone(), profile.description.clone().into()))
        .collect();
    let mut directory = serde_json::json!({
        "newNonce": asked.at("/new-nonce"),
        "newAccount": asked.at("/new-account"),
        "newOrder": asked.at("/new-order"),
        "revokeCert": asked.at("/revoke-certificate"),
        "keyChange": asked.at("/key-change"),
        "renewalInfo": asked.at("/renewal-info"),
        "meta": {
            "termsOfService": accounts::TERMS,
            "caaIdentities": [],
            "externalAccountRequired": settings.external_account_required,
            "profiles": profiles,
        },
    });
    if settings.window == Window::NotOffered
        && let Some(directory) = directory.as_object_mut()
    {
        directory.remove("renewalInfo");
    }
    Ok(Answer::json(200, &directory))
}

fn nonce(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Problem> {
    if asked.method == "POST" {
        Post::verify(world, asked, By::Account)?;
    }
    let status = if asked.method == "HEAD" { 200 } else { 204 };
    Ok(Answer::empty(status))
}

/// What every answer has (RFC 8555, sections 6.5 and 7.1).
fn dress(world: &mut World, asked: &Asked<'_>, call: Call, answer: Answer) -> Answer {
    let mut answer = answer.set("Cache-Control", "public, max-age=0, no-cache");
    if call == Call::Unknown {
        return answer;
    }
    if asked.method == "POST" || call == Call::NewNonce {
        answer = answer.set("Replay-Nonce", world.issue_nonce());
    }
    if call != Call::Directory {
        answer = answer.link(&asked.at("/directory"), "index");
    }
    answer
}

fn note(asked: &Asked<'_>, call: Call, answer: &Answer, fault: Option<Fault>) -> Received {
    let body: Value = serde_json::from_slice(asked.body).unwrap_or_default();
    let part = |name: &str| -> Option<Value> {
        serde_json::from_slice(&decode(body[name].as_str()?)?).ok()
    };
    let header = part("protected").unwrap_or_default();
    Received {
        method: asked.method.to_owned(),
        path: asked.path.to_owned(),
        account: header["kid"].as_str().map(str::to_owned),
        payload: part("payload"),
        status: Some(answer.status),
        problem: answer.problem_type(),
        fault,
        ..Received::new(call)
    }
}
