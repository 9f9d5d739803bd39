//! Accounts (RFC 8555, sections 7.3 and 7.1.2).

use ring::hmac;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    jws::{Jws, Signer},
    key::{PublicKey, decode},
    post::{Asked, By, Post},
    problem::{Problem, ProblemType},
    world::{Account, Status, World, random},
};

pub(crate) const TERMS: &str = "data:text/plain,be%20kind%20to%20servers";
/// As many as Pebble takes.
const MOST_CONTACTS: usize = 2;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewAccount {
    #[serde(default)]
    contact: Vec<String>,
    #[serde(default)]
    terms_of_service_agreed: bool,
    #[serde(default)]
    only_return_existing: bool,
    external_account_binding: Option<Value>,
}

pub(crate) fn create(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Problem> {
    let post = Post::verify(world, asked, By::Key)?;
    let request: NewAccount = post.json()?;
    if let Some((id, account)) = world.account_of_key(&post.key) {
        if !account.active {
            return Err(Problem::unauthorized(
                "the account of this key is deactivated",
            ));
        }
        let shown = Answer::json(200, &show(asked, id, account));
        return Ok(shown.header("Location", asked.account_url(id)));
    }
    if request.only_return_existing {
        let detail = "there is no account of this key";
        return Err(Problem::new(ProblemType::AccountDoesNotExist, detail));
    }
    if !request.terms_of_service_agreed {
        let detail = "the terms of service were not agreed to";
        let problem = Problem::new(ProblemType::UserActionRequired, detail);
        return Ok(Answer::problem(&problem).link(TERMS, "terms-of-service"));
    }
    let external = bind(world, asked, &post.key, request.external_account_binding)?;
    check_contacts(&request.contact)?;
    let account = Account {
        key: post.key,
        contact: request.contact,
        active: true,
        external,
    };
    let id = random::<8>();
    let shown = Answer::json(201, &show(asked, &id, &account));
    let shown = shown.header("Location", asked.account_url(&id));
    world.accounts.insert(id, account);
    Ok(shown)
}

fn show(asked: &Asked<'_>, id: &str, account: &Account) -> Value {
    let status = if account.active {
        "valid"
    } else {
        "deactivated"
    };
    let mut shown = json!({
        "status": status,
        "orders": asked.at(&format!("/account/{id}/orders")),
        "key": account.key.jwk(),
    });
    if !account.contact.is_empty() {
        shown["contact"] = account.contact.clone().into();
    }
    if let Some(binding) = &account.external {
        shown["externalAccountBinding"] = binding.clone();
    }
    shown
}

fn check_contacts(contacts: &[String]) -> Result<(), Problem> {
    if contacts.len() > MOST_CONTACTS {
        let detail = format!(
            "expected {MOST_CONTACTS} contacts at most, found {}",
            contacts.len()
        );
        return Err(Problem::malformed(detail));
    }
    contacts
        .iter()
        .try_for_each(|contact| check_contact(contact))
}

fn check_contact(contact: &str) -> Result<(), Problem> {
    let invalid = |kind| {
        Problem::new(
            kind,
            format!("expected mailto:NAME@HOST as a contact, found {contact:?}"),
        )
    };
    match contact.split_once(':') {
        Some(("mailto", address)) => {
            let right = address.is_ascii()
                && matches!(address.split_once('@'), Some((name, host)) if !name.is_empty() && !host.is_empty());
            right
                .then_some(())
                .ok_or_else(|| invalid(ProblemType::InvalidContact))
        }
        _ => Err(invalid(ProblemType::UnsupportedContact)),
    }
}

/// Checks an external account binding (RFC 8555, section 7.3.4).
fn bind(
    world: &World,
    asked: &Asked<'_>,
    key: &PublicKey,
    binding: Option<Value>,
) -> Result<Option<Value>, Problem> {
    let Some(binding) = binding else {
        if !world.settings.external_account_required {
            return Ok(None);
        }
        let detail = "an account must be bound to an external one";
        return Err(Problem::new(ProblemType::ExternalAccountRequired, detail));
    };
    let part = |name: &str| binding[name].as_str().unwrap_or_default();
    let decoded = |name: &str| {
        decode(part(name))
            .ok_or_else(|| Problem::malformed(format!("the binding's {name} is not base64url")))
    };
    let header: Value = json_of(&decoded("protected")?)?;
    if header["alg"] != "HS256" || !header["nonce"].is_null() || header["url"] != asked.url() {
        let detail = format!(
            "expected HS256, no nonce and the url of this request in the binding, found {header}"
        );
        return Err(Problem::malformed(detail));
    }
    let Some(secret) = header["kid"]
        .as_str()
        .and_then(|kid| world.settings.external_accounts.get(kid))
    else {
        return Err(Problem::unauthorized(format!(
            "there is no external account {}",
            header["kid"]
        )));
    };
    let signed = format!("{}.{}", part("protected"), part("payload"));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&secret, signed.as_bytes(), &decoded("signature")?).map_err(|_| {
        Problem::unauthorized("the binding's MAC does not fit the external account")
    })?;
    if PublicKey::from_jwk(&json_of(&decoded("payload")?)?)? != *key {
        let detail = "the binding is for another key than the one that signs";
        return Err(Problem::new(ProblemType::BadPublicKey, detail));
    }
    Ok(Some(binding))
}

