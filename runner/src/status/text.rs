//! The status as a person reads it: aligned columns, one line for each thing.

use std::fmt;

use jiff::Timestamp;

use super::{
    CertificateStatus, Daemon, LeaseStatus, PublishedStatus, ReplicaStatus, RolloutStatus, Status,
    TargetStatus,
};
use crate::decide::{Flaw, Standing};
use crate::model::CertificateName;

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.targets.is_empty() && !self.problems.is_empty() {
            writeln!(
                f,
                "no target: each service that asks for a certificate has a problem"
            )?;
        } else if self.targets.is_empty() {
            writeln!(
                f,
                "no service asks for a certificate (label rollover.enable=true)"
            )?;
        } else {
            self.write_tables(f)?;
        }
        for certificate in &self.certificates {
            // While it waits for the next attempt, a problem says why.
            let error = certificate.last_error.as_ref();
            let told = |error: &&String| self.problems.iter().any(|it| it.contains(*error));
            if let Some(error) = error.filter(|error| !told(error)) {
                writeln!(f, "last error: {error}")?;
            }
        }
        for problem in &self.problems {
            writeln!(f, "problem: {problem}")?;
        }
        writeln!(f, "{}", self.lease)?;
        writeln!(f, "{}", self.daemon)?;
        if self.all_served {
            writeln!(f, "every replica serves what is published")
        } else {
            writeln!(f, "not every replica was seen to serve what is published")
        }
    }
}

impl Status {
    fn write_tables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "CERTIFICATE",
            "PUBLISHED",
            "KEY",
            "VALID UNTIL",
            "LIFE LEFT",
            "NEXT",
        ];
        table(f, head, self.certificates.iter().map(certificate))?;
        let head = ["TARGET", "STRATEGY", "WINDOW", "ROLLOUT"];
        table(f, head, self.targets.iter().map(target))?;
        let head = ["REPLICA", "OF", "CERTIFICATE", "SERVES", "STANDING"];
        let rows = self.targets.iter().flat_map(|target| self.replicas(target));
        table(f, head, rows)
    }

    fn replicas(&self, target: &TargetStatus) -> Vec<[String; 5]> {
        let replicas = target.replicas.iter().map(|it| self.replica(target, it));
        let public = target.public.iter().flat_map(|public| {
            public.certificates.iter().map(|certificate| {
                let name = &certificate.certificate;
                [
                    public.address.clone(),
                    format!("{} (public)", target.name),
                    name.to_string(),
                    self.serves(name, &certificate.standing),
                    standing(&certificate.standing),
                ]
            })
        });
        replicas.chain(public).collect()
    }

    fn replica(&self, target: &TargetStatus, it: &ReplicaStatus) -> [String; 5] {
        let since = match (&it.standing, it.seen_stale_since, &self.daemon) {
            (Standing::Stale { .. }, Some(at), _) => format!(", seen so since {}", whole(at)),
            (Standing::Stale { .. }, None, Daemon::Silent { .. }) => {
                ", since when is not known".to_owned()
            }
            (Standing::Stale { .. }, None, Daemon::Answered { .. }) => {
                ", not yet seen so by the daemon".to_owned()
            }
            _ => String::new(),
        };
        [
            it.replica.clone(),
            target.name.clone(),
            it.certificate.to_string(),
            self.serves(&it.certificate, &it.standing),
            standing(&it.standing) + &since,
        ]
    }

    /// The fingerprint that is served, short.
    fn serves(&self, name: &CertificateName, standing: &Standing) -> String {
        match standing {
            Standing::Unreachable { .. } => "-".to_owned(),
            Standing::Stale { serves } | Standing::Wrong { serves, .. } => serves.short(),
            Standing::Serving => {
                let mut certificates = self.certificates.iter();
                let served = certificates.find(|certificate| &certificate.name == name);
                served.map_or_else(String::new, |it| short(&it.published))
            }
        }
    }
}

