//! The stack that a user deploys, deployed in a lab.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::models::TaskState;
use bollard::query_parameters::ListServicesOptionsBuilder;
use clap::ValueEnum;
use futures_util::future::join_all;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::SiteError;
use crate::clock;
use crate::event::Sighting;
use crate::lab::managers::Managers;
use crate::lab::wait::until;
use crate::lab::{Doing, Lab, LabError, Node, Service, Task};
use crate::probe::{Roots, Unseen, probe};
use crate::traffic::{Target, tls::fingerprint};

/// The name under which the stack is deployed, as in the README.
const STACK: &str = "patch";
const LOAD_BALANCER: &str = "patch_loadbalancer";
const HTTPS: u16 = 443;
/// From an empty swarm: images to pull, a placeholder, an order, a rollout.
const TO_SERVE: Duration = Duration::from_secs(180);
/// Three replicas one after the other, with their drain and health checks.
const TO_SETTLE: Duration = Duration::from_secs(300);
/// The longest lag of a volume, and then some.
const TO_BE_SEEN_GONE: Duration = Duration::from_secs(60);
/// nginx tells its old workers to stop 100 ms after the new ones have begun.
const UNCHANGED: Duration = Duration::from_millis(250);
/// A handshake takes milliseconds, but the machine may be busy.
const TO_SEE: Duration = Duration::from_secs(30);
/// Swarm places a task as soon as it is made.
const TO_BE_PLACED: Duration = Duration::from_secs(60);

/// How certificates reach the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// A signal to every replica
    Signal,
    /// A rolling restart
    Restart,
    /// Swarm secrets, swapped on the service
    Secret,
}

impl Strategy {
    /// As the label writes it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Restart => "restart",
            Self::Secret => "secret",
        }
    }

    /// Where the load balancer finds its certificates, each in a directory of
    /// its name.
    fn directory(self) -> &'static str {
        match self {
            Self::Signal | Self::Restart => "/etc/letsencrypt/live",
            Self::Secret => "/run/secrets",
        }
    }
}

/// What obtains certificates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// The runner itself
    #[default]
    Acme,
    /// certbot's image, in a container that runs once
    Certbot,
}

impl Engine {
    /// As the setting has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Certbot => "certbot",
            Self::Acme => "acme",
        }
    }
}

/// What may differ from one deploy of the stack to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteOptions {
    /// The stack file.
    pub stack: PathBuf,
    /// The one name of the certificate.
    pub domain: String,
    /// How certificates reach the replicas.
    pub strategy: Strategy,
    /// What obtains certificates.
    pub engine: Engine,
    /// Replicas of the load balancer, at most one on each node.
    pub replicas: u8,
    /// Between two replicas of a restart, as Docker writes durations.
    pub restart_delay: String,
    /// nginx's `keepalive_min_timeout`; `0` is nginx's own default, which
    /// resets a request that meets a reload on an idle connection.
    pub keepalive_min_timeout: String,
    /// When the runner looks for due renewals, as crontab(5) writes it.
    pub schedule: String,
    /// The step at which the runner shall stand still; empty for none.
    pub hold_at: String,
    /// Whether there is a second certificate, with an RSA key, beside the first.
    pub dual_pair: bool,
}

impl Default for SiteOptions {
    fn default() -> Self {
        Self {
            stack: PathBuf::from("stack.yml"),
            domain: "example.org".to_owned(),
            strategy: Strategy::Signal,
            engine: Engine::default(),
            replicas: 3,
            restart_delay: "30s".to_owned(),
            keepalive_min_timeout: "10s".to_owned(),
            // Once a year: a test says itself when to renew.
            schedule: "0 0 1 1 *".to_owned(),
            hold_at: String::new(),
            dual_pair: false,
        }
    }
}

