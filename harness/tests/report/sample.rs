//! Runs as they could have been, with fixed times.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rollover_lab::event::{Band, BandKind, LogLine, Notes, Sighting};
use rollover_lab::report::{Figure, Moment, Run, Verdict};
use rollover_lab::traffic::{Lane, Loss, LossClass, Opened, Outcome, Phase, Plan, Record, Target};

const OLD: &str = "159c25a436a5f0c1159c25a436a5f0c1159c25a436a5f0c1159c25a436a5f0c1";
const NEW: &str = "d2d592b41920ab77d2d592b41920ab77d2d592b41920ab77d2d592b41920ab77";
const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// When traffic begins, in milliseconds since the run's beginning.
const TRAFFIC: u64 = 15_000;
/// When each node reloads.
const RELOADS: [u64; 3] = [20_800, 20_950, 21_100];
/// While this lasts, node-3 is cut off.
const CUT_OFF: (u64, u64) = (28_000, 31_000);

pub(crate) fn began() -> Timestamp {
    "2026-01-05T12:00:00Z".parse().unwrap()
}

fn at(millis: u64) -> Timestamp {
    began() + SignedDuration::from_millis(i64::try_from(millis).unwrap())
}

/// A renewal that lost some requests at a reload, and more while a node was cut off.
pub(crate) fn failed(rate: u32) -> Run {
    let record = record(rate, true);
    let lost = record.lost();
    Run {
        verdict: Verdict::Failed {
            findings: vec![format!(
                "lost: expected no lost request, found {lost}\n{}",
                record.summary()
            )],
        },
        traffic: vec![record],
        notes: notes(true),
        ..passed(rate)
    }
}

/// A renewal that lost nothing.
pub(crate) fn passed(rate: u32) -> Run {
    Run {
        scenario: "renewal/signal".to_owned(),
        about: "A due certificate is renewed by signal under traffic: every replica serves the \
                new one, no request is lost, no task is replaced."
            .to_owned(),
        control: false,
        parameters: BTreeMap::from([
            ("nodes".to_owned(), "3".to_owned()),
            ("rate".to_owned(), rate.to_string()),
            ("seed".to_owned(), "7".to_owned()),
        ]),
        started_at: began(),
        ended_at: at(42_000),
        verdict: Verdict::Passed,
        cut_short: false,
        traffic: vec![record(rate, false)],
        moments: moments(),
        notes: notes(false),
        figures: vec![Figure {
            name: "from the new file to every replica proved".to_owned(),
            value: 1.312_5,
            unit: "s".to_owned(),
        }],
    }
}

/// A control that was found out, as it must be.
pub(crate) fn red_control(rate: u32) -> Run {
    Run {
        control: true,
        ..failed(rate)
    }
}

/// A run that shows nothing either way.
pub(crate) fn void() -> Run {
    Run {
        scenario: "first-deploy".to_owned(),
        verdict: Verdict::Void {
            reason: "count the run: expected every request to be sent, found 3 not sent".to_owned(),
        },
        traffic: Vec::new(),
        moments: Vec::new(),
        notes: Notes::default(),
        figures: Vec::new(),
        ..passed(1)
    }
}

fn record(rate: u32, losing: bool) -> Record {
    let targets = NODES
        .iter()
        .zip(1..)
        .map(|(node, n)| Target::new(*node, ([127, 0, 0, n], 443).into()));
    let plan = Plan::new(targets.collect(), "www.example.test")
        .lane(Lane::new_connections("new", rate))
        .lane(Lane::keep_alive("keep-alive", rate, 40));
    let seconds = 25;
    let mut outcomes = Vec::new();
    for sequence in 0..u64::from(rate) * seconds {
        let due = sequence * 1_000_000 / u64::from(rate);
        outcomes.push(outcome("new", sequence, due, losing));
        outcomes.push(outcome("keep-alive", sequence, due, losing));
    }
    Record {
        plan,
        started_at: at(TRAFFIC),
        duration: Duration::from_secs(seconds + 5),
        warm_up: Vec::new(),
        machine: Vec::new(),
        outcomes,
    }
}

/// What becomes of a request that is due so many microseconds into the traffic.
fn outcome(lane: &str, sequence: u64, due: u64, losing: bool) -> Outcome {
    let node = (sequence % 3) as usize;
    let due_at = TRAFFIC + due / 1000;
    let intended = Duration::from_micros(due);
    let mut outcome = Outcome::planned(lane.into(), NODES[node].into(), sequence, intended);
    let noise = scatter(sequence);
    let usual = if lane == "new" { 3_000 } else { 53_000 };
    // Handshakes stand in line while a node reloads.
    let reloading = due_at.saturating_sub(RELOADS[node]) < 300 && due_at >= RELOADS[node];
    let factor = if reloading { 6 } else { 1 };
    outcome.ended = intended + Duration::from_micros((usual + noise * usual / 1500) * factor);
    outcome.replica = Some(format!("replica{}", node + 1).into());
    if lane == "new" {
        outcome.opened = Some(Opened::Always);
        outcome.connected = Some(intended + Duration::from_micros(200));
        outcome.handshaken = Some(intended + Duration::from_micros(2_000));
        let renewed = due_at >= RELOADS[node];
        outcome.fingerprint = Some(if renewed { NEW } else { OLD }.into());
    } else {
        outcome.opened = Some(Opened::Reused);
    }
    if losing {
        lose(&mut outcome, lane, node, due_at);
    }
    outcome
}

