//! The ways in which a process, or a container of them, is taken away.

use std::fmt;

/// How something is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// At once, as by SIGKILL or a power cut: nothing is closed in order.
    Killed,
    /// In order, as by who maintains it.
    Stopped,
    /// Frozen: its connections stay open, and nothing answers on them.
    Paused,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
        })
    }
}
