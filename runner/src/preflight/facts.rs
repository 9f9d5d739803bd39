//! What is known of a service, wherever it was learnt. `None` is always "not
//! known", never "not set": what Docker or an image sets by default is filled
//! in by who gathers.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::nginx::Nginx;
use super::{Asked, Mount, Severity, WrongLabel};

/// What is known of a service that asks for certificates.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its name.
    pub service: String,
    /// What is wrong with its labels.
    pub label_errors: Vec<WrongLabel>,
    /// How a new certificate reaches its replicas.
    pub rollout: Option<Rollout>,
    /// How many replicas swarm is to keep.
    pub replicas: Option<Replicas>,
    /// How swarm replaces them.
    pub update: Option<Update>,
    /// The health check, the service's own or its image's.
    pub health_check: Option<HealthCheck>,
    /// The signal by which a replica is stopped: `SIGQUIT`.
    pub stop_signal: Option<String>,
    /// How long a replica may take to stop.
    pub stop_grace: Option<Duration>,
    /// The ports that are published in mode `host`.
    pub host_ports: Option<Vec<u16>>,
    /// Whether the port at which replicas are probed is one of those.
    pub seen_at_nodes: Option<bool>,
    /// Its placement constraints.
    pub constraints: Option<Vec<String>>,
    /// What its containers are told to start, words in order.
    pub command: Option<Vec<String>>,
    /// Where the replicas look for the chain of each certificate.
    pub certificates: Vec<PathBuf>,
    /// What replicas show for the other names of certificates than the first. Empty
    /// where no certificate has another.
    pub other_names: Option<Vec<AskedName>>,
    /// What is mounted into the replicas, secrets and configs too.
    pub mounts: Option<Vec<Mount>>,
    /// The networks that it is on, by name; not ingress.
    pub networks: Option<Vec<String>>,
    /// The service that runs the runner.
    pub runner: Option<Runner>,
    /// The nodes of the swarm.
    pub nodes: Option<Vec<Node>>,
    /// What each running replica looks like from inside.
    pub inside: Option<Vec<Inside>>,
    /// Replicas that were to be looked into and were not, and why.
    pub missed: Vec<String>,
}

/// How a new certificate reaches the replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollout {
    /// A signal to the first process: no replica is replaced.
    Signal,
    /// A command in each replica in place of the signal.
    Exec,
    /// Every replica is replaced.
    Restart {
        /// So many at a time.
        parallelism: u64,
    },
}

/// How many replicas swarm is to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// So many, wherever there is room.
    Replicated(u64),
    /// One on every node that the placement allows.
    Global,
}

/// How swarm replaces replicas when the service is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// So many at a time; 0 is all at once.
    pub parallelism: u64,
    /// Which comes first.
    pub order: Order,
    /// What swarm does when a new replica fails.
    pub failure: Failure,
    /// For how long a new replica's failure counts as the update's.
    pub monitor: Duration,
}

/// What swarm does first when it replaces a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Stops the old one.
    StopFirst,
    /// Starts the new one.
    StartFirst,
}

/// What swarm does when a new replica fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It stops updating.
    Pause,
    /// It goes on.
    Continue,
    /// It goes back to the earlier specification.
    Rollback,
}

/// A health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthCheck {
    /// There is none.
    Absent,
    /// There is one.
    Present {
        /// Between two checks.
        interval: Duration,
        /// After which a check has failed.
        timeout: Duration,
        /// So many failures in a row make a replica unhealthy.
        retries: u32,
        /// After its start, in which no failure counts before the first success.
        #[serde(default)]
        start_period: Duration,
    },
}

impl HealthCheck {
    /// How long it takes until a replica that came up and then answers nothing has
    /// failed it. Nothing where there is none.
    #[must_use]
    pub fn time_to_fail(&self) -> Duration {
        match *self {
            Self::Absent => Duration::ZERO,
            Self::Present {
                interval,
                timeout,
                retries,
                start_period,
            } => start_period + (interval + timeout).saturating_mul(retries),
        }
    }
}

