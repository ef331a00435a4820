//! An entry's way to the gateway: a connection and an address of its own, its bytes, and what comes back.

use super::backends::Socket;
use super::corpus::{Entry, Must};
use super::frames;
use crate::wire::{self, Wire};
use loadtest::client::{Protocol, Target};
use rustls::ClientConfig;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// TLS settings of a device, for either protocol.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) http1: Arc<ClientConfig>,
    pub(super) http2: Arc<ClientConfig>,
}

/// An entry that was sent.
pub(super) struct Sent {
    pub(super) entry: Entry,
    pub(super) socket: Socket,
    pub(super) from: Ipv4Addr,
    pub(super) told: Told,
}

/// What the client was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) answers: Vec<Answer>,
    /// HTTP/2: the stream or the connection was broken off, by HTTP's library, which tells nobody: there is no record.
    pub(super) reset: bool,
}

/// An answer: a backend's, or a problem of the gateway's.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The gateway's id of the request; of a backend's answer over HTTP/2 it is not read.
    pub(super) id: Option<String>,
    pub(super) stays: bool,
}

/// The last request of a connection that is still open: what was left over of those before is answered before this.
pub(super) const LAST: &str = "/there-is-no-such-route";

impl Sent {
    /// What the report calls it.
    pub(super) fn name(&self) -> String {
        format!("{} to {} ({})", self.entry.name, self.socket.name, self.entry.kind)
    }
}

/// Sends an entry.
pub(super) async fn send(target: &Target, tls: &Tls, socket: &Socket, entry: Entry) -> Sent {
    let from = wire::address();
    let told = match entry.protocol {
        Protocol::Http1 => http1(target, tls, from, &entry).await,
        Protocol::Http2 => http2(target, tls, from, &entry).await,
    };
    let told = told.unwrap_or_else(|error| panic!("{}: {error}", entry.name));
    Sent { entry, socket: socket.clone(), from, told }
}

async fn http1(target: &Target, tls: &Tls, from: Ipv4Addr, entry: &Entry) -> io::Result<Told> {
    let mut wire = Wire::open(target, &tls.http1, from).await?;
    // Who is refused early may not be read to the end.
    let _ = wire.write(&entry.bytes).await;
    let mut bytes = Vec::new();
    if matches!(entry.must, Must::Break(_)) {
        // Some of them would wait for the rest for ever.
        wire.ends().await;
    } else if wait_for_answer(&mut wire, &mut bytes, entry).await? {
        let last = format!("GET {LAST} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", target.authority());
        let _ = wire.write(last.as_bytes()).await;
    } else {
        // The gateway gives the client time to read why it was refused; it has.
        wire.ends().await;
    }
    bytes.extend(wire.rest().await?);
    Ok(Told { answers: answers(&bytes, entry), reset: false })
}

/// Reads the first answer; whether the connection stays open after it.
async fn wait_for_answer(wire: &mut Wire, bytes: &mut Vec<u8>, entry: &Entry) -> io::Result<bool> {
    loop {
        if let Some((answer, _)) = answer(bytes, is_head(entry)) {
            return Ok(answer.stays);
        }
        if wire.more(bytes).await? == 0 {
            return Ok(false);
        }
    }
}

fn answers(mut bytes: &[u8], entry: &Entry) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some((answer, rest)) = answer(bytes, is_head(entry) && answers.is_empty()) {
        answers.push(answer);
        bytes = rest;
    }
    assert!(bytes.is_empty(), "{}: half an answer: {:?}", entry.name, String::from_utf8_lossy(bytes));
    answers
}

/// The first answer to it has no body, whatever it announces.
fn is_head(entry: &Entry) -> bool {
    entry.bytes.starts_with(b"HEAD ")
}

/// The first answer that counts, and what follows on it.
fn answer(bytes: &[u8], bodiless: bool) -> Option<(Answer, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let (head, rest) = bytes.split_at(end);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    if status == 100 {
        return answer(rest, bodiless);
    }
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let length = if bodiless { 0 } else { header("content-length").map_or(0, |length| length.parse().unwrap()) };
    let rest = rest.get(length..)?;
    // HTTP/1.0 closes unless it says otherwise.
    let stays = header("connection") != Some("close") && !head.starts_with("http/1.0");
    Some((Answer { status, id: header("x-request-id").map(str::to_owned), stays }, rest))
}

async fn http2(target: &Target, tls: &Tls, from: Ipv4Addr, entry: &Entry) -> io::Result<Told> {
    let mut wire = Wire::open(target, &tls.http2, from).await?;
    let _ = wire.write(&[frames::PREFACE, &entry.bytes].concat()).await;
    let streams = if let Must::MeanEach(each) = &entry.must { each.len() } else { 1 };
    let mut bytes = Vec::new();
    let heard = loop {
        let heard = frames::hear(&bytes);
        if heard.ended.len() >= streams || heard.parted || wire.more(&mut bytes).await? == 0 {
            break heard;
        }
    };
    let answer = |body: &Vec<u8>| {
        // A problem tells its status and its id, a backend's answer neither.
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let status = body["status"].as_u64().map_or(200, |status| u16::try_from(status).unwrap());
        let id = body["instance"].as_str().and_then(|urn| urn.strip_prefix("urn:uuid:")).map(str::to_owned);
        Answer { status, id, stays: false }
    };
    let bare = heard.bare.iter().map(|status| Answer { status: *status, id: None, stays: false });
    let answers = heard.bodies.values().map(answer).chain(bare).collect();
    Ok(Told { answers, reset: !heard.reset.is_empty() || heard.parted || heard.ended.is_empty() })
}