fn certificate(it: &CertificateStatus) -> [String; 6] {
    let (name, next) = (it.name.to_string(), it.next.clone());
    let nothing = || "-".to_owned();
    match &it.published {
        PublishedStatus::Missing => {
            let missing = "missing".to_owned();
            [name, missing, nothing(), nothing(), nothing(), next]
        }
        // Why is said among the problems.
        PublishedStatus::Broken { .. } => {
            let broken = "broken".to_owned();
            [name, broken, nothing(), nothing(), nothing(), next]
        }
        PublishedStatus::Pair {
            placeholder,
            key,
            not_after,
            life_left,
            ..
        } => {
            let kind = if *placeholder { " (placeholder)" } else { "" };
            [
                name,
                short(&it.published) + kind,
                key.to_string(),
                not_after.to_string(),
                // Rounded down: what is left is never said to be more.
                format!("{} %", (life_left * 100.0).floor()),
                next,
            ]
        }
    }
}

fn short(published: &PublishedStatus) -> String {
    match published {
        PublishedStatus::Pair { fingerprint, .. } => fingerprint.chars().take(12).collect(),
        PublishedStatus::Missing | PublishedStatus::Broken { .. } => "-".to_owned(),
    }
}

fn target(it: &TargetStatus) -> [String; 4] {
    [
        it.name.clone(),
        it.strategy.name().to_owned(),
        it.window.clone().unwrap_or_else(|| "always".to_owned()),
        it.rollout.to_string(),
    ]
}

fn standing(standing: &Standing) -> String {
    match standing {
        Standing::Serving => "serving".to_owned(),
        Standing::Stale { .. } => "stale".to_owned(),
        Standing::Unreachable { why } => format!("unreachable: {why}"),
        Standing::Wrong { flaws, .. } => {
            let flaws: Vec<String> = flaws.iter().map(Flaw::to_string).collect();
            format!("wrong: {}", flaws.join("; "))
        }
    }
}

impl fmt::Display for RolloutStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InStep => f.write_str("in step"),
            Self::RollingOut { since } => write!(f, "rolling out since {}", whole(*since)),
            Self::AfterUpdate => f.write_str("waits for the end of another update"),
            Self::AfterOrder { certificate } => {
                write!(f, "waits for {certificate}, which is being obtained")
            }
            Self::Due => f.write_str("due at the next look"),
            Self::Waiting { until, because } => {
                write!(f, "waits until {}: {because}", whole(*until))
            }
            // Why is said among the problems: it can be long.
            Self::Failed { retried_at, .. } => {
                write!(f, "failed, tried again at {}", whole(*retried_at))
            }
            Self::NoRollout { why } => write!(f, "not in step: {why}"),
        }
    }
}

impl fmt::Display for LeaseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { holder, epoch } => write!(f, "{holder} holds the lease (epoch {epoch})"),
            Self::Free => f.write_str("nobody holds the lease: no daemon runs"),
            Self::Unknown { why } => write!(f, "who holds the lease is not known: {why}"),
        }
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { why } => write!(
                f,
                "the daemon did not answer ({why}), so retries and since when a replica is stale \
                 are not known"
            ),
            Self::Answered {
                since,
                looked_at,
                looks_again_at,
                standby,
            } => {
                write!(f, "the daemon runs since {}", whole(*since))?;
                if standby.is_some() {
                    return f.write_str(" and stands by");
                }
                if let Some(at) = looked_at {
                    write!(f, ", looked last at {}", whole(*at))?;
                }
                match looks_again_at {
                    Some(at) => write!(f, " and looks again at {}", whole(*at)),
                    None => f.write_str(" and is at work"),
                }
            }
        }
    }
}

/// A moment without its fraction of a second.
pub(crate) fn whole(at: Timestamp) -> Timestamp {
    // A whole second of a moment that exists is one that exists.
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Writes aligned columns, and an empty line after them. The last column is
/// not filled up.
fn table<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> fmt::Result {
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows);
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    for line in &lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(widths) {
            text += &format!("{cell:<width$}  ");
        }
        writeln!(f, "{}", text.trim_end())?;
    }
    writeln!(f)
}
