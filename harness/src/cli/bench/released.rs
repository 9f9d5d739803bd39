//! The runner as it is shipped: the binary in its image, run on this machine
//! against a lab's swarm.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use procfs::process::Process;
use tokio::process::{Child, Command};

use super::{CouldNot, cpu};
use rollover_lab::lab::{Lab, engine_address, ensure_images, own_image};

/// How often its memory is looked at. The kernel keeps the most that it was, so
/// that nothing is missed but what comes right before the end.
const LOOK: Duration = Duration::from_millis(5);

/// The runner, and where it works.
pub(super) struct Released<'lab> {
    lab: &'lab Lab,
    /// Its certificate root, which nothing else has.
    pub(super) root: PathBuf,
    binary: PathBuf,
    settings: Vec<String>,
}

/// One run of it, from its start to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    pub(super) seconds: f64,
    /// Of a core.
    pub(super) cpu_seconds: f64,
    /// The most memory that was resident.
    pub(super) peak_mib: f64,
}

impl<'lab> Released<'lab> {
    /// Takes the binary out of the image that a swarm would run, and gives it an
    /// empty certificate root.
    pub(super) async fn of(lab: &'lab Lab) -> Result<Self, CouldNot> {
        ensure_images().await?;
        let directory = lab.directory().join("released");
        let root = directory.join("root");
        fs::create_dir_all(&root)?;
        let ca = root.join("acme-ca.pem");
        fs::write(&ca, lab.acme().ca_pem())?;
        let binary = directory.join("rollover");
        extract(&own_image("runner"), &binary).await?;
        let setting = |name: &str, value: String| format!("--{name}={value}");
        let settings = vec![
            setting("engine", "acme".to_owned()),
            setting("certificate-root", root.display().to_string()),
            setting("acme-ca-file", ca.display().to_string()),
            setting("acme-directory", lab.acme().directory_url()),
            setting(
                "docker-host",
                format!("unix://{}", lab.manager().socket().display()),
            ),
        ];
        Ok(Self {
            lab,
            root,
            binary,
            settings,
        })
    }

    /// With one setting more.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push(format!("--{name}={value}"));
        self
    }

    /// Runs `rollover once`, as a person would, to its end.
    pub(super) async fn once(&self, arguments: &[&str]) -> Result<Took, CouldNot> {
        let said = self.lab.directory().join("released/said");
        let mut command = Command::new(&self.binary);
        command
            .arg("once")
            .args(&self.settings)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&said)?)
            .stderr(fs::File::create(said.with_extension("log"))?)
            .kill_on_drop(true);
        for (variable, _) in env::vars_os() {
            if variable.to_string_lossy().starts_with("ROLLOVER_") {
                command.env_remove(variable);
            }
        }
        let begun = Instant::now();
        let (ended, cpu_seconds, peak_mib) = watched(command.spawn()?).await?;
        let seconds = begun.elapsed().as_secs_f64();
        if !ended.success() {
            let log = fs::read_to_string(said.with_extension("log"))?;
            let said = fs::read_to_string(said)?;
            // What went wrong, or the end of the log where that is not said.
            let errors = said.lines().filter(|line| line.starts_with("error: "));
            let told: Vec<&str> = errors.chain(log.lines().rev()).take(3).collect();
            return Err(format!("rollover once: {ended}: {}", told.join("; ")).into());
        }
        Ok(Took {
            seconds,
            cpu_seconds,
            peak_mib,
        })
    }
}

/// Waits for its end; how it ended, its time on a core, and the most of its
/// memory in MiB.
async fn watched(mut child: Child) -> Result<(ExitStatus, f64, f64), CouldNot> {
    let process = child.id().ok_or("it has ended before it began")?;
    let process = Process::new(process.try_into()?)?;
    let mut looks = tokio::time::interval(LOOK);
    let (mut cpu, mut peak) = (0.0, 0.0);
    loop {
        tokio::select! {
            ended = child.wait() => return Ok((ended?, cpu, peak)),
            _ = looks.tick() => {
                // When it has ended, what was seen last stays.
                cpu = process.stat().map_or(cpu, |stat| cpu::of(&stat).as_secs_f64());
                let most = process.status().ok().and_then(|status| status.vmhwm);
                peak = most.map_or(peak, |kib| kib as f64 / 1024.0);
            }
        }
    }
}

/// Copies `/rollover` out of the image.
async fn extract(image: &str, to: &Path) -> Result<(), CouldNot> {
    let container = docker(&["create", image]).await?;
    let from = format!("{container}:/rollover");
    let copied = docker(&["cp", &from, &to.display().to_string()]).await;
    docker(&["rm", &container]).await?;
    copied.map(drop)
}

async fn docker(arguments: &[&str]) -> Result<String, CouldNot> {
    let mut command = Command::new("docker");
    command.args(["-H", &engine_address()]).args(arguments);
    let output = command.stdin(Stdio::null()).output().await?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?.trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("docker {}: {said}", arguments.join(" ")).into())
}
