//! Who a thing of a lab belongs to, and whether that process still lives.

use std::{collections::HashMap, fs, io};

use serde::{Deserialize, Serialize};

const LAB: &str = "rollover-lab";
const RUN: &str = "rollover-lab.run";
const PID: &str = "rollover-lab.pid";
const START: &str = "rollover-lab.start";
const BOOT: &str = "rollover-lab.boot";
const HOST: &str = "rollover-lab.host";

/// The filter that finds everything of any lab.
pub(crate) const ANY_LAB: &str = "rollover-lab=1";

/// A process that no other one can be taken for.
///
/// A process ID alone is given again to others, and on one engine can lie
/// containers of processes in other PID namespaces, where the same number means
/// another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot (field 22 of proc(5)'s stat).
    pub(crate) start: u64,
    /// The kernel's boot ID.
    pub(crate) boot: String,
    /// Host name and PID namespace: where `pid` means something.
    pub(crate) host: String,
}

/// The run of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) run: String,
    pub(crate) process: Process,
    /// Meant to outlive its process. Labels cannot be changed, and so only the
    /// file in the run's directory can say it.
    pub(crate) keep: bool,
}

/// What is known of whoever made a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// Its process runs.
    Alive,
    /// It is kept for hands-on work, whatever has become of its process.
    Kept,
    /// Its process has ended.
    Dead,
    /// It belongs to another machine or PID namespace: from here nobody can tell.
    Elsewhere,
}

impl Process {
    /// The process that asks.
    pub(crate) fn this() -> io::Result<Self> {
        let pid = std::process::id();
        let start = start_of(pid).ok_or_else(|| {
            io::Error::other(format!(
                "/proc/{pid}/stat does not say when the process started"
            ))
        })?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?
            .trim()
            .to_owned();
        let name = fs::read_to_string("/proc/sys/kernel/hostname")?;
        let namespace = fs::read_link("/proc/self/ns/pid")?;
        let host = format!("{}/{}", name.trim(), namespace.display());
        Ok(Self {
            pid,
            start,
            boot,
            host,
        })
    }
}

impl Owner {
    /// The labels that every object of the run carries.
    pub(crate) fn labels(&self) -> HashMap<String, String> {
        let process = &self.process;
        [
            (LAB, "1".to_owned()),
            (RUN, self.run.clone()),
            (PID, process.pid.to_string()),
            (START, process.start.to_string()),
            (BOOT, process.boot.clone()),
            (HOST, process.host.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Reads the labels back; none when they are not those of a run.
    pub(crate) fn from_labels(labels: &HashMap<String, String>) -> Option<Self> {
        let label = |name: &str| labels.get(name).cloned();
        Some(Self {
            run: label(RUN)?,
            process: Process {
                pid: label(PID)?.parse().ok()?,
                start: label(START)?.parse().ok()?,
                boot: label(BOOT)?,
                host: label(HOST)?,
            },
            keep: false,
        })
    }

    /// The filter that finds everything of this run.
    pub(crate) fn filter(&self) -> String {
        format!("{RUN}={}", self.run)
    }

    /// Judges from `observer`, a process of this machine, whether the owner
    /// lives; `start_of` tells when the process of an ID started, if there is one.
    pub(crate) fn life(&self, observer: &Process, start_of: impl Fn(u32) -> Option<u64>) -> Life {
        if self.keep {
            Life::Kept
        } else if self.process.host != observer.host {
            Life::Elsewhere
        } else if self.process.boot == observer.boot
            && start_of(self.process.pid) == Some(self.process.start)
        {
            Life::Alive
        } else {
            Life::Dead
        }
    }
}

/// When the process `pid` started, in clock ticks since boot. A zombie has ended,
/// though its number is still taken.
pub(crate) fn start_of(pid: u32) -> Option<u64> {
    let process = procfs::process::Process::new(pid.try_into().ok()?).ok()?;
    let stat = process.stat().ok()?;
    (!matches!(stat.state, 'Z' | 'X')).then_some(stat.starttime)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn process() -> Process {
        Process {
            pid: 42,
            start: 1000,
            boot: "b1".into(),
            host: "h/pid:[1]".into(),
        }
    }

    fn owner() -> Owner {
        Owner {
            run: "abc".into(),
            process: process(),
            keep: false,
        }
    }

    fn life(owner: &Owner, start: Option<u64>) -> Life {
        owner.life(&process(), |pid| if pid == 42 { start } else { None })
    }

    #[test]
    fn labels_say_all_that_is_needed() {
        assert_eq!(Owner::from_labels(&owner().labels()), Some(owner()));
        let mut labels = owner().labels();
        labels.remove(START);
        assert_eq!(Owner::from_labels(&labels), None);
    }

    #[test]
    fn lives_as_long_as_its_very_process() {
        assert_eq!(life(&owner(), Some(1000)), Life::Alive);
        assert_eq!(life(&owner(), None), Life::Dead);
        assert_eq!(
            life(&owner(), Some(2000)),
            Life::Dead,
            "the number was given again"
        );
    }

    #[test]
    fn is_dead_after_a_reboot_whatever_has_its_number() {
        let mut owner = owner();
        owner.process.boot = "b0".into();
        assert_eq!(life(&owner, Some(1000)), Life::Dead);
    }

    #[test]
    fn nothing_is_known_of_another_machine_or_namespace() {
        let mut owner = owner();
        owner.process.host = "h/pid:[2]".into();
        assert_eq!(life(&owner, None), Life::Elsewhere);
    }

    #[test]
    fn what_is_kept_outlives_its_process() {
        let owner = Owner {
            keep: true,
            ..owner()
        };
        assert_eq!(life(&owner, None), Life::Kept);
    }

    #[test]
    fn finds_this_process() {
        let this = Process::this().unwrap();
        assert_eq!(start_of(this.pid), Some(this.start));
    }
    #[test]
    fn finds_no_process_that_has_ended_and_was_not_waited_for() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(start_of(child.id()).is_some());
        child.kill().unwrap();
        let status = || fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        while !status().contains("State:\tZ") {
            std::thread::yield_now();
        }
        assert_eq!(start_of(child.id()), None);
        child.wait().unwrap();
    }
}
