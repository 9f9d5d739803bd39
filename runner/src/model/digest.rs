//! Short digests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::{DomainName, from_text};

/// The first 64 bits of a SHA-256, written in hexadecimal: of what need not be kept
/// whole, where only a handful must be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest(u64);

impl Digest {
    /// The digest of texts in their order.
    pub(crate) fn of(parts: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part.as_bytes());
            // So that ("a", "bc") is not ("ab", "c"): no name has a NUL.
            hasher.update([0]);
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let first = digest[..8].iter();
        Self(first.fold(0, |hash, &byte| hash << 8 | u64::from(byte)))
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// The digest of a set of names: their order does not matter.
    pub(crate) fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self::of(&names)
    }

    /// The digest of the names that labels ask for.
    pub(crate) fn of_domains(domains: &[DomainName]) -> Self {
        Self::of_names(domains.iter().map(DomainName::as_str))
    }

    /// The digest of an authority, told by its directory's URL.
    pub(crate) fn of_authority(directory: &str) -> Self {
        Self::of(&[directory])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("a digest is 16 hexadecimal digits, found {text:?}");
        if text.len() != 16 {
            return Err(wrong());
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_names_has_no_order() {
        let one = Digest::of_names(["b.example.org", "a.example.org", "a.example.org"]);
        assert_eq!(one, Digest::of_names(["a.example.org", "b.example.org"]));
        assert_ne!(one, Digest::of_names(["a.example.orgb.example.org"]));
    }

    #[test]
    fn it_is_the_same_after_a_way_through_json() {
        let digest = Digest::of_authority("https://acme.example/directory");
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(text.len(), 18);
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        for wrong in ["\"\"", "\"00\"", "\"zzzzzzzzzzzzzzzz\"", "7"] {
            assert!(serde_json::from_str::<Digest>(wrong).is_err(), "{wrong}");
        }
    }
}