impl SiteOptions {
    /// The defaults, with the `stack.yml` of the current directory or of the
    /// nearest one above it.
    ///
    /// # Errors
    /// When there is none.
    pub fn find() -> Result<Self, SiteError> {
        let here = std::env::current_dir().unwrap_or_default();
        let found = here
            .ancestors()
            .map(|directory| directory.join("stack.yml"))
            .find(|file| file.is_file());
        let stack = found.ok_or(SiteError::NoStack(here))?;
        Ok(Self {
            stack,
            ..Self::default()
        })
    }

    /// A page of the documentation beside the stack file, such as `docs/login.md`,
    /// whose commands are to be run as a person would.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn page(&self, page: &str) -> Result<String, SiteError> {
        let path = self.stack.with_file_name(page);
        std::fs::read_to_string(&path).map_err(|source| SiteError::File {
            doing: "read",
            path,
            source,
        })
    }

    /// The name of the second certificate of a dual pair.
    #[must_use]
    pub fn second(&self) -> String {
        format!("{}-rsa", self.domain)
    }

    /// The variables of the stack file, with the lab's values.
    fn environment(&self, lab: &Lab) -> Vec<(&'static str, String)> {
        let (keys, second) = if self.dual_pair {
            ("ecdsa,rsa2048", self.second())
        } else {
            ("ecdsa", String::new())
        };
        let image = |name: &str| format!("registry:5000/{name}:latest");
        vec![
            ("DOMAIN", self.domain.clone()),
            ("CERTIFICATES", crate::volume::MOUNT_POINT.to_owned()),
            // The lab's kernel may have no IPVS, and then no routing mesh: each
            // replica is reached at its own node.
            ("PORT_MODE", "host".to_owned()),
            ("LOADBALANCER_IMAGE", image("loadbalancer")),
            ("LOADBALANCER_REPLICAS", self.replicas.to_string()),
            ("WEB_IMAGE", image("web")),
            ("PHP_IMAGE", image("php")),
            // Each check starts a process, and many labs share few cores.
            ("BACKEND_CHECK_INTERVAL", "5s".to_owned()),
            ("ROLLOVER_IMAGE", image("runner")),
            ("CERTBOT_IMAGE", image("certbot")),
            ("ACME_DIRECTORY", lab.acme().directory_url()),
            ("ACME_CA_FILE", "/etc/letsencrypt/acme-ca.pem".to_owned()),
            ("ROLLOVER_ENGINE", self.engine.name().to_owned()),
            ("ROLLOVER_SCHEDULE", self.schedule.clone()),
            ("ROLLOVER_STRATEGY", self.strategy.label().to_owned()),
            ("TLS_DIRECTORY", self.strategy.directory().to_owned()),
            ("ROLLOVER_DELAY", self.restart_delay.clone()),
            ("KEEPALIVE_MIN_TIMEOUT", self.keepalive_min_timeout.clone()),
            ("ROLLOVER_HOLD_AT", self.hold_at.clone()),
            ("ROLLOVER_KEY", keys.to_owned()),
            ("SECOND_PAIR", second),
            ("CONF_VERSION", configuration_version(&self.stack)),
        ]
    }
}

/// What one replica serves, by the lab's own look from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Serves {
    /// The node whose address was asked.
    pub node: String,
    /// The task that runs there.
    pub task: String,
    /// SHA-256 of the leaf's DER, as lowercase hex.
    pub fingerprint: String,
}

/// `node-2 serves 0ed09056efc5 (task xy9d16jgoygc)`.
impl fmt::Display for Serves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |id: &str| id.chars().take(12).collect::<String>();
        let (fingerprint, task) = (short(&self.fingerprint), short(&self.task));
        write!(f, "{} serves {fingerprint} (task {task})", self.node)
    }
}

/// What each replica serves, in one line.
#[must_use]
pub fn told(served: &[Serves]) -> String {
    let each: Vec<_> = served.iter().map(Serves::to_string).collect();
    if each.is_empty() {
        return "no replica".to_owned();
    }
    each.join(", ")
}

