//! What nodes pulled from the lab's registry, by the registry's own account.

use std::{collections::BTreeSet, net::Ipv4Addr};

use serde::Serialize;

/// A layer, or an image's configuration, that a node pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pull {
    /// The node's name.
    pub node: String,
    /// The image, without its tag.
    pub repository: String,
    /// The digest of what was pulled.
    pub digest: String,
    /// Its size in bytes, as it moved: compressed.
    pub bytes: u64,
    /// Whether it is a layer. Else it is an image's configuration, of some 3 KB:
    /// an engine asks for it at each pull, and knows by it that it has the rest.
    pub layer: bool,
}

/// The pulls in a registry's access log; `node_at` names the node of an address.
pub(super) fn read(
    log: &str,
    configurations: &BTreeSet<String>,
    node_at: impl Fn(Ipv4Addr) -> Option<String>,
) -> Vec<Pull> {
    let answers = log.lines().filter_map(Answer::read);
    let pulls = answers.filter_map(|answer| {
        let (repository, digest) = answer.path.split_once("/blobs/")?;
        Some(Pull {
            node: node_at(answer.to)?,
            repository: repository.to_owned(),
            digest: digest.to_owned(),
            bytes: answer.bytes,
            layer: !configurations.contains(digest),
        })
    });
    pulls.collect()
}

/// The manifests that were asked for: repository, and tag or digest.
pub(super) fn manifests(log: &str) -> BTreeSet<(String, String)> {
    let answers = log.lines().filter_map(Answer::read);
    let names = answers.filter_map(|answer| {
        let (repository, reference) = answer.path.split_once("/manifests/")?;
        Some((repository.to_owned(), reference.to_owned()))
    });
    names.collect()
}

/// A line of an access log that tells that something was given:
/// `172.28.0.11 - - [date] "GET /v2/web/blobs/sha256:… HTTP/1.1" 200 123 …`.
struct Answer<'log> {
    to: Ipv4Addr,
    /// Below `/v2/`.
    path: &'log str,
    bytes: u64,
}

impl<'log> Answer<'log> {
    fn read(line: &'log str) -> Option<Self> {
        let (to, rest) = line.split_once(' ')?;
        let (_, rest) = rest.split_once("\"GET /v2/")?;
        let (path, rest) = rest.split_once(' ')?;
        let (_, rest) = rest.split_once("\" ")?;
        let (status, rest) = rest.split_once(' ')?;
        let (bytes, _) = rest.split_once(' ').unwrap_or((rest, ""));
        (status == "200").then_some(())?;
        Some(Self {
            to: to.parse().ok()?,
            path,
            bytes: bytes.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nodes_got_counts() {
        let log = r#"
172.28.0.11 - - [25/Nov/2026:10:00:00 +0000] "GET /v2/a/web/blobs/sha256:1 HTTP/1.1" 200 123 "" "docker/28"
172.28.0.11 - - [25/Nov/2026:10:00:00 +0000] "GET /v2/web/manifests/latest HTTP/1.1" 200 99 "" "docker/28"
172.28.0.11 - - [25/Nov/2026:10:00:00 +0000] "GET /v2/web/blobs/sha256:2 HTTP/1.1" 404 9 "" "docker/28"
172.28.0.1 - - [25/Nov/2026:10:00:00 +0000] "GET /v2/web/blobs/sha256:3 HTTP/1.1" 200 9 "" "docker/20"
time="2026-11-25" level=warning msg="something"
"#;
        let node = Ipv4Addr::new(172, 28, 0, 11);
        let pulls = |configurations: &[&str]| {
            let configurations = configurations.iter().map(|&digest| digest.to_owned());
            let named = |from| (from == node).then(|| "node-1".to_owned());
            read(log, &configurations.collect(), named)
        };
        let expected = Pull {
            node: "node-1".to_owned(),
            repository: "a/web".to_owned(),
            digest: "sha256:1".to_owned(),
            bytes: 123,
            layer: true,
        };
        assert_eq!(pulls(&[]), [expected]);
        assert!(!pulls(&["sha256:1"])[0].layer);
        let manifest = ("web".to_owned(), "latest".to_owned());
        assert_eq!(manifests(log), BTreeSet::from([manifest]));
    }
}