fn lose(outcome: &mut Outcome, lane: &str, node: usize, due_at: u64) {
    let reset = lane == "keep-alive" && node == 1 && (0..120).contains(&(due_at as i64 - 20_960));
    let cut_off = node == 2 && (CUT_OFF.0..CUT_OFF.1).contains(&due_at);
    let recovering = node == 2 && (CUT_OFF.1..CUT_OFF.1 + 900).contains(&due_at);
    if reset {
        outcome.ended = outcome.intended + Duration::from_millis(26);
        outcome.loss = Some(Loss {
            class: LossClass::Reset,
            phase: Phase::Request,
            detail: "Connection reset by peer (os error 104)".into(),
        });
    } else if cut_off && due_at < CUT_OFF.1 - 1_000 {
        outcome.ended = outcome.intended + Duration::from_secs(5);
        outcome.handshaken = None;
        outcome.fingerprint = None;
        outcome.loss = Some(Loss {
            class: LossClass::TimedOut,
            phase: Phase::Connect,
            detail: "no complete answer by the deadline".into(),
        });
    } else if cut_off || recovering {
        outcome.ended = outcome.intended + Duration::from_millis(CUT_OFF.1 + 1_900 - due_at);
        outcome.handshaken = None;
        outcome.fingerprint = None;
    }
}

/// The same for the same number, from 0 to 999, small ones more often.
fn scatter(number: u64) -> u64 {
    let mixed = number
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963);
    let even = (mixed >> 33) % 1000;
    even * even / 1000
}

fn moments() -> Vec<Moment> {
    let moment = |millis, node: usize, what: &str| Moment {
        at: at(millis),
        node: NODES[node].to_owned(),
        replica: Some(format!("replica{}", node + 1)),
        what: what.to_owned(),
    };
    let started = (0..3).map(|node| moment(4_000 + 300 * node as u64, node, "started"));
    let healthy = (0..3).map(|node| moment(7_000 + 400 * node as u64, node, "healthy"));
    let signals = (0..3).map(|node| moment(RELOADS[node], node, "signal 1"));
    started.chain(healthy).chain(signals).collect()
}

fn notes(losing: bool) -> Notes {
    let band = |kind, name: &str, from, until: Option<u64>| Band {
        kind,
        name: name.to_owned(),
        node: None,
        from: at(from),
        until: until.map(at),
        note: None,
    };
    let mut bands = vec![
        band(
            BandKind::Step,
            "the stack is deployed and serves",
            100,
            Some(14_200),
        ),
        band(
            BandKind::Step,
            "renewals under traffic",
            14_200,
            Some(41_000),
        ),
        band(
            BandKind::Runner,
            "issue www.example.test",
            18_000,
            Some(20_200),
        ),
        band(BandKind::Runner, "roll out by signal", 20_200, Some(21_300)),
        band(BandKind::Runner, "verify", 21_300, Some(22_100)),
    ];
    if losing {
        bands.push(Band {
            node: Some("node-3".to_owned()),
            note: Some("packets dropped both ways".to_owned()),
            ..band(
                BandKind::Fault,
                "node-3 is cut off",
                CUT_OFF.0,
                Some(CUT_OFF.1),
            )
        });
    }
    Notes {
        bands,
        sightings: sightings(losing),
        logs: logs(losing),
    }
}

fn sightings(losing: bool) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    for millis in (8_000..41_000).step_by(1_000) {
        for (node, name) in NODES.iter().enumerate() {
            let cut_off = losing && node == 2 && (CUT_OFF.0..CUT_OFF.1).contains(&millis);
            sightings.push(Sighting {
                at: at(millis),
                node: (*name).to_owned(),
                task: Some(format!("replica{}", node + 1)),
                served: match (cut_off, millis >= RELOADS[node]) {
                    (true, _) => Err("connect: no route to host".to_owned()),
                    (false, true) => Ok(NEW.to_owned()),
                    (false, false) => Ok(OLD.to_owned()),
                },
            });
        }
    }
    sightings
}

fn logs(losing: bool) -> Vec<LogLine> {
    let line = |millis, source: &str, text: &str| LogLine {
        at: at(millis),
        source: source.to_owned(),
        text: text.to_owned(),
    };
    let mut logs = vec![
        line(
            20_150,
            "rollover",
            "INFO \u{1b}[32mcertificate issued\u{1b}[0m name=www.example.test",
        ),
        line(
            20_210,
            "rollover",
            "INFO rolling out by signal to 3 replicas",
        ),
        line(
            20_960,
            "loadbalancer on node-2",
            "signal 1 (SIGHUP) received, reconfiguring",
        ),
        line(21_050, "loadbalancer on node-2", "gracefully shutting down"),
        line(22_090, "rollover", "INFO every replica serves d2d592b4"),
    ];
    if losing {
        logs.push(line(
            28_900,
            "rollover",
            "WARN probe of node-3 failed: no route to host",
        ));
        logs.push(line(
            29_400,
            "dockerd on node-1",
            "memberlist: Suspect node-3 has failed",
        ));
    }
    logs
}
