//! What the mock is told, and that a client sees exactly that.

use std::{io, time::Duration};

use futures_util::FutureExt;
use jiff::Timestamp;
use rollover_lab::{
    acme::mock::{
        Call, Fault, Issuance, Mock, ProblemType, Scripted, Settings, Validation, Window,
    },
    lab::wait::until,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    challenges::Challenges,
    http::{Answer, Http, PATIENCE, Request},
    jose::{Key, base64},
    seen::compare,
    steps,
    walk::{Actor, Server, Walk, names, order_of},
};

/// A mock and an account with it.
struct Stage {
    mock: Mock,
    http: Http,
    challenges: Challenges,
}

impl Stage {
    async fn new(settings: Settings) -> Self {
        let mock = Mock::start(settings).await.unwrap();
        let http = Http::new(mock.address(), mock.ca_pem());
        let challenges = Challenges::start([127, 0, 0, 1].into()).await;
        Self {
            mock,
            http,
            challenges,
        }
    }

    async fn usual() -> Self {
        Self::new(Settings::default()).await
    }

    fn server(&self) -> Server<'_> {
        Server {
            http: self.http.clone(),
            directory: self.mock.directory_url(),
            challenges: &self.challenges,
        }
    }

    fn directory(&self) -> Request {
        Request::new("GET", self.mock.directory_url())
    }
}

async fn new_order(walk: &Walk<'_>, actor: &Actor) -> Answer {
    walk.quietly(actor, &walk.url("newOrder"), &order_of(&["one.test"]))
        .await
}

fn problem(answer: &Answer) -> String {
    let body = answer.json();
    let urn = body["type"].as_str().unwrap_or_default();
    urn.trim_start_matches("urn:ietf:params:acme:error:")
        .to_owned()
}

#[tokio::test]
async fn every_error_type() {
    let stage = Stage::usual().await;
    let server = stage.server();
    let walk = Walk::begin(&server).await;
    let actor = walk.account().await;
    for kind in ProblemType::ALL {
        stage.mock.on(Call::NewOrder).first(1).problem(*kind);
        let answer = new_order(&walk, &actor).await;
        assert_eq!(
            (answer.status, problem(&answer)),
            (kind.status(), kind.name().to_owned())
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json; charset=utf-8")
        );
        assert!(
            answer.header("replay-nonce").is_some(),
            "RFC 8555, section 6.5: {answer:?}"
        );
    }
    assert_eq!(new_order(&walk, &actor).await.status, 201);
    let orders = stage.mock.calls_of(Call::NewOrder);
    assert_eq!(orders.len(), ProblemType::ALL.len() + 1);
    assert_eq!(
        orders[0].problem.as_deref(),
        Some(ProblemType::ALL[0].name())
    );
    assert_eq!(orders[0].account.as_ref(), Some(&actor.kid));
    assert_eq!(orders[0].payload, Some(order_of(&["one.test"])));
}

#[tokio::test]
async fn the_calls_that_were_meant() {
    let stage = Stage::usual().await;
    let statuses = async || {
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(stage.http.send(&stage.directory()).await.status);
        }
        stage.mock.forget_script();
        statuses
    };
    stage.mock.on(Call::Directory).nth(2).status(503);
    assert_eq!(statuses().await, [200, 503, 200, 200]);
    stage.mock.on(Call::Directory).first(2).status(503);
    assert_eq!(statuses().await, [503, 503, 200, 200]);
    stage.mock.on(Call::Directory).from(3).status(503);
    assert_eq!(statuses().await, [200, 200, 503, 503]);
    stage.mock.on(Call::Directory).status(503);
    stage.mock.on(Call::Directory).nth(3).status(500);
    assert_eq!(statuses().await, [503, 503, 500, 503]);
    stage.mock.on(Call::NewOrder).status(503);
    assert_eq!(statuses().await, [200, 200, 200, 200]);
}

