//! Chance that is data, and short digests of what need not be kept whole.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::model::{DomainName, from_text};

/// The first 64 bits of a SHA-256, written in hexadecimal. Enough to tell the
/// handful of name sets and authorities of one certificate apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest(u64);

impl Digest {
    /// The digest of a set of names: their order does not matter.
    pub(crate) fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self(hash(&names))
    }

    /// The digest of the names that labels ask for.
    pub(crate) fn of_domains(domains: &[DomainName]) -> Self {
        Self::of_names(domains.iter().map(DomainName::as_str))
    }

    /// The digest of an authority, told by its directory's URL.
    pub(crate) fn of_authority(directory: &str) -> Self {
        Self(hash(&[directory]))
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

/// A number in 0..1, uniform over all `about`, and always the same for the same.
#[expect(
    clippy::cast_precision_loss,
    reason = "53 bits are what a float can hold, and what is taken"
)]
pub(crate) fn draw(about: &[&str]) -> f64 {
    (hash(about) >> 11) as f64 / (1u64 << 53) as f64
}

fn hash(parts: &[&str]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        // So that ("a", "bc") is not ("ab", "c"): no name has a NUL.
        hasher.update([0]);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    digest[..8]
        .iter()
        .fold(0, |hash, &byte| hash << 8 | u64::from(byte))
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

    /// Each tenth of the way gets about a tenth of what is drawn.
    #[test]
    fn what_is_drawn_is_spread_evenly() {
        let mut tenths = [0; 10];
        for nth in 0..10_000 {
            let drawn = draw(&["spread", &nth.to_string()]);
            assert!((0.0..1.0).contains(&drawn));
            tenths[(drawn * 10.0) as usize] += 1;
        }
        assert!(
            tenths.iter().all(|count| (900..1100).contains(count)),
            "{tenths:?}"
        );
    }
}
