//! Names of domains and certificates, checked where they enter.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{KeyAlgorithm, KeyKind};

/// A DNS name as it stands in a certificate: lower case, ASCII (A-labels),
/// at most 253 octets, optionally with a leading `*.`. Or an IP address
/// (RFC 8738) in its canonical form, which no DNS name has. Its clones share one
/// text: with thousands of certificates, each name stands in a handful of places.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
#[serde(try_from = "String")]
pub(crate) struct DomainName(Arc<str>);

/// Why a text is not a domain name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a domain name ({why})")]
pub(crate) struct DomainNameError {
    text: String,
    why: &'static str,
}

impl DomainName {
    /// Parses `text`, folding it to lower case.
    pub(crate) fn parse(text: &str) -> Result<Self, DomainNameError> {
        if let Ok(address) = text.trim().parse::<IpAddr>() {
            return Ok(Self(address.to_string().into()));
        }
        let wrong = |why| DomainNameError {
            text: text.to_owned(),
            why,
        };
        let name = text.trim().to_ascii_lowercase();
        let labels = name.strip_prefix("*.").unwrap_or(&name);
        if labels.is_empty() {
            return Err(wrong("it is empty"));
        }
        if name.len() > 253 {
            return Err(wrong("it is longer than 253 characters"));
        }
        if !name.is_ascii() {
            return Err(wrong("it must be written in its xn-- form"));
        }
        if !labels.contains('.') {
            return Err(wrong("no public authority issues for a single label"));
        }
        for label in labels.split('.') {
            if label.is_empty() || label.len() > 63 {
                return Err(wrong("each part between dots has 1 to 63 characters"));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if !label.chars().all(plain) || label.starts_with('-') || label.ends_with('-') {
                return Err(wrong(
                    "each part has letters, digits and inner hyphens only",
                ));
            }
        }
        // No top-level domain is a number: it is a slip in an IPv4 address.
        if labels.rsplit('.').next().is_some_and(is_number) {
            return Err(wrong("it ends in a number, and is no IP address"));
        }
        Ok(Self(name.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for every name that has one part more.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// The address, if it is one and no DNS name.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }

    /// A concrete name to ask a server for: a wildcard needs one.
    pub(crate) fn server_name(&self) -> String {
        self.0.replacen('*', "wildcard-probe", 1)
    }
}

fn is_number(part: &str) -> bool {
    part.chars().all(|c| c.is_ascii_digit())
}

impl TryFrom<String> for DomainName {
    type Error = DomainNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a certificate: certbot's lineage, the directory under `live/`.
/// By construction a single path component that can go nowhere else.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Debug)]
pub(crate) struct CertificateName(Arc<str>);

impl CertificateName {
    /// The name that certbot gives a certificate whose first domain this is:
    /// the domain, without a wildcard's `*.`. That of an IPv6 address has hyphens
    /// for its colons, which swarm does not take in the names of its objects, and
    /// Docker takes for separators in those of mounts.
    pub(crate) fn of(domain: &DomainName) -> Self {
        match domain.ip() {
            Some(IpAddr::V6(address)) => Self::of_ipv6(address),
            _ => match domain.0.strip_prefix("*.") {
                Some(base) => Self(base.into()),
                None => Self(Arc::clone(&domain.0)),
            },
        }
    }

    /// All eight groups, so that it neither begins nor ends with a hyphen.
    fn of_ipv6(address: Ipv6Addr) -> Self {
        let groups = address.segments().map(|group| format!("{group:x}"));
        Self(groups.join("-").into())
    }

    /// Reads the name of a certificate, or what [names it](Self::of).
    pub(crate) fn parse(text: &str) -> Result<Self, DomainNameError> {
        match Self::read_ipv6(text) {
            Some(name) => Ok(name),
            None => DomainName::parse(text).map(|domain| Self::of(&domain)),
        }
    }

    /// Without a dot, it would be no domain.
    fn read_ipv6(text: &str) -> Option<Self> {
        let ending = |kind: &KeyKind| format!("-{kind}").to_ascii_lowercase();
        let kind = [KeyKind::Ecdsa, KeyKind::Rsa]
            .into_iter()
            .find(|kind| text.ends_with(&ending(kind)));
        let ending = kind.map(|kind| ending(&kind)).unwrap_or_default();
        let groups = text.strip_suffix(&ending)?.replace('-', ":");
        let name = Self::of_ipv6(groups.parse().ok()?);
        Some(Self(format!("{name}{ending}").into()))
    }

    /// The names of the certificates for the same domains with these keys: the
    /// first has the plain one, another is told by the kind of its key, as who
    /// makes a second lineage with certbot would call it.
    pub(crate) fn each(&self, keys: &[KeyAlgorithm]) -> Vec<(Self, KeyAlgorithm)> {
        let other =
            |key: KeyAlgorithm| Self(format!("{self}-{}", key.kind()).to_lowercase().into());
        let named = keys.iter().enumerate().map(|(nth, &key)| match nth {
            0 => (self.clone(), key),
            _ => (other(key), key),
        });
        named.collect()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for CertificateName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_authorities_issue_for() {
        for (text, name) in [
            ("example.org", "example.org"),
            (" WWW.Example.ORG ", "www.example.org"),
            ("*.example.org", "*.example.org"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            (" 192.0.2.7", "192.0.2.7"),
            ("2001:DB8:0::7", "2001:db8::7"),
            ("7.example.org", "7.example.org"),
        ] {
            assert_eq!(DomainName::parse(text).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_what_could_leave_its_directory_or_become_an_option() {
        for text in [
            "",
            ".",
            "..",
            "../etc",
            "a/b.org",
            "-d.example.org",
            "localhost",
            "exa mple.org",
            "*.",
            "a..b",
            "bücher.example",
            "example.org.",
            "192.0.2.777",
            "192.0.2.7:443",
            "*.192.0.2.7",
            "[2001:db8::7]",
            "fe80::1%eth0",
        ] {
            assert!(DomainName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wildcard_is_named_and_probed_by_concrete_names() {
        let domain = DomainName::parse("*.example.org").unwrap();
        assert_eq!(CertificateName::of(&domain).as_str(), "example.org");
        assert_eq!(domain.server_name(), "wildcard-probe.example.org");
    }

    fn named(domain: &str) -> CertificateName {
        CertificateName::of(&DomainName::parse(domain).unwrap())
    }

    #[test]
    fn an_ipv6_address_is_named_without_colons() {
        assert_eq!(named("192.0.2.7").as_str(), "192.0.2.7");
        assert_eq!(named("2001:db8::7").as_str(), "2001-db8-0-0-0-0-0-7");
        assert_eq!(named("::1").as_str(), "0-0-0-0-0-0-0-1");
    }

    #[test]
    fn a_second_certificate_is_named_by_the_kind_of_its_key() {
        use KeyAlgorithm::{Ecdsa384, Rsa2048};
        let each = |keys: &[KeyAlgorithm]| {
            let each = named("example.org").each(keys).into_iter();
            each.map(|(name, _)| name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(each(&[Rsa2048]), ["example.org"]);
        let pair = each(&[Ecdsa384, Rsa2048]);
        assert_eq!(pair, ["example.org", "example.org-rsa"]);
        let pair = each(&[Rsa2048, Ecdsa384]);
        assert_eq!(pair, ["example.org", "example.org-ecdsa"]);
    }

    #[test]
    fn every_name_of_a_certificate_is_read_again() {
        let keys = [KeyAlgorithm::Ecdsa, KeyAlgorithm::Rsa2048];
        for domain in [
            "example.org",
            "*.example.org",
            "192.0.2.7",
            "2001:db8::7",
            "::",
        ] {
            for (name, _) in named(domain).each(&keys) {
                assert_eq!(CertificateName::parse(name.as_str()), Ok(name.clone()));
                let json = serde_json::to_string(&name).unwrap();
                assert_eq!(
                    serde_json::from_str::<CertificateName>(&json).unwrap(),
                    name
                );
            }
        }
        assert_eq!(
            CertificateName::parse("2001:db8::7"),
            Ok(named("2001:db8::7"))
        );
        for text in ["", "-rsa", "2001-db8", "../etc", "example-rsa"] {
            assert!(CertificateName::parse(text).is_err(), "{text}");
        }
    }
}