/// The service that runs the runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// Its name.
    pub service: String,
    /// The networks that it is on, by name.
    pub networks: Vec<String>,
    /// Its placement constraints.
    pub constraints: Vec<String>,
}

/// A node of the swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its host name.
    pub name: String,
    /// Whether it is a manager.
    pub manager: bool,
    /// Whether tasks may run there now: ready, and active.
    pub takes_tasks: bool,
    /// Its engine; `None` where it says none.
    pub engine: Option<Version>,
}

/// A version of three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The version that `text` begins with: `28.5.2` of `28.5.2+dfsg4`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|part| {
            let end = part.find(|c: char| !c.is_ascii_digit());
            part[..end.unwrap_or(part.len())].parse().ok()
        });
        Some(Self(
            numbers.next()??,
            numbers.next()??,
            numbers.next().flatten().unwrap_or(0),
        ))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A running replica as an agent on its node saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// Swarm's name of the task.
    pub replica: String,
    /// The host name of its node.
    pub node: String,
    /// The command line of its first process, or why it is not known.
    pub first_process: Result<String, String>,
    /// The signal by which its container is stopped.
    pub stop_signal: String,
    /// The health check of its container.
    pub health_check: HealthCheck,
    /// What it sees of each certificate.
    pub certificates: Vec<Seen>,
    /// How its nginx is configured, or why it is not known. Absent when its
    /// first process is no nginx.
    pub nginx: Option<Result<Nginx, String>>,
}

/// What a replica sees at the path of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The chain's path.
    pub chain: PathBuf,
    /// The leaf's fingerprint, if chain and key are there and fit.
    pub leaf: Result<String, String>,
    /// The user that the server is started as, if that may not read the key.
    #[serde(default)]
    pub kept_from: Option<String>,
}

/// A replica that was asked by another name of a certificate than the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedName {
    /// The replica in words: `replica 1 on node-2`.
    pub replica: String,
    /// The name.
    pub name: String,
    /// What it shows.
    pub shows: Shows,
}

impl AskedName {
    /// Whether it shows another certificate than by the first name, or none.
    #[must_use]
    pub fn is_odd(&self) -> bool {
        matches!(self.shows, Shows::Another { .. } | Shows::Refused { .. })
    }
}

/// What a replica shows for another name of a certificate than the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shows {
    /// What it shows for the first.
    TheSame,
    /// Something else, each by the beginning of its fingerprint.
    Another {
        /// For this name.
        shown: String,
        /// For the first.
        first: String,
    },
    /// No certificate, though it shows one for the first name.
    Refused {
        /// Why none was seen.
        why: String,
        /// What it shows for the first, by the beginning of its fingerprint.
        first: String,
    },
    /// Nothing that says anything of this name, and why.
    Nothing(String),
}

const NOT_LOOKED: &str = "no replica was looked into";

impl Facts {
    /// Adds what the labels ask for. `in_host_mode` says whether that port of the
    /// replicas is published in mode `host`.
    pub fn ask(&mut self, asked: Asked, in_host_mode: impl FnOnce(u16) -> bool) {
        self.label_errors = asked.label_errors;
        self.rollout = asked.rollout;
        self.certificates = asked.certificates;
        self.other_names = asked.one_name_each.then(Vec::new);
        self.seen_at_nodes = asked.probed.map(in_host_mode);
    }

    /// Adds what replicas look like from inside, and what that says of things
    /// that the service leaves to its image.
    pub fn look_inside(&mut self, inside: Vec<Inside>, missed: Vec<String>) {
        let replicas = || inside.iter();
        if self.stop_signal.is_none() {
            self.stop_signal = same(replicas().map(|it| it.stop_signal.clone()));
        }
        if self.health_check.is_none() {
            self.health_check = same(replicas().map(|it| it.health_check));
        }
        self.inside = Some(inside);
        self.missed = missed;
    }

    /// How bad it is that replacing a replica would lose requests: a `signal`
    /// replaces none, but the next deploy does.
    pub(super) fn severity_of_replacing(&self) -> Severity {
        match self.rollout {
            Some(Rollout::Restart { .. }) => Severity::Error,
            Some(Rollout::Signal | Rollout::Exec) | None => Severity::Warning,
        }
    }

