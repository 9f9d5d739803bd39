//! The certificate lies where each node has its own, and replicas may run on
//! several.
//!
//! **Why.** What the runner publishes on one node, replicas on the others never
//! see. A volume of the driver `local` is such a place (but for one that mounts
//! NFS or the like), and so is the image itself.
//!
//! ```yaml
//! volumes: ["certificates:/etc/letsencrypt"]    # each node has its own
//! ```
//!
//! **Do.** A directory or volume that is the same on every node: GlusterFS, NFS.
//!
//! **Severity.** An error. Of a directory of the host it is told by what the
//! replicas see: another certificate on one node than on the others is an error
//! (just after a renewal the volume may lag: look again), the same one is fine,
//! and where there is only one node to look at, it is not known. A service that
//! is pinned to one node needs no more than that node's files, which is another
//! rule's business.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Kept, Mount, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO301",
    name: "node-local-certificates",
    at: "volumes",
    why: "replicas on other nodes never see a new certificate",
    check,
};

const FIX: &str = "mount a directory or volume that is the same on every node";

fn check(facts: &Facts) -> Verdict {
    let nodes = facts.nodes.as_ref().map(Vec::len);
    if facts.pinned().is_some() || nodes == Some(1) {
        return Verdict::fine();
    }
    let Some(mounts) = &facts.mounts else {
        return Verdict::not_known("what is mounted");
    };
    let mut verdict = Verdict::fine();
    for chain in &facts.certificates {
        // That nothing is mounted there is the business of another rule.
        let Some(mount) = covering(mounts, chain) else {
            continue;
        };
        let (what, path) = (&mount.what, chain.display());
        match mount.kept {
            Kept::Everywhere => {}
            Kept::OnTheNode => verdict.add(
                Severity::Error,
                format!("{path} is in {what}, of which each node has its own"),
                FIX,
            ),
            Kept::Unclear => match seen(facts, chain) {
                Ok(leaves) if leaves.len() > 1 => {
                    let each = leaves
                        .iter()
                        .map(|(node, leaf)| format!("{leaf} on {node}"));
                    let each: Vec<_> = each.collect();
                    let what = format!("{path} in {what} is not the same: {}", each.join(", "));
                    verdict.add(Severity::Error, what, FIX);
                }
                Ok(_) => {}
                Err(why) => {
                    let what = format!("whether {what} is the same on every node: {why}");
                    verdict.not_known.push(what);
                }
            },
        }
    }
    verdict
}

/// The mount in which `path` lies: the one nearest to it.
pub(super) fn covering<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let covering = mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.target));
    covering.max_by_key(|mount| mount.target.components().count())
}

/// By node, what is seen, when it is not the same everywhere; else one of them.
fn seen<'a>(facts: &'a Facts, chain: &Path) -> Result<BTreeMap<&'a str, &'a str>, String> {
    let mut leaves = BTreeMap::new();
    for replica in facts.looked_into()? {
        let mut seen = replica.certificates.iter();
        let seen = seen.find(|seen| seen.chain == chain);
        if let Some(Ok(leaf)) = seen.map(|seen| &seen.leaf) {
            leaves.insert(replica.node.as_str(), leaf.as_str());
        }
    }
    if leaves.len() < 2 {
        return Err(format!("{} of the nodes could be compared", leaves.len()));
    }
    let same = leaves.values().next().copied();
    if leaves.values().all(|leaf| Some(*leaf) == same) {
        leaves.retain(|_, _| false);
    }
    Ok(leaves)
}

#[cfg(test)]
mod tests {
    use super::super::super::Kept;
    use super::super::tests::{said, with};
    use super::RULE;

    fn kept(kept: Kept) -> impl Fn(&mut super::Facts) {
        move |facts| {
            let mount = &mut facts.mounts.as_mut().unwrap()[0];
            mount.kept = kept;
            mount.what = "the volume certificates".to_owned();
        }
    }

    #[test]
    fn a_volume_of_each_node_s_own_is_found() {
        insta::assert_snapshot!(said(&RULE, &with(kept(Kept::OnTheNode))), @"error: /etc/letsencrypt/live/example.org/fullchain.pem is in the volume certificates, of which each node has its own; mount a directory or volume that is the same on every node");
        assert_eq!(said(&RULE, &with(kept(Kept::Everywhere))), "");
    }

    #[test]
    fn nodes_that_see_another_certificate_are_found() {
        let facts = with(|facts| {
            let seen = &mut facts.inside.as_mut().unwrap()[2].certificates[0];
            seen.leaf = Ok("aaaaaaaaaaaa".to_owned());
        });
        insta::assert_snapshot!(said(&RULE, &facts), @"error: /etc/letsencrypt/live/example.org/fullchain.pem in the host's directory /mnt/certificates is not the same: 0ed09056efc5 on node-1, 0ed09056efc5 on node-2, aaaaaaaaaaaa on node-3; mount a directory or volume that is the same on every node");
    }

    #[test]
    fn with_one_node_to_look_at_it_is_not_known() {
        let facts = with(|facts| facts.inside.as_mut().unwrap().truncate(1));
        insta::assert_snapshot!(said(&RULE, &facts), @"not known: whether the host's directory /mnt/certificates is the same on every node: 1 of the nodes could be compared");
    }

    #[test]
    fn a_service_that_cannot_move_is_left_alone() {
        let facts = with(|facts| {
            kept(Kept::OnTheNode)(facts);
            facts.constraints = Some(vec!["node.hostname == node-1".to_owned()]);
        });
        assert_eq!(said(&RULE, &facts), "");
    }
}
