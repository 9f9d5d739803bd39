//! The steps that both servers are taken through.

use std::{net::Ipv4Addr, time::Duration};

use rollover_lab::lab::wait::until;
use serde_json::{Value, json};

use crate::{
    challenges::Challenges,
    http::{Answer, Http, Request},
    jose::{Key, base64},
    seen::Seen,
};

pub(crate) const FORBIDDEN: &str = "forbidden.test";
pub(crate) const EXTERNAL: (&str, &[u8]) = ("external-1", b"a secret of thirty-two bytes, yes");

/// A server, and how to tell it where names lead.
pub(crate) struct Server<'a> {
    pub(crate) http: Http,
    pub(crate) directory: String,
    pub(crate) challenges: &'a Challenges,
}

/// A client with an account.
pub(crate) struct Actor {
    pub(crate) key: Key,
    pub(crate) kid: String,
}

/// Names of the steps, and what both servers shall know of them beforehand.
pub(crate) fn names(gateway: Ipv4Addr) -> Vec<(&'static str, Vec<Ipv4Addr>)> {
    let here = vec![gateway];
    vec![
        ("one.test", here.clone()),
        ("two.test", here.clone()),
        ("three.test", here),
        ("nobody.test", vec![Ipv4Addr::LOCALHOST]),
    ]
}

pub(crate) struct Walk<'a> {
    server: &'a Server<'a>,
    directory: Value,
    seen: Vec<Seen>,
}

