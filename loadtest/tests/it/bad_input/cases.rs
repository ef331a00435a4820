//! Cases: requests with one defect each, sent as bytes, and what must come of them.

use super::{Bench, Record, text, told};
use crate::shared::patient;
use crate::wire::{self, Answer, Wire};
use std::net::Ipv4Addr;

/// A request with a defect.
struct Case {
    name: String,
    bytes: Vec<u8>,
    status: u16,
    reason: &'static str,
    record: Record,
}

/// Makes cases.
pub(super) struct Cases {
    pub(super) host: String,
    pub(super) authorization: String,
    pub(super) patient: String,
    list: Vec<Case>,
}

impl Cases {
    pub(super) fn new(bench: &Bench) -> Self {
        let (name, value) = bench.session.header();
        let patient = patient(2).id.expose().to_owned();
        Self { host: bench.host(), authorization: format!("{name}: {value}"), patient, list: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        name: &str,
        bytes: impl Into<Vec<u8>>,
        status: u16,
        reason: &'static str,
        record: Record,
    ) {
        self.list.push(Case { name: name.to_owned(), bytes: bytes.into(), status, reason, record });
    }

    /// A head with the usual headers and more.
    pub(super) fn head(&self, line: &str, name: &str, more: &str) -> String {
        format!("{line} HTTP/1.1\r\nHost: {}\r\nX-Case: case-{name}\r\n{}\r\n{more}\r\n", self.host, self.authorization)
    }

    /// A head with more headers that is malformed.
    pub(super) fn malformed(&mut self, name: &str, line: &str, more: &str) {
        let head = self.head(line, name, more);
        self.add(name, head, 400, "malformed", Record::Row);
    }

    /// What is no request at all to the parser.
    pub(super) fn unread(&mut self, name: &str, text: &str) {
        self.add(name, text.replace("NAME", name), 400, "malformed", Record::Event);
    }

    /// A search, whose body the gateway reads.
    pub(super) fn search(&self) -> String {
        format!("{{\"personnummer\":\"{}\"}}", self.patient)
    }
}

/// Sends each case on a connection of its own, and compares answers and records with what they must be.
pub(super) async fn run(bench: &Bench, cases: Cases) {
    // That such a request is heard of, were it forwarded.
    let sound = cases.head("GET /about", "sound", "");
    let (_, answer) = send(bench, sound.as_bytes()).await;
    assert_eq!(answer.unwrap().status, 200);
    assert!(bench.tap.heard("case-sound"));

    let mut faults = Vec::new();
    let mut sent = Vec::new();
    for case in cases.list {
        let (from, answer) = send(bench, &case.bytes).await;
        match &answer {
            Err(error) => faults.push(format!("{}: no answer: {error}", case.name)),
            Ok(answer) if answer.status != case.status => {
                faults.push(format!("{}: answered {}, not {}", case.name, answer.status, case.status));
            }
            Ok(answer) if answer.header("content-type") != Some("application/problem+json") => {
                faults.push(format!("{}: no problem+json: {}", case.name, answer.head));
            }
            Ok(_) => {}
        }
        sent.push((case, from, answer));
    }
    for (case, from, answer) in sent {
        if bench.tap.heard(&format!("case-{}", case.name)) {
            faults.push(format!("{}: forwarded", case.name));
        }
        let told = told(bench, case.record, from).await;
        let [told] = told.as_slice() else {
            faults.push(format!("{}: recorded as {told:?}", case.name));
            continue;
        };
        if text(told, "reason") != case.reason {
            faults.push(format!("{}: recorded as {}, not {}", case.name, text(told, "reason"), case.reason));
        }
        if let Ok(answer) = answer {
            let id = if case.record == Record::Row { "request_id" } else { "event_id" };
            assert_eq!(Some(text(told, id)), answer.header("x-request-id"), "{}", case.name);
            if case.record == Record::Row
                && (text(told, "decision"), &told["status"]) != ("deny", &answer.status.into())
            {
                faults.push(format!("{}: recorded as {told}", case.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

async fn send(bench: &Bench, bytes: &[u8]) -> (Ipv4Addr, std::io::Result<Answer>) {
    let from = wire::address();
    let exchange = async {
        let mut wire = Wire::open(&bench.place.stack.target(), &bench.tls, from).await?;
        wire.write(bytes).await?;
        wire.answer().await
    };
    (from, exchange.await)
}
