//! A certificate and its key, checked where they enter.

use std::net::IpAddr;

use jiff::Timestamp;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::Serialize;
use x509_parser::prelude::{GeneralName, X509Certificate};

use super::chain::{Links, parsed};
use super::{Chain, DomainName, Fingerprint, KeyKind};

/// The organisation in the name of every placeholder that Rollover makes, by
/// which it knows them again.
pub(crate) const PLACEHOLDER_ORGANISATION: &str = "Rollover placeholder";

/// What one needs to know of a leaf certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Leaf {
    /// SHA-256 of its DER.
    pub(crate) fingerprint: Fingerprint,
    /// The DNS names and IP addresses it is for, lower case, sorted.
    pub(crate) names: Vec<String>,
    /// The first moment at which it is valid.
    pub(crate) not_before: Timestamp,
    /// The last moment at which it is valid.
    pub(crate) not_after: Timestamp,
    /// Made by Rollover so that a load balancer can start, not by an authority.
    pub(crate) placeholder: bool,
    /// The kind of its key.
    pub(crate) key: KeyKind,
    /// The certificates that came after it.
    pub(crate) chain: Chain,
}

impl Leaf {
    /// Whether the certificate names this domain, itself or by a wildcard.
    pub(crate) fn is_for(&self, domain: &DomainName) -> bool {
        let is_dns = domain.ip().is_none();
        let domain = domain.as_str();
        let wildcard = domain
            .split_once('.')
            .filter(|_| is_dns)
            .map(|(_, parent)| format!("*.{parent}"));
        self.names
            .iter()
            .any(|name| name == domain || wildcard.as_ref() == Some(name))
    }

    /// Whether the certificate names exactly these domains.
    pub(crate) fn is_for_exactly(&self, domains: &[DomainName]) -> bool {
        let mut wanted: Vec<&str> = domains.iter().map(DomainName::as_str).collect();
        wanted.sort_unstable();
        wanted.dedup();
        self.names == wanted
    }

    /// How much of its life is left at `time`: from 1 down to 0.
    pub(crate) fn life_left(&self, time: Timestamp) -> f64 {
        let life = self.not_after.duration_since(self.not_before).as_secs_f64();
        let left = self.not_after.duration_since(time).as_secs_f64();
        if life > 0.0 {
            (left / life).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// The moment from which a twentieth of its life is left: then nothing
    /// but an authority's own word may hold a newer one back.
    pub(crate) fn nearing_expiry_at(&self) -> Timestamp {
        let life = self.not_after.duration_since(self.not_before);
        self.not_after - life / 20
    }
}

/// A key with its certificate chain, seen to fit together.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) leaf: Leaf,
}

/// Why two files are not a pair that may be served. It says which file; it
/// never shows what is in a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
pub(crate) enum PairError {
    #[error("{file} is empty")]
    Empty { file: String },
    #[error("{file} is not whole: expected PEM, {why}")]
    NotPem { file: String, why: String },
    #[error("{file} holds no X.509 certificate that can be read: {why}")]
    NotX509 { file: String, why: String },
    #[error("{key} is not the key of {chain}")]
    Mismatch { key: String, chain: String },
    #[error("{file} cannot be read: {why}")]
    Unreadable { file: String, why: String },
}

/// A named file's content.
pub(crate) struct Named<'a> {
    pub(crate) file: &'a str,
    pub(crate) content: &'a [u8],
}

impl Pair {
    /// Checks that `chain` is whole PEM whose first certificate belongs to
    /// `key`. A file that was cut off in the middle is refused: a PEM block
    /// that begins must end.
    pub(crate) fn check(chain: &Named<'_>, key: &Named<'_>) -> Result<Self, PairError> {
        Self::of(chain, key, Links::Checked)
    }

    /// The same, but for whether each certificate was signed by the next one: what
    /// is published was seen to be so, and what is served will be.
    pub(crate) fn read(chain: &Named<'_>, key: &Named<'_>) -> Result<Self, PairError> {
        Self::of(chain, key, Links::Taken)
    }

    fn of(chain: &Named<'_>, key: &Named<'_>, links: Links) -> Result<Self, PairError> {
        let certificates = certificates_in(chain)?;
        let private = key_in(key)?;
        if certificates.is_empty() {
            return Err(PairError::NotPem {
                file: chain.file.to_owned(),
                why: "found no certificate".to_owned(),
            });
        }
        let described = describe(&certificates, links).map_err(|why| PairError::NotX509 {
            file: chain.file.to_owned(),
            why,
        })?;
        let signing = any_supported_type(&private).map_err(|error| PairError::NotPem {
            file: key.file.to_owned(),
            why: format!("found a key of an unknown kind ({error})"),
        })?;
        CertifiedKey::new(certificates, signing)
            .keys_match()
            .map_err(|_| PairError::Mismatch {
                key: key.file.to_owned(),
                chain: chain.file.to_owned(),
            })?;
        Ok(Self { leaf: described })
    }
}

