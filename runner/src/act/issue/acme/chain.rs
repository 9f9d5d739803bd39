//! What an authority gave: whether it is what was asked for, and which of
//! several chains to take.

use instant_acme::Account;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tracing::warn;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::client::Client;
use super::error::{AcmeError, AcmeErrorClass};
use super::nonce::with_fresh_nonces;
use crate::model::{DomainName, Leaf, Named, Pair};

fn unusable(why: impl Into<String>) -> AcmeError {
    AcmeError::new(
        AcmeErrorClass::Malformed,
        "check what the authority issued",
        why,
    )
}

/// Sees that the chain belongs to the key, is for exactly these names, and that
/// each certificate was signed by the one after it.
pub(super) fn check(chain: &str, key: &str, domains: &[DomainName]) -> Result<Leaf, AcmeError> {
    let pair = Pair::check(
        &Named {
            file: "the chain",
            content: chain.as_bytes(),
        },
        &Named {
            file: "the key",
            content: key.as_bytes(),
        },
    );
    let leaf = pair.map_err(|error| unusable(error.to_string()))?.leaf;
    if !leaf.is_for_exactly(domains) {
        let wanted: Vec<&str> = domains.iter().map(DomainName::as_str).collect();
        return Err(unusable(format!(
            "expected a certificate for {}, found one for {}",
            wanted.join(", "),
            leaf.names.join(", ")
        )));
    }
    match leaf.chain.broken_after {
        None => Ok(leaf),
        Some(after) => Err(unusable(format!(
            "expected a chain, found that certificate {after} is not signed by the next one"
        ))),
    }
}

/// Of the chain that was given and those that it is offered in the place of, the
/// first that has an issuer with `words` in its name; the one that was given if
/// none has, or none could be fetched.
pub(super) async fn preferred(
    account: &Account,
    client: &Client,
    given: String,
    alternates: Vec<String>,
    words: &str,
) -> String {
    if words.is_empty() || has_issuer(&given, words) {
        return given;
    }
    for url in alternates {
        match alternate(account, client, url.clone()).await {
            Ok(chain) if has_issuer(&chain, words) => return chain,
            Ok(_) => {}
            Err(error) => warn!("the chain at {url} is not looked at: {error}"),
        }
    }
    warn!("the authority offers no chain with an issuer {words:?} (--acme-preferred-chain)");
    given
}

/// The ACME library has no call for this: it takes what is at `url` for an
/// order, which a chain is not, and says so. The client has heard the chain.
async fn alternate(account: &Account, client: &Client, url: String) -> Result<String, AcmeError> {
    let fetched = with_fresh_nonces(async || account.order(url.clone()).await.map(drop)).await;
    let said = fetched.err();
    let heard = client.heard();
    match (&heard.chain, said) {
        (Some(chain), _) => Ok(chain.clone()),
        (None, Some(error)) => Err(AcmeError::of("fetch another chain", &error, &heard)),
        (None, None) => Err(unusable("expected another chain, found an order")),
    }
}

/// Whether one of the issuers in the chain has `words` in its name.
fn has_issuer(chain: &str, words: &str) -> bool {
    let certificates = CertificateDer::pem_slice_iter(chain.as_bytes()).flatten();
    certificates.into_iter().any(|der| {
        let parsed = X509Certificate::from_der(&der);
        parsed.is_ok_and(|(_, it)| it.issuer().to_string().contains(words))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::signed_chain;
    use crate::model::tests::pair;

    fn pem(ders: &[&Vec<u8>]) -> String {
        use base64::Engine;
        let pem = |der: &&Vec<u8>| {
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
        };
        ders.iter().map(pem).collect()
    }

    fn domains(names: &[&str]) -> Vec<DomainName> {
        names
            .iter()
            .map(|name| DomainName::parse(name).unwrap())
            .collect()
    }

    #[test]
    fn only_what_was_asked_for_is_taken() {
        let ([leaf, middle, root], key) = signed_chain("example.org");
        let key = key.serialize_pem();
        let wanted = domains(&["example.org"]);
        let why = |chain: &str, key: &str, domains: &[DomainName]| {
            check(chain, key, domains)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        assert_eq!(why(&pem(&[&leaf, &middle]), &key, &wanted), Ok(()));
        let told = [
            why(
                &pem(&[&leaf, &middle]),
                &key,
                &domains(&["example.org", "www.example.org"]),
            ),
            why(&pem(&[&leaf, &root]), &key, &wanted),
            why(&pem(&[&leaf, &middle]), &pair(&["example.org"]).1, &wanted),
            why("<html>", &key, &wanted),
        ];
        let told = told.map(Result::unwrap_err).join("\n");
        insta::assert_snapshot!(told, @"
        check what the authority issued: expected a certificate for example.org, www.example.org, found one for example.org
        check what the authority issued: expected a chain, found that certificate 1 is not signed by the next one
        check what the authority issued: the key is not the key of the chain
        check what the authority issued: the chain is not whole: expected PEM, found no certificate
        ");
    }

    #[test]
    fn a_chain_is_known_by_the_name_of_an_issuer() {
        let ([leaf, middle, _], _) = signed_chain("example.org");
        let chain = pem(&[&leaf, &middle]);
        assert!(has_issuer(&chain, "root"));
        assert!(has_issuer(&chain, "middle"));
        assert!(!has_issuer(&chain, "ISRG Root X1"));
    }
}
