//! The certificate's path is not mounted into the replicas, or cannot be read
//! there.
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
//! the chain is. Its key stands beside it as `privkey.pem`.
//!
//! **Severity.** An error. Without a look into a replica only the mounts are
//! judged, and whether the file can be read is not known.

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
                    if let Err(why) = &seen.leaf {
                        let who = on(&[replica]);
                        verdict.add(Severity::Error, format!("{who}: {why}"), FIX);
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
    fn a_file_that_a_replica_cannot_read_is_found() {
        let facts = with(|facts| {
            let seen = &mut facts.inside.as_mut().unwrap()[2].certificates[0];
            seen.leaf =
                Err("/etc/letsencrypt/live/example.org/fullchain.pem: not found".to_owned());
        });
        insta::assert_snapshot!(said(&RULE, &facts), @"error: the replica on node-3: /etc/letsencrypt/live/example.org/fullchain.pem: not found; mount the certificate root there, or set rollover.path to where it is");
    }
}
