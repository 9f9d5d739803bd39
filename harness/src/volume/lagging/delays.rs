//! How late which node sees what.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    time::Duration,
};

use jiff::SignedDuration;

/// Where `certbot` puts what an authority asks for: at once.
const WEBROOT: &str = "webroot";
const DEFAULT_DELAY: Duration = Duration::from_secs(2);

/// How late which node sees what others have written.
///
/// As text: `lagging`, `lagging:4s`, `lagging:2s,node-3=4s,accounts=at-once`. In
/// text the webroot shows at once unless it says `all`, because an authority
/// asks for a challenge at once; in code that has to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Lagging {
    delay: Duration,
    nodes: BTreeMap<u8, Duration>,
    at_once: BTreeSet<String>,
}

impl Lagging {
    /// Every node begins to see a change after `delay`, and sees all of it within
    /// another two thirds of that.
    pub fn after(delay: Duration) -> Self {
        Self {
            delay,
            nodes: BTreeMap::new(),
            at_once: BTreeSet::new(),
        }
    }

    /// One node, by its number from one on, has a delay of its own.
    pub fn on(mut self, node: u8, delay: Duration) -> Self {
        self.nodes.insert(node, delay);
        self
    }

    /// A directory in which all nodes see everything at once.
    pub fn at_once(mut self, directory: impl Into<String>) -> Self {
        self.at_once.insert(directory.into());
        self
    }

    /// When the node of that number begins to see a change.
    #[must_use]
    pub fn delay_of(&self, node: u8) -> Duration {
        self.nodes.get(&node).copied().unwrap_or(self.delay)
    }

    /// The directories in which nothing lags.
    pub(in crate::volume) fn directories_at_once(&self) -> impl Iterator<Item = &str> {
        self.at_once.iter().map(String::as_str)
    }
}

impl Default for Lagging {
    /// Two seconds, but for the webroot.
    fn default() -> Self {
        Self::after(DEFAULT_DELAY).at_once(WEBROOT)
    }
}

impl fmt::Display for Lagging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lagging:{}", written(self.delay))?;
        for (node, delay) in &self.nodes {
            write!(f, ",node-{node}={}", written(*delay))?;
        }
        if !self.at_once.contains(WEBROOT) {
            write!(f, ",all")?;
        }
        for directory in self.directories_at_once().filter(|name| *name != WEBROOT) {
            write!(f, ",{directory}=at-once")?;
        }
        Ok(())
    }
}

impl FromStr for Lagging {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(rest) = text.strip_prefix("lagging") else {
            return Err(format!("{text:?} does not begin with lagging"));
        };
        if rest.is_empty() {
            return Ok(Self::default());
        }
        let Some(rest) = rest.strip_prefix(':') else {
            return Err(format!("expected lagging:DELAY, found {text:?}"));
        };
        let mut parts = rest.split(',');
        let delay = read(parts.next().unwrap_or_default())?;
        let mut lagging = Self::after(delay).at_once(WEBROOT);
        for part in parts {
            lagging = lagging.with(part)?;
        }
        Ok(lagging)
    }
}

impl Lagging {
    fn with(mut self, part: &str) -> Result<Self, String> {
        if part == "all" {
            self.at_once.remove(WEBROOT);
            return Ok(self);
        }
        let wrong = || format!("expected node-N=DELAY, DIRECTORY=at-once or all, found {part:?}");
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        if value == "at-once" && !name.is_empty() {
            return Ok(self.at_once(name));
        }
        let number = name.strip_prefix("node-").ok_or_else(wrong)?;
        Ok(self.on(number.parse().map_err(|_| wrong())?, read(value)?))
    }
}

fn read(text: &str) -> Result<Duration, String> {
    let read = text.parse::<SignedDuration>().ok();
    read.and_then(|delay| Duration::try_from(delay).ok())
        .ok_or_else(|| format!("expected a delay such as 4s or 500ms, found {text:?}"))
}

fn written(delay: Duration) -> String {
    // One that is too long for jiff would outlast any lab.
    let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
    format!("{delay:#}").replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        let seconds = Duration::from_secs;
        let cases = [
            (Lagging::default(), "lagging:2s"),
            (
                Lagging::after(seconds(90)).at_once(WEBROOT),
                "lagging:1m30s",
            ),
            (Lagging::after(seconds(4)), "lagging:4s,all"),
            (
                Lagging::after(Duration::from_millis(1500))
                    .on(3, seconds(4))
                    .at_once(WEBROOT)
                    .at_once("accounts"),
                "lagging:1s500ms,node-3=4s,accounts=at-once",
            ),
        ];
        for (lagging, text) in cases {
            assert_eq!(lagging.to_string(), text);
            assert_eq!(text.parse(), Ok(lagging));
        }
        assert_eq!("lagging".parse(), Ok(Lagging::default()));
    }

    #[test]
    fn says_what_was_expected() {
        let cases = [
            ("laggin", "begin with lagging"),
            ("lagging4s", "lagging:DELAY"),
            ("lagging:", "a delay such as 4s"),
            ("lagging:4", "a delay such as 4s"),
            ("lagging:-4s", "a delay such as 4s"),
            ("lagging:4s,node-x=2s", "node-N=DELAY"),
            ("lagging:4s,node-2=2", "a delay such as 4s"),
            ("lagging:4s,webroot", "DIRECTORY=at-once"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Lagging>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
