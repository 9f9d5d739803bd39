//! `rollover-lab status`: which labs stand.

use clap::Args;
use jiff::Timestamp;

use super::{CouldNot, Verdict, print};
use rollover_lab::lab::{Life, Standing, standing};

#[derive(Args, Debug)]
pub(super) struct Status {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) async fn run(self) -> Result<Verdict, CouldNot> {
        let labs = standing().await?;
        print(&if self.json {
            serde_json::to_string_pretty(&labs)?
        } else if labs.is_empty() {
            "no lab stands".to_owned()
        } else {
            table(&labs, super::now())
        });
        Ok(Verdict::Passed)
    }
}

fn table(labs: &[Standing], now: Timestamp) -> String {
    let head = format!(
        "{:<8}  {:<10}  {:>7}  {:<8}  {:<7}  nodes",
        "run", "state", "age", "volume", "acme"
    );
    let rows = labs.iter().map(|lab| {
        let age = lab
            .since
            .map_or_else(|| "-".to_owned(), |since| age(since, now));
        format!(
            "{:<8}  {:<10}  {age:>7}  {:<8}  {:<7}  {}",
            lab.run,
            state(lab),
            or_dash(&lab.volume),
            or_dash(&lab.acme),
            nodes(lab),
        )
    });
    let lines: Vec<String> = std::iter::once(head).chain(rows).collect();
    lines.join("\n")
}

fn state(lab: &Standing) -> &'static str {
    match (lab.life, lab.whole) {
        (Life::Dead, _) => "left over",
        (Life::Elsewhere, _) => "elsewhere",
        (Life::Alive, false) => "starting",
        (Life::Alive, true) => "in use",
        (Life::Kept, _) => "kept",
    }
}

/// `3 running`, or each node by itself where they differ.
fn nodes(lab: &Standing) -> String {
    let Some(first) = lab.nodes.first() else {
        return "none".to_owned();
    };
    if lab.nodes.iter().all(|node| node.state == first.state) {
        return format!("{} {}", lab.nodes.len(), first.state);
    }
    let each = lab
        .nodes
        .iter()
        .map(|node| format!("{} {}", node.name, node.state));
    each.collect::<Vec<_>>().join(", ")
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use rollover_lab::lab::StandingNode;

    use super::*;

    fn node(number: u8, state: &str) -> StandingNode {
        StandingNode {
            name: format!("node-{number}"),
            state: state.to_owned(),
            container: String::new(),
            address: None,
        }
    }

    #[test]
    fn a_table_says_run_state_age_and_nodes() {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let kept = Standing {
            run: "abc123".to_owned(),
            life: Life::Kept,
            whole: true,
            since: Some("2026-01-01T11:48:00Z".parse().unwrap()),
            volume: "bind".to_owned(),
            acme: "pebble".to_owned(),
            nodes: vec![node(1, "running"), node(2, "running")],
        };
        let left = Standing {
            run: "xyz789".to_owned(),
            life: Life::Dead,
            whole: false,
            since: None,
            volume: String::new(),
            acme: String::new(),
            nodes: vec![node(1, "running"), node(2, "exited")],
        };
        insta::assert_snapshot!(table(&[kept, left], now), @r"
        run       state           age  volume    acme     nodes
        abc123    kept         12 min  bind      pebble   2 running
        xyz789    left over         -  -         -        node-1 running, node-2 exited
        ");
    }

    #[test]
    fn ages_are_told_in_one_unit() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-01-10T00:00:00Z");
        assert_eq!(age(at("2026-01-09T23:59:01Z"), now), "59 s");
        assert_eq!(age(at("2026-01-09T23:00:00Z"), now), "60 min");
        assert_eq!(age(at("2026-01-08T23:00:00Z"), now), "25 h");
        assert_eq!(age(at("2026-01-01T00:00:00Z"), now), "9 d");
    }
}