    /// How many replicas are replaced at a time: a restart by the runner sets
    /// its own pace.
    pub(super) fn parallelism(&self) -> Option<u64> {
        match self.rollout {
            Some(Rollout::Restart { parallelism }) => Some(parallelism),
            _ => Some(self.update.as_ref()?.parallelism),
        }
    }

    /// How many replicas there are to be, as far as that is known.
    pub(super) fn number_of_replicas(&self) -> Option<u64> {
        match self.replicas? {
            Replicas::Replicated(number) => Some(number),
            Replicas::Global => {
                let looked = self.inside.as_ref().map(|inside| inside.len() as u64);
                looked.filter(|&number| number > 0)
            }
        }
    }

    /// The one node that a constraint pins the service to, as written.
    pub(super) fn pinned(&self) -> Option<&str> {
        let constraints = self.constraints.iter().flatten();
        constraints.map(String::as_str).find(|constraint| {
            let mut parts = constraint.splitn(2, "==").map(str::trim);
            let (key, value) = (parts.next(), parts.next());
            matches!(key, Some("node.hostname" | "node.id")) && value.is_some()
        })
    }

    /// Whether the replicas run nginx.
    pub(super) fn runs_nginx(&self) -> Option<bool> {
        let inside = self.inside.iter().flatten();
        let mut looked = inside.filter(|inside| inside.first_process.is_ok());
        if let Some(first) = looked.next() {
            let nginx = |inside: &Inside| inside.nginx.is_some();
            return Some(nginx(first) || looked.any(nginx));
        }
        // A script that ends in starting nginx names it.
        let named = |word: &String| word.rsplit('/').next() == Some("nginx");
        let command = self.command.as_ref()?;
        command.iter().any(named).then_some(true)
    }

    /// Each configuration that some replica's nginx has, with those replicas,
    /// and what is not known. Both are empty when no replica runs nginx.
    pub(super) fn nginx(&self) -> (Vec<(&Nginx, String)>, Vec<String>) {
        let Some(inside) = &self.inside else {
            return match self.runs_nginx() {
                Some(false) => (Vec::new(), Vec::new()),
                _ => (Vec::new(), vec![NOT_LOOKED.to_owned()]),
            };
        };
        let (mut groups, mut unknown): (Vec<(&Nginx, Vec<&Inside>)>, _) = (Vec::new(), Vec::new());
        for replica in inside {
            match &replica.nginx {
                Some(Ok(nginx)) => match groups.iter_mut().find(|(known, _)| *known == nginx) {
                    Some((_, replicas)) => replicas.push(replica),
                    None => groups.push((nginx, vec![replica])),
                },
                Some(Err(why)) => unknown.push(format!("{}: {why}", on(&[replica]))),
                None => {
                    if let Err(why) = &replica.first_process {
                        unknown.push(format!("{}: {why}", on(&[replica])));
                    }
                }
            }
        }
        unknown.extend(self.missed.iter().cloned());
        if inside.is_empty() && unknown.is_empty() {
            unknown.push("no replica runs".to_owned());
        }
        let told = groups.into_iter().map(|(nginx, who)| (nginx, on(&who)));
        (told.collect(), unknown)
    }

    /// The replicas that were looked into.
    pub(super) fn looked_into(&self) -> Result<&[Inside], String> {
        match self.inside.as_deref() {
            None => Err(NOT_LOOKED.to_owned()),
            Some([]) if self.missed.is_empty() => Err("no replica runs".to_owned()),
            Some(inside) => Ok(inside),
        }
    }
}

/// What all of them are, if they are the same.
fn same<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// `the replicas on node-1, node-2`.
pub(super) fn on(replicas: &[&Inside]) -> String {
    let mut nodes: Vec<&str> = replicas.iter().map(|one| one.node.as_str()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let what = if replicas.len() == 1 {
        "the replica"
    } else {
        "the replicas"
    };
    format!("{what} on {}", nodes.join(", "))
}
