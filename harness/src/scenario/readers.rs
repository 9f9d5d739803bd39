//! Readers of the published pair in a tight loop.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::future::join_all;
use rustls::Error;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{Kind, Stage};
use crate::lab::Node;
use crate::site::{Site, SiteError};
use crate::volume::MOUNT_POINT;

/// In seconds: nobody reads longer, should the word to stop not arrive.
const LONGEST: &str = "300";
/// Ends the readers of a node.
const STOP: &str = "/run/readers-stop";
/// What cat(1) and cd(1) say of what is not there.
const ABSENT: [&str; 3] = [
    "No such file or directory",
    "Stale file handle",
    "can't cd to",
];
/// Reads `combined.pem` by its path, and chain and key from the directory that was
/// opened once, until it is told to stop. What each read gave ends with a line.
const READ: &str = r#"
    rm -f "$2"
    until [ -e "$2" ]; do
        cat "$1/combined.pem"
        echo "== combined.pem"
        (cd -P "$1" && cat fullchain.pem privkey.pem)
        echo "== the directory"
    done 2>&1
"#;

/// Has every node but the first, on which the runner publishes, read the pair over and
/// over while `change` is made. What is read must be a pair, be it the old or the new:
/// of `combined.pem`, and of the two files of a directory that is opened once. GlusterFS
/// can say once, in the moment of a rename, that a file is not there or stale; the next
/// read must find it, and how often that was is counted. What was never there may come
/// late: certbot makes no `combined.pem`.
pub(super) async fn read_meanwhile<T>(
    stage: &Stage<'_>,
    site: &Site<'_>,
    change: impl Future<Output = Result<T, SiteError>>,
) -> Result<T, SiteError> {
    let live = Path::new(MOUNT_POINT)
        .join("live")
        .join(&site.options().domain);
    let live = live.display().to_string();
    let nodes: Vec<&Node> = stage.lab().nodes().iter().skip(1).collect();
    let command = ["timeout", LONGEST, "sh", "-c", READ, "sh", &live, STOP];
    let readers = join_all(nodes.iter().map(|node| node.exec(&command)));
    let ended = async {
        let changed = change.await;
        for node in &nodes {
            let stop = node.exec(&["touch", STOP]).await?;
            stop.succeeded("touch")?;
        }
        changed
    };
    let (read, changed) = tokio::join!(readers, ended);
    for (node, read) in nodes.iter().zip(read) {
        let read = read?;
        let Seen {
            pairs,
            missed,
            torn,
        } = count(&read.stdout);
        if let Some(first) = torn.first() {
            let (name, times) = (node.name(), torn.len());
            stage.found(
                Kind::Torn,
                format!("expected a pair in each of {name}'s reads, {times} had none: {first}"),
            );
        }
        let figure = format!("times that {} read a pair meanwhile", node.name());
        stage.figure(figure, pairs as f64, "reads");
        let figure = format!("times that {} found no file, and then did", node.name());
        stage.figure(figure, missed as f64, "reads");
        stage.check(pairs > 0, Kind::Lab, || {
            format!("expected {} to read, found that it did not", node.name())
        });
    }
    changed
}

/// What a node's reads gave.
#[derive(Default)]
struct Seen {
    pairs: usize,
    /// Files that were not there once, and at the next read were.
    missed: usize,
    /// What else was no pair.
    torn: Vec<String>,
}

fn count(read: &str) -> Seen {
    let (mut seen, mut rest) = (Seen::default(), read);
    let (mut known, mut absent) = (BTreeSet::new(), BTreeSet::new());
    while let Some((content, after)) = rest.split_once("== ") {
        let (what, after) = after.split_once('\n').unwrap_or((after, ""));
        match is_pair(content) {
            Ok(true) => {
                seen.pairs += 1;
                known.insert(what);
                absent.remove(what);
            }
            Ok(false) => seen.torn.push(format!("{what}: two of two pairs")),
            // Not yet.
            Err(why) if is_absent(&why) && !known.contains(what) => {}
            Err(why) if is_absent(&why) && absent.insert(what) => seen.missed += 1,
            Err(why) => seen.torn.push(format!("{what}: {why}")),
        }
        rest = after;
    }
    seen
}

fn is_absent(why: &str) -> bool {
    ABSENT.iter().any(|said| why.contains(said))
}

/// Whether chain and key, which are both there, belong together.
fn is_pair(content: &str) -> Result<bool, String> {
    let said = |error: String| {
        let words = content.lines().filter(|line| !line.starts_with("-----"));
        let first = words.map(str::trim).find(|line| line.contains(' '));
        first.map_or(error.clone(), |line| format!("{error} ({line})"))
    };
    let chain = CertificateDer::pem_slice_iter(content.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| said(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(content.as_bytes());
    let key = key.map_err(|error| said(error.to_string()))?;
    let key = any_supported_type(&key).map_err(|error| error.to_string())?;
    match CertifiedKey::new(chain, key).keys_match() {
        Ok(()) => Ok(true),
        Err(Error::InconsistentKeys(_)) => Ok(false),
        Err(error) => Err(said(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn made() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["example.org".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn pairs_are_counted_and_what_is_none_is_told() {
        let ((chain, key), (_, other)) = (made(), made());
        let half = &key[..key.len() / 2];
        let absent = "cat: combined.pem: No such file or directory";
        let read = format!(
            "{absent}\n== combined.pem\n\
             {absent}\n== combined.pem\n\
             {chain}{key}== combined.pem\n\
             {chain}{other}== combined.pem\n\
             {chain}{other}== the directory\n\
             {chain}{half}== combined.pem\n\
             {absent}\n== combined.pem\n\
             {chain}{key}== the directory\n\
             {absent}\n== combined.pem\n"
        );
        let Seen {
            pairs,
            missed,
            torn,
        } = count(&read);
        assert_eq!((pairs, missed, torn.len()), (2, 1, 4), "{torn:?}");
        assert!(torn[1].starts_with("the directory: two"), "{torn:?}");
        assert!(torn[3].contains("No such file"), "{torn:?}");
    }
}
