//! The kind of key that a certificate is ordered for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::KeyKind;

/// An algorithm and a size, by the name that `rollover.key` has for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyAlgorithm {
    /// ECDSA on P-256.
    #[default]
    Ecdsa,
    /// ECDSA on P-384.
    Ecdsa384,
    Rsa2048,
    Rsa4096,
}

impl KeyAlgorithm {
    const ALL: [(Self, &str); 4] = [
        (Self::Ecdsa, "ecdsa"),
        (Self::Ecdsa384, "ecdsa384"),
        (Self::Rsa2048, "rsa2048"),
        (Self::Rsa4096, "rsa4096"),
    ];

    /// The kind by which servers and their clients choose.
    pub(crate) fn kind(self) -> KeyKind {
        match self {
            Self::Ecdsa | Self::Ecdsa384 => KeyKind::Ecdsa,
            Self::Rsa2048 | Self::Rsa4096 => KeyKind::Rsa,
        }
    }

    /// Parses a comma list of at most one of each kind: `ecdsa,rsa2048`. A server
    /// could not choose between two of one kind.
    pub(crate) fn parse_list(text: &str) -> Option<Vec<Self>> {
        let mut keys: Vec<Self> = Vec::new();
        for part in text.split(',') {
            let key: Self = part.trim().parse().ok()?;
            if keys.iter().any(|other| other.kind() == key.kind()) {
                return None;
            }
            keys.push(key);
        }
        Some(keys)
    }
}

impl FromStr for KeyAlgorithm {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, name)| *name == text)
            .map(|(it, _)| it)
            .ok_or(())
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Self::ALL.into_iter();
        let name = all.find(|(it, _)| it == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_at_most_one_of_each_kind() {
        use KeyAlgorithm::{Ecdsa, Ecdsa384, Rsa2048, Rsa4096};
        let parsed = KeyAlgorithm::parse_list;
        assert_eq!(parsed("ecdsa"), Some(vec![Ecdsa]));
        assert_eq!(parsed("ecdsa, rsa2048"), Some(vec![Ecdsa, Rsa2048]));
        assert_eq!(parsed("rsa4096,ecdsa384"), Some(vec![Rsa4096, Ecdsa384]));
        for text in [
            "",
            "rsa",
            "ecdsa,",
            "ecdsa,ecdsa384",
            "rsa2048,ecdsa,rsa4096",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
