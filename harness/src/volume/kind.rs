//! Which kinds of volumes there are.

use std::{fmt, str::FromStr};

use super::Lagging;

/// A kind of replicated volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Volume {
    /// One directory of this machine in every node: no replication, no lag.
    #[default]
    Bind,
    /// GlusterFS, the real thing: a daemon and a FUSE mount in every node, a copy
    /// on each of the first three.
    Gluster,
    /// Each node sees a change late, in pieces, and in a wrong order. It takes
    /// root, and in a lab that outlives the process that started it, changes
    /// reach no other node any more.
    Lagging(Lagging),
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind => f.pad("bind"),
            Self::Gluster => f.pad("gluster"),
            Self::Lagging(lagging) => f.pad(&lagging.to_string()),
        }
    }
}

impl FromStr for Volume {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "bind" => Ok(Self::Bind),
            "gluster" => Ok(Self::Gluster),
            _ if text.starts_with("lagging") => text.parse().map(Self::Lagging),
            _ => Err(format!(
                "{text:?} is no volume: expected bind, gluster, lagging or lagging:DELAY"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        for text in ["bind", "gluster", "lagging:2s", "lagging:4s,all"] {
            assert_eq!(text.parse::<Volume>().unwrap().to_string(), text);
        }
        let error = "nfs".parse::<Volume>().unwrap_err();
        assert!(error.contains("expected bind, gluster, lagging"), "{error}");
    }
}
