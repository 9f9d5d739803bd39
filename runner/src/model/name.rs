//! Names of domains and certificates, checked where they enter.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A DNS name as it stands in a certificate: lower case, ASCII (A-labels),
/// at most 253 octets, optionally with a leading `*.`. Its clones share one text:
/// with thousands of certificates, each name stands in a handful of places.
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
        Ok(Self(name.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A concrete name to ask a server for: a wildcard needs one.
    pub(crate) fn server_name(&self) -> String {
        self.0.replacen('*', "wildcard-probe", 1)
    }
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
    /// the domain, without a wildcard's `*.`.
    pub(crate) fn of(domain: &DomainName) -> Self {
        match domain.0.strip_prefix("*.") {
            Some(name) => Self(name.into()),
            None => Self(Arc::clone(&domain.0)),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for CertificateName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        DomainName::parse(&name)
            .map(|domain| Self::of(&domain))
            .map_err(serde::de::Error::custom)
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
}
