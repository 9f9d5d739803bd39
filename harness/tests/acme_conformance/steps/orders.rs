//! Orders, up to the certificate.

use serde_json::{Value, json};

use crate::{
    http::Request,
    jose::{Key, base64},
    walk::{Actor, FORBIDDEN, Walk, order_of},
};

pub(crate) async fn walk(walk: &mut Walk<'_>) {
    let actor = walk.account().await;
    let stranger = walk.account().await;
    refused(walk, &actor).await;
    let payload = order_of(&["one.test", "TWO.test", "one.test"]);
    let answer = walk
        .post("order", &actor, &walk.url("newOrder"), &payload)
        .await;
    let order = (answer.header("Location").unwrap().to_owned(), answer.json());
    looked_at(walk, &actor, &stranger, &order).await;
    finalized_early(walk, &actor, &stranger, &order).await;
    walk.authorize(&actor, &order).await;
    walk.look("order that is ready", &actor, &order.0).await;
    finalized(walk, &actor, &stranger, &order).await;
}

async fn refused(walk: &mut Walk<'_>, actor: &Actor) {
    let url = walk.url("newOrder");
    let of = |kind: &str, value: &str| json!({ "identifiers": [{ "type": kind, "value": value }], "profile": "default" });
    let long = format!("{}.test", "a.".repeat(140));
    let wrong = [
        ("new order: an array", json!([])),
        ("new order: nothing", json!({ "profile": "default" })),
        (
            "new order: no names",
            json!({ "identifiers": [], "profile": "default" }),
        ),
        ("new order: an e-mail", of("email", "a@one.test")),
        ("new order: empty", of("dns", "")),
        ("new order: an underscore", of("dns", "a_b.test")),
        ("new order: an address", of("dns", "10.0.0.1")),
        ("new order: a last dot", of("dns", "one.test.")),
        ("new order: two wildcards", of("dns", "*.*.one.test")),
        ("new order: a wildcard within", of("dns", "one.*.test")),
        ("new order: too long", of("dns", &long)),
        ("new order: forbidden", of("dns", FORBIDDEN)),
        (
            "new order: unknown profile",
            json!({ "identifiers": [{ "type": "dns", "value": "one.test" }], "profile": "none" }),
        ),
        (
            "new order: replaces nonsense",
            json!({ "identifiers": [{ "type": "dns", "value": "one.test" }], "profile": "default", "replaces": "x" }),
        ),
        (
            "new order: replaces a stranger's",
            json!({ "identifiers": [{ "type": "dns", "value": "one.test" }], "profile": "default", "replaces": "AAAA.AAAA" }),
        ),
    ];
    for (step, payload) in wrong {
        walk.post(step, actor, &url, &payload).await;
    }
    let wildcard = walk
        .post(
            "new order: a wildcard",
            actor,
            &url,
            &of("dns", "*.one.test"),
        )
        .await
        .json();
    let authorization = wildcard["authorizations"][0].as_str().unwrap();
    walk.look("authorization of a wildcard", actor, authorization)
        .await;
}

async fn looked_at(walk: &mut Walk<'_>, actor: &Actor, stranger: &Actor, order: &(String, Value)) {
    let sibling = |url: &str| format!("{}/unknown", url.rsplit_once('/').unwrap().0);
    let authorization = order.1["authorizations"][0].as_str().unwrap().to_owned();
    let (challenge, _) = walk.challenge(actor, &authorization).await;
    for (what, url) in [
        ("order", &order.0),
        ("authorization", &authorization),
        ("challenge", &challenge),
    ] {
        walk.look(&format!("{what}: a look"), actor, url).await;
        walk.look(&format!("{what}: a stranger's look"), stranger, url)
            .await;
        walk.look(&format!("{what}: unknown"), actor, &sibling(url))
            .await;
        walk.ask(&format!("{what}: by GET"), Request::new("GET", url))
            .await;
    }
    walk.post("order: a look with a payload", actor, &order.0, &json!({}))
        .await;
    walk.post(
        "authorization: a wrong state",
        actor,
        &authorization,
        &json!({ "status": "valid" }),
    )
    .await;
}

async fn finalized_early(
    walk: &mut Walk<'_>,
    actor: &Actor,
    stranger: &Actor,
    order: &(String, Value),
) {
    let finalize = order.1["finalize"].as_str().unwrap();
    let csr = json!({ "csr": base64(Key::new().csr(&["one.test", "two.test"])) });
    walk.post("finalize: too early", actor, finalize, &csr)
        .await;
    walk.post("finalize: a stranger's", stranger, finalize, &csr)
        .await;
    let id = order.0.rsplit_once('/').unwrap().1;
    walk.post(
        "finalize: unknown",
        actor,
        &finalize.replace(id, "unknown"),
        &csr,
    )
    .await;
}

async fn finalized(walk: &mut Walk<'_>, actor: &Actor, stranger: &Actor, order: &(String, Value)) {
    let finalize = order.1["finalize"].as_str().unwrap();
    let names = ["one.test", "two.test"];
    let key = Key::new();
    let right = key.csr(&names);
    let mut forged = right.clone();
    *forged.last_mut().unwrap() ^= 1;
    let csr = |der: &[u8]| json!({ "csr": base64(der) });
    let wrong = [
        ("finalize: no CSR", json!({})),
        ("finalize: no base64", json!({ "csr": "?" })),
        ("finalize: something else", csr(b"no CSR")),
        ("finalize: forged", csr(&forged)),
        ("finalize: one name too few", csr(&key.csr(&["one.test"]))),
        (
            "finalize: another name",
            csr(&key.csr(&["one.test", "three.test"])),
        ),
        (
            "finalize: one name too many",
            csr(&key.csr(&["one.test", "two.test", "three.test"])),
        ),
        ("finalize: the account's key", csr(&actor.key.csr(&names))),
    ];
    for (step, payload) in wrong {
        walk.post(step, actor, finalize, &payload).await;
    }
    walk.look("order after wrong CSRs", actor, &order.0).await;
    walk.finalize("finalize", actor, finalize, &csr(&right))
        .await;
    walk.post("finalize: again", actor, finalize, &csr(&right))
        .await;
    let valid = walk.until_not(actor, &order.0, &["processing"]).await;
    walk.see("order that is valid", &valid);
    let certificate = valid.json()["certificate"].as_str().unwrap().to_owned();
    walk.look("certificate", actor, &certificate).await;
    walk.look("certificate of another", stranger, &certificate)
        .await;
    walk.post(
        "certificate: with a payload",
        actor,
        &certificate,
        &json!({}),
    )
    .await;
    walk.ask("certificate: by GET", Request::new("GET", &certificate))
        .await;
    let unknown = format!("{}/unknown", certificate.rsplit_once('/').unwrap().0);
    walk.look("certificate: unknown", actor, &unknown).await;
}
