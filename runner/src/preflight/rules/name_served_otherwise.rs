//! A replica shows who asks by one name of a certificate another certificate than who
//! asks by the first, or none.
//!
//! **Why.** Replicas are proved by the first name of a certificate. Where a server has a
//! block for another name, with files of its own, that is not renewed: its visitors see
//! it expire, and all else is well. Where it has none for that name and refuses names
//! that it does not know, they see nothing.
//!
//! ```nginx
//! server { listen 443 ssl default_server;             # example.org
//!          ssl_certificate /etc/letsencrypt/live/example.org/fullchain.pem; }
//! server { listen 443 ssl; server_name www.example.org;
//!          ssl_certificate /etc/ssl/www.pem; }        # never renewed
//! ```
//!
//! **Do.** Let the block of that name use the files of the certificate that has the
//! name, or take the name out of `rollover.domains`.
//!
//! **Severity.** An error. `rollover check` asks every replica by each name, the daemon
//! one replica when a rollout is done; for a wildcard by a made-up name below it, which
//! may be refused. An address is not asked by.

use std::collections::BTreeMap;

use super::super::rule::{Rule, Verdict};
use super::super::{AskedName, Facts, Severity, Shows};

pub(super) const RULE: Rule = Rule {
    code: "RO303",
    name: "name-served-otherwise",
    at: "",
    why: "who comes by that name does not get the certificate that is renewed",
    check,
};

const FIX: &str = "let the server use the renewed files for that name too, or take the name out \
                   of rollover.domains";

fn check(facts: &Facts) -> Verdict {
    let Some(names) = &facts.other_names else {
        return Verdict::not_known("what each name is shown: no replica was asked");
    };
    let mut verdict = Verdict::fine();
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for AskedName {
        name,
        replica,
        shows,
    } in names
    {
        let (shown, first) = match shows {
            Shows::TheSame => continue,
            Shows::Another { shown, first } => (format!("{shown} is shown"), first),
            Shows::Refused { why, first } => (format!("no certificate is shown ({why})"), first),
            Shows::Nothing(why) => {
                verdict.not_known.push(format!("{name}: {replica}: {why}"));
                continue;
            }
        };
        let what = format!("for {name} {shown}, and {first} for the first name");
        found.entry(what).or_default().push(replica);
    }
    for (what, replicas) in found {
        let who = replicas.join(", ");
        verdict.add(Severity::Error, format!("{what} ({who})"), FIX);
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::tests::{said, with};
    use super::*;

    fn asked(shows: &[Shows]) -> Facts {
        let asked = shows.iter().zip(1..).map(|(shows, slot)| AskedName {
            replica: format!("replica {slot} on node-{slot}"),
            name: "www.example.org".to_owned(),
            shows: shows.clone(),
        });
        with(|facts| facts.other_names = Some(asked.collect()))
    }

    #[test]
    fn another_certificate_is_found() {
        let another = Shows::Another {
            shown: "0ed09056efc5".to_owned(),
            first: "9dc8caa6bf31".to_owned(),
        };
        let two_of_three = asked(&[another.clone(), Shows::TheSame, another]);
        insta::assert_snapshot!(said(&RULE, &two_of_three), @"error: for www.example.org 0ed09056efc5 is shown, and 9dc8caa6bf31 for the first name (replica 1 on node-1, replica 3 on node-3); let the server use the renewed files for that name too, or take the name out of rollover.domains");
        assert_eq!(said(&RULE, &asked(&[Shows::TheSame])), "");
    }

    #[test]
    fn a_name_that_is_refused_is_found() {
        let refused = Shows::Refused {
            why: "TLS handshake: unrecognized name".to_owned(),
            first: "9dc8caa6bf31".to_owned(),
        };
        insta::assert_snapshot!(said(&RULE, &asked(&[refused])), @"error: for www.example.org no certificate is shown (TLS handshake: unrecognized name), and 9dc8caa6bf31 for the first name (replica 1 on node-1); let the server use the renewed files for that name too, or take the name out of rollover.domains");
    }

    #[test]
    fn what_cannot_be_asked_is_not_known() {
        let nothing = asked(&[Shows::Nothing("connection refused".to_owned())]);
        let expected = "not known: www.example.org: replica 1 on node-1: connection refused";
        assert_eq!(said(&RULE, &nothing), expected);
        let nobody = with(|facts| facts.other_names = None);
        let expected = "not known: what each name is shown: no replica was asked";
        assert_eq!(said(&RULE, &nobody), expected);
    }
}
