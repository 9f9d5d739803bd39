//! Accounts: made, looked at, changed, given another key, deactivated.

use serde_json::{Value, json};

use crate::{
    http::Request,
    jose::Key,
    walk::{Actor, EXTERNAL, Walk, order_of},
};

pub(crate) async fn walk(walk: &mut Walk<'_>) {
    refused(walk).await;
    bound(walk).await;
    let actor = made(walk).await;
    signers(walk, &actor).await;
    changed(walk, &actor).await;
    orders(walk, &actor).await;
    let actor = key_changed(walk, actor).await;
    deactivated(walk, &actor).await;
}

async fn refused(walk: &mut Walk<'_>) {
    let (key, url) = (Key::new(), walk.url("newAccount"));
    let agreed = |contact: &[&str]| json!({ "termsOfServiceAgreed": true, "contact": contact });
    let wrong = [
        ("new account: an array", json!([])),
        ("new account: terms not agreed", json!({})),
        (
            "new account: there is none",
            json!({ "onlyReturnExisting": true }),
        ),
        ("new account: a phone", agreed(&["tel:123"])),
        ("new account: no address", agreed(&["mailto:"])),
        ("new account: no e-mail", agreed(&["mailto:nobody"])),
        ("new account: not ASCII", agreed(&["mailto:ä@example.org"])),
        (
            "new account: too many",
            agreed(&["mailto:a@b.test", "mailto:b@b.test", "mailto:c@b.test"]),
        ),
    ];
    for (step, payload) in wrong {
        walk.by_key(step, &key, &url, &payload).await;
    }
}

async fn bound(walk: &mut Walk<'_>) {
    let (key, url) = (Key::new(), walk.url("newAccount"));
    let (kid, secret) = EXTERNAL;
    let header = json!({ "alg": "HS256", "kid": kid, "url": url });
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        header
    };
    let stranger = Key::new();
    let wrong = [
        (
            "binding: unknown",
            key.bind(&with("kid", json!("nobody")), secret),
        ),
        (
            "binding: another secret",
            key.bind(&header, b"another secret of thirty-two byt"),
        ),
        (
            "binding: another url",
            key.bind(&with("url", json!("https://nowhere.test/")), secret),
        ),
        (
            "binding: a nonce",
            key.bind(&with("nonce", json!("AA")), secret),
        ),
        (
            "binding: signed, not authenticated",
            key.sign(&with("alg", json!("ES256")), "{}"),
        ),
        ("binding: another key", stranger.bind(&header, secret)),
        ("binding: right", key.bind(&header, secret)),
    ];
    for (step, binding) in wrong {
        let payload = json!({ "termsOfServiceAgreed": true, "externalAccountBinding": binding });
        walk.by_key(step, &key, &url, &payload).await;
    }
}

async fn made(walk: &mut Walk<'_>) -> Actor {
    let (key, url) = (Key::new(), walk.url("newAccount"));
    let payload = json!({ "termsOfServiceAgreed": true, "contact": ["mailto:a@example.org"] });
    let answer = walk.by_key("new account", &key, &url, &payload).await;
    let kid = answer.header("Location").unwrap().to_owned();
    walk.by_key("new account: again", &key, &url, &payload)
        .await;
    let existing = json!({ "onlyReturnExisting": true });
    walk.by_key("new account: there is one", &key, &url, &existing)
        .await;
    Actor { key, kid }
}

async fn signers(walk: &mut Walk<'_>, actor: &Actor) {
    let order = walk.url("newOrder");
    let payload = order_of(&["one.test"]);
    walk.by_key("order by key", &actor.key, &order, &payload)
        .await;
    let account = walk.url("newAccount");
    walk.post("new account by kid", actor, &account, &json!({}))
        .await;
    let someone = |kid: String| Actor {
        key: Key::new(),
        kid,
    };
    let unknown = actor.kid.rsplit_once('/').unwrap().0.to_owned() + "/unknown";
    walk.post("kid of nobody", &someone(unknown), &order, &payload)
        .await;
    walk.post(
        "kid of another",
        &someone(actor.kid.clone()),
        &order,
        &payload,
    )
    .await;
    let elsewhere = someone("https://nowhere.test/account/1".to_owned());
    walk.post("kid of another server", &elsewhere, &order, &payload)
        .await;
    walk.post(
        "kid that is no URL",
        &someone("1".to_owned()),
        &order,
        &payload,
    )
    .await;
}

