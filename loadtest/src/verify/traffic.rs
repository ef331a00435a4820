//! The users at work: each worker is one person on one device over one protocol, and writes each answer to the ledger.
//! A third of what they do is in the second registry, on a connection of its own.

use super::ledger::{Asker, End, Entry, Expect, Ledger, PatientIndex, Patients};
use super::plan::{Action, Content, KINDS, Known, LIST_BYTES_MAX, Payload, Standing, Take, draw};
use crate::backend::{PATIENT_HEADER, REGISTRY_HEADER, document_byte};
use crate::client::coding::decode;
use crate::client::login::Session;
use crate::client::socket::{Socket, Upgrade};
use crate::client::{Body, ClientError, Connection, Device, Protocol, Target, empty, full};
use crate::rng::Rng;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// One worker's part.
#[derive(Clone)]
pub struct Worker {
    /// Where the gateway is, asked by the host of each registry.
    pub targets: [Target; 2],
    /// What rows must say of who asks.
    pub asker: Arc<Asker>,
    /// On which device.
    pub device: Device,
    /// Over which protocol; sockets and their upgrades are HTTP/1.1 always.
    pub protocol: Protocol,
    /// What the user may do.
    pub standing: Standing,
    /// The login; none for a stranger without any.
    pub session: Option<Session>,
    /// The patients to ask for.
    pub patients: Arc<Vec<Known>>,
    /// Where in that list each of their numbers stands.
    pub numbers: Arc<HashMap<[u8; 12], PatientIndex>>,
    /// The seed of what this worker does.
    pub seed: u64,
}

/// What the workers share.
#[derive(Default)]
pub struct Shared {
    /// The account of what was answered.
    pub ledger: Ledger,
    /// Set when the time is up.
    pub stop: AtomicBool,
    /// Exchanges that failed: no answer, or the gateway's own 5xx.
    pub errors: AtomicU64,
    /// What was tried in the second registry.
    pub second: AtomicU64,
    /// Connections that could not be made.
    pub unconnected: AtomicU64,
    /// What of the registries' was answered.
    pub answered: Mutex<Answered>,
}

/// The registries' answers that should be, those that broke off among them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Answered {
    /// By the kind of what was asked ([`KINDS`]).
    pub kinds: BTreeMap<&'static str, u64>,
    /// Those whose body was coded, by coding.
    pub codings: BTreeMap<&'static str, u64>,
    /// Those that the client broke off after the first piece.
    pub left: u64,
}

/// The codings that are counted.
const CODINGS: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

impl Default for Answered {
    fn default() -> Self {
        let none = |names: &[&'static str]| names.iter().map(|name| (*name, 0)).collect();
        Self { kinds: none(&KINDS), codings: none(&CODINGS), left: 0 }
    }
}

/// How much of the work is in the second registry.
const SECOND_PERCENT: u64 = 33;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How much of an answer is looked into for the text that it must hold.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Who is always refused is refused fast: a pause, so that they do not make up most of the traffic.
const REFUSED_PAUSE: Duration = Duration::from_millis(25);
/// A pause before trying to connect again to a gateway that is down.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);

impl Worker {
    /// Works until told to stop, or the ledger is full.
    pub async fn run(self, shared: Arc<Shared>) {
        let mut rng = Rng::new(self.seed);
        let mut connections: [Option<Connection>; 2] = [None, None];
        while !shared.stop.load(Ordering::Relaxed) && shared.ledger.has_room() {
            let action = draw(&mut rng, self.standing, &self.patients);
            if matches!(self.standing, Standing::Outsider | Standing::Stranger) {
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
            let [first, second] = self.ways(&mut connections);
            let (target, kept) = if rng.chance(SECOND_PERCENT) {
                shared.second.fetch_add(1, Ordering::Relaxed);
                second
            } else {
                first
            };
            if action.take == Take::Socket {
                self.socket(target, &action, &shared).await;
                continue;
            }
            let mut open = match kept.take().filter(|open| !open.is_closed()) {
                Some(open) => open,
                None => match Connection::open(target, &self.device, self.protocol).await {
                    Ok(open) => open,
                    Err(error) => {
                        tracing::debug!(%error, "no connection");
                        shared.unconnected.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(RECONNECT_PAUSE).await;
                        continue;
                    }
                },
            };
            if self.exchange(&mut open, &action, &shared).await {
                *kept = Some(open);
            }
        }
    }

    /// Each host with its connection.
    fn ways<'a>(
        &'a self,
        connections: &'a mut [Option<Connection>; 2],
    ) -> [(&'a Target, &'a mut Option<Connection>); 2] {
        let ([first, second], [first_open, second_open]) = (&self.targets, connections);
        [(first, first_open), (second, second_open)]
    }

