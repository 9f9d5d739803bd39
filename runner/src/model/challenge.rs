//! By what an authority is shown that a name is ours.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A kind of challenge (RFC 8555, section 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) enum Challenge {
    /// A file that the name's server serves on port 80.
    #[default]
    #[serde(rename = "http-01")]
    Http01,
    /// A record in the name's zone; the only way to a wildcard.
    #[serde(rename = "dns-01")]
    Dns01,
}

impl FromStr for Challenge {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Http01, Self::Dns01]
            .into_iter()
            .find(|challenge| challenge.to_string() == text)
            .ok_or(())
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http01 => "http-01",
            Self::Dns01 => "dns-01",
        })
    }
}
