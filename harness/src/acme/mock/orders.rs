//! Orders, from their making to the certificate (RFC 8555, section 7.4).

use std::{collections::BTreeSet, net::IpAddr};

use jiff::Timestamp;
use rcgen::{CertificateSigningRequestParams, PublicKeyData, SanType};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    authorizations, certificates,
    key::decode,
    post::{Asked, Post},
    problem::{Problem, ProblemType},
    settings::Issuance,
    world::{Certificate, Csr, ORDER_LIFETIME, Order, Status, World, identifiers, random},
};
use crate::clock;

/// RFC 1035: 255 octets on the wire, two of which are lengths.
const LONGEST_NAME: usize = 253;

#[derive(Deserialize)]
struct NewOrder {
    #[serde(default)]
    identifiers: Vec<Identifier>,
    #[serde(default)]
    profile: String,
    #[serde(default)]
    replaces: String,
}

#[derive(Deserialize)]
struct Identifier {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

pub(crate) fn create(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Problem> {
    let (post, account) = Post::of_account(world, asked)?;
    let request: NewOrder = post.json()?;
    let profile = profile(world, request.profile)?;
    let names = names(world, request.identifiers)?;
    let replaces = Some(request.replaces).filter(|id| !id.is_empty());
    if let Some(id) = &replaces {
        certificates::replaceable(world, id, &account, &names)?;
    }
    let id = random::<8>();
    let authorizations = names
        .iter()
        .map(|name| authorizations::create(world, &account, &id, name))
        .collect();
    let order = Order {
        account,
        status: Status::Pending,
        names,
        authorizations,
        profile,
        expires: clock::now() + ORDER_LIFETIME,
        error: None,
        certificate: None,
        replaces,
        csr: None,
        looks: 0,
    };
    let shown = Answer::json(201, &show(asked, &id, &order));
    let shown = shown.header("Location", asked.at(&format!("/order/{id}")));
    world.orders.insert(id, order);
    Ok(shown)
}

fn profile(world: &World, named: String) -> Result<String, Problem> {
    let profiles = &world.settings.profiles;
    if named.is_empty() {
        return Ok(profiles.keys().next().cloned().unwrap_or_default());
    }
    if profiles.contains_key(&named) {
        return Ok(named);
    }
    let detail = format!(
        "expected one of {:?} as profile, found {named:?}",
        profiles.keys()
    );
    Err(Problem::new(ProblemType::InvalidProfile, detail))
}

/// Lowercase, sorted, each once.
fn names(world: &World, identifiers: Vec<Identifier>) -> Result<Vec<String>, Problem> {
    if identifiers.is_empty() {
        return Err(Problem::malformed("the order has no identifiers"));
    }
    let mut names = BTreeSet::new();
    for Identifier { kind, value } in identifiers {
        if kind != "dns" {
            let detail = format!("expected an identifier of type dns, found {kind:?}");
            return Err(Problem::new(ProblemType::UnsupportedIdentifier, detail));
        }
        let name = value.to_ascii_lowercase();
        if !is_name(&name) {
            return Err(Problem::malformed(format!(
                "expected a DNS name, found {value:?}"
            )));
        }
        if world.settings.forbidden.contains(&name) {
            let detail = format!("no certificate is issued for {name}");
            return Err(Problem::new(ProblemType::RejectedIdentifier, detail).about(&name));
        }
        names.insert(name);
    }
    Ok(names.into_iter().collect())
}

fn is_name(name: &str) -> bool {
    let without_wildcard = name.strip_prefix("*.").unwrap_or(name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    !without_wildcard.is_empty()
        && name.len() <= LONGEST_NAME
        && without_wildcard.bytes().all(allowed)
        && !name.ends_with('.')
        && name.parse::<IpAddr>().is_err()
}

fn show(asked: &Asked<'_>, id: &str, order: &Order) -> Value {
    let authorization = |id: &String| asked.at(&format!("/authorization/{id}"));
    let authorizations: Vec<String> = order.authorizations.iter().map(authorization).collect();
    let mut shown = json!({
        "status": order.status.name(),
        "expires": order.expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "identifiers": identifiers(&order.names),
        "profile": order.profile,
        "finalize": asked.at(&format!("/order/{id}/finalize")),
        "authorizations": authorizations,
    });
    if let Some(error) = &order.error {
        shown["error"] = error.document();
    }
    if let Some(certificate) = &order.certificate {
        shown["certificate"] = asked.at(&format!("/certificate/{certificate}")).into();
    }
    if let Some(replaces) = &order.replaces {
        shown["replaces"] = replaces.as_str().into();
    }
    shown
}

pub(crate) fn look(world: &mut World, asked: &Asked<'_>, id: &str) -> Result<Answer, Problem> {
    let account = Post::as_get(world, asked)?;
    let Some(order) = world.orders.get(id) else {
        return Ok(Answer::empty(404));
    };
    own(order, &account)?;
    advance(world, id)?;
    let Some(order) = world.orders.get(id) else {
        return Ok(Answer::empty(404));
    };
    let retry_after = world
        .settings
        .retry_after
        .filter(|_| order.status == Status::Processing);
    Ok(Answer::json(200, &show(asked, id, order)).retry_after(retry_after))
}

fn own(order: &Order, account: &str) -> Result<(), Problem> {
    if order.account == account {
        return Ok(());
    }
    Err(Problem::unauthorized(
        "the order belongs to another account",
    ))
}

/// Goes on with an order that is `processing`, if it is time to.
fn advance(world: &mut World, id: &str) -> Result<(), Problem> {
    let issuance = world.settings.issuance;
    let Some(order) = world.orders.get_mut(id) else {
        return Ok(());
    };
    if order.status != Status::Processing {
        return Ok(());
    }
    match issuance {
        Issuance::Never => {}
        Issuance::Fails(kind) => {
            order.status = Status::Invalid;
            order.error = Some(Problem::new(kind, "the mock was told to fail this order"));
        }
        Issuance::AfterLooks(looks) if order.looks < looks => order.looks += 1,
        Issuance::AfterLooks(_) => issue(world, id, clock::now())?,
    }
    Ok(())
}

fn issue(world: &mut World, id: &str, now: Timestamp) -> Result<(), Problem> {
    let Some(order) = world.orders.get_mut(id) else {
        return Ok(());
    };
    // A profile can be taken away between order and issuance.
    let profile = world.settings.profiles.get(&order.profile);
    let (Some(csr), Some(profile)) = (&order.csr, profile) else {
        let detail = format!("there is no CSR, or no profile {:?}", order.profile);
        return Err(Problem::new(ProblemType::ServerInternal, detail));
    };
    let issued = world
        .authority
        .issue(&order.names, &csr.key, now, profile.lifetime)
        .map_err(|error| Problem::new(ProblemType::ServerInternal, error.to_string()))?;
    let certificate = Certificate {
        account: order.account.clone(),
        names: order.names.clone(),
        der: issued.der,
        chain_pem: issued.chain_pem,
        subject_public_key: csr.key.der_bytes().to_vec(),
        not_before: issued.not_before,
        not_after: issued.not_after,
        revoked: false,
        replaced: false,
    };
    order.status = Status::Valid;
    order.certificate = Some(issued.id.clone());
    if let Some(replaced) = order
        .replaces
        .as_ref()
        .and_then(|id| world.certificates.get_mut(id))
    {
        replaced.replaced = true;
    }
    world.certificates.insert(issued.id, certificate);
    Ok(())
}

#[derive(Deserialize)]
struct Finalize {
    #[serde(default)]
    csr: String,
}

pub(crate) fn finalize(world: &mut World, asked: &Asked<'_>, id: &str) -> Result<Answer, Problem> {
    let (post, account) = Post::of_account(world, asked)?;
    let Some(order) = world.orders.get(id) else {
        return Err(Problem::malformed(format!("there is no order {id}")).status(404));
    };
    own(order, &account)?;
    if order.status != Status::Ready {
        let detail = format!(
            "expected an order that is ready, found one that is {}",
            order.status.name()
        );
        return Err(Problem::new(ProblemType::OrderNotReady, detail));
    }
    let csr = check_csr(world, &order.names, &post.json::<Finalize>()?.csr)?;
    let retry_after = world.settings.retry_after;
    let Some(order) = world.orders.get_mut(id) else {
        return Ok(Answer::empty(404));
    };
    order.csr = Some(csr);
    order.status = Status::Processing;
    Ok(Answer::json(200, &show(asked, id, order)).retry_after(retry_after))
}

fn check_csr(world: &World, names: &[String], csr: &str) -> Result<Csr, Problem> {
    let der = decode(csr).ok_or_else(|| Problem::malformed("expected a CSR as base64url"))?;
    let csr = CertificateSigningRequestParams::from_der(&der.into()).map_err(|error| {
        let kind = match error {
            rcgen::Error::CouldNotParseCertificationRequest => ProblemType::Malformed,
            _ => ProblemType::BadCsr,
        };
        Problem::new(kind, format!("the CSR is not acceptable: {error}"))
    })?;
    let found = names_of(&csr)?;
    if found != names {
        let detail = format!("expected a CSR for {names:?}, found one for {found:?}");
        return Err(Problem::unauthorized(detail));
    }
    let key = csr.public_key.der_bytes();
    if world
        .accounts
        .values()
        .any(|account| account.key.subject_public_key() == key)
    {
        return Err(Problem::new(
            ProblemType::BadCsr,
            "the CSR's key is that of an account",
        ));
    }
    Ok(Csr {
        key: csr.public_key,
    })
}

fn names_of(csr: &CertificateSigningRequestParams) -> Result<Vec<String>, Problem> {
    let mut names = BTreeSet::new();
    for name in &csr.params.subject_alt_names {
        let SanType::DnsName(name) = name else {
            return Err(Problem::unauthorized(
                "the CSR is for something else than DNS names",
            ));
        };
        names.insert(name.as_str().to_ascii_lowercase());
    }
    Ok(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_that_are_none_are_told() {
        for name in ["example.org", "*.example.org", "a-b.c"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "*.", "a.*.b", "a_b", "example.org.", "10.0.0.1", "**.a"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