    /// One request and its answer; true if the connection can be used again.
    async fn exchange(&self, connection: &mut Connection, action: &Action, shared: &Shared) -> bool {
        let request = match self.request(action) {
            Ok(request) => request,
            Err(error) => {
                shared.ledger.odd(format!("a request could not be made: {error}"), None);
                return true;
            }
        };
        shared.ledger.sent();
        let response = match connection.send(request, ANSWER_TIMEOUT).await {
            Ok(response) => response,
            Err(error) => {
                tracing::debug!(%error, path = action.path, "no answer");
                shared.errors.fetch_add(1, Ordering::Relaxed);
                shared.ledger.lost(&self.asker, &action.expect);
                return false;
            }
        };
        let head = Head::of(response.status().as_u16(), response.headers());
        let mut expect = action.expect.clone();
        let whole = match action.take {
            _ if head.from_registry && matches!(expect, Expect::Listed(_)) => {
                let (whole, seen) = self.read_list(response, action.take).await;
                expect = Expect::Listed(seen);
                whole
            }
            Take::First if head.from_registry => {
                let mut body = response.into_body();
                let _ = tokio::time::timeout(ANSWER_TIMEOUT, body.frame()).await;
                false
            }
            _ => {
                let content = if head.from_registry && head.status < 300 { &action.content } else { &Content::Any };
                let (whole, right) = drain(response, content).await;
                if whole && !right {
                    shared.odd("another's answer", &head, action);
                }
                whole
            }
        };
        shared.settle(&self.asker, &head, action, expect, whole);
        whole || (action.take == Take::First && self.protocol == Protocol::Http2)
    }

    async fn socket(&self, target: &Target, action: &Action, shared: &Shared) {
        let session = self.session.as_ref().map(Session::header);
        let session = session.as_ref().map(|(name, value)| (*name, value.as_str()));
        let upgrade = Socket::open(target, &self.device, &action.path, session).await;
        if matches!(upgrade, Err(ClientError::Connect(_))) {
            shared.unconnected.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(RECONNECT_PAUSE).await;
            return;
        }
        shared.ledger.sent();
        match upgrade {
            Ok(Upgrade::Open(mut socket, headers)) => {
                let mut expect = action.expect.clone();
                let whole = self.converse(&mut socket, &mut expect).await;
                socket.close().await;
                shared.settle(&self.asker, &Head::of(101, &headers), action, expect, whole);
            }
            Ok(Upgrade::Refused(status, headers)) => {
                shared.settle(&self.asker, &Head::of(status.as_u16(), &headers), action, action.expect.clone(), true);
            }
            Err(error) => {
                tracing::debug!(%error, "no upgrade");
                shared.errors.fetch_add(1, Ordering::Relaxed);
                shared.ledger.lost(&self.asker, &action.expect);
            }
        }
    }

