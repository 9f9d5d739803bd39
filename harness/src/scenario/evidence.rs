//! What was written down in a run, and who wrote what when it mattered.

use jiff::{SignedDuration, Timestamp};

use super::Stage;
use crate::event::{BandKind, LogLine, Notes};
use crate::lab::LabError;
use crate::site;

/// This near to a loss, or to the time of a fault, a line of a log matters.
const NEAR: SignedDuration = SignedDuration::from_millis(1500);
/// A daemon that is cut off complains at every heartbeat: what it said first is
/// what there is to read.
const LINES_OF_ONE_SOURCE: usize = 200;

/// The journal of a run that is over, with the runner's steps and log, and what
/// load balancers and daemons wrote at the moments that matter.
pub(super) async fn gather(stage: &Stage<'_>) -> Notes {
    let mut notes = stage.lab().journal().notes();
    let since = stage.begun;
    notes.bands.retain(|band| band.from >= since);
    notes.sightings.retain(|sighting| sighting.at >= since);
    notes.logs.retain(|line| line.at >= since);

    let mut runner = had(stage
        .lab()
        .service("patch_rollover")
        .lines_since(since)
        .await);
    runner.iter_mut().for_each(without_its_own_time);
    notes.logs.extend(runner);
    notes.logs.sort_by_key(|line| line.at);
    notes.bands.extend(steps_of_each(&notes.logs));

    let matters = moments_that_matter(stage, &notes);
    if !matters.is_empty() {
        for lines in others(stage, since).await {
            notes.logs.extend(near(lines, &matters));
        }
        notes.logs.sort_by_key(|line| line.at);
    }
    notes
}

/// What load balancers and daemons wrote, each by itself.
async fn others(stage: &Stage<'_>, since: Timestamp) -> Vec<Vec<LogLine>> {
    let lab = stage.lab();
    let mut all = vec![had(lab
        .service("patch_loadbalancer")
        .lines_since(since)
        .await)];
    for node in lab.nodes() {
        all.push(had(node.lines_since(since).await));
    }
    all
}

/// What cannot be had is no reason to lose the rest of the report.
fn had(lines: Result<Vec<LogLine>, LabError>) -> Vec<LogLine> {
    lines.unwrap_or_else(|error| {
        tracing::warn!(%error, "a log is missing in the report");
        Vec::new()
    })
}

/// The runner begins each line with the time, which the engine has noted too.
fn without_its_own_time(line: &mut LogLine) {
    if let Some((at, rest)) = line.text.split_once(' ')
        && at.parse::<Timestamp>().is_ok()
    {
        line.text = rest.trim_start().to_owned();
    }
}

/// A runner that is asked by hand takes steps of its own beside the daemon's.
fn steps_of_each(logs: &[LogLine]) -> Vec<crate::event::Band> {
    let mut sources: Vec<&str> = logs.iter().map(|line| line.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let of = |source: &str| -> Vec<LogLine> {
        let lines = logs.iter().filter(|line| line.source == source);
        lines.cloned().collect()
    };
    sources
        .into_iter()
        .flat_map(|source| site::steps(&of(source)))
        .collect()
}

/// When requests were lost, and when something was broken.
fn moments_that_matter(stage: &Stage<'_>, notes: &Notes) -> Vec<(Timestamp, Timestamp)> {
    let traffic = stage.traffic.borrow();
    let losses = traffic.iter().flat_map(|record| {
        let lost = record.outcomes.iter().filter(|outcome| outcome.is_lost());
        lost.map(|outcome| (record.at(outcome.started), record.at(outcome.ended)))
    });
    let faults = notes
        .bands
        .iter()
        .filter(|band| band.kind == BandKind::Fault);
    let faults = faults.map(|band| (band.from, band.until.unwrap_or(Timestamp::MAX)));
    losses.chain(faults).collect()
}

fn near(mut lines: Vec<LogLine>, matters: &[(Timestamp, Timestamp)]) -> Vec<LogLine> {
    lines.retain(|line| {
        matters.iter().any(|(from, until)| {
            from.duration_since(line.at) <= NEAR && line.at.duration_since(*until) <= NEAR
        })
    });
    let more = lines.len().saturating_sub(LINES_OF_ONE_SOURCE);
    lines.truncate(LINES_OF_ONE_SOURCE);
    if let (1.., Some(last)) = (more, lines.last_mut()) {
        last.text = format!("{}\n… and {more} more lines", last.text);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: &str, text: &str) -> LogLine {
        LogLine {
            at: format!("2026-11-25T10:00:{at}Z").parse().unwrap(),
            source: "dockerd on node-1".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_line_matters_near_a_loss_and_nowhere_else() {
        let lost = line("10", "").at;
        let lines = ["05", "09", "11", "12"].map(|at| line(at, at)).into();
        let kept = near(lines, &[(lost, lost)]);
        let texts: Vec<_> = kept.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["09", "11"]);
    }

    #[test]
    fn what_is_left_out_of_many_lines_is_said() {
        let lost = line("10", "").at;
        let lines = vec![line("10", "x"); LINES_OF_ONE_SOURCE + 7];
        let kept = near(lines, &[(lost, lost)]);
        assert_eq!(kept.len(), LINES_OF_ONE_SOURCE);
        assert_eq!(kept[LINES_OF_ONE_SOURCE - 1].text, "x\n… and 7 more lines");
    }

    #[test]
    fn the_runners_own_time_is_not_said_twice() {
        let mut own = line("10", "2026-11-25T10:00:10.1Z  INFO issued step=issued");
        without_its_own_time(&mut own);
        assert_eq!(own.text, "INFO issued step=issued");
    }
}
