//! What a record is about, and how the object that holds it is called.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::model::CertificateName;

/// As swarm has it for configs: 64 of `[a-zA-Z0-9-_.]`, none of the last three at
/// an end. A certificate's name has none that is not among them.
const LONGEST: usize = 64;

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Who may act.
    Lease,
    /// What is remembered of this certificate.
    Certificate(CertificateName),
}

impl Key {
    /// The name of its object. One that would be too long ends in a digest.
    pub(crate) fn object(&self) -> String {
        let Self::Certificate(name) = self else {
            return "rollover-lease".to_owned();
        };
        let whole = format!("rollover-state-{name}");
        if whole.len() <= LONGEST {
            return whole;
        }
        let digest = Sha256::digest(name.as_str());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("rollover-state-{}", &hex[..40])
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lease => f.write_str("the lease"),
            Self::Certificate(name) => write!(f, "certificate {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::DomainName;

    fn key(domain: &str) -> Key {
        let domain = DomainName::parse(domain).unwrap();
        Key::Certificate(CertificateName::of(&domain))
    }

    fn swarm_takes(name: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric();
        name.len() <= 64
            && name.starts_with(plain)
            && name.ends_with(plain)
            && name.chars().all(|c| plain(c) || "-_.".contains(c))
    }

    #[test]
    fn an_object_is_called_for_its_certificate() {
        assert_eq!(
            key("*.example.org").object(),
            "rollover-state-example.org",
            "a wildcard's certificate is called without it"
        );
        let long = format!("{}.example.org", "a".repeat(60));
        let other = format!("{}.example.org", "b".repeat(60));
        assert_ne!(key(&long).object(), key(&other).object());
    }

    proptest! {
        #[test]
        fn every_certificate_has_a_name_that_swarm_takes(
            domain in "[a-z0-9]{1,63}(\\.[a-z0-9-]{0,20}[a-z0-9]){1,6}",
        ) {
            if let Ok(domain) = DomainName::parse(&domain) {
                let key = Key::Certificate(CertificateName::of(&domain));
                prop_assert!(swarm_takes(&key.object()), "{}", key.object());
            }
        }
    }
}
