//! One look at the machine, for all checks.

use std::{
    collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::Path, process::Stdio, thread,
};

use procfs::{Current, Meminfo};
use tokio::process::Command;

use super::trial;
use crate::lab::{
    Engine, LabError, builder::IMAGES, engine_address, error::Doing, error::not_found, images,
    network,
};

/// What the lab's own containers are made of, beside the images of the stack.
const OWN_IMAGES: [&str; 3] = ["node", "registry", "pebble"];

/// What was seen of the machine.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) engine: Result<EngineFacts, String>,
    /// What a container such as a node was let do, or why none could be tried.
    pub(super) trial: Result<BTreeMap<String, String>, String>,
    pub(super) privileged: bool,
    /// Whose process this is, if the kernel tells.
    pub(super) user: Option<u32>,
    pub(super) kernel: Kernel,
    pub(super) client: Result<Client, String>,
    pub(super) cores: usize,
    /// Bytes that programs may still take, if the kernel tells.
    pub(super) memory: Option<u64>,
    /// For how many connections to one server there are ports, if the kernel tells.
    pub(super) ports: Option<u32>,
}

/// What the engine says of itself and of what it has.
#[derive(Debug, Clone, Default)]
pub(super) struct EngineFacts {
    pub(super) address: String,
    pub(super) version: String,
    pub(super) kernel: String,
    pub(super) cgroup_version: String,
    pub(super) rootless: bool,
    /// Bytes free where it keeps images, if that place can be seen from here.
    pub(super) disk: Option<u64>,
    /// Labs that still find a subnet.
    pub(super) subnets: usize,
    pub(super) images_missing: Vec<String>,
    /// Where the script that makes them is not found.
    pub(super) no_fixtures: bool,
}

/// What this machine's kernel is and has.
#[derive(Debug, Clone, Default)]
pub(super) struct Kernel {
    pub(super) release: String,
    pub(super) fuse_device: bool,
    pub(super) ipvs: Part,
}

/// A part of the kernel that may be a module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Part {
    /// It is there.
    Ready,
    /// It could be loaded.
    Loadable,
    /// It is nowhere.
    #[default]
    None,
}

/// The `docker` on PATH.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) version: String,
    pub(super) stack: bool,
}

impl Machine {
    pub(super) async fn look() -> Self {
        let engine = Engine::connect().await;
        let (facts, trial) = match &engine {
            Ok(engine) => {
                let trial = trial::run(engine).await;
                (EngineFacts::ask(engine).await, trial)
            }
            Err(error) => {
                let why = "no engine answers".to_owned();
                (Err(with_cause(error)), Err(why))
            }
        };
        Self {
            privileged: engine.as_ref().is_ok_and(Engine::privileged),
            user: user(),
            engine: facts,
            trial,
            kernel: Kernel::look(),
            client: Client::ask().await,
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory: memory_available(),
            ports: ports(),
        }
    }
}

impl EngineFacts {
    async fn ask(engine: &Engine) -> Result<Self, String> {
        Self::asked(engine)
            .await
            .map_err(|error| with_cause(&error))
    }

    async fn asked(engine: &Engine) -> Result<Self, LabError> {
        let docker = engine.docker();
        let doing = || "ask the engine about itself".to_owned();
        let version = docker.version().await.doing(doing)?;
        let info = docker.info().await.doing(doing)?;
        let options = info.security_options.unwrap_or_default();
        let root = info.docker_root_dir.unwrap_or_default();
        Ok(Self {
            address: engine_address(),
            version: version.version.unwrap_or_default(),
            kernel: version.kernel_version.unwrap_or_default(),
            cgroup_version: info
                .cgroup_version
                .map(|version| version.to_string())
                .unwrap_or_default(),
            rootless: options.iter().any(|option| option.contains("rootless")),
            disk: free(Path::new(&root)),
            subnets: network::room(engine).await?,
            images_missing: images_missing(engine).await?,
            no_fixtures: !images::can_be_built(),
        })
    }
}

async fn images_missing(engine: &Engine) -> Result<Vec<String>, LabError> {
    let mut missing = Vec::new();
    for name in OWN_IMAGES.iter().chain(&IMAGES) {
        let image = images::own(name);
        match engine.docker().inspect_image(&image).await {
            Err(error) if not_found(&error) => missing.push((*name).to_owned()),
            found => {
                found.doing(|| format!("inspect the image {image}"))?;
            }
        }
    }
    Ok(missing)
}

