//! What a lab is made of outside its process, and what of that is left.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Everything by which a lab can be told from what others have on this machine.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    run: String,
    containers: BTreeSet<String>,
    volumes: BTreeSet<String>,
    /// The roots of its containers, which are mounted while they run.
    roots: BTreeSet<String>,
    networks: BTreeSet<String>,
    /// Each with the moment of its start: the number alone is given again.
    processes: BTreeSet<(u32, String)>,
}

impl Traces {
    /// Those of the lab of that run, which is up.
    pub(crate) fn of(run: &str) -> Self {
        let filter = format!("label=rollover-lab.run={run}");
        let containers = docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]);
        let networks = docker(&["network", "ls", "-q", "--no-trunc", "--filter", &filter]);
        let mut traces = Self {
            run: run.to_owned(),
            networks,
            ..Self::default()
        };
        for container in &containers {
            let mounts = "{{range .Mounts}}{{println .Name}}{{end}}";
            let names = docker(&["inspect", "--format", mounts, container]);
            // The registry's is meant to outlive labs.
            let own = names
                .into_iter()
                .filter(|name| !name.starts_with("rollover-lab-registry-"));
            traces.volumes.extend(own);
            let root = "{{.GraphDriver.Data.MergedDir}}";
            let root = docker(&["inspect", "--format", root, container]);
            // Not every kind of storage has them, and then says so.
            traces
                .roots
                .extend(root.into_iter().filter(|path| path.starts_with('/')));
            for line in docker(&["top", container, "-eo", "pid"]) {
                let started = line
                    .parse()
                    .ok()
                    .and_then(|pid| Some((pid, start_of(pid)?)));
                traces.processes.extend(started);
            }
        }
        traces.containers = containers;
        traces
    }

    /// Whether there is all of it that a lab is made of: else nothing would be
    /// shown by finding none of it later.
    pub(crate) fn are_whole(&self) -> bool {
        !self.containers.is_empty()
            && !self.volumes.is_empty()
            && !self.networks.is_empty()
            && self.processes.len() > self.containers.len()
            && self.directory().is_dir()
            && self.roots.is_empty() == self.mounts().is_empty()
            && self.networks.iter().any(|network| bridge(network).exists())
    }

    /// All that is left of it, in words.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let filter = format!("label=rollover-lab.run={}", self.run);
        let now = docker(&["ps", "-aq", "--no-trunc"]);
        let labelled = docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]);
        left.extend(
            self.containers
                .intersection(&now)
                .map(|id| format!("container {id}")),
        );
        left.extend(labelled.iter().map(|id| format!("container {id}")));
        let now = docker(&["volume", "ls", "-q"]);
        left.extend(
            self.volumes
                .intersection(&now)
                .map(|name| format!("volume {name}")),
        );
        let now = docker(&["network", "ls", "-q", "--no-trunc"]);
        left.extend(
            self.networks
                .intersection(&now)
                .map(|id| format!("network {id}")),
        );
        let bridges = self.networks.iter().map(|network| bridge(network));
        left.extend(
            bridges
                .filter(|path| path.exists())
                .map(|path| path.display().to_string()),
        );
        let processes = self.processes.iter();
        let alive = processes.filter(|(pid, start)| start_of(*pid).as_ref() == Some(start));
        left.extend(alive.map(|(pid, _)| format!("process {pid}")));
        left.extend(self.mounts().iter().map(|mount| format!("mount {mount}")));
        if self.directory().exists() {
            left.push(self.directory().display().to_string());
        }
        left
    }

    fn directory(&self) -> PathBuf {
        Path::new("/tmp").join(format!("rollover-lab-{}", self.run))
    }

    /// The mounts of this machine that are the lab's.
    fn mounts(&self) -> Vec<String> {
        let table = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let points = table.lines().filter_map(|line| line.split(' ').nth(1));
        let of_lab = |point: &&str| point.contains(&self.run) || self.roots.contains(*point);
        points.filter(of_lab).map(str::to_owned).collect()
    }
}

/// The interface of a bridge network.
fn bridge(network: &str) -> PathBuf {
    Path::new("/sys/class/net").join(format!("br-{}", &network[..12]))
}

/// When a process started; none when there is no such process, or it has ended
/// and only its number is left.
fn start_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    (!matches!(*fields.first()?, "Z" | "X")).then(|| fields[19].to_owned())
}

/// The lines that `docker` writes; none for what it does not know.
pub(crate) fn docker(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new("docker").args(arguments).output();
    let output = output.expect("docker can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| line.trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}