fn json_of(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::malformed(format!("no JSON: {error}")))
}

#[derive(Deserialize)]
struct Update {
    contact: Option<Vec<String>>,
    status: Option<String>,
}

/// A look at an account, a change of its contacts, or its deactivation.
///
/// As with Pebble it is the signer's account that is shown, whichever the URL
/// names.
pub(crate) fn update(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Problem> {
    let (post, id) = Post::of_account(world, asked)?;
    let update = if post.is_look() {
        None
    } else {
        Some(post.json::<Update>()?)
    };
    // It was found a moment ago.
    let Some(account) = world.accounts.get_mut(&id) else {
        return Ok(Answer::empty(404));
    };
    match update {
        None => {}
        Some(Update {
            status: Some(status),
            ..
        }) if status == "deactivated" => account.active = false,
        Some(Update {
            status: Some(status),
            ..
        }) if status != "valid" => {
            return Err(Problem::malformed(format!(
                "expected \"deactivated\" as status, found {status:?}"
            )));
        }
        Some(Update {
            contact: Some(contact),
            ..
        }) => {
            check_contacts(&contact)?;
            account.contact = contact;
        }
        Some(_) => {
            return Err(Problem::malformed(
                "an update that changes nothing: a look is POST-as-GET",
            ));
        }
    }
    Ok(Answer::json(200, &show(asked, &id, account)))
}

/// The orders of an account (RFC 8555, section 7.1.2.1), in one page.
pub(crate) fn orders(world: &mut World, asked: &Asked<'_>, id: &str) -> Result<Answer, Problem> {
    let account = Post::as_get(world, asked)?;
    if account != id {
        return Err(Problem::malformed("expected the orders of one's own account").status(404));
    }
    let own = |(_, order): &(&String, &super::world::Order)| {
        order.account == id && order.status != Status::Invalid
    };
    let orders = world.orders.iter().filter(own);
    let urls: Vec<String> = orders
        .map(|(id, _)| asked.at(&format!("/order/{id}")))
        .collect();
    Ok(Answer::json(200, &json!({ "orders": urls })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyChange {
    account: String,
    old_key: Value,
}

/// Another key for an account (RFC 8555, section 7.3.5).
pub(crate) fn change_key(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Problem> {
    let (post, id) = Post::of_account(world, asked)?;
    let inner = Jws::parse(&post.payload)?;
    let Signer::Key(new) = &inner.signer else {
        return Err(Problem::malformed(
            "expected a jwk in the inner JWS, found a kid",
        ));
    };
    inner.verify(new)?;
    if inner.url.as_deref() != Some(&asked.url()) {
        return Err(Problem::malformed(
            "the inner JWS has another url than the outer one",
        ));
    }
    let change: KeyChange = serde_json::from_slice(&inner.payload).map_err(|error| {
        Problem::malformed(format!("the inner payload is not what it must be: {error}"))
    })?;
    if change.account != asked.account_url(&id) {
        return Err(Problem::malformed(
            "the inner payload names another account",
        ));
    }
    let old = PublicKey::from_jwk(&change.old_key)?;
    if old != post.key || old == *new {
        return Err(Problem::malformed(
            "expected the account's key as the old one, and another as the new one",
        ));
    }
    if let Some((other, _)) = world.account_of_key(new) {
        return Ok(Answer::empty(409).header("Location", asked.account_url(other)));
    }
    if let Some(account) = world.accounts.get_mut(&id) {
        account.key = new.clone();
    }
    Ok(Answer::empty(200))
}