    /// Asks one question on a socket; a socket of one patient tells that patient's data first. On one of none, the question
    /// is about somebody, and whoever the answer names was heard.
    async fn converse(&self, socket: &mut Socket, expect: &mut Expect) -> bool {
        let greeted = match expect {
            Expect::Patients(_) => matches!(socket.hear(ANSWER_TIMEOUT).await, Ok(Some(_))),
            _ => true,
        };
        let question = match (&expect, self.patients.first()) {
            (Expect::Heard(_), Some(patient)) => format!(r#"{{"patient":"{}"}}"#, patient.number),
            _ => "hej".to_owned(),
        };
        if !greeted || socket.say(&question).await.is_err() {
            return false;
        }
        let Ok(Some(answer)) = socket.hear(ANSWER_TIMEOUT).await else { return false };
        if let Expect::Heard(heard) = expect {
            self.see(answer.as_bytes(), heard);
        }
        true
    }

    /// Reads an answer that says who. Whether it came whole, and whom it names.
    async fn read_list(&self, response: Response<Incoming>, take: Take) -> (bool, Patients) {
        let (head, mut body) = response.into_parts();
        let mut seen = Patients::new();
        for value in head.headers.get_all(PATIENT_HEADER) {
            self.see(value.as_bytes(), &mut seen);
        }
        let (mut bytes, mut whole) = (Vec::new(), false);
        loop {
            match tokio::time::timeout(ANSWER_TIMEOUT, body.frame()).await {
                Ok(None) => whole = true,
                Ok(Some(Ok(frame))) if bytes.len() < LIST_BYTES_MAX => {
                    bytes.extend_from_slice(frame.data_ref().map_or(&[][..], Bytes::as_ref));
                    if take != Take::First {
                        continue;
                    }
                }
                Ok(Some(_)) | Err(_) => {}
            }
            break;
        }
        let coding = head.headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        let plain = decode(coding, &bytes, LIST_BYTES_MAX as u64);
        whole &= plain.is_ok();
        self.see(&plain.unwrap_or_default(), &mut seen);
        (whole, seen)
    }

    /// Notes whose numbers stand in a text: twelve digits, perhaps with a `-` before the last four.
    fn see(&self, text: &[u8], seen: &mut Patients) {
        let mut runs = text.split(|byte| !byte.is_ascii_digit() && *byte != b'-');
        for run in &mut runs {
            let digits: Vec<u8> = run.iter().copied().filter(u8::is_ascii_digit).collect();
            let index = <[u8; 12]>::try_from(digits).ok().and_then(|digits| self.numbers.get(&digits).copied());
            if let Some(index) = index.filter(|index| !seen.contains(index)) {
                seen.push(index);
            }
        }
    }

    fn request(&self, action: &Action) -> Result<Request<Body>, http::Error> {
        let mut builder = Request::builder().method(action.method.clone()).uri(&action.path);
        if let Some((name, value)) = &action.header {
            builder = builder.header(*name, value);
        }
        if let Some(session) = &self.session {
            let (name, value) = session.header();
            builder = builder.header(name, value);
        }
        if let Some(codings) = action.codings {
            builder = builder.header(header::ACCEPT_ENCODING, codings);
        }
        let page = action.path.starts_with("/patients") || action.path.starts_with("/units");
        builder = builder.header(header::ACCEPT, if page { "text/html" } else { "application/json" });
        match &action.payload {
            Payload::Empty => builder.body(empty()),
            Payload::Form(form) => {
                builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(full(form.clone()))
            }
            Payload::Json(kind, json) => builder.header(header::CONTENT_TYPE, *kind).body(full(json.clone())),
            Payload::Upload(size) => {
                builder.header(header::CONTENT_TYPE, "application/octet-stream").body(upload(*size))
            }
        }
    }
}

/// A body of `size` bytes in pieces, of unknown length to the receiver.
fn upload(size: u64) -> Body {
    const PIECE: u64 = 16 << 10;
    let pieces = futures_util::stream::unfold(size, |left| async move {
        let length = usize::try_from(left.min(PIECE)).unwrap_or(0);
        (length > 0).then(|| (Ok(Frame::data(Bytes::from(vec![0x55; length]))), left - length as u64))
    });
    BodyExt::boxed(StreamBody::new(pieces))
}

/// Reads an answer to its end. Whether it came whole, and whether it is what it must be.
async fn drain(response: Response<Incoming>, content: &Content) -> (bool, bool) {
    let mut body = response.into_body();
    let (mut seen, mut right, mut text) = (0u64, true, Vec::new());
    loop {
        match tokio::time::timeout(ANSWER_TIMEOUT, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => {
                let Some(data) = frame.data_ref() else { continue };
                match content {
                    Content::Text(_) if text.len() < TEXT_BYTES_MAX => text.extend_from_slice(data),
                    Content::Any | Content::Text(_) => {}
                    Content::Document(index, _) => {
                        right &= data.iter().zip(seen..).all(|(byte, at)| *byte == document_byte(*index, at));
                    }
                }
                seen += data.len() as u64;
            }
            Ok(Some(Err(_))) | Err(_) => return (false, false),
        }
    }
    let right = match content {
        Content::Any => true,
        Content::Text(wanted) => String::from_utf8_lossy(&text).contains(wanted.as_str()),
        Content::Document(_, size) => right && seen == *size,
    };
    (true, right)
}

/// What an answer's head says.
struct Head {
    id: Option<Uuid>,
    status: u16,
    from_registry: bool,
    /// The coding of the body, if it is one that is counted.
    coding: Option<&'static str>,
}

impl Head {
    fn of(status: u16, headers: &HeaderMap) -> Self {
        let id = headers
            .get("x-request-id")
            .and_then(|value| value.to_str().ok())
            .and_then(|text| Uuid::parse_str(text).ok());
        let coding = headers.get(header::CONTENT_ENCODING);
        let coding = coding.and_then(|value| CODINGS.into_iter().find(|name| value.as_bytes() == name.as_bytes()));
        Self { id, status, from_registry: headers.contains_key(REGISTRY_HEADER), coding }
    }
}

impl Shared {
    fn count(&self, head: &Head, action: &Action, end: End) {
        let mut answered = self.answered.lock();
        *answered.kinds.entry(action.kind()).or_default() += 1;
        if let Some(coding) = head.coding {
            *answered.codings.entry(coding).or_default() += 1;
        }
        answered.left += u64::from(end == End::Aborted && action.take == Take::First);
    }

