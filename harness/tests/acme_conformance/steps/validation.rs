//! Challenges, answered rightly and wrongly.

use serde_json::json;

use crate::walk::{Actor, Walk};

pub(crate) async fn walk(walk: &mut Walk<'_>) {
    let actor = walk.account().await;
    let stranger = walk.account().await;
    right(walk, &actor, &stranger).await;
    wrong(walk, &actor, "a wrong file", "one.test", true).await;
    wrong(walk, &actor, "no file", "two.test", false).await;
    wrong(walk, &actor, "nobody there", "nobody.test", false).await;
    wrong(walk, &actor, "no address", "nowhere.test", false).await;
    deactivated(walk, &actor).await;
}

async fn right(walk: &mut Walk<'_>, actor: &Actor, stranger: &Actor) {
    let order = walk.order(actor, &["three.test"], None).await;
    let authorization = order.1["authorizations"][0].as_str().unwrap().to_owned();
    let (challenge, token) = walk.challenge(actor, &authorization).await;
    walk.provide(actor, &token);
    walk.post(
        "challenge: a stranger's start",
        stranger,
        &challenge,
        &json!({}),
    )
    .await;
    let old = json!({ "keyAuthorization": "x" });
    walk.post(
        "challenge: a start as in the drafts",
        actor,
        &challenge,
        &old,
    )
    .await;
    walk.post("challenge: an array", actor, &challenge, &json!([]))
        .await;
    walk.start("challenge: a start", actor, &challenge).await;
    let valid = walk.until_not(actor, &authorization, &["pending"]).await;
    walk.see("authorization that is valid", &valid);
    walk.look("challenge that is valid", actor, &challenge)
        .await;
    walk.post(
        "challenge: a start when it is valid",
        actor,
        &challenge,
        &json!({}),
    )
    .await;
    walk.look("order with its authorization", actor, &order.0)
        .await;
}

async fn wrong(walk: &mut Walk<'_>, actor: &Actor, what: &str, name: &str, file: bool) {
    let order = walk.order(actor, &[name], None).await;
    let authorization = order.1["authorizations"][0].as_str().unwrap().to_owned();
    let (challenge, token) = walk.challenge(actor, &authorization).await;
    if file {
        let stranger = walk.account().await;
        walk.provide(&stranger, &token);
    }
    walk.quietly(actor, &challenge, &json!({})).await;
    let invalid = walk.until_not(actor, &authorization, &["pending"]).await;
    walk.see(&format!("{what}: authorization"), &invalid);
    walk.look(&format!("{what}: challenge"), actor, &challenge)
        .await;
    walk.look(&format!("{what}: order"), actor, &order.0).await;
    let finalize = order.1["finalize"].as_str().unwrap();
    walk.post(
        &format!("{what}: finalize"),
        actor,
        finalize,
        &json!({ "csr": "" }),
    )
    .await;
}

async fn deactivated(walk: &mut Walk<'_>, actor: &Actor) {
    let order = walk.order(actor, &["one.test"], None).await;
    let authorization = order.1["authorizations"][0].as_str().unwrap().to_owned();
    let deactivate = json!({ "status": "deactivated" });
    walk.post(
        "authorization: deactivated",
        actor,
        &authorization,
        &deactivate,
    )
    .await;
    walk.look("deactivated authorization", actor, &authorization)
        .await;
    walk.look("order of a deactivated authorization", actor, &order.0)
        .await;
}