/// A version of the stack's configurations that changes when one of them does,
/// and only then: configurations are immutable in a swarm, and one with a new
/// name replaces every task that uses it. They lie in `stack/` beside the file.
fn configuration_version(stack: &Path) -> String {
    let directory = stack.with_file_name("stack");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        // One that cannot be read is for `docker stack deploy` to complain of.
        digest.update(std::fs::read(&file).unwrap_or_default());
    }
    let digest = digest.finalize();
    digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// How the last update of a service stands.
enum Update {
    /// There was none, or it was carried out.
    None,
    Running,
    Failed(String),
}

fn update_of(service: &bollard::models::Service) -> Update {
    use bollard::models::ServiceUpdateStatusStateEnum as State;
    let Some(status) = &service.update_status else {
        return Update::None;
    };
    match status.state {
        None | Some(State::EMPTY | State::COMPLETED) => Update::None,
        Some(State::UPDATING | State::ROLLBACK_STARTED) => Update::Running,
        Some(state) => {
            let message = status.message.as_deref().unwrap_or_default();
            Update::Failed(format!("{state}: {message}"))
        }
    }
}

/// The stack in a lab.
#[derive(Debug)]
pub struct Site<'lab> {
    lab: &'lab Lab,
    options: SiteOptions,
}

impl<'lab> Site<'lab> {
    /// Deploys the stack with the real `docker stack deploy` and waits for
    /// nothing. Over an earlier deploy it is a change of that one.
    ///
    /// # Errors
    /// What `docker stack deploy` wrote, when it failed.
    pub async fn deploy(lab: &'lab Lab, options: SiteOptions) -> Result<Self, SiteError> {
        lead_to_every_node(lab, &options.domain).await?;
        let environment = options.environment(lab);
        let borrowed: Vec<(&str, &str)> = environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        lab.deploy(&options.stack, STACK, &borrowed).await?;
        let site = Self { lab, options };
        if !site.is_on_every_node() {
            site.leads_here(&site.options.domain).await?;
        }
        Ok(site)
    }

    /// Has a name lead to the nodes that have a replica, for the authority that asks
    /// there.
    ///
    /// # Errors
    /// When its DNS server does not answer; when a replica comes to no node.
    pub async fn leads_here(&self, name: &str) -> Result<(), SiteError> {
        if self.is_on_every_node() {
            return lead_to_every_node(self.lab, name).await;
        }
        let replicas = usize::from(self.options.replicas);
        let what = format!("{replicas} replicas each have a node");
        let addresses = until(what, TO_BE_PLACED, async || {
            let mut tasks = self.load_balancer().tasks().await.map_err(text)?;
            tasks.retain(|task| task.desired == TaskState::RUNNING);
            let places: BTreeSet<_> = tasks
                .iter()
                .filter_map(Task::place)
                .map(Node::address)
                .collect();
            if places.len() == replicas {
                return Ok(places.into_iter().collect::<Vec<_>>());
            }
            Err(format!("{places:?} have one"))
        })
        .await?;
        Ok(self.lab.acme().set_addresses(name, &addresses).await?)
    }

    fn is_on_every_node(&self) -> bool {
        usize::from(self.options.replicas) >= self.lab.nodes().len()
    }

    /// Removes the stack and what the volume has of it, as if nothing had ever been
    /// deployed.
    ///
    /// # Errors
    /// What could not be removed, or which node still sees it.
    pub async fn remove(lab: &Lab) -> Result<(), SiteError> {
        if lab.service(LOAD_BALANCER).exists().await? {
            lab.remove_stack(STACK).await?;
        }
        for name in ["live", "archive", "renewal", "accounts", "webroot"] {
            lab.volume().certificates().remove(name)?;
        }
        // A node that sees late what is gone would have its replica serve it.
        let what = "every node see a volume without certificates";
        let seen = until(what, TO_BE_SEEN_GONE, async || {
            for node in lab.nodes() {
                let there = lab.volume().seen_by(node).exists("live");
                if there.map_err(text)? {
                    return Err(format!("{} sees some", node.name()));
                }
            }
            Ok(())
        });
        Ok(seen.await?)
    }