    fn odd(&self, what: &str, head: &Head, action: &Action) {
        let what = format!("{what}: {} {} ({})", action.method, template(&action.path), head.status);
        self.ledger.odd(what, head.id);
    }

    fn settle(&self, asker: &Arc<Asker>, head: &Head, action: &Action, expect: Expect, whole: bool) {
        let Some(id) = head.id else {
            let path = template(&action.path);
            self.ledger.odd(format!("an answer {} to {} {path} has no request id", head.status, action.method), None);
            return;
        };
        let end = match (head.from_registry, head.status) {
            (true, _) if whole => End::Complete,
            (true, _) => End::Aborted,
            (false, 500..) => End::Unavailable,
            (false, _) => End::Refused,
        };
        match (&expect, end) {
            (_, End::Unavailable) => {
                self.errors.fetch_add(1, Ordering::Relaxed);
            }
            (Expect::Refusal, End::Complete | End::Aborted) => self.odd("let through", head, action),
            (
                Expect::Patients(_) | Expect::Listed(_) | Expect::Heard(_) | Expect::Unidentified | Expect::Nothing,
                End::Refused,
            ) => self.odd("refused", head, action),
            (_, End::Complete | End::Aborted) => self.count(head, action, end),
            _ => {}
        }
        self.ledger.answered(id, Entry { asker: Arc::clone(asker), expect, end });
    }
}

/// A path without its numbers, for messages.
fn template(path: &str) -> String {
    let mut text = String::new();
    for c in path.chars() {
        match c {
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::plan::Payload;
    use super::*;
    use http::{HeaderValue, Method};

    #[test]
    fn what_the_registry_answered_is_counted_by_kind_and_coding() {
        let shared = Shared::default();
        let asker = Arc::new(Asker { user: None, device: Uuid::nil() });
        let action = |take, expect| Action {
            method: Method::GET,
            path: "/api/units/1/export".to_owned(),
            header: None,
            payload: Payload::Empty,
            codings: Some("br"),
            take,
            expect,
            content: Content::Any,
        };
        let settle = |registry: bool, take, expect: Expect, whole| {
            let mut headers = HeaderMap::new();
            let id = Uuid::new_v4().to_string();
            headers.insert("x-request-id", HeaderValue::from_str(&id).unwrap());
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
            if registry {
                headers.insert(REGISTRY_HEADER, HeaderValue::from_static("any"));
            }
            let head = Head::of(if registry { 200 } else { 403 }, &headers);
            shared.settle(&asker, &head, &action(take, expect.clone()), expect, whole);
        };
        let listed = || Expect::Listed(Patients::new());
        settle(true, Take::Whole, listed(), true);
        settle(true, Take::First, listed(), false);
        // Refused, and let through though it should not have been.
        settle(false, Take::Whole, Expect::Refusal, true);
        settle(true, Take::Whole, Expect::Refusal, true);
        let answered = shared.answered.into_inner();
        let counted: Vec<_> = answered.kinds.iter().filter(|(_, count)| **count > 0).collect();
        assert_eq!(counted, [(&"exports", &2)]);
        assert_eq!((answered.kinds.len(), answered.codings["br"], answered.codings["gzip"]), (KINDS.len(), 2, 0));
        assert_eq!(answered.left, 1);
    }
}
