//! What a person at a terminal sees of rollouts: a line for each replica, changed in
//! place. Where stderr is no terminal there is nothing of it, and the log tells the
//! same in lines that stay.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

/// The block of lines, if there is a terminal to show it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Option<MultiProgress>);

impl Progress {
    /// On stderr, if that is a terminal that can go back to a line.
    pub(crate) fn on_terminal() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let shown = io::stderr().is_terminal() && !dumb;
        Self(shown.then(MultiProgress::new))
    }

    /// The lines of one rollout.
    pub(crate) fn rollout(&self, service: &str) -> Lines {
        Lines {
            block: self.0.clone(),
            service: service.to_owned(),
            lines: BTreeMap::new(),
            heard: Heard(self.0.as_ref().map(|_| Arc::default())),
        }
    }
}

/// The log goes above the block.
impl MakeWriter<'_> for Progress {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Write for Progress {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let write = || io::stderr().write(line);
        self.0.as_ref().map_or_else(write, |it| it.suspend(write))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A line for each replica of one target; they go when this does.
#[derive(Debug)]
pub(crate) struct Lines {
    block: Option<MultiProgress>,
    service: String,
    /// By the task.
    lines: BTreeMap<String, ProgressBar>,
    heard: Heard,
}

/// How a replica stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) task: String,
    pub(crate) replica: String,
    /// What it does; nothing if that is for an agent to say.
    pub(crate) state: Option<String>,
    pub(crate) done: bool,
}

impl Lines {
    /// Whether anybody sees them.
    pub(crate) fn are_seen(&self) -> bool {
        self.block.is_some()
    }

    /// Shows `replicas`, and no other.
    pub(crate) fn show(&mut self, replicas: impl IntoIterator<Item = Shown>) {
        let Some(block) = &self.block else {
            return;
        };
        let mut before = std::mem::take(&mut self.lines);
        for shown in replicas {
            let line = before.remove(&shown.task).unwrap_or_else(|| {
                let line = block.add(ProgressBar::new_spinner().with_style(style()));
                line.set_prefix(format!("{}: {}", self.service, shown.replica));
                line
            });
            let state = shown.state.or_else(|| self.heard.of(&shown.task));
            line.set_message(state.unwrap_or_else(|| "waits for the job".to_owned()));
            if shown.done {
                line.abandon();
            } else {
                line.tick();
            }
            self.lines.insert(shown.task, line);
        }
        for gone in before.into_values() {
            gone.finish_and_clear();
            block.remove(&gone);
        }
    }

    /// Where to tell what agents say.
    pub(crate) fn heard(&self) -> Heard {
        self.heard.clone()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.show([]);
    }
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{spinner} {prefix}: {wide_msg}");
    // Without colours, so that it needs none. The template is one.
    style
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .tick_strings(&["|", "/", "-", "\\", "*"])
}

/// What agents said last of each task.
#[derive(Clone, Debug)]
pub(crate) struct Heard(Option<Arc<Mutex<BTreeMap<String, String>>>>);

impl Heard {
    /// Takes a line of an agent's: `SERVICE.SLOT.TASK: what it did`. It is shown, and
    /// nothing is decided by it.
    pub(crate) fn take(&self, line: &str) {
        let Some((task, said)) = said_of(line) else {
            return;
        };
        if let Some(heard) = &self.0 {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.insert(task.to_owned(), said.to_owned());
        }
    }

    fn of(&self, task: &str) -> Option<String> {
        let heard = self.0.as_ref()?.lock();
        heard
            .unwrap_or_else(PoisonError::into_inner)
            .get(task)
            .cloned()
    }
}

/// The task, and what was said of it.
fn said_of(line: &str) -> Option<(&str, &str)> {
    let line = line.trim().trim_start_matches("rollover: ");
    let (container, said) = line.split_once(": ")?;
    Some((container.rsplit('.').next()?, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_an_agent_s_is_laid_to_its_task() {
        let line = "patch_loadbalancer.2.abc: sees the new files\n";
        assert_eq!(said_of(line), Some(("abc", "sees the new files")));
        let failed = "rollover: patch_loadbalancer.2.abc: the test command failed: why";
        assert_eq!(
            said_of(failed),
            Some(("abc", "the test command failed: why"))
        );
        assert_eq!(said_of("something else"), None);
    }

    #[test]
    fn without_a_terminal_nothing_is_kept() {
        let mut lines = Progress::default().rollout("patch_loadbalancer");
        lines.show([Shown {
            task: "abc".into(),
            replica: "replica 2 on node-2".into(),
            state: None,
            done: false,
        }]);
        lines.heard().take("patch_loadbalancer.2.abc: HUP sent");
        assert!(!lines.are_seen() && lines.lines.is_empty());
        assert_eq!(lines.heard.of("abc"), None);
    }
}
