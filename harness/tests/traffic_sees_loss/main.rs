//! The traffic finds every loss that a server makes on purpose, no other, and
//! calls it by its name: the server counts what it does, the counts must agree.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "clippy takes only the test functions themselves for tests, not their helpers"
)]

mod http2;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rollover_lab::traffic::{
    Dishonest, Lane, LossClass, Opened, Outcome, Phase, Plan, Record, Target, Traffic,
};
use server::{Act, Server};

/// With pauses in which the servers can catch up on a busy machine: the traffic
/// itself goes before them.
const RATE: u32 = 25;
const EVERY: usize = 4;
/// Far more than an answer takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);
/// The same, where it must be waited for.
const SHORT_DEADLINE: Duration = Duration::from_secs(3);

fn plan(server: &Server, lane: Lane) -> Plan {
    Plan::new(vec![Target::new("node-1", server.address)], "example.test")
        .lane(lane)
        .deadline(if server.stalls() {
            SHORT_DEADLINE
        } else {
            DEADLINE
        })
}

fn new_connections() -> Lane {
    Lane::new_connections("new", RATE)
}

fn keep_alive() -> Lane {
    Lane::keep_alive("keep-alive", RATE, 8)
}

const DOWNLOAD: u64 = 200_000;
const UPLOAD: u64 = 50_000;
const LASTING: Duration = Duration::from_millis(300);

fn download() -> Lane {
    let path = format!("/?bytes={DOWNLOAD}");
    Lane::download("download", RATE, path).lasting(LASTING)
}

fn upload() -> Lane {
    Lane::upload("upload", RATE, "/", UPLOAD).lasting(LASTING)
}

/// Drives the plan until so many requests were due.
async fn drive(server: &Server, plan: Plan, requests: u64) -> Record {
    drive_until(server, plan, |due| due >= requests).await
}

/// Drives the plan until that is enough of requests that were due.
async fn drive_until(server: &Server, plan: Plan, enough: impl Fn(u64) -> bool) -> Record {
    let traffic = Traffic::start(plan).unwrap();
    traffic.begun().await;
    server.arm();
    while !enough(traffic.counts().due) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let record = traffic.stop().await.unwrap();
    println!("{}", record.summary());
    record
}

fn over_http2() -> Lane {
    Lane::http2("http2", RATE, 2)
}

fn resumed() -> Lane {
    Lane::resumed("resumed", RATE)
}

/// All lanes see this act as this class in this phase, as often as it was done.
async fn sees(act: Act, class: LossClass, phase: Phase) {
    let warm = [keep_alive(), over_http2()];
    all_see(with_new_connections().chain(warm), act, class, phase).await;
}

/// All these lanes see this act as this class in this phase, as often as it was done.
async fn all_see(lanes: impl Iterator<Item = Lane>, act: Act, class: LossClass, phase: Phase) {
    let seeing = lanes.map(|lane| lane_sees(lane, act, class, phase));
    futures_util::future::join_all(seeing).await;
}

/// The lanes that open a connection for each request.
fn with_new_connections() -> impl Iterator<Item = Lane> {
    [new_connections(), resumed(), download(), upload()].into_iter()
}

async fn lane_sees(lane: Lane, act: Act, class: LossClass, phase: Phase) {
    for lost in lane_sees_class(lane, act, class).await.losses() {
        assert_eq!(lost.loss.as_ref().unwrap().phase, phase, "{lost:?}");
    }
}

