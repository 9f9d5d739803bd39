//! The kind of key that a certificate is ordered for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
