//! Renewal information, replacement, revocation.

use crate::{
    http::Request,
    jose::{Key, base64},
    walk::{Actor, Walk, order_of},
};
use serde_json::json;

pub(crate) async fn walk(walk: &mut Walk<'_>) {
    let actor = walk.account().await;
    let stranger = walk.account().await;
    let key = Key::new();
    let certificate = walk.certificate(&actor, &["one.test"], &key, None).await;
    let id = certificate_id(&certificate);
    renewal_info(walk, &id).await;
    replaced(walk, &actor, &stranger, &id).await;
    revoked(walk, &actor, &stranger, &certificate, &key).await;
    let url = format!("{}/{id}", walk.url("renewalInfo"));
    walk.ask("renewal info of a revoked one", Request::new("GET", url))
        .await;
}

async fn renewal_info(walk: &mut Walk<'_>, id: &str) {
    let base = walk.url("renewalInfo");
    let (issuer, serial) = id.split_once('.').unwrap();
    let cases = [
        ("renewal info", id.to_owned()),
        ("renewal info: unknown serial", format!("{issuer}.AQID")),
        ("renewal info: another authority", format!("AAAA.{serial}")),
        ("renewal info: no dot", "nonsense".to_owned()),
        ("renewal info: no base64", format!("{issuer}.?")),
        ("renewal info: padded", format!("{issuer}=.{serial}")),
        ("renewal info: empty", String::new()),
    ];
    for (step, id) in cases {
        walk.ask(step, Request::new("GET", format!("{base}/{id}")))
            .await;
    }
    walk.ask(
        "renewal info by PUT",
        Request::new("PUT", format!("{base}/{id}")),
    )
    .await;
}

async fn replaced(walk: &mut Walk<'_>, actor: &Actor, stranger: &Actor, id: &str) {
    let url = walk.url("newOrder");
    let order = |name: &str, replaces: &str| {
        let mut order = order_of(&[name]);
        order["replaces"] = replaces.into();
        order
    };
    let unknown = format!("{}.AQID", id.split_once('.').unwrap().0);
    walk.post(
        "replaces: unknown",
        actor,
        &url,
        &order("one.test", &unknown),
    )
    .await;
    walk.post(
        "replaces: by a stranger",
        stranger,
        &url,
        &order("one.test", id),
    )
    .await;
    walk.post(
        "replaces: none of the names",
        actor,
        &url,
        &order("two.test", id),
    )
    .await;
    walk.new_order("replaces", actor, &order("one.test", id))
        .await;
    // That order is not finalized, so that the certificate still can be replaced.
    walk.certificate(actor, &["one.test", "two.test"], &Key::new(), Some(id))
        .await;
    walk.post("replaces: again", actor, &url, &order("one.test", id))
        .await;
}

async fn revoked(
    walk: &mut Walk<'_>,
    actor: &Actor,
    stranger: &Actor,
    certificate: &[u8],
    key: &Key,
) {
    let url = walk.url("revokeCert");
    let der = base64(certificate);
    walk.ask("revoke by GET", Request::new("GET", &url)).await;
    let wrong = [
        ("revoke: no base64", json!({ "certificate": "?" })),
        ("revoke: something else", json!({ "certificate": "AAAA" })),
        (
            "revoke: reason 7",
            json!({ "certificate": der, "reason": 7 }),
        ),
        (
            "revoke: reason 11",
            json!({ "certificate": der, "reason": 11 }),
        ),
    ];
    for (step, payload) in wrong {
        walk.post(step, actor, &url, &payload).await;
    }
    let right = json!({ "certificate": der, "reason": 4 });
    walk.post("revoke: by a stranger", stranger, &url, &right)
        .await;
    walk.by_key("revoke: by another key", &stranger.key, &url, &right)
        .await;
    walk.by_key("revoke: by its key", key, &url, &right).await;
    walk.post("revoke: again", actor, &url, &right).await;
    let other = walk
        .certificate(actor, &["three.test"], &Key::new(), None)
        .await;
    walk.post(
        "revoke: by its account",
        actor,
        &url,
        &json!({ "certificate": base64(other) }),
    )
    .await;
}

pub(crate) use x509::certificate_id;

mod x509 {
    use super::base64;
    use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

    /// The ID of a certificate for renewal information (RFC 9773, section 4.1).
    pub(crate) fn certificate_id(der: &[u8]) -> String {
        let (_, certificate) = X509Certificate::from_der(der).unwrap();
        let issuer = certificate.iter_extensions().find_map(|extension| {
            match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref(),
                _ => None,
            }
        });
        format!(
            "{}.{}",
            base64(issuer.unwrap().0),
            base64(certificate.raw_serial())
        )
    }
}