    /// Whether swarm has carried out every change of the stack: `Ok` with the
    /// updates that it paused or rolled back, of which `docker stack deploy`
    /// says nothing (docker/cli#6752).
    ///
    /// # Errors
    /// What is still under way.
    pub async fn settled(&self) -> Result<Vec<String>, String> {
        let services = self.services().await.map_err(text)?;
        let mut failed = Vec::new();
        for service in &services {
            let spec = service.spec.clone().unwrap_or_default();
            // A job ends; it is no part of the stack that is to run.
            if spec
                .mode
                .as_ref()
                .is_some_and(|mode| mode.global_job.is_some())
            {
                continue;
            }
            let name = spec.name.unwrap_or_default();
            match update_of(service) {
                Update::Running => return Err(format!("{name} is being updated")),
                Update::None => {}
                Update::Failed(why) => {
                    failed.push(format!("{name}: {why}"));
                    continue;
                }
            }
            let status = service.service_status.clone().unwrap_or_default();
            let wanted = status.desired_tasks.unwrap_or_default();
            // Right after a deploy an update has no state yet, but its tasks
            // are still those of the earlier specification.
            let current = self.lab.service(&name).up_to_date().await.map_err(text)?;
            if current < wanted {
                return Err(format!(
                    "{current} of {wanted} of {name} run as they should"
                ));
            }
        }
        Ok(failed)
    }

    async fn services(&self) -> Result<Vec<bollard::models::Service>, LabError> {
        let label = format!("com.docker.stack.namespace={STACK}");
        let options = ListServicesOptionsBuilder::new()
            .filters(&HashMap::from([("label", vec![label])]))
            .status(true)
            .build();
        let services = Managers(self.lab.managers()).ask(async |manager| {
            let services = manager.docker().list_services(Some(options.clone())).await;
            services.doing(|| "list the services of the stack".to_owned())
        });
        services.await
    }