async fn changed(walk: &mut Walk<'_>, actor: &Actor) {
    let url = actor.kid.clone();
    walk.look("account", actor, &url).await;
    walk.ask("account by GET", Request::new("GET", &url)).await;
    let changes = [
        ("account: nothing changed", json!({})),
        (
            "account: another contact",
            json!({ "contact": ["mailto:b@example.org"] }),
        ),
        ("account: no contact", json!({ "contact": [] })),
        ("account: a wrong contact", json!({ "contact": ["tel:1"] })),
        ("account: valid as it is", json!({ "status": "valid" })),
        ("account: a wrong state", json!({ "status": "revoked" })),
        (
            "account: a wrong state and a contact",
            json!({ "status": "revoked", "contact": [] }),
        ),
    ];
    for (step, payload) in changes {
        walk.post(step, actor, &url, &payload).await;
    }
}

async fn orders(walk: &mut Walk<'_>, actor: &Actor) {
    let shown = walk.quietly(actor, &actor.kid, &Value::Null).await.json();
    // Pebble shows the URL at the account's making only.
    let url = shown["orders"].as_str().map(str::to_owned);
    let url = url.unwrap_or_else(|| actor.kid.replace("/my-account/", "/list-orderz/"));
    walk.look("orders: none", actor, &url).await;
    walk.order(actor, &["one.test"], None).await;
    walk.look("orders: one", actor, &url).await;
    let stranger = walk.account().await;
    walk.look("orders of another", &stranger, &url).await;
}

async fn key_changed(walk: &mut Walk<'_>, actor: Actor) -> Actor {
    let url = walk.url("keyChange");
    let (new, other) = (Key::new(), walk.account().await);
    let inner = |signer: &Key, url: &str, account: &str, old: &Key| {
        let header = json!({ "alg": "ES256", "jwk": signer.jwk(), "url": url });
        signer.sign(
            &header,
            &json!({ "account": account, "oldKey": old.jwk() }).to_string(),
        )
    };
    let elsewhere = walk.url("newOrder");
    let kid = &actor.kid;
    let by_kid = json!({ "alg": "ES256", "kid": kid, "url": url });
    let mut forged = inner(&new, &url, kid, &actor.key);
    forged["signature"] = inner(&other.key, &url, kid, &actor.key)["signature"].clone();
    let wrong = [
        ("key change: not signed", json!({ "account": kid })),
        ("key change: by kid", new.sign(&by_kid, "{}")),
        ("key change: forged", forged),
        (
            "key change: another url",
            inner(&new, &elsewhere, kid, &actor.key),
        ),
        (
            "key change: another account",
            inner(&new, &url, &other.kid, &actor.key),
        ),
        ("key change: no account", inner(&new, &url, "", &actor.key)),
        (
            "key change: another old key",
            inner(&new, &url, kid, &other.key),
        ),
        (
            "key change: the same key",
            inner(&actor.key, &url, kid, &actor.key),
        ),
        (
            "key change: a key that is taken",
            inner(&other.key, &url, kid, &actor.key),
        ),
        ("key change", inner(&new, &url, kid, &actor.key)),
    ];
    for (step, payload) in wrong {
        walk.post(step, &actor, &url, &payload).await;
    }
    walk.look("account by its old key", &actor, &actor.kid)
        .await;
    let actor = Actor {
        key: new,
        kid: actor.kid,
    };
    walk.look("account by its new key", &actor, &actor.kid)
        .await;
    actor
}

async fn deactivated(walk: &mut Walk<'_>, actor: &Actor) {
    walk.post(
        "account: deactivated",
        actor,
        &actor.kid,
        &json!({ "status": "deactivated" }),
    )
    .await;
    walk.look("deactivated account", actor, &actor.kid).await;
    let order = walk.url("newOrder");
    walk.post(
        "order of a deactivated account",
        actor,
        &order,
        &order_of(&["one.test"]),
    )
    .await;
    let account = walk.url("newAccount");
    walk.by_key(
        "new account for the key of a deactivated one",
        &actor.key,
        &account,
        &json!({ "termsOfServiceAgreed": true }),
    )
    .await;
}