impl<'a> Walk<'a> {
    pub(crate) async fn begin(server: &'a Server<'a>) -> Walk<'a> {
        let answer = server
            .http
            .send(&Request::new("GET", &server.directory))
            .await;
        Walk {
            server,
            directory: answer.json(),
            seen: Vec::new(),
        }
    }

    pub(crate) fn end(self) -> Vec<Seen> {
        self.seen
    }

    pub(crate) fn see(&mut self, step: &str, answer: &Answer) {
        self.seen.push(Seen::new(step, answer));
    }

    /// The URL of a resource of the directory.
    pub(crate) fn url(&self, name: &str) -> String {
        self.directory[name].as_str().unwrap().to_owned()
    }

    pub(crate) async fn ask(&mut self, step: &str, request: Request) -> Answer {
        let answer = self.server.http.send(&request).await;
        self.see(step, &answer);
        answer
    }

    pub(crate) async fn nonce(&self) -> String {
        let answer = self
            .server
            .http
            .send(&Request::new("HEAD", self.url("newNonce")))
            .await;
        answer.header("Replay-Nonce").unwrap().to_owned()
    }

    /// A header that is right, by the account or by the key.
    pub(crate) async fn header(&self, key: &Key, kid: Option<&str>, url: &str) -> Value {
        let mut header = json!({ "alg": "ES256", "nonce": self.nonce().await, "url": url });
        match kid {
            Some(kid) => header["kid"] = kid.into(),
            None => header["jwk"] = key.jwk(),
        }
        header
    }

    pub(crate) async fn send(&self, url: &str, body: &Value) -> Answer {
        self.server.http.send(&jose(url, body)).await
    }

    pub(crate) async fn post(
        &mut self,
        step: &str,
        actor: &Actor,
        url: &str,
        payload: &Value,
    ) -> Answer {
        let answer = self.quietly(actor, url, payload).await;
        self.see(step, &answer);
        answer
    }

    /// Has an order issued. Pebble does so beside its answer, and may have the certificate
    /// by then though it says that it is at it: that is no part of this step.
    pub(crate) async fn finalize(&mut self, step: &str, actor: &Actor, url: &str, csr: &Value) {
        let mut answer = self.quietly(actor, url, csr).await;
        let mut body = answer.json();
        if body["status"] == "processing"
            && let Some(body) = body.as_object_mut()
        {
            body.remove("certificate");
        }
        answer.body = body.to_string().into_bytes();
        self.see(step, &answer);
    }

    /// Says that a challenge is answered. Pebble looks at once, and may have begun to
    /// note what it found when it answers: that is no part of this step.
    pub(crate) async fn start(&mut self, step: &str, actor: &Actor, challenge: &str) {
        let mut answer = self.quietly(actor, challenge, &json!({})).await;
        let mut body = answer.json();
        if let Some(body) = body.as_object_mut() {
            let known = body.get("status").and_then(Value::as_str);
            if matches!(known, Some("pending" | "processing" | "valid")) {
                body.remove("validated");
                body.insert("status".to_owned(), "pending".into());
            }
        }
        answer.body = body.to_string().into_bytes();
        self.see(step, &answer);
    }

    /// An order that is looked at, and of which no name is valid already.
    pub(crate) async fn new_order(&mut self, step: &str, actor: &Actor, payload: &Value) -> Answer {
        let url = self.url("newOrder");
        loop {
            let answer = self.quietly(actor, &url, payload).await;
            if !self.end_reused(actor, &answer.json()).await {
                self.see(step, &answer);
                return answer;
            }
        }
    }

    /// A look, as POST-as-GET.
    pub(crate) async fn look(&mut self, step: &str, actor: &Actor, url: &str) -> Answer {
        self.post(step, actor, url, &Value::Null).await
    }

    pub(crate) async fn quietly(&self, actor: &Actor, url: &str, payload: &Value) -> Answer {
        let header = self.header(&actor.key, Some(&actor.kid), url).await;
        let payload = if payload.is_null() {
            String::new()
        } else {
            payload.to_string()
        };
        self.send(url, &actor.key.sign(&header, &payload)).await
    }

    /// A request signed by a key that has no account yet.
    pub(crate) async fn by_key(
        &mut self,
        step: &str,
        key: &Key,
        url: &str,
        payload: &Value,
    ) -> Answer {
        let header = self.header(key, None, url).await;
        let answer = self
            .send(url, &key.sign(&header, &payload.to_string()))
            .await;
        self.see(step, &answer);
        answer
    }

    pub(crate) async fn account(&self) -> Actor {
        let key = Key::new();
        let url = self.url("newAccount");
        let header = self.header(&key, None, &url).await;
        let payload = json!({ "termsOfServiceAgreed": true }).to_string();
        let answer = self.send(&url, &key.sign(&header, &payload)).await;
        let kid = answer.header("Location").unwrap().to_owned();
        Actor { key, kid }
    }

    /// An order for names, not looked at, none of which is valid already.
    pub(crate) async fn order(
        &self,
        actor: &Actor,
        names: &[&str],
        replaces: Option<&str>,
    ) -> (String, Value) {
        loop {
            let order = self.any_order(actor, names, replaces).await;
            if !self.end_reused(actor, &order.1).await {
                return order;
            }
        }
    }

    /// Pebble grants one order in a hundred on an earlier validation, also when it
    /// is told never to (docs/flakes.md): such authorizations are given up.
    async fn end_reused(&self, actor: &Actor, order: &Value) -> bool {
        let mut reused = false;
        for authorization in order["authorizations"].as_array().unwrap() {
            let url = authorization.as_str().unwrap();
            let now = self.quietly(actor, url, &Value::Null).await.json();
            if now["status"] == "valid" {
                let end = json!({ "status": "deactivated" });
                self.quietly(actor, url, &end).await;
                reused = true;
            }
        }
        reused
    }

    async fn any_order(
        &self,
        actor: &Actor,
        names: &[&str],
        replaces: Option<&str>,
    ) -> (String, Value) {
        let mut payload = order_of(names);
        if let Some(replaces) = replaces {
            payload["replaces"] = replaces.into();
        }
        let answer = self.quietly(actor, &self.url("newOrder"), &payload).await;
        let url = answer
            .header("Location")
            .unwrap_or_else(|| panic!("{answer:?}"))
            .to_owned();
        (url, answer.json())
    }

    /// The URL of an authorization's http-01 challenge, and its token.
    pub(crate) async fn challenge(&self, actor: &Actor, authorization: &str) -> (String, String) {
        let answer = self
            .quietly(actor, authorization, &Value::Null)
            .await
            .json();
        let challenges = answer["challenges"].as_array().unwrap();
        let http = challenges
            .iter()
            .find(|challenge| challenge["type"] == "http-01")
            .unwrap();
        let text = |name: &str| http[name].as_str().unwrap().to_owned();
        (text("url"), text("token"))
    }

    /// Puts the file where validation looks for it.
    pub(crate) fn provide(&self, actor: &Actor, token: &str) {
        let content = format!("{token}.{}", actor.key.thumbprint());
        self.server.challenges.put(token, &content);
    }

    /// Looks until a resource is in another state than these.
    pub(crate) async fn until_not(&self, actor: &Actor, url: &str, states: &[&str]) -> Answer {
        let what = format!("{url} in another state than {states:?}");
        until(what, Duration::from_secs(20), async || {
            let answer = self.quietly(actor, url, &Value::Null).await;
            match answer.json()["status"].as_str() {
                Some(state) if !states.contains(&state) => Ok(answer),
                other => Err(format!("{other:?}")),
            }
        })
        .await
        .unwrap()
    }

    /// Answers every challenge of an order.
    pub(crate) async fn authorize(&self, actor: &Actor, order: &(String, Value)) {
        for authorization in order.1["authorizations"].as_array().unwrap() {
            let authorization = authorization.as_str().unwrap();
            let (challenge, token) = self.challenge(actor, authorization).await;
            self.provide(actor, &token);
            self.quietly(actor, &challenge, &json!({})).await;
            self.until_not(actor, authorization, &["pending"]).await;
        }
    }

    /// The whole way to a certificate; its DER.
    pub(crate) async fn certificate(
        &self,
        actor: &Actor,
        names: &[&str],
        key: &Key,
        replaces: Option<&str>,
    ) -> Vec<u8> {
        let order = self.order(actor, names, replaces).await;
        self.authorize(actor, &order).await;
        let finalize = order.1["finalize"].as_str().unwrap();
        let csr = json!({ "csr": base64(key.csr(names)) });
        self.quietly(actor, finalize, &csr).await;
        let order = self
            .until_not(actor, &order.0, &["ready", "processing"])
            .await
            .json();
        let url = order["certificate"]
            .as_str()
            .unwrap_or_else(|| panic!("{order}"));
        leaf(&self.quietly(actor, url, &Value::Null).await)
    }
}

pub(crate) fn jose(url: &str, body: &Value) -> Request {
    Request::new("POST", url)
        .header("Content-Type", "application/jose+json")
        .body(body.to_string())
}

pub(crate) fn order_of(names: &[&str]) -> Value {
    let identifiers: Vec<Value> = names
        .iter()
        .map(|name| json!({ "type": "dns", "value": name }))
        .collect();
    json!({ "identifiers": identifiers, "profile": "default" })
}

/// The leaf of a chain in PEM.
pub(crate) fn leaf(answer: &Answer) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_slice(&answer.body)
        .unwrap()
        .to_vec()
}
