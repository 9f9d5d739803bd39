//! Requests that are wrong in themselves, and what needs no account.

use serde_json::{Value, json};

use crate::{
    http::Request,
    jose::{Key, base64},
    walk::{Walk, jose},
};

pub(crate) async fn walk(walk: &mut Walk<'_>, directory: &str) {
    unsigned(walk, directory).await;
    malformed(walk).await;
    headers(walk).await;
    nonces(walk).await;
}

async fn unsigned(walk: &mut Walk<'_>, directory: &str) {
    let answer = walk.ask("directory", Request::new("GET", directory)).await;
    let mut meta = answer.clone();
    meta.body = answer.json()["meta"].to_string().into_bytes();
    walk.see("directory: meta", &meta);
    let anonymous = Request::new("GET", directory).without("User-Agent");
    walk.ask("directory without User-Agent", anonymous).await;
    walk.ask("directory by PUT", Request::new("PUT", directory))
        .await;
    let nonce = walk.url("newNonce");
    walk.ask("nonce by HEAD", Request::new("HEAD", &nonce))
        .await;
    walk.ask("nonce by GET", Request::new("GET", &nonce)).await;
    walk.ask("nonce by PUT", Request::new("PUT", &nonce)).await;
    let account = walk.url("newAccount");
    walk.ask("new account by GET", Request::new("GET", &account))
        .await;
    let elsewhere = account
        .replace("https://", "")
        .split_once('/')
        .unwrap()
        .0
        .to_owned();
    walk.ask(
        "nothing there",
        Request::new("GET", format!("https://{elsewhere}/nothing")),
    )
    .await;
}

async fn malformed(walk: &mut Walk<'_>) {
    let (key, url) = (Key::new(), walk.url("newAccount"));
    let header = walk.header(&key, None, &url).await;
    let right = key.sign(&header, "{}");

    let plain = Request::new("POST", &url).header("Content-Type", "application/json");
    walk.ask("content type", plain.body(right.to_string()))
        .await;
    let none = Request::new("POST", &url).body(right.to_string());
    walk.ask("no content type", none).await;
    let nonce = jose(&url, &right).header("Replay-Nonce", "x");
    walk.ask("Replay-Nonce in the request", nonce).await;
    let no_json = Request::new("POST", &url)
        .header("Content-Type", "application/jose+json")
        .body("no");
    walk.ask("a body that is no JSON", no_json).await;
    walk.ask("an empty object", jose(&url, &json!({}))).await;

    let with = |name: &str, value: Value| {
        let mut body = right.clone();
        body[name] = value;
        jose(&url, &body)
    };
    walk.ask("an unprotected header", with("header", json!({ "a": "b" })))
        .await;
    walk.ask(
        "several signatures",
        with("signatures", json!([{ "signature": "AA" }])),
    )
    .await;
    walk.ask("no base64 in the signature", with("signature", "?".into()))
        .await;
    walk.ask(
        "a signature of something else",
        with("payload", base64("[]").into()),
    )
    .await;
    walk.ask(
        "another's signature",
        with(
            "signature",
            Key::new().sign(&header, "{}")["signature"].clone(),
        ),
    )
    .await;
}

async fn headers(walk: &mut Walk<'_>) {
    let (key, url) = (Key::new(), walk.url("newAccount"));
    let wrong = [
        ("alg none", "alg", json!("none")),
        ("alg HS256", "alg", json!("HS256")),
        ("alg EdDSA", "alg", json!("EdDSA")),
        ("alg of another curve", "alg", json!("ES384")),
        ("alg of another kind of key", "alg", json!("RS256")),
        ("no alg", "alg", Value::Null),
        ("no url", "url", Value::Null),
        ("another url", "url", json!(walk.url("newOrder"))),
        ("no nonce", "nonce", Value::Null),
        (
            "a nonce of one's own",
            "nonce",
            json!("bm90IGEgbm9uY2Ugb2YgdGhpcw"),
        ),
        ("no key", "jwk", Value::Null),
        (
            "a key that is none",
            "jwk",
            json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
        ),
        ("an octet key", "jwk", json!({ "kty": "oct", "k": "AAAA" })),
        (
            "jwk and kid",
            "kid",
            json!("https://nowhere.test/account/1"),
        ),
    ];
    for (step, name, value) in wrong {
        let mut header = walk.header(&key, None, &url).await;
        if value.is_null() {
            header.as_object_mut().unwrap().remove(name);
        } else {
            header[name] = value;
        }
        walk.ask(step, jose(&url, &key.sign(&header, "{}"))).await;
    }
}

async fn nonces(walk: &mut Walk<'_>) {
    let (key, url) = (Key::new(), walk.url("newAccount"));
    let header = walk.header(&key, None, &url).await;
    let request = jose(&url, &key.sign(&header, r#"{"onlyReturnExisting":true}"#));
    walk.ask("a nonce", request.clone()).await;
    walk.ask("the same nonce again", request).await;
    // What is wrong with its signature does not cost it.
    let header = walk.header(&key, None, &url).await;
    let stranger = Key::new().sign(&header, "{}");
    walk.ask("a nonce with a wrong signature", jose(&url, &stranger))
        .await;
    let again = key.sign(&header, r#"{"onlyReturnExisting":true}"#);
    walk.ask("the nonce of a wrong signature", jose(&url, &again))
        .await;
    // What is wrong after that does.
    let mut header = walk.header(&key, None, &url).await;
    header["url"] = walk.url("newOrder").into();
    walk.ask(
        "a nonce with a wrong url",
        jose(&url, &key.sign(&header, "{}")),
    )
    .await;
    header["url"] = url.clone().into();
    walk.ask(
        "the nonce of a wrong url",
        jose(&url, &key.sign(&header, "{}")),
    )
    .await;
}