impl Kernel {
    fn look() -> Self {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let release = release.trim().to_owned();
        Self {
            fuse_device: Path::new("/dev/fuse").exists(),
            ipvs: ipvs(&release),
            release,
        }
    }
}

fn ipvs(release: &str) -> Part {
    if Path::new("/proc/net/ip_vs").exists() {
        return Part::Ready;
    }
    let lists = ["modules.dep", "modules.builtin"].map(|list| {
        let path = Path::new("/lib/modules").join(release).join(list);
        fs::read_to_string(path).unwrap_or_default()
    });
    if lists.iter().any(|list| list.contains("/ip_vs.ko")) {
        Part::Loadable
    } else {
        Part::None
    }
}

impl Client {
    async fn ask() -> Result<Self, String> {
        let version = docker(&["--version"]).await?;
        // "Docker version 28.2.2, build e6534b4"
        let version = version
            .split_whitespace()
            .nth(2)
            .unwrap_or_default()
            .trim_end_matches(',')
            .to_owned();
        Ok(Self {
            version,
            stack: docker(&["stack", "deploy", "--help"]).await.is_ok(),
        })
    }
}

async fn docker(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("docker");
    let command = command.args(arguments).stdin(Stdio::null());
    let output = command.output().await.map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn user() -> Option<u32> {
    Some(fs::metadata("/proc/self").ok()?.uid())
}

fn memory_available() -> Option<u64> {
    Meminfo::current().ok()?.mem_available
}

fn ports() -> Option<u32> {
    parse_ports(&fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?)
}

/// The first and the last.
fn parse_ports(range: &str) -> Option<u32> {
    let mut ends = range.split_whitespace().map(str::parse::<u32>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    Some((last + 1).saturating_sub(first))
}

fn free(directory: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(directory).ok()?;
    Some(space.f_bavail * space.f_frsize)
}

fn with_cause(error: &LabError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// A number of bytes, for people.
pub(super) fn gibibytes(bytes: u64) -> String {
    let tenths = bytes / (1 << 30) * 10 + bytes % (1 << 30) * 10 / (1 << 30);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
impl Machine {
    /// One that has all it takes.
    pub(super) fn good() -> Self {
        let trial = trial::TRIED.map(|name| (name.to_owned(), "ok".to_owned()));
        Self {
            engine: Ok(EngineFacts {
                address: "unix:///var/run/docker.sock".to_owned(),
                version: "28.5.2".to_owned(),
                kernel: "6.12.0".to_owned(),
                cgroup_version: "2".to_owned(),
                disk: Some(100 << 30),
                subnets: 256,
                ..EngineFacts::default()
            }),
            trial: Ok(trial.into()),
            privileged: true,
            user: Some(0),
            kernel: Kernel {
                release: "6.12.0".to_owned(),
                fuse_device: true,
                ipvs: Part::Ready,
            },
            client: Ok(Client {
                version: "28.5.2".to_owned(),
                stack: true,
            }),
            cores: 4,
            memory: Some(16 << 30),
            ports: Some(28_232),
        }
    }

    /// The same with another engine.
    pub(super) fn with_engine(change: impl FnOnce(&mut EngineFacts)) -> Self {
        let mut machine = Self::good();
        change(
            machine
                .engine
                .as_mut()
                .expect("a good machine has an engine"),
        );
        machine
    }

    /// The same where something was tried with another outcome.
    pub(super) fn with_trial(name: &str, outcome: &str) -> Self {
        let mut machine = Self::good();
        let trial = machine.trial.as_mut().expect("a good machine was tried");
        trial.insert(name.to_owned(), outcome.to_owned());
        machine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_counted_with_both_ends() {
        assert_eq!(parse_ports("32768\t60999\n"), Some(28_232));
        assert_eq!(parse_ports("none"), None);
    }

    #[test]
    fn bytes_are_told_in_tenths() {
        assert_eq!(gibibytes(3 << 29), "1.5 GiB");
        assert_eq!(gibibytes(0), "0.0 GiB");
    }

    #[test]
    fn a_machine_that_has_all_it_takes_is_told_so() {
        let machine = Machine::good();
        for check in &super::super::CHECKS {
            let finding = (check.judge)(&machine);
            let ok = matches!(finding, super::super::Finding::Ok { .. });
            assert!(ok, "{}: {finding:?}", check.name);
        }
    }
}