#[tokio::test]
async fn headers_and_bodies() {
    let stage = Stage::usual().await;
    let limited = Scripted::problem_with(ProblemType::RateLimited, 429, "too many certificates");
    let limited = limited.retry_after(Duration::from_secs(3600));
    stage.mock.on(Call::Directory).first(1).answer(limited);
    let answer = stage.http.send(&stage.directory()).await;
    assert_eq!(answer.header("retry-after"), Some("3600"));
    assert_eq!(answer.json()["detail"], "too many certificates");

    let at: Timestamp = "1999-12-31T23:59:59Z".parse().unwrap();
    stage
        .mock
        .on(Call::Directory)
        .first(1)
        .answer(Scripted::usual().retry_at(at));
    let answer = stage.http.send(&stage.directory()).await;
    assert_eq!(
        answer.header("retry-after"),
        Some("Fri, 31 Dec 1999 23:59:59 GMT")
    );
    assert!(
        answer.json()["newOrder"].is_string(),
        "otherwise as usual: {answer:?}"
    );

    let page = Scripted::body(200, "text/html", "<html>").header("X-Proxy", "yes");
    stage.mock.on(Call::Directory).first(1).answer(page);
    let answer = stage.http.send(&stage.directory()).await;
    assert_eq!(
        (&answer.body[..], answer.header("x-proxy")),
        (&b"<html>"[..], Some("yes"))
    );

    stage
        .mock
        .on(Call::NewNonce)
        .first(1)
        .answer(Scripted::usual().without("Replay-Nonce"));
    let nonce = Request::new(
        "HEAD",
        stage.mock.directory_url().replace("directory", "new-nonce"),
    );
    assert_eq!(stage.http.send(&nonce).await.header("replay-nonce"), None);
    assert!(
        stage
            .http
            .send(&nonce)
            .await
            .header("replay-nonce")
            .is_some()
    );
}

#[tokio::test]
async fn carried_out_or_not() {
    let stage = Stage::usual().await;
    let server = stage.server();
    let walk = Walk::begin(&server).await;
    let actor = walk.account().await;
    let orders = async || {
        let url = format!("{}/orders", actor.kid);
        walk.quietly(&actor, &url, &Value::Null).await.json()["orders"]
            .as_array()
            .unwrap()
            .len()
    };
    stage.mock.on(Call::NewOrder).first(1).status(503);
    assert_eq!(new_order(&walk, &actor).await.status, 503);
    assert_eq!(orders().await, 0);
    stage
        .mock
        .on(Call::NewOrder)
        .first(1)
        .answer(Scripted::status(503).carried_out());
    assert_eq!(new_order(&walk, &actor).await.status, 503);
    assert_eq!(orders().await, 1);
}

#[tokio::test]
async fn slow() {
    let stage = Stage::usual().await;
    let delay = Duration::from_millis(300);
    stage.mock.on(Call::Directory).first(1).slow(delay);
    let begun = Instant::now();
    let answer = stage.http.send(&stage.directory()).await;
    // A delay is never shorter than it was meant to be.
    assert!(
        answer.status == 200 && begun.elapsed() >= delay,
        "{:?}",
        begun.elapsed()
    );
    let trickle = Scripted::body(200, "text/plain", "drop").trickle(Duration::from_millis(1));
    stage.mock.on(Call::Directory).first(1).answer(trickle);
    assert_eq!(stage.http.send(&stage.directory()).await.body, b"drop");
}

/// No answer, while others are answered.
async fn stays_open(stage: &Stage, call: Call) {
    let request = stage.directory();
    let asking = stage.http.raw(&request);
    tokio::pin!(asking);
    let noted = until("the fault be noted", PATIENCE, async || {
        let fault = stage
            .mock
            .calls_of(call)
            .pop()
            .and_then(|received| received.fault);
        (fault == Some(Fault::HalfOpen))
            .then_some(())
            .ok_or("it is not")
    });
    tokio::select! {
        answer = &mut asking => panic!("{answer:?}"),
        noted = noted => noted.unwrap(),
    }
    assert_eq!(stage.http.send(&stage.directory()).await.status, 200);
    assert!(asking.now_or_never().is_none());
}

#[tokio::test]
async fn half_open() {
    let stage = Stage::usual().await;
    stage.mock.on(Call::Directory).first(1).half_open();
    stays_open(&stage, Call::Directory).await;
}

#[tokio::test]
async fn half_open_before_the_handshake() {
    let stage = Stage::usual().await;
    stage.mock.on(Call::Connection).first(1).half_open();
    stays_open(&stage, Call::Connection).await;
}

