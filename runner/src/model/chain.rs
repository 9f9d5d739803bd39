//! What a leaf certificate comes with: the kind of its key, and the
//! certificates that follow it.

use std::fmt;

use serde::{Deserialize, Serialize};
use x509_parser::error::X509Error;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::Fingerprint;

/// What kind of key a certificate is for. A server may hold one certificate of
/// each kind, and shows the one that its client can check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyKind {
    Ecdsa,
    Rsa,
    /// Such as Ed25519.
    Other,
}

impl KeyKind {
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        match certificate.public_key().parsed() {
            Ok(PublicKey::EC(_)) => Self::Ecdsa,
            Ok(PublicKey::RSA(_)) => Self::Rsa,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ecdsa => "ECDSA",
            Self::Rsa => "RSA",
            Self::Other => "other",
        })
    }
}

/// The certificates after a leaf, as a file or a server has them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Chain {
    /// SHA-256 of each, in their order.
    pub(crate) issuers: Vec<Fingerprint>,
    /// The first of all, counted from 1 for the leaf, that the next did not
    /// sign; none also where that was not [looked at](Links::Taken).
    pub(crate) broken_after: Option<usize>,
}

/// Whether the signatures within a chain are looked at. Each takes as long as all
/// else that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    Checked,
    /// For granted.
    Taken,
}

/// What is wrong with a chain that is served.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChainFlaw {
    /// Certificates that are published and that the server does not send.
    Incomplete { sent: usize, published: usize },
    /// The same certificates in another order.
    Order,
    /// Other certificates than the published ones.
    Differs,
    /// A certificate that the next one did not sign.
    Broken { after: usize },
}

/// Reads certificates given as DER.
pub(super) fn parsed(
    certificates: &[impl AsRef<[u8]>],
) -> Result<Vec<X509Certificate<'_>>, String> {
    certificates
        .iter()
        .map(|der| X509Certificate::from_der(der.as_ref()))
        .map(|parsed| parsed.map(|(_, certificate)| certificate))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

impl Chain {
    /// Describes a chain, its leaf first.
    ///
    /// Caveat: a signature of a kind that cannot be checked here counts if the
    /// names fit.
    pub(super) fn of(certificates: &[X509Certificate<'_>], links: Links) -> Self {
        let issuers = certificates.iter().skip(1);
        Self {
            issuers: issuers
                .map(|issuer| Fingerprint::of_der(issuer.as_raw()))
                .collect(),
            broken_after: match links {
                Links::Checked => broken_after(certificates),
                Links::Taken => None,
            },
        }
    }

    /// What is wrong with this chain, served where `published` should be.
    pub(crate) fn flaw(&self, published: &Self) -> Option<ChainFlaw> {
        let sorted = |chain: &Self| {
            let mut issuers = chain.issuers.clone();
            issuers.sort_unstable();
            issuers
        };
        let lacks = published
            .issuers
            .iter()
            .any(|it| !self.issuers.contains(it));
        let only_published = self.issuers.iter().all(|it| published.issuers.contains(it));
        if self.issuers == published.issuers {
            self.broken_after.map(|after| ChainFlaw::Broken { after })
        } else if lacks && only_published {
            Some(ChainFlaw::Incomplete {
                sent: self.issuers.len(),
                published: published.issuers.len(),
            })
        } else if sorted(self) == sorted(published) {
            Some(ChainFlaw::Order)
        } else {
            Some(ChainFlaw::Differs)
        }
    }
}

/// The first certificate, counted from 1, that the next one did not sign.
fn broken_after(certificates: &[X509Certificate<'_>]) -> Option<usize> {
    let mut links = certificates.windows(2);
    let broken = links.position(|pair| !signed(&pair[0], &pair[1]));
    broken.map(|index| index + 1)
}

/// Whether `issuer` signed `certificate`.
fn signed(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    let names_fit = certificate.issuer().as_raw() == issuer.subject().as_raw();
    let verified = certificate.verify_signature(Some(issuer.public_key()));
    names_fit
        && matches!(
            verified,
            Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm)
        )
}

impl fmt::Display for ChainFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { sent, published } => write!(
                f,
                "its chain is incomplete: expected {published} after its own certificate, as \
                 published, found {sent}; is it configured with fullchain.pem?"
            ),
            Self::Order => f.write_str("its chain is in another order than the published one"),
            Self::Differs => f.write_str("its chain is another than the published one"),
            Self::Broken { after } => write!(
                f,
                "its chain is broken: certificate {after} is not signed by the next one"
            ),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    /// A leaf for `name`, the intermediate that signed it, and the root that
    /// signed that one: each as DER; and the leaf's key.
    pub(crate) fn signed_chain(name: &str) -> ([Vec<u8>; 3], KeyPair) {
        let authority = |common_name: &str| {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
            params
        };
        let (root_key, middle_key, key) = (
            KeyPair::generate().unwrap(),
            KeyPair::generate().unwrap(),
            KeyPair::generate().unwrap(),
        );
        let root = authority("root").self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(authority("root"), root_key);
        let middle = authority("middle")
            .signed_by(&middle_key, &root_issuer)
            .unwrap();
        let middle_issuer = Issuer::new(authority("middle"), middle_key);
        let leaf = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &middle_issuer)
            .unwrap();
        let ders = [&leaf, &middle, &root].map(|certificate| certificate.der().to_vec());
        (ders, key)
    }

    fn flaw(served: &[&Vec<u8>], published: &[&Vec<u8>]) -> Option<String> {
        let chain = |ders: &[&Vec<u8>]| Chain::of(&parsed(ders).unwrap(), Links::Checked);
        let flaw = chain(served).flaw(&chain(published));
        flaw.map(|flaw| flaw.to_string())
    }

    #[test]
    fn what_is_published_and_signed_link_by_link_has_no_flaw() {
        let ([leaf, middle, root], _) = signed_chain("example.org");
        let chain = [&leaf, &middle, &root];
        assert_eq!(flaw(&chain, &chain), None);
        assert_eq!(flaw(&[&leaf], &[&leaf]), None);
    }

    #[test]
    fn what_is_missing_swapped_or_another_is_told() {
        let ([leaf, middle, root], _) = signed_chain("example.org");
        let ([_, other, _], _) = signed_chain("example.org");
        let published = [&leaf, &middle, &root];
        let told = [
            flaw(&[&leaf], &published),
            flaw(&[&leaf, &middle], &published),
            flaw(&[&leaf, &root, &middle], &published),
            flaw(&[&leaf, &other, &root], &published),
            flaw(&[&leaf, &other], &[&leaf, &other]),
        ];
        insta::assert_snapshot!(told.map(Option::unwrap_or_default).join("\n"), @"
        its chain is incomplete: expected 2 after its own certificate, as published, found 0; is it configured with fullchain.pem?
        its chain is incomplete: expected 2 after its own certificate, as published, found 1; is it configured with fullchain.pem?
        its chain is in another order than the published one
        its chain is another than the published one
        its chain is broken: certificate 1 is not signed by the next one
        ");
    }

    #[test]
    fn a_link_that_bears_the_name_but_not_the_signature_is_broken() {
        let ([leaf, ..], _) = signed_chain("example.org");
        let ([_, namesake, _], _) = signed_chain("example.org");
        let ders = [leaf, namesake];
        let chain = Chain::of(&parsed(&ders).unwrap(), Links::Checked);
        assert_eq!(chain.broken_after, Some(1));
    }
}