    /// The lab that it is deployed in.
    #[must_use]
    pub fn lab(&self) -> &'lab Lab {
        self.lab
    }

    /// How it was deployed.
    #[must_use]
    pub fn options(&self) -> &SiteOptions {
        &self.options
    }

    /// The load balancer, whose replicas serve the certificate.
    #[must_use]
    pub fn load_balancer(&self) -> Service<'lab> {
        self.lab.service(LOAD_BALANCER)
    }

    /// The runner's service.
    #[must_use]
    pub fn runner(&self) -> Service<'lab> {
        self.lab.service("patch_rollover")
    }

    /// Where traffic goes: the own address of each node that has a replica.
    ///
    /// # Errors
    /// When the manager does not answer.
    pub async fn targets(&self) -> Result<Vec<Target>, SiteError> {
        let tasks = self.load_balancer().running().await?;
        let places = tasks.iter().filter_map(Task::place);
        Ok(places
            .map(|node| Target::new(node.name(), https(node.address().into())))
            .collect())
    }

    /// Where the certificate's lineage lies, below the certificate root.
    #[must_use]
    pub fn lineage(&self) -> PathBuf {
        Path::new("archive").join(&self.options.domain)
    }

    /// The file that a link of the site's lineage leads to now, below the
    /// certificate root.
    ///
    /// # Errors
    /// When it leads nowhere.
    pub fn live_file(&self, file: &str) -> Result<PathBuf, SiteError> {
        self.live_file_of(&self.options.domain, file)
    }

    fn live_file_of(&self, name: &str, file: &str) -> Result<PathBuf, SiteError> {
        let link = Path::new("live").join(name).join(file);
        Ok(self.lab.volume().certificates().resolve(link)?)
    }

    /// The fingerprint of the certificate that is published: SHA-256 of the
    /// leaf's DER in the live `fullchain.pem`, as lowercase hex.
    ///
    /// # Errors
    /// When there is none that can be read.
    pub fn published(&self) -> Result<String, SiteError> {
        self.published_as(&self.options.domain)
    }

    /// That of the certificate with another name.
    ///
    /// # Errors
    /// As there.
    pub fn published_as(&self, name: &str) -> Result<String, SiteError> {
        let path = self.live_file_of(name, "fullchain.pem")?;
        let pem = self.lab.volume().certificates().read(&path)?;
        let leaf = CertificateDer::from_pem_slice(&pem).map_err(|error| SiteError::File {
            doing: "read",
            path,
            source: std::io::Error::other(error),
        })?;
        Ok(fingerprint(&leaf))
    }

    /// How many versions of the certificate there have been: the number of the
    /// newest in the lineage.
    ///
    /// # Errors
    /// When there is no lineage.
    pub fn versions(&self) -> Result<u32, SiteError> {
        let files = self.lab.volume().certificates().list(self.lineage())?;
        let numbers = files.iter().filter_map(|file| {
            // certbot's are files, those of the engine acme directories.
            let flat = file.name.strip_prefix("fullchain");
            let flat = flat.and_then(|name| name.strip_suffix(".pem"));
            flat.unwrap_or(&file.name).parse().ok()
        });
        Ok(numbers.max().unwrap_or(0))
    }

    /// Waits until swarm has carried out every update that the deploy began.
    ///
    /// # Errors
    /// The updates that swarm paused or rolled back; what is still under way.
    pub async fn settle(&self) -> Result<(), SiteError> {
        let ended = until("every update of the stack end", TO_SETTLE, async || {
            self.settled().await
        })
        .await?;
        if ended.is_empty() {
            return Ok(());
        }
        Err(SiteError::Change(ended.join("; ")))
    }

    /// Waits until the stack can be asked for pages: it has [settled](Self::settle),
    /// with what is behind the load balancer, and is [serving](Self::serving).
    ///
    /// # Errors
    /// What did not come to pass.
    pub async fn ready(&self) -> Result<Vec<Serves>, SiteError> {
        self.settle().await?;
        self.serving().await
    }

    /// Waits until every replica serves a certificate of the lab's ACME server
    /// for the site's name, and the runner runs.
    ///
    /// # Errors
    /// Which replica does not, and what it does instead.
    pub async fn serving(&self) -> Result<Vec<Serves>, SiteError> {
        self.serving_within(TO_SERVE).await
    }

    /// As [`serving`](Self::serving), with a deadline of one's own.
    ///
    /// # Errors
    /// As there.
    pub async fn serving_within(&self, deadline: Duration) -> Result<Vec<Serves>, SiteError> {
        let trusted = self.lab.acme().roots().await?;
        let roots = Roots::Only(trusted);
        let what = "every replica serve a certificate of the lab's authority";
        let before = Mutex::new((Instant::now(), Vec::new()));
        Ok(until(what, deadline, async || {
            if self.runner().running().await.map_err(text)?.is_empty() {
                return Err("the runner does not run".to_owned());
            }
            let served = self.look(&roots).await?;
            // One that has just reloaded may answer by an old worker yet.
            let since = {
                let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
                if before.1 != served {
                    *before = (Instant::now(), served.clone());
                }
                before.0
            };
            if since.elapsed() < UNCHANGED {
                return Err("what they serve is not the same twice in a row yet".to_owned());
            }
            Ok(served)
        })
        .await?)
    }

    /// What every replica serves, once all of them can be seen; by slot and node.
    ///
    /// # Errors
    /// Which replica could not be seen, and why.
    pub async fn seen(&self) -> Result<Vec<Serves>, SiteError> {
        let what = "every replica be seen";
        Ok(until(what, TO_SEE, async || self.served().await).await?)
    }

    /// One look from outside at what every replica serves, whoever signed it.
    ///
    /// # Errors
    /// Which replica cannot be seen.
    pub async fn served(&self) -> Result<Vec<Serves>, String> {
        self.look(&Roots::Any).await
    }

    /// One look from outside at what every replica serves to a client that knows
    /// RSA only, whoever signed it.
    ///
    /// # Errors
    /// Which replica cannot be seen.
    pub async fn served_by_rsa(&self) -> Result<Vec<Serves>, String> {
        self.look(&Roots::AnyByRsa).await
    }

    /// Waits until every replica serves the certificate of that fingerprint.
    ///
    /// # Errors
    /// Which replica still serves another one, and what its node's volume shows.
    pub async fn serves(
        &self,
        fingerprint: &str,
        deadline: Duration,
    ) -> Result<Vec<Serves>, SiteError> {
        let what = format!("every replica serve {}", short(fingerprint));
        Ok(until(what, deadline, async || {
            let served = self.served().await?;
            let stale = served.iter().find(|one| one.fingerprint != fingerprint);
            let Some(stale) = stale else {
                return Ok(served);
            };
            let still = short(&stale.fingerprint);
            let node = self.lab.node(&stale.node);
            let volume = node.map_or_else(|| "nothing".to_owned(), |node| self.volume_of(node));
            Err(format!(
                "the replica on {} still serves {still}, its node's volume shows {volume}",
                stale.node
            ))
        })
        .await?)
    }

    /// What a node sees of the site's certificate on its volume, in words.
    fn volume_of(&self, node: &Node) -> String {
        let path = format!("live/{}/fullchain.pem", self.options.domain);
        let pem = match self.lab.volume().seen_by(node).read(path) {
            Ok(pem) => pem,
            Err(error) => return format!("none ({error})"),
        };
        match CertificateDer::from_pem_slice(&pem) {
            Ok(leaf) => short(&fingerprint(&leaf)).to_owned(),
            Err(error) => format!("no certificate ({error})"),
        }
    }

    /// Writes down what a replica was seen to serve, when that has changed.
    fn note(&self, task: &Task, seen: &Result<String, Unseen>) {
        let sighting = Sighting {
            at: clock::now(),
            node: task.node.clone(),
            task: Some(task.id.clone()),
            served: seen.clone().map_err(|why| why.to_string()),
        };
        self.lab.journal().sighting_if_changed(sighting);
    }

    async fn look(&self, roots: &Roots) -> Result<Vec<Serves>, String> {
        let tasks = self.load_balancer().running().await.map_err(text)?;
        if tasks.len() < usize::from(self.options.replicas) {
            return Err(format!("{} replicas run", tasks.len()));
        }
        let looks = tasks.iter().map(|task| self.look_at(task, roots));
        join_all(looks).await.into_iter().collect()
    }

    async fn look_at(&self, task: &Task, roots: &Roots) -> Result<Serves, String> {
        let place = task
            .place()
            .ok_or_else(|| format!("{} has no node", task.id))?;
        let address = https(place.address().into());
        let seen = probe(address, &self.options.domain, roots).await;
        if !matches!(roots, Roots::AnyByRsa) {
            self.note(task, &seen);
        }
        let fingerprint = seen.map_err(|why| {
            let (replica, volume) = (replica(task), self.volume_of(place));
            format!("{replica}: {why}; its node's volume shows {volume}")
        })?;
        Ok(Serves {
            node: task.node.clone(),
            task: task.id.clone(),
            fingerprint,
        })
    }
}

async fn lead_to_every_node(lab: &Lab, name: &str) -> Result<(), SiteError> {
    let addresses: Vec<_> = lab.nodes().iter().map(Node::address).collect();
    Ok(lab.acme().set_addresses(name, &addresses).await?)
}

/// Where the site is served at an address.
pub(crate) fn https(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, HTTPS)
}

/// A replica in words.
fn replica(task: &Task) -> String {
    match task.slot {
        Some(slot) => format!("replica {slot} on {}", task.node),
        None => format!("the replica on {}", task.node),
    }
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}

fn text(error: LabError) -> String {
    error.to_string()
}