fn certificates_in(chain: &Named<'_>) -> Result<Vec<CertificateDer<'static>>, PairError> {
    not_empty(chain)?;
    let certificates = CertificateDer::pem_slice_iter(chain.content)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| not_pem(chain, &error))?;
    // A reader may meet the file when its first block is there and its second
    // is half written: such a file must not pass for a shorter chain.
    match cut_off(chain.content) {
        None => Ok(certificates),
        Some(line) => Err(PairError::NotPem {
            file: chain.file.to_owned(),
            why: format!("found a block that begins and does not end, from line {line}"),
        }),
    }
}

/// The line (from 1) at which a PEM block begins that does not end.
fn cut_off(content: &[u8]) -> Option<usize> {
    let mut open = None;
    for (index, line) in content.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.starts_with(b"-----END ") && line.ends_with(b"-----") {
            open = None;
        } else if line.starts_with(b"-") && open.is_none() {
            open = Some(index + 1);
        }
    }
    open
}

fn key_in(key: &Named<'_>) -> Result<PrivateKeyDer<'static>, PairError> {
    not_empty(key)?;
    PrivateKeyDer::from_pem_slice(key.content).map_err(|error| not_pem(key, &error))
}

fn not_empty(named: &Named<'_>) -> Result<(), PairError> {
    if named.content.trim_ascii().is_empty() {
        return Err(PairError::Empty {
            file: named.file.to_owned(),
        });
    }
    Ok(())
}

fn not_pem(named: &Named<'_>, error: &rustls::pki_types::pem::Error) -> PairError {
    use rustls::pki_types::pem::Error;
    // The library's own text can quote what it read, which may be a key.
    let why = match error {
        Error::MissingSectionEnd { .. } => "found a block that begins and does not end",
        Error::NoItemsFound => "found no block of the kind expected",
        Error::Base64Decode(_) => "found a block that is not base64",
        _ => "found something else",
    };
    PairError::NotPem {
        file: named.file.to_owned(),
        why: why.to_owned(),
    }
}

/// Reads a leaf certificate, given as DER with what follows it.
pub(crate) fn leaf_of(certificates: &[impl AsRef<[u8]>]) -> Result<Leaf, String> {
    describe(certificates, Links::Checked)
}

fn describe(certificates: &[impl AsRef<[u8]>], links: Links) -> Result<Leaf, String> {
    let chain = parsed(certificates)?;
    let certificate = chain.first().ok_or("there is no certificate")?;
    let validity = certificate.validity();
    let timestamp = |time: x509_parser::time::ASN1Time| {
        Timestamp::from_second(time.timestamp()).map_err(|error| error.to_string())
    };
    Ok(Leaf {
        fingerprint: Fingerprint::of_der(certificate.as_raw()),
        names: names(certificate)?,
        not_before: timestamp(validity.not_before)?,
        not_after: timestamp(validity.not_after)?,
        placeholder: is_placeholder_issuer(certificate),
        key: KeyKind::of(certificate),
        chain: Chain::of(&chain, links),
    })
}

fn names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, String> {
    let extension = certificate
        .subject_alternative_name()
        .map_err(|error| error.to_string())?;
    let mut names: Vec<String> = extension
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            // An address counts as one only where RFC 6125 (section 1.7.2) and
            // browsers look for it.
            GeneralName::DNSName(name) if name.parse::<IpAddr>().is_ok() => {
                Some(format!("DNS:{name}"))
            }
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(octets) => Some(address(octets)?.to_string()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

/// Whether a certificate says of itself that it is a placeholder of ours.
fn is_placeholder_issuer(certificate: &X509Certificate<'_>) -> bool {
    certificate
        .issuer()
        .iter_organization()
        .any(|organisation| organisation.as_str() == Ok(PLACEHOLDER_ORGANISATION))
}

/// What stands under `live/NAME` on the shared volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Published {
    /// Nothing is there yet.
    Missing,
    /// Something is there that must not be served.
    Broken(PairError),
    /// A pair that fits, a placeholder or an authority's.
    Pair(Leaf),
}

impl Published {
    /// The leaf of a pair that fits, placeholder or not.
    pub(crate) fn leaf(&self) -> Option<&Leaf> {
        match self {
            Self::Pair(leaf) => Some(leaf),
            Self::Missing | Self::Broken(_) => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::CertificateName;
    use proptest::prelude::*;

    /// A self-signed pair as PEM: (chain, key).
    pub(crate) fn pair(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    /// The leaf of a new self-signed pair, and the certificate's name.
    pub(crate) fn leaf_named(domain: &str) -> (Leaf, CertificateName) {
        let (chain, key) = pair(&[domain]);
        let leaf = check(chain.as_bytes(), key.as_bytes()).unwrap().leaf;
        let domain = DomainName::parse(domain).unwrap();
        (leaf, CertificateName::of(&domain))
    }

    fn check(chain: &[u8], key: &[u8]) -> Result<Pair, PairError> {
        Pair::check(
            &Named {
                file: "fullchain.pem",
                content: chain,
            },
            &Named {
                file: "privkey.pem",
                content: key,
            },
        )
    }

    #[test]
    fn a_pair_that_fits_is_described() {
        let (chain, key) = pair(&["www.example.org", "example.org"]);
        let leaf = check(chain.as_bytes(), key.as_bytes()).unwrap().leaf;
        assert_eq!(leaf.names, ["example.org", "www.example.org"]);
        assert!(!leaf.placeholder);
        let domains = ["example.org", "www.example.org"].map(|d| DomainName::parse(d).unwrap());
        assert!(leaf.is_for_exactly(&domains));
        assert!(!leaf.is_for_exactly(&domains[..1]));
    }

    #[test]
    fn an_address_is_told_from_a_name_that_looks_like_one() {
        use rcgen::{CertificateParams, KeyPair, SanType};
        let parsed = |name: &str| DomainName::parse(name).unwrap();
        let (chain, key) = pair(&["192.0.2.7", "2001:db8::7", "example.org"]);
        let leaf = check(chain.as_bytes(), key.as_bytes()).unwrap().leaf;
        assert_eq!(leaf.names, ["192.0.2.7", "2001:db8::7", "example.org"]);
        let domains = ["example.org", "2001:DB8::0:7", "192.0.2.7"].map(parsed);
        assert!(leaf.is_for_exactly(&domains));
        assert!(domains.iter().all(|domain| leaf.is_for(domain)));
        assert!(!leaf.is_for(&parsed("192.0.2.8")));

        let mut params = CertificateParams::default();
        params.subject_alt_names = ["192.0.2.7", "*.0.2.7"]
            .map(|name| SanType::DnsName(name.try_into().unwrap()))
            .into();
        let key = KeyPair::generate().unwrap();
        let chain = params.self_signed(&key).unwrap().pem();
        let key = key.serialize_pem();
        let leaf = check(chain.as_bytes(), key.as_bytes()).unwrap().leaf;
        assert!(!leaf.is_for(&parsed("192.0.2.7")), "{:?}", leaf.names);
        assert!(!leaf.is_for_exactly(&[parsed("192.0.2.7")]));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (chain, _) = pair(&["example.org"]);
        let (_, key) = pair(&["example.org"]);
        assert_eq!(
            check(chain.as_bytes(), key.as_bytes())
                .unwrap_err()
                .to_string(),
            "privkey.pem is not the key of fullchain.pem"
        );
    }

    #[test]
    fn empty_files_are_refused_by_name() {
        let (chain, key) = pair(&["example.org"]);
        let message = check(b"", key.as_bytes()).unwrap_err().to_string();
        assert_eq!(message, "fullchain.pem is empty");
        let message = check(chain.as_bytes(), b"\n").unwrap_err().to_string();
        assert_eq!(message, "privkey.pem is empty");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// However far a writer got, a cut file is never taken for a whole one.
        #[test]
        fn a_half_written_chain_is_refused(part in 0.0..1.0f64) {
            let (leaf, key) = pair(&["example.org"]);
            let (issuer, _) = pair(&["authority.example"]);
            let chain = format!("{leaf}{issuer}");
            // The line break after the last block carries nothing.
            let whole = chain.trim_end().len();
            let cut = (part * whole as f64) as usize;
            // Between two whole blocks a cut file is a valid, shorter chain:
            // no reader of that file alone can tell.
            prop_assume!(cut != leaf.trim_end().len() && cut != leaf.len());
            prop_assert!(check(&chain.as_bytes()[..cut], key.as_bytes()).is_err());
        }

        #[test]
        fn a_half_written_key_is_refused_and_not_shown(part in 0.0..1.0f64) {
            let (chain, key) = pair(&["example.org"]);
            let cut = (part * key.trim_end().len() as f64) as usize;
            let error = check(chain.as_bytes(), &key.as_bytes()[..cut]).unwrap_err();
            let secret = key.lines().nth(1).unwrap();
            let shown = format!("{error} {error:?}");
            prop_assert!(!shown.contains(&secret[..16]));
        }
    }
}
