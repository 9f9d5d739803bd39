//! dns-01 by a web hook, which in turn changes a real BIND.

use std::{fs, net::Ipv4Addr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rollover::acme::AcmeErrorClass as Class;
use rollover_lab::acme::mock::{Call, Mock, Settings};
use serde_json::Value;
use sha2::{Digest, Sha256};
use wiremock::{
    Mock as Hook, MockServer, Request, ResponseTemplate,
    matchers::{basic_auth, method, path},
};

use crate::{
    bind::{Bind, Zone, free_port},
    setting::{NAME, Setting},
};

const RECORD: &str = "_acme-challenge.one.test";
const WILDCARD: &str = "*.one.test";
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
const PASSWORD: &str = "hunter2";

async fn server() -> Arc<Bind> {
    let zone = Zone::primary(NAME, &[LOOPBACK], "");
    Arc::new(Bind::start(LOOPBACK, free_port(&[LOOPBACK]), &[zone]).await)
}

fn engine(setting: &Setting, bind: &Bind, hook: &str, more: &[&str]) -> rollover::acme::Engine {
    let password = setting.path("password");
    fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let settings = [
        "--dns-provider=httpreq".to_owned(),
        format!("--dns-resolver={}", bind.address),
        format!("--dns-port={}", bind.address.port()),
        "--acme-timeout=5m".to_owned(),
        format!("--httpreq-endpoint={hook}/dns/"),
        "--httpreq-user=lego".to_owned(),
        format!("--httpreq-password-file={}", password.display()),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    setting.engine(&[&settings, more].concat())
}

/// Name and value of the record that a hook is told of, whichever way.
fn record(body: &Value) -> (String, String) {
    let text = |key: &str| body[key].as_str().map(str::to_owned);
    match text("fqdn") {
        Some(name) => (name, text("value").unwrap()),
        None => {
            assert!(!text("token").unwrap().is_empty());
            let digest = Sha256::digest(text("keyAuth").unwrap());
            let name = format!("_acme-challenge.{}.", text("domain").unwrap());
            (name, URL_SAFE_NO_PAD.encode(digest))
        }
    }
}

/// A hook for people who have its password.
async fn hook(bind: &Arc<Bind>) -> MockServer {
    let hook = MockServer::start().await;
    for (call, verb) in [("present", "add"), ("cleanup", "delete")] {
        // A hook outlives its test, in a pool; the server must not.
        let bind = Arc::downgrade(bind);
        let answer = move |request: &Request| {
            let bind = bind.upgrade().unwrap();
            let (name, value) = record(&request.body_json().unwrap());
            match bind.change(&format!("{verb} {name} 60 TXT {value}")) {
                Ok(()) => ResponseTemplate::new(200),
                Err(why) => ResponseTemplate::new(500).set_body_string(why),
            }
        };
        Hook::given(method("POST"))
            .and(path(format!("/dns/{call}")))
            .and(basic_auth("lego", PASSWORD))
            .respond_with(answer)
            .mount(&hook)
            .await;
    }
    hook
}

/// What the hook was told, in order: call and content.
async fn told(hook: &MockServer) -> Vec<(String, Value)> {
    let requests = hook.received_requests().await.unwrap();
    let told = requests.iter().map(|request| {
        let call = request.url.path().rsplit('/').next().unwrap().to_owned();
        (call, request.body_json().unwrap())
    });
    told.collect()
}

#[tokio::test]
async fn a_hook_writes_and_removes_the_records() {
    let bind = server().await;
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    for (version, mode, keys) in [
        (1, "default", &["fqdn", "value"][..]),
        (2, "raw", &["domain", "keyAuth", "token"]),
    ] {
        let hook = hook(&bind).await;
        let engine = engine(&setting, &bind, &hook.uri(), &["--httpreq-mode", mode]);
        let obtained = engine.obtain_by_dns(&[WILDCARD, NAME]).await.unwrap();
        assert_eq!(obtained.version, version);
        assert!(bind.texts(RECORD).await.is_empty());
        let told = told(&hook).await;
        let calls: Vec<&str> = told.iter().map(|(call, _)| call.as_str()).collect();
        assert_eq!(calls, ["present", "present", "cleanup", "cleanup"]);
        assert_ne!(record(&told[0].1).1, record(&told[1].1).1);
        for (nth, (_, body)) in told.iter().enumerate() {
            let found: Vec<&String> = body.as_object().unwrap().keys().collect();
            assert_eq!(found, keys);
            assert_eq!(record(body).0, format!("{RECORD}."));
            // What is removed is what was written.
            assert_eq!(body, &told[nth % 2].1);
        }
    }
}

#[tokio::test]
async fn what_a_hook_says_is_told_without_the_password() {
    let bind = server().await;
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    for (status, class, hint) in [
        (401, Class::DnsRefused, "--httpreq-user"),
        (403, Class::DnsRefused, "--httpreq-user"),
        (404, Class::DnsRefused, "--httpreq-endpoint"),
        (302, Class::DnsRefused, "found 302"),
        (429, Class::DnsUnavailable, "found 429"),
        (500, Class::DnsUnavailable, "no more room"),
    ] {
        let hook = MockServer::start().await;
        let body = format!("no more room for {PASSWORD}");
        let answer = ResponseTemplate::new(status).set_body_string(body);
        Hook::given(path("/dns/present"))
            .respond_with(answer)
            .mount(&hook)
            .await;
        let engine = engine(&setting, &bind, &hook.uri(), &[]);
        let error = engine.obtain_by_dns(&[NAME]).await.unwrap_err();
        assert_eq!(error.class(), class, "{status}: {error}");
        let said = error.to_string();
        let url = format!("httpreq: {}/dns/present for {RECORD}", hook.uri());
        assert!(said.contains(&url) && said.contains(hint), "{said}");
        assert!(!said.contains(PASSWORD), "{said}");
        // Whether it was written is known only where it was refused.
        let cleaned = told(&hook).await.iter().any(|(call, _)| call == "cleanup");
        assert_eq!(cleaned, class == Class::DnsUnavailable, "{status}");
    }
    assert_eq!(mock.calls_of(Call::Challenge).len(), 0);
}

/// A hook that is content with everything and does nothing.
#[tokio::test]
async fn a_hook_that_writes_nothing_is_found_out() {
    let bind = server().await;
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let hook = MockServer::start().await;
    Hook::given(method("POST"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&hook)
        .await;
    let engine = engine(&setting, &bind, &hook.uri(), &["--dns-timeout=1s"]);
    let error = engine.obtain_by_dns(&[NAME]).await.unwrap_err();
    assert_eq!(error.class(), Class::DnsNotSeen, "{error}");
    assert!(error.to_string().contains("ns1.one.test"), "{error}");
    let calls: Vec<String> = told(&hook).await.into_iter().map(|it| it.0).collect();
    assert_eq!(calls, ["present", "cleanup"]);
}

#[tokio::test]
async fn a_hook_that_is_not_there_is_unavailable() {
    let bind = server().await;
    let mock = Mock::start(Settings::default()).await.unwrap();
    let setting = Setting::of(&mock);
    let uri = format!("http://{}", crate::setting::free(LOOPBACK));
    let engine = engine(&setting, &bind, &uri, &[]);
    let error = engine.obtain_by_dns(&[NAME]).await.unwrap_err();
    assert_eq!(error.class(), Class::DnsUnavailable, "{error}");
    assert!(error.to_string().contains(&uri), "{error}");
}
