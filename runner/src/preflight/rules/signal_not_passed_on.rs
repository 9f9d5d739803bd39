//! The first process of a replica is not the one that is to take the signal.
//!
//! **Why.** Docker signals the first process of a container and no other. A
//! shell that waits for nginx passes nothing on, unless its script sets a trap;
//! as the first process it does not even die of a signal. A supervisor (s6,
//! supervisord, runit, systemd) takes it for itself: s6 looks for services,
//! supervisord restarts them all. `tini`, `docker-init` (`init: true`) and
//! `dumb-init` pass signals on to what they started, and that is what counts.
//!
//! ```yaml
//! command: sh -c "prepare; nginx -g 'daemon off;'; tidy up"
//! ```
//!
//! **Do.** `exec nginx -g 'daemon off;'` as the last command of the script, or a
//! trap in it that passes the signal on.
//!
//! **Severity.** A shell: a warning for both strategies (the stop signal comes
//! the same way), as its traps cannot be seen. A supervisor: an error for
//! `signal`, but for a service that names a command in its place
//! (`rollover.exec`).

use super::super::facts::on;
use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Rollout, Severity};

pub(super) const RULE: Rule = Rule {
    code: "RO206",
    name: "signal-not-passed-on",
    at: "command",
    why: "a signal reaches the first process alone, and the server never sees it",
    check,
};

const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "ksh", "zsh", "busybox"];
const SUPERVISORS: [&str; 7] = [
    "s6-svscan",
    "supervisord",
    "runsvdir",
    "runit",
    "runit-init",
    "systemd",
    "init",
];

/// What becomes of a signal to the first process.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It is taken by a program that is not known to pass it by.
    Taken,
    /// A shell gets it.
    Shell,
    /// A supervisor gets it, and means something else by it.
    Supervisor,
}

fn check(facts: &Facts) -> Verdict {
    let replicas = match facts.looked_into() {
        Ok(replicas) => replicas,
        Err(why) => return Verdict::not_known(why),
    };
    let by_signal = facts.rollout == Some(Rollout::Signal);
    let mut verdict = Verdict {
        not_known: facts.missed.clone(),
        ..Verdict::fine()
    };
    for replica in replicas {
        let line = match &replica.first_process {
            Ok(line) => line,
            Err(why) => {
                let who = on(&[replica]);
                verdict.not_known.push(format!("{who}: {why}"));
                continue;
            }
        };
        let what = format!("the first process of {} is `{line}`", on(&[replica]));
        match fate(line) {
            Fate::Shell => verdict.add(
                Severity::Warning,
                format!("{what}, a shell, which passes no signal on unless it traps it"),
                "start the server by exec, or trap the signal",
            ),
            Fate::Supervisor if by_signal => verdict.add(
                Severity::Error,
                format!("{what}, a supervisor, which takes the signal for itself"),
                "make the server the first process, or set rollover.strategy: restart",
            ),
            Fate::Supervisor | Fate::Taken => {}
        }
    }
    verdict
}

fn fate(line: &str) -> Fate {
    let words: Vec<&str> = line.split_whitespace().collect();
    let Some(first) = words.first().map(|word| name(word)) else {
        return Fate::Taken;
    };
    let forwards_to_all = match first {
        "tini" | "tini-static" | "docker-init" => short_option(&words, 'g'),
        "dumb-init" => !(short_option(&words, 'c') || words.contains(&"--single-child")),
        _ => return fate_of(&words),
    };
    if forwards_to_all {
        return Fate::Taken;
    }
    let started = match words.iter().position(|word| *word == "--") {
        Some(end) => end + 1,
        None => match words.iter().skip(1).position(|word| !word.starts_with('-')) {
            Some(place) => place + 1,
            None => return Fate::Taken,
        },
    };
    fate_of(&words[started..])
}

/// Python and Perl name the script after themselves.
fn fate_of(words: &[&str]) -> Fate {
    let mut names = words.iter().take(2).map(|word| name(word));
    let first = names.next().unwrap_or_default();
    let interpreted = ["python", "perl"].iter().any(|it| first.starts_with(it));
    let program = match names.next() {
        Some(script) if interpreted => script,
        _ => first,
    };
    if SHELLS.contains(&program) {
        Fate::Shell
    } else if SUPERVISORS.contains(&program) {
        Fate::Supervisor
    } else {
        Fate::Taken
    }
}

fn name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Whether one of the options before the program has this letter.
fn short_option(words: &[&str], letter: char) -> bool {
    let options = words
        .iter()
        .skip(1)
        .take_while(|word| word.starts_with('-'));
    let mut short = options.filter(|word| !word.starts_with("--"));
    short.any(|word| word.contains(letter))
}

#[cfg(test)]
mod tests {
    use super::super::super::Rollout;
    use super::super::tests::{said, with};
    use super::{Fate, RULE, fate};

    #[test]
    fn what_becomes_of_a_signal() {
        for line in [
            "nginx: master process nginx -g daemon off;",
            "/usr/sbin/nginx -g daemon off;",
            "/sbin/docker-init -- nginx -g daemon off;",
            "tini nginx",
            "tini -g -- sh -c start",
            "/usr/bin/dumb-init -- sh -c start",
            "python3 /srv/app.py",
            "haproxy -W -db",
            "/shell-of-ours/server",
        ] {
            assert_eq!(fate(line), Fate::Taken, "{line}");
        }
        for line in [
            "sh -c prepare; nginx; tidy",
            "/bin/bash /start.sh",
            "/sbin/docker-init -- sh -c start",
            "tini sh -c start",
            "dumb-init -c sh -c start",
        ] {
            assert_eq!(fate(line), Fate::Shell, "{line}");
        }
        for line in [
            "s6-svscan /run/service",
            "/usr/bin/python3 /usr/bin/supervisord -n",
            "tini -- supervisord",
        ] {
            assert_eq!(fate(line), Fate::Supervisor, "{line}");
        }
    }

    fn started(line: &str, rollout: Rollout) -> String {
        let facts = with(|facts| {
            facts.rollout = Some(rollout);
            facts.inside.as_mut().unwrap()[1].first_process = Ok(line.to_owned());
        });
        said(&RULE, &facts)
    }

    #[test]
    fn a_shell_is_found_and_a_supervisor_where_it_gets_the_signal() {
        insta::assert_snapshot!(started("sh -c start", Rollout::Signal), @"warning: the first process of the replica on node-2 is `sh -c start`, a shell, which passes no signal on unless it traps it; start the server by exec, or trap the signal");
        insta::assert_snapshot!(started("supervisord", Rollout::Signal), @"error: the first process of the replica on node-2 is `supervisord`, a supervisor, which takes the signal for itself; make the server the first process, or set rollover.strategy: restart");
        let restart = Rollout::Restart { parallelism: 1 };
        assert_eq!(started("supervisord", restart), "");
    }
}