#[tokio::test]
async fn broken_answers() {
    let stage = Stage::usual().await;
    let directory = stage.directory();
    let whole = stage.http.raw(&directory).await.unwrap();

    stage.mock.on(Call::Directory).first(1).garbage();
    let garbage = stage.http.raw(&directory).await.unwrap();
    assert!(
        !garbage.is_empty() && !garbage.starts_with(b"HTTP"),
        "{garbage:?}"
    );

    stage
        .mock
        .on(Call::Directory)
        .first(1)
        .answer(Scripted::usual().cut_after(100));
    let cut = stage.http.raw(&directory).await.unwrap();
    assert_eq!((cut.len(), &cut[..15]), (100, &whole[..15]));

    stage
        .mock
        .on(Call::Directory)
        .first(1)
        .answer(Scripted::usual().cut_after(0));
    assert_eq!(stage.http.raw(&directory).await.unwrap(), b"");

    stage
        .mock
        .on(Call::Directory)
        .first(1)
        .answer(Scripted::reset());
    let reset = stage.http.raw(&directory).await.unwrap_err();
    assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);

    let again = stage.http.raw(&directory).await.unwrap();
    assert_eq!(again.len(), whole.len());
    let faults: Vec<_> = stage
        .mock
        .calls()
        .into_iter()
        .map(|received| received.fault)
        .collect();
    let expected = [
        None,
        Some(Fault::Garbage),
        Some(Fault::CutAfter(100)),
        Some(Fault::CutAfter(0)),
        Some(Fault::Reset),
        None,
    ];
    assert_eq!(faults, expected);
}

#[tokio::test]
async fn broken_handshakes() {
    let stage = Stage::usual().await;
    let directory = stage.directory();
    stage.mock.on(Call::Connection).first(1).garbage();
    let garbage = stage.http.raw(&directory).await.unwrap_err();
    assert_eq!(garbage.kind(), io::ErrorKind::InvalidData);
    stage
        .mock
        .on(Call::Connection)
        .first(1)
        .answer(Scripted::reset());
    let reset = stage.http.raw(&directory).await.unwrap_err();
    assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(stage.http.send(&directory).await.status, 200);
}