async fn lane_sees_class(lane: Lane, act: Act, class: LossClass) -> Record {
    let server = Server::unarmed(act, EVERY).await;
    // A machine that stalls has the client open more connections, and on each the
    // first request is none that can be left unread.
    let enough = |due| due >= 44 && server.acts() >= 8 || due >= 400;
    let record = drive_until(&server, plan(&server, lane), enough).await;
    assert!(server.acts() >= 8, "{act:?} was done {}", server.acts());
    let expected = BTreeMap::from([(class, server.acts())]);
    assert_eq!(record.lost_by_class(), expected, "{act:?}");
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_server_loses_nothing() {
    let server = Server::start(Act::Nothing, 1).await;
    let plan = plan(&server, new_connections())
        .lane(keep_alive())
        .lane(keep_alive_behind_a_network())
        .lane(resumed())
        .lane(over_http2())
        .lane(download())
        .lane(upload());
    let record = drive(&server, plan, 200).await;
    assert_eq!(record.lost(), 0, "{:?}", record.lost_by_class());
    for outcome in &record.outcomes {
        assert_eq!(outcome.fingerprint.as_deref(), Some(&*server.fingerprint));
        let expected = if &*outcome.lane == "download" {
            DOWNLOAD
        } else {
            16
        };
        assert_eq!(
            (outcome.received, outcome.expected),
            (expected, Some(expected))
        );
        let sent = if &*outcome.lane == "upload" {
            UPLOAD
        } else {
            0
        };
        assert_eq!(outcome.sent, sent);
        assert_eq!(outcome.replica.as_deref(), Some("r1"));
    }
    let seen = record.certificates();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let resumed = record.outcomes.iter().filter(|it| it.resumed == Some(true));
    let in_full = record.outcomes.len() - resumed.count();
    assert_eq!(seen[0].requests, in_full as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_resumed_on_each_new_connection_of_its_lane_only() {
    let server = Server::start(Act::Nothing, 1).await;
    let plan = plan(&server, resumed()).lane(new_connections());
    let record = drive(&server, plan, 50).await;
    for it in &record.outcomes {
        assert_eq!((it.opened, it.nth), (Some(Opened::Always), 1));
        assert!(
            it.resumed == Some(false) || &*it.lane == "resumed",
            "{it:?}"
        );
    }
    let summary = record.summary();
    // Those that warmed up began with the first; some may have resumed it.
    let warm_up = record.warm_up[0].opened;
    let resumed = summary.lanes[0].resumed;
    assert!((resumed..resumed + warm_up).contains(&server.resumed()));
    // A ticket is good for one connection: many at once can run out of them.
    assert!(resumed > summary.lanes[0].sent / 2, "{summary}");
}

fn keep_alive_behind_a_network() -> Lane {
    Lane::keep_alive("far", RATE, 40).delay(Duration::from_millis(10))
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_alive_uses_its_connections_in_turn_and_opens_no_other() {
    let server = Server::start(Act::Nothing, 1).await;
    let record = drive(&server, plan(&server, keep_alive()), 20).await;
    assert_eq!(server.connections(), 8);
    for outcome in &record.outcomes {
        assert_eq!(outcome.opened, Some(Opened::Reused));
        assert_eq!((outcome.connected, outcome.handshaken), (None, None));
    }
    let nth: Vec<_> = record.outcomes.iter().take(16).map(|it| it.nth).collect();
    assert_eq!(nth, [[2; 8], [3; 8]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_is_made_for_each_request() {
    let server = Server::start(Act::Nothing, 1).await;
    let record = drive(&server, plan(&server, new_connections()), 50).await;
    assert_eq!(server.connections(), record.outcomes.len());
    for it in &record.outcomes {
        assert!(it.started <= it.connected.unwrap() && it.connected < it.handshaken);
        assert!(it.handshaken < it.first_byte && it.first_byte.unwrap() <= it.ended);
        assert_eq!((it.opened, it.nth), (Some(Opened::Always), 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listening_is_refused() {
    let server = Server::start(Act::Nothing, 1).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed_address = closed.local_addr().unwrap();
    drop(closed);
    let mut plan = plan(&server, new_connections()).lane(keep_alive());
    for lane in [over_http2(), resumed(), download(), upload()] {
        plan = plan.lane(lane);
    }
    plan.targets.push(Target::new("node-2", closed_address));
    let record = drive(&server, plan, 150).await;
    let to_closed = |name: &str| {
        record
            .outcomes
            .iter()
            .filter(|it| &*it.target == name)
            .count()
    };
    let expected = BTreeMap::from([(LossClass::Refused, to_closed("node-2"))]);
    assert_eq!(record.lost_by_class(), expected);
    // Each lane takes turns.
    assert!(to_closed("node-1").abs_diff(to_closed("node-2")) <= 6);
    assert_eq!((record.warm_up[1].opened, record.warm_up[1].failed), (8, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_dropped_after_it_was_accepted() {
    let (act, class) = (Act::DropAfterAccept, LossClass::Eof);
    all_see(with_new_connections(), act, class, Phase::Handshake).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_reset_after_it_was_accepted() {
    // The reset may overtake the news that the connection stands: any phase.
    for lane in with_new_connections() {
        lane_sees_class(lane, Act::ResetAfterAccept, LossClass::Reset).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert() {
    let (act, class) = (Act::Alert, LossClass::TlsAlert);
    all_see(with_new_connections(), act, class, Phase::Handshake).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_without_its_key() {
    let (act, class) = (Act::ForeignKey, LossClass::Tls);
    all_see(with_new_connections(), act, class, Phase::Handshake).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_before_the_answer() {
    let act = Act::CloseBeforeAnswer;
    all_see(with_new_connections(), act, LossClass::Eof, Phase::Request).await;
    let server = Server::unarmed(act, EVERY).await;
    let record = drive(&server, plan(&server, keep_alive()), 60).await;
    assert_eq!(record.lost(), server.acts());
    for lost in record.losses() {
        let class = match lost.opened {
            Some(Opened::Reused) => LossClass::StaleKeepAlive,
            _ => LossClass::Eof,
        };
        assert_eq!(lost.loss.as_ref().unwrap().class, class, "{lost:?}");
    }
    http2_is_cut(act).await;
}

/// What nginx does to an idle connection on a reload.
#[tokio::test(flavor = "multi_thread")]
async fn a_close_without_reading_what_has_just_arrived() {
    let class = LossClass::StaleKeepAlive;
    lane_sees(keep_alive(), Act::CloseUnread, class, Phase::Request).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_within_the_answer() {
    let (act, class) = (Act::ResetWithinAnswer, LossClass::Reset);
    let lanes = with_new_connections().chain([keep_alive()]);
    all_see(lanes, act, class, Phase::Response).await;
    let record = http2_is_cut(act).await;
    assert!(record.lost_by_class().contains_key(&class));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_cut_short() {
    sees(Act::Truncate, LossClass::Truncated, Phase::Response).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_cut_short_is_seen_by_its_bytes() {
    let record = lane_sees_class(download(), Act::Truncate, LossClass::Truncated).await;
    for lost in record.losses() {
        assert_eq!(
            (lost.received, lost.expected),
            (DOWNLOAD / 2, Some(DOWNLOAD))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_takes_the_time_that_it_is_made_to_and_is_not_late_for_it() {
    let server = Server::start(Act::Nothing, 1).await;
    let mut plan = plan(&server, download()).lane(upload());
    plan.late_after = LASTING * 10;
    let record = drive(&server, plan, 40).await;
    assert_eq!(record.lost(), 0, "{:?}", record.lost_by_class());
    let mut late = record.clone();
    late.plan.late_after = Duration::ZERO;
    for it in &record.outcomes {
        // What comes along with the head is not waited for.
        assert!(it.latency() >= LASTING * 8 / 10, "{it:?}");
        assert!(!record.is_late(it));
        assert_eq!(late.is_late(it), it.latency() > LASTING);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_stands_still_is_given_up_before_its_deadline() {
    let patient = download().deadline(Duration::from_secs(600));
    let class = LossClass::TimedOut;
    let record = lane_sees_class(patient, Act::StallWithinAnswer, class).await;
    for lost in record.losses() {
        let detail = &*lost.loss.as_ref().unwrap().detail;
        assert_eq!((detail, lost.received), ("no byte for 3s", DOWNLOAD / 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_reset_half_way() {
    let class = LossClass::Reset;
    lane_sees(upload(), Act::ResetWithinUpload, class, Phase::Request).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_connection_is_closed_half_way() {
    let class = LossClass::Eof;
    let record = lane_sees_class(upload(), Act::CloseWithinUpload, class).await;
    for lost in record.losses() {
        assert!(lost.sent >= UPLOAD / 2, "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_read_no_further() {
    let class = LossClass::TimedOut;
    lane_sees(upload(), Act::StallWithinUpload, class, Phase::Request).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_answered_before_it_is_sent() {
    for (status, class) in [
        (200, LossClass::Truncated),
        (413, LossClass::UnexpectedStatus),
        (503, LossClass::ServerError),
    ] {
        let act = Act::AnswerEarly(status);
        lane_sees(upload(), act, class, Phase::Response).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_which_the_server_has_seen_half() {
    let class = LossClass::Truncated;
    let record = lane_sees_class(upload(), Act::LoseHalf, class).await;
    for lost in record.losses() {
        assert_eq!(lost.sent, UPLOAD);
        let detail = &*lost.loss.as_ref().unwrap().detail;
        assert_eq!(detail, "answered after 25000 of 50000 bytes of the request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_at_all() {
    sees(Act::Stall, LossClass::TimedOut, Phase::Request).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_ends() {
    sees(Act::StallWithinAnswer, LossClass::TimedOut, Phase::Response).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_error() {
    sees(Act::Status(502), LossClass::ServerError, Phase::Response).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_kind() {
    sees(
        Act::Status(404),
        LossClass::UnexpectedStatus,
        Phase::Response,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_http() {
    let (act, class) = (Act::Garbage, LossClass::Malformed);
    let lanes = with_new_connections().chain([keep_alive()]);
    all_see(lanes, act, class, Phase::Response).await;
    let record = http2_is_cut(act).await;
    assert!(record.lost_by_class().contains_key(&class));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_that_was_announced_is_no_loss() {
    let server = Server::unarmed(Act::AnnouncedClose, EVERY).await;
    let record = drive(&server, plan(&server, keep_alive()), 100).await;
    assert!(server.acts() >= 10);
    assert_eq!(record.lost(), 0, "{:?}", record.lost_by_class());
    let reconnects = record.summary().lanes[0].reconnects;
    // Some connections were not yet asked for again when the run ended.
    assert!((server.acts() - 8..=server.acts()).contains(&reconnects));
}

/// A connection is closed 600 ms after each answer and used every second: seen in
/// time on loopback, but not from 300 ms away, where the next request is sent
/// before the news of the close has come.
#[tokio::test(flavor = "multi_thread")]
async fn a_delay_brings_out_the_race_that_loopback_hides() {
    let act = Act::CloseIdleAfter(Duration::from_millis(600));
    let near = Lane::keep_alive("near", 1, 1);
    let far = near.clone().delay(Duration::from_millis(300));
    let race = |lane| async move {
        let server = Server::unarmed(act, 1).await;
        drive(&server, plan(&server, lane), 4).await
    };
    let (near, far) = tokio::join!(race(near), race(far));
    assert_eq!(near.lost(), 0, "{:?}", near.lost_by_class());
    assert!(near.summary().lanes[0].reconnects >= 2);
    assert!(far.lost() > 0);
    for lost in far.losses() {
        let loss = lost.loss.as_ref().unwrap();
        assert_eq!(loss.phase, Phase::Request);
        assert_eq!(loss.class, LossClass::StaleKeepAlive);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_does_not_stop_the_schedule() {
    let server = Server::start(Act::Stall, 1).await;
    let lane = Lane::new_connections("new", 100);
    let record = drive(&server, plan(&server, lane), 100).await;
    let first = record.outcomes.first().unwrap();
    let last = record.outcomes.last().unwrap();
    assert!(last.started < first.ended, "{last:?}");
    for pair in record.outcomes.windows(2) {
        let apart = pair[1].intended - pair[0].intended;
        assert_eq!(apart, Duration::from_millis(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_is_lost_and_the_run_does_not_count() {
    let server = Server::start(Act::Stall, 1).await;
    let lane = new_connections().in_flight(5);
    let record = drive(&server, plan(&server, lane), 40).await;
    let lost = record.lost_by_class();
    assert_eq!(lost[&LossClass::TimedOut], server.acts());
    let not_sent = record.outcomes.len() - server.acts();
    assert_eq!(lost[&LossClass::NotSent], not_sent);
    let Err(Dishonest::NotSent { count, .. }) = record.honest() else {
        panic!("{:?}", record.honest());
    };
    assert_eq!(count, not_sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_is_not_lost() {
    let server = Server::start(Act::Nothing, 1).await;
    let mut plan = plan(&server, new_connections());
    plan.late_after = Duration::ZERO;
    let record = drive(&server, plan, 20).await;
    let summary = record.summary();
    assert_eq!(summary.lost(), 0);
    assert_eq!(summary.lanes[0].late, record.outcomes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_survives_json() {
    let server = Server::start(Act::Status(502), 2).await;
    let record = drive(&server, plan(&server, new_connections()), 10).await;
    let json = serde_json::to_string(&record).unwrap();
    let again: Record = serde_json::from_str(&json).unwrap();
    assert_eq!(again.lost_by_class(), record.lost_by_class());
    assert_eq!(again.summary().lanes[0].sent, record.outcomes.len());
}

/// The act cuts a connection: that loses the stream to which it is done, and any
/// other that is under way there. So what can be counted is connections.
async fn http2_is_cut(act: Act) -> Record {
    let server = Server::unarmed(act, EVERY).await;
    let record = drive(&server, plan(&server, over_http2()), 44).await;
    assert!(server.acts() >= 4, "{act:?} was done {}", server.acts());
    let cut: BTreeSet<_> = record.losses().map(|lost| lost.connection).collect();
    assert_eq!(cut.len(), server.acts(), "{act:?}");
    record
}

/// The act is seen over HTTP/2 as this class in this phase, as often as it was done.
async fn http2_sees(act: Act, class: LossClass, phase: Phase, detail: &str) {
    let record = lane_sees_class(over_http2(), act, class).await;
    for lost in record.losses() {
        let loss = lost.loss.as_ref().unwrap();
        assert_eq!((loss.phase, &*loss.detail), (phase, detail), "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_streams_share_the_lanes_connections() {
    let server = Server::start(Act::Nothing, 1).await;
    let record = drive(&server, plan(&server, over_http2()), 20).await;
    assert_eq!(server.connections(), 2);
    assert_eq!(record.lost(), 0, "{:?}", record.lost_by_class());
    for outcome in &record.outcomes {
        assert_eq!(outcome.opened, Some(Opened::Reused));
        assert_eq!((outcome.connected, outcome.handshaken), (None, None));
        // Warming up took the first.
        assert_eq!(u64::from(outcome.nth), outcome.sequence / 2 + 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_one_connection_do_not_wait_for_each_other() {
    let server = Server::unarmed(Act::Stall, 2).await;
    let lane = Lane::http2("http2", RATE, 1);
    let record = drive(&server, plan(&server, lane), 100).await;
    let expected = BTreeMap::from([(LossClass::TimedOut, server.acts())]);
    assert_eq!(record.lost_by_class(), expected);
    // On a busy machine a request or two come before the server is armed: which
    // was stalled first, only the record tells.
    let stalled = record.losses().next().expect("the server has acted");
    let next = &record.outcomes[usize::try_from(stalled.sequence).unwrap() + 1];
    assert_eq!(stalled.connection, next.connection);
    assert!(
        !next.is_lost() && next.ended < stalled.ended,
        "{stalled:?}, {next:?}"
    );
    // A connection that has stalled a stream is not trusted with new ones.
    let last = record.outcomes.last().unwrap();
    assert_ne!(last.connection, stalled.connection);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_never_begun_is_retryable_and_not_sent_again() {
    const REFUSED_STREAM: u32 = 7;
    for (act, frame) in [
        (Act::GoAwayBelow, "GOAWAY NO_ERROR"),
        (
            Act::StreamReset(REFUSED_STREAM),
            "RST_STREAM REFUSED_STREAM",
        ),
    ] {
        let server = Server::unarmed(act, EVERY).await;
        let record = drive(&server, plan(&server, over_http2()), 44).await;
        assert!(server.acts() >= 8);
        assert_eq!(record.lost(), 0, "{:?}", record.lost_by_class());
        assert_eq!(record.retryable(), server.acts());
        let never_begun = |it: &&Outcome| it.retryable.is_some();
        for it in record.outcomes.iter().filter(never_begun) {
            assert_eq!(it.retryable.as_deref(), Some(frame));
            assert!(!it.is_answered() && it.status.is_none());
        }
        let lane = &record.summary().lanes[0];
        assert_eq!(
            (lane.retryable, lane.answered),
            (server.acts(), lane.sent - server.acts())
        );
        // Two that warmed up, and each that was due, once.
        assert_eq!(server.requests(), record.outcomes.len() + 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_may_have_been_begun_is_lost_whatever_goaway_says() {
    let record = http2_is_cut(Act::GoAwayWithoutAnswer).await;
    for lost in record.losses() {
        let class = match lost.opened {
            Some(Opened::Reused) => LossClass::StaleKeepAlive,
            _ => LossClass::Eof,
        };
        assert_eq!(lost.loss.as_ref().unwrap().class, class, "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_reset_says_why() {
    const INTERNAL_ERROR: u32 = 2;
    let class = LossClass::StreamReset;
    let detail = "RST_STREAM INTERNAL_ERROR";
    let act = Act::StreamReset(INTERNAL_ERROR);
    http2_sees(act, class, Phase::Request, detail).await;
    let act = Act::StreamResetWithinAnswer(INTERNAL_ERROR);
    http2_sees(act, class, Phase::Response, detail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_connection_that_is_left_in_good_order_loses_nothing() {
    let server = Server::unarmed(Act::AnnouncedClose, EVERY).await;
    let record = drive(&server, plan(&server, over_http2()), 44).await;
    assert!(server.acts() >= 8);
    assert_eq!(
        (record.lost(), record.retryable()),
        (0, 0),
        "{}",
        record.summary()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_speak_http2_refuses_by_an_alert() {
    let server = Server::unarmed(Act::Alert, 1).await;
    server.arm();
    let record = drive(&server, plan(&server, over_http2()), 20).await;
    let expected = BTreeMap::from([(LossClass::TlsAlert, record.outcomes.len())]);
    assert_eq!(record.lost_by_class(), expected);
}
