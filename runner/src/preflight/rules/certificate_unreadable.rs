//! The certificate's path is not mounted into the replicas, or what is there
//! cannot be read, at all or by the user that the server is started as.
//!
//! **Why.** The server serves another file than the one that is renewed, or
//! none. A rollout waits until every replica sees the new pair at that path,
//! and gives up when it never does.
//!
//! ```yaml
//! labels: {rollover.path: /certs/NAME.pem}
//! volumes: ["/mnt/certificates:/etc/letsencrypt"]    # not at /certs
//! ```
//!
//! **Do.** Mount the certificate root there, or let `rollover.path` name where
//! the chain is. Its key stands beside it as `privkey.pem`, and is for its owner
//! alone: start the server as root (`user: "0"`), which most then give up for those
//! of their processes that serve, or give it the certificate as a
//! [secret](labels.md#which-strategy).
//!
//! **Severity.** An error. Without a look into a replica only the mounts are
//! judged, and whether the file can be read is not known. Whether a user may read
//! it is asked of `test -r` in the replica; an image without that is not judged.

use super::super::facts::on;
use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Severity};
use super::node_local_certificates::covering;

pub(super) const RULE: Rule = Rule {
    code: "RO302",
    name: "certificate-unreadable",
    at: "volumes",
    why: "the replicas do not read what is renewed, and a rollout waits for it in vain",
    check,
};

const FIX: &str = "mount the certificate root there, or set rollover.path to where it is";

const FIX_USER: &str = "start it as root (user: \"0\"), or use rollover.strategy: secret";

fn check(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::fine();
    for chain in &facts.certificates {
        match &facts.mounts {
            None => verdict.not_known.push("what is mounted".to_owned()),
            Some(mounts) if covering(mounts, chain).is_none() => {
                let what = format!("nothing is mounted at {}", chain.display());
                verdict.add(Severity::Error, what, FIX);
            }
            Some(_) => {}
        }
    }
    if !verdict.found.is_empty() {
        return verdict;
    }
    match facts.looked_into() {
        Err(why) => verdict.not_known.push(why),
        Ok(replicas) => {
            verdict.not_known.extend(facts.missed.iter().cloned());
            for replica in replicas {
                for seen in &replica.certificates {
                    let who = on(&[replica]);
                    if let Err(why) = &seen.leaf {
                        verdict.add(Severity::Error, format!("{who}: {why}"), FIX);
                    } else if let Some(user) = &seen.kept_from {
                        let chain = seen.chain.display();
                        let what =
                            format!("{who}: its user {user} may not read the key of {chain}");
                        verdict.add(Severity::Error, what, FIX_USER);
                    }
                }
            }
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::{said, with};
    use super::RULE;

    #[test]
    fn a_path_that_is_not_mounted_is_found() {
        let facts = with(|facts| facts.certificates = vec!["/certs/a.pem".into()]);
        insta::assert_snapshot!(said(&RULE, &facts), @"error: nothing is mounted at /certs/a.pem; mount the certificate root there, or set rollover.path to where it is");
    }

    #[test]
    fn a_key_that_is_for_root_alone_is_found() {
        let facts = with(|facts| {
            let seen = &mut facts.inside.as_mut().unwrap()[0].certificates[0];
            seen.kept_from = Some("101".to_owned());
        });
        insta::assert_snapshot!(said(&RULE, &facts), @r#"error: the replica on node-1: its user 101 may not read the key of /etc/letsencrypt/live/example.org/fullchain.pem; start it as root (user: "0"), or use rollover.strategy: secret"#);
    }

    #[test]
    fn a_file_that_a_replica_cannot_read_is_found() {
        let facts = with(|facts| {
            let seen = &mut facts.inside.as_mut().unwrap()[2].certificates[0];
            seen.leaf =
                Err("/etc/letsencrypt/live/example.org/fullchain.pem: not found".to_owned());
        });
        insta::assert_snapshot!(said(&RULE, &facts), @"error: the replica on node-3: /etc/letsencrypt/live/example.org/fullchain.pem: not found; mount the certificate root there, or set rollover.path to where it is");
    }
}