#[tokio::test]
async fn down_and_up_again() {
    let stage = Stage::usual().await;
    let server = stage.server();
    let walk = Walk::begin(&server).await;
    let actor = walk.account().await;
    let roots = stage.mock.roots();
    stage.mock.stop();
    let refused = stage.http.raw(&stage.directory()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    stage.mock.start_again().unwrap();
    assert_eq!(
        problem(&new_order(&walk, &actor).await),
        "accountDoesNotExist"
    );
    assert_ne!(stage.mock.roots(), roots);
}

/// The state of an order some looks after it was finalized, and its error.
async fn finalized(walk: &Walk<'_>, actor: &Actor, looks: u32) -> (String, String) {
    let order = walk.order(actor, &["one.test"], None).await;
    walk.authorize(actor, &order).await;
    let finalize = order.1["finalize"].as_str().unwrap();
    let csr = json!({ "csr": base64(Key::new().csr(&["one.test"])) });
    let mut answer = walk.quietly(actor, finalize, &csr).await;
    for _ in 0..looks {
        answer = walk.quietly(actor, &order.0, &Value::Null).await;
    }
    let (answer, text) = (answer.json(), |value: &Value| {
        value.as_str().unwrap_or_default().to_owned()
    });
    (text(&answer["status"]), text(&answer["error"]["type"]))
}

#[tokio::test]
async fn orders_that_are_stuck_or_fail() {
    let stage = Stage::usual().await;
    let server = stage.server();
    let walk = Walk::begin(&server).await;
    let actor = walk.account().await;
    let state = |state: &str| (state.to_owned(), String::new());
    assert_eq!(finalized(&walk, &actor, 0).await, state("processing"));
    assert_eq!(finalized(&walk, &actor, 1).await, state("valid"));
    stage
        .mock
        .configure(|settings| settings.issuance = Issuance::AfterLooks(2));
    assert_eq!(finalized(&walk, &actor, 2).await, state("processing"));
    assert_eq!(finalized(&walk, &actor, 3).await, state("valid"));
    stage
        .mock
        .configure(|settings| settings.issuance = Issuance::Never);
    assert_eq!(finalized(&walk, &actor, 9).await, state("processing"));
    stage
        .mock
        .configure(|settings| settings.issuance = Issuance::Fails(ProblemType::Caa));
    assert_eq!(
        finalized(&walk, &actor, 1).await,
        ("invalid".to_owned(), ProblemType::Caa.urn())
    );
}

#[tokio::test]
async fn challenges_that_are_stuck_or_fail() {
    let stage = Stage::usual().await;
    let server = stage.server();
    let walk = Walk::begin(&server).await;
    let actor = walk.account().await;
    let validated = async || {
        let order = walk.order(&actor, &["one.test"], None).await;
        let authorization = order.1["authorizations"][0].as_str().unwrap().to_owned();
        let (challenge, _) = walk.challenge(&actor, &authorization).await;
        walk.quietly(&actor, &challenge, &json!({})).await;
        let challenge = walk.quietly(&actor, &challenge, &Value::Null).await.json();
        (
            challenge["status"].clone(),
            challenge["error"]["type"].clone(),
        )
    };
    assert_eq!(validated().await, (json!("valid"), Value::Null));
    stage
        .mock
        .configure(|settings| settings.validation = Validation::Never);
    assert_eq!(validated().await, (json!("processing"), Value::Null));
    for kind in [
        ProblemType::Dns,
        ProblemType::Tls,
        ProblemType::IncorrectResponse,
    ] {
        stage
            .mock
            .configure(|settings| settings.validation = Validation::Fails(kind));
        assert_eq!(validated().await, (json!("invalid"), json!(kind.urn())));
    }
}

#[tokio::test]
async fn windows_for_renewal() {
    let stage = Stage::usual().await;
    let server = stage.server();
    let walk = Walk::begin(&server).await;
    let actor = walk.account().await;
    let certificate = walk
        .certificate(&actor, &["one.test"], &Key::new(), None)
        .await;
    let id = steps::certificate_id(&certificate);
    let info = Request::new("GET", format!("{}/{id}", walk.url("renewalInfo")));
    let window = async |window: Window| {
        stage.mock.configure(|settings| settings.window = window);
        let answer = stage.http.send(&info).await.json();
        let at = |name: &str| {
            answer["suggestedWindow"][name]
                .as_str()?
                .parse::<Timestamp>()
                .ok()
        };
        at("start").zip(at("end"))
    };
    let now = || {
        #[expect(
            clippy::disallowed_methods,
            reason = "a client's clock is the system's"
        )]
        Timestamp::now()
    };
    let (start, end) = window(Window::Usual).await.unwrap();
    assert!(now() < start && start < end);
    let (start, end) = window(Window::Past).await.unwrap();
    assert!(start < end && end < now());
    let (from, to) = (
        "2030-01-01T00:00:00Z".parse().unwrap(),
        "2029-01-01T00:00:00Z".parse().unwrap(),
    );
    assert_eq!(window(Window::Between(from, to)).await, Some((from, to)));
    assert_eq!(window(Window::Raw("{]".to_owned())).await, None);
    assert_eq!(
        stage.http.send(&info).await.header("retry-after"),
        Some("21600")
    );
    stage
        .mock
        .configure(|settings| settings.window_retry_after = None);
    assert_eq!(stage.http.send(&info).await.header("retry-after"), None);
}

#[tokio::test]
async fn accounts_that_must_be_bound() {
    let settings = Settings {
        external_account_required: true,
        ..Settings::default()
    };
    let stage = Stage::new(settings).await;
    let server = stage.server();
    let mut walk = Walk::begin(&server).await;
    let payload = json!({ "termsOfServiceAgreed": true });
    let answer = walk
        .by_key("", &Key::new(), &walk.url("newAccount"), &payload)
        .await;
    assert_eq!(problem(&answer), "externalAccountRequired");
}

/// The control of the comparison: a mock that answers otherwise is told from one
/// that does not.
#[tokio::test]
async fn a_difference_is_seen() {
    let fetching = async |change: bool| {
        let stage = Stage::new(Settings::default()).await;
        let validation = Validation::Fetch {
            port: stage.challenges.port,
        };
        stage
            .mock
            .configure(|settings| settings.validation = validation);
        for (name, addresses) in names([127, 0, 0, 1].into()) {
            stage.mock.set_addresses(name, &addresses);
        }
        if change {
            let late = Scripted::usual().retry_after(Duration::from_secs(1));
            stage.mock.on(Call::RevokeCertificate).nth(3).answer(late);
        }
        steps::all(&stage.server()).await
    };
    let (one, same, other) = (
        fetching(false).await,
        fetching(false).await,
        fetching(true).await,
    );
    assert_eq!(compare(&one, &same, &[]), "");
    let found = compare(&one, &other, &[]);
    assert_eq!(
        found,
        "revoke: something else: Retry-After: Pebble \"no\", mock \"yes\"\n"
    );
}
