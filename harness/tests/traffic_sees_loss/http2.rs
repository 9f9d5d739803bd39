//! The server's HTTP/2, frame by frame (RFC 9113): only so can it do what a
//! proper implementation would not.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::server::{Act, BODY, Shared, wait_for_the_client_to_go};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

type Stream = TlsStream<TcpStream>;

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// Serves a connection until its end.
pub(crate) async fn serve(shared: &Shared, mut stream: Stream) {
    let mut preface = [0; 24];
    if stream.read_exact(&mut preface).await.is_err() {
        return;
    }
    send(&mut stream, SETTINGS, 0, 0, &[]).await;
    while let Some(frame) = read(&mut stream).await {
        shared.note_requests(usize::from(frame.kind == HEADERS));
        if frame.kind == HEADERS && !request(shared, &mut stream, frame.stream).await {
            return;
        }
        match (frame.kind, frame.flags & ACK) {
            (SETTINGS, 0) => send(&mut stream, SETTINGS, ACK, 0, &[]).await,
            (PING, 0) => send(&mut stream, PING, ACK, 0, &frame.payload).await,
            _ => {}
        }
    }
}

/// Answers or misbehaves; false if the connection is to be dropped.
async fn request(shared: &Shared, stream: &mut Stream, id: u32) -> bool {
    if shared.act.is_to_a_request() && shared.acts_now() {
        return misbehave(shared, stream, id).await;
    }
    answer(stream, id, 200, BODY).await;
    true
}

/// Does it; false if the connection is to be dropped.
async fn misbehave(shared: &Shared, stream: &mut Stream, id: u32) -> bool {
    match shared.act {
        Act::Status(status) => answer(stream, id, status, BODY).await,
        Act::StreamReset(reason) => reset_stream(stream, id, reason).await,
        Act::StreamResetWithinAnswer(reason) => {
            begin_answer(stream, id, 200).await;
            send(stream, DATA, 0, id, &[b'.'; BODY / 2]).await;
            reset_stream(stream, id, reason).await;
        }
        Act::Truncate => answer(stream, id, 200, BODY / 2).await,
        Act::GoAwayBelow => {
            go_away(stream, id.saturating_sub(2)).await;
            // Those that are under way by now are above the last one, too.
            while let Some(frame) = read(stream).await {
                let more = usize::from(frame.kind == HEADERS);
                shared.note_requests(more);
                shared.note_acts(more);
            }
            return false;
        }
        Act::AnnouncedClose => {
            go_away(stream, id).await;
            answer(stream, id, 200, BODY).await;
            let _ = stream.shutdown().await;
            return false;
        }
        Act::GoAwayWithoutAnswer => {
            go_away(stream, id).await;
            let _ = stream.shutdown().await;
            return false;
        }
        Act::Stall => {}
        Act::StallWithinAnswer => {
            begin_answer(stream, id, 200).await;
            send(stream, DATA, 0, id, &[b'.'; BODY / 2]).await;
        }
        Act::ResetWithinAnswer => {
            begin_answer(stream, id, 200).await;
            send(stream, DATA, 0, id, &[b'.'; BODY / 2]).await;
            stream.get_ref().0.set_zero_linger().unwrap();
            return false;
        }
        Act::Garbage => {
            let _ = stream
                .write_all(b"220 mail.example.test ESMTP\r\n\r\n")
                .await;
            wait_for_the_client_to_go(stream).await;
            return false;
        }
        Act::CloseBeforeAnswer => {
            let _ = stream.shutdown().await;
            return false;
        }
        other => unreachable!("{other:?} is not done over HTTP/2"),
    }
    true
}

async fn answer(stream: &mut Stream, id: u32, status: u16, length: usize) {
    begin_answer(stream, id, status).await;
    send(stream, DATA, END_STREAM, id, &vec![b'.'; length]).await;
}

/// The head, without compression (RFC 7541, section 6.2.2): names and values as
/// they are.
async fn begin_answer(stream: &mut Stream, id: u32, status: u16) {
    let mut block = Vec::new();
    let (status, length) = (status.to_string(), BODY.to_string());
    for (name, value) in [
        (":status", &*status),
        ("content-length", &*length),
        ("x-replica", "r1"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    send(stream, HEADERS, END_HEADERS, id, &block).await;
}

async fn reset_stream(stream: &mut Stream, id: u32, reason: u32) {
    send(stream, RST_STREAM, 0, id, &reason.to_be_bytes()).await;
}

async fn go_away(stream: &mut Stream, last: u32) {
    const NO_ERROR: u32 = 0;
    let payload = [last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
    send(stream, GOAWAY, 0, 0, &payload).await;
}

async fn send(stream: &mut Stream, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&id.to_be_bytes());
    frame.extend_from_slice(payload);
    let _ = stream.write_all(&frame).await;
    let _ = stream.flush().await;
}

async fn read(stream: &mut Stream) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some(Frame {
        kind: head[3],
        flags: head[4],
        stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
        payload,
    })
}
