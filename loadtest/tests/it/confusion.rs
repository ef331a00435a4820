//! Smuggling and confusion: real servers behind the gateway, and a corpus of requests that programs read differently. None
//! is understood by its backend otherwise than it was authorised and recorded.
//!
//! Each entry goes to each backend, over a connection of its own. Either the gateway refuses it: then no backend has seen
//! anything of it, and there is a record. Or it passes: then the backend's own log has just one request, whose method,
//! target, path, host, body, patients and identity are those that were recorded. After each comes an innocent request of
//! somebody else's, on the same connection to the backend, which must get its own answer.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod backends;
mod corpus;
mod exchange;
mod frames;
mod haproxy;
mod judge;
mod nginx;
mod python;
mod records;
mod seen;

use crate::shared::{Place, builder, patient, request_id, set};
use crate::whole::until;
use crate::wire;
use backends::{Programs, Socket};
use corpus::{Means, Words};
use exchange::{Sent, Tls};
use http::Request;
use judge::{Case, Innocent};
use loadtest::client::login::Session;
use loadtest::client::{Body, Connection, Device, Protocol, Target, empty, read_all};
use loadtest::stack::Component;
use loadtest::stack::people::{ANNA, BERTIL};
use loadtest::stack::process::Keeper;
use records::Records;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use toml::Table;

const LIMIT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 64 << 10;
const AROUND: &str = "/p/past-the-gateway";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_understood_otherwise_than_it_was_recorded() {
    let Some(programs) = Programs::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let (backends, sockets) = backends::start(&programs, &keeper, dir.path()).await;
    let bench = Arc::new(Bench::start(&sockets).await);

    let mut work = JoinSet::new();
    for socket in sockets.clone() {
        let bench = Arc::clone(&bench);
        work.spawn(async move { bench.confuse(&socket).await });
    }
    let (mut sent, mut innocent) = (Vec::new(), Vec::new());
    while let Some(done) = work.join_next().await {
        let (entries, others) = done.unwrap();
        sent.extend(entries);
        innocent.extend(others);
    }
    let mut around = 0;
    for socket in sockets.iter().filter(|socket| !socket.http2) {
        go_around(socket).await;
        around += 1;
    }
    let records = Records::read(&bench.place).await;
    let mut seen = Vec::new();
    for backend in backends {
        seen.extend(backend.stop().await);
    }
    let key = bench.place.stack.pseudonym_key().unwrap();
    let patients: Vec<(String, String)> =
        (0..3).map(patient).map(|one| (one.id.expose().to_owned(), hex::encode(key.patient(&one.id).0))).collect();
    let secrets = [&bench.session, &bench.other.1].map(token);
    let case = Case {
        sent: &sent,
        innocent: &innocent,
        seen: &seen,
        records: &records,
        patients: &patients,
        secrets: &secrets,
    };
    let (noticed, faults): (Vec<String>, Vec<String>) =
        judge::faults(&case).into_iter().partition(|fault| fault.contains(AROUND));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(noticed.len(), around, "what comes past the gateway is noticed at each backend: {noticed:?}");
}

/// A request to a backend itself, as if it had been smuggled: were such a one not found, the test would show nothing.
async fn go_around(socket: &Socket) {
    let mut stream = UnixStream::connect(&socket.path).await.unwrap();
    let host = socket.host();
    let request = format!("GET {AROUND} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

/// A stack with the backends behind it, and two people on devices of their own.
struct Bench {
    place: Place,
    tls: Tls,
    session: Session,
    other: (Device, Session),
}

impl Bench {
    async fn start(sockets: &[Socket]) -> Self {
        let hosts: Vec<String> = sockets.iter().map(Socket::host).collect();
        let mut place = Place::start_as(&hosts.iter().map(String::as_str).collect::<Vec<_>>()).await;
        place.edit("gateway.toml", |settings| set(settings, "limits", "requests_per_device_per_s", 100_000));
        place.edit("routes.toml", |routes| sockets.iter().for_each(|socket| add_registry(routes, socket)));
        for socket in sockets {
            for person in [&ANNA, &BERTIL] {
                let right = ["account", "grant", person.user, "--registry", socket.name, "--right", "read_write"];
                place.auditor(&right).await;
            }
        }
        place.stack.restart(Component::Gateway).await.unwrap();
        let (here, there) = (place.stack.device("mottagning").unwrap(), place.stack.device("avdelning").unwrap());
        let session = place.stack.log_in(&ANNA, &here).await.unwrap();
        let other = place.stack.log_in(&BERTIL, &there).await.unwrap();
        let (certificate, key) = place.stack.layout().device_files("mottagning");
        let mut tls = wire::settings(&place.stack.layout().server_ca(), Some((&certificate, &key)));
        // Thousands of connections: not each needs a handshake from the beginning.
        tls.resumption = rustls::client::Resumption::in_memory_sessions(256);
        let mut tls2 = tls.clone();
        tls2.alpn_protocols = vec![b"h2".to_vec()];
        let tls = Tls { http1: Arc::new(tls), http2: Arc::new(tls2) };
        let bench = Self { place, tls, session, other: (there, other) };
        for socket in sockets {
            bench.until_known(socket, &here).await;
        }
        bench
    }

    fn target(&self, socket: &Socket) -> Target {
        Target { host: socket.host(), ..self.place.stack.target() }
    }

    /// Sends all entries to one backend, one after the other, and an innocent request after each.
    async fn confuse(&self, socket: &Socket) -> (Vec<Sent>, Vec<Innocent>) {
        let target = self.target(socket);
        let (name, value) = self.session.header();
        let words = Words {
            authority: target.authority(),
            session: (name.to_owned(), value),
            patient: patient(0).id.expose().to_owned(),
            other: patient(1).id.expose().to_owned(),
        };
        let mut connection = Connection::open(&target, &self.other.0, Protocol::Http1).await.unwrap();
        let (mut sent, mut innocent) = (Vec::new(), Vec::new());
        for entry in corpus::all(&words) {
            sent.push(exchange::send(&target, &self.tls, socket, entry).await);
            innocent.push(self.innocent(&mut connection, socket, innocent.len()).await);
        }
        (sent, innocent)
    }

    /// A request of somebody else's, on a connection that stays open: it gets the answer to itself.
    async fn innocent(&self, connection: &mut Connection, socket: &Socket, number: usize) -> Innocent {
        let means = Means {
            method: "GET",
            target: format!("/p/{}?innocent={number}", patient(2).id.expose()),
            body: String::new(),
        };
        let request = self.as_other(&means.target).header("x-case", number.to_string()).body(empty()).unwrap();
        let response = connection.send(request, LIMIT).await.unwrap();
        let (status, id) = (response.status(), request_id(response.headers()));
        let body = read_all(response, ANSWER_BYTES_MAX).await.unwrap();
        let told: Value = serde_json::from_slice(&body).unwrap_or_default();
        let own = told["case"].as_str() == Some(number.to_string().as_str()) && told["target"] == means.target.as_str();
        assert!(
            status == 200 && own,
            "{}, request {number} got: {status} {}",
            socket.name,
            String::from_utf8_lossy(&body)
        );
        // Once another request on it is answered, the gateway is done with this one, and its connection to the backend free.
        let response = connection.send(self.as_other(exchange::LAST).body(empty()).unwrap(), LIMIT).await.unwrap();
        assert_eq!(response.status(), 404);
        read_all(response, ANSWER_BYTES_MAX).await.unwrap();
        Innocent { id, user: BERTIL.hsa, socket: socket.clone(), means }
    }

    fn as_other(&self, path: &str) -> http::request::Builder {
        builder("GET", path, Some(&self.other.1)).header("accept", "application/json")
    }

    /// Waits until the gateway knows what both may do.
    async fn until_known(&self, socket: &Socket, here: &Device) {
        let path = format!("/p/{}", patient(2).id.expose());
        for (device, session) in [(here, &self.session), (&self.other.0, &self.other.1)] {
            until("the gateway knows the grant", LIMIT, async || {
                let request: Request<Body> = builder("GET", &path, Some(session)).body(empty()).unwrap();
                let mut connection = Connection::open(&self.target(socket), device, Protocol::Http1).await.unwrap();
                match connection.send(request, LIMIT).await.unwrap().status() {
                    status if status == 200 => Ok(()),
                    status => Err(status.to_string()),
                }
            })
            .await;
        }
    }
}

fn token(session: &Session) -> String {
    session.header().1.rsplit(['=', ' ']).next().unwrap().to_owned()
}

/// A registry with a route for each place where a patient may stand.
fn add_registry(routes: &mut Table, socket: &Socket) {
    let text = format!(
        "name = \"{}\"\nhosts = [\"{}\"]\npeers = [\"unix:{}\"]\nprotocol = \"{}\"\n",
        socket.name,
        socket.host(),
        socket.path.display(),
        if socket.http2 { "http2" } else { "http1" }
    );
    routes["registry"].as_array_mut().unwrap().push(text.parse::<Table>().unwrap().into());
    let write = "right = \"read_write\"\nactivity = \"write\"\n";
    for (number, (methods, path, place, more)) in [
        (r#""GET", "HEAD""#, "/p/{patient}", r#"in = "path", name = "patient""#, ""),
        (r#""POST", "PUT", "DELETE""#, "/p/{patient}", r#"in = "path", name = "patient""#, write),
        (r#""GET""#, "/q", r#"in = "query", name = "patient""#, ""),
        (r#""GET""#, "/h", r#"in = "header", name = "x-patient-id""#, ""),
        (r#""POST""#, "/j", r#"in = "json", name = "patient""#, write),
        (r#""POST""#, "/f", r#"in = "form", name = "patient""#, write),
    ]
    .into_iter()
    .enumerate()
    {
        let text = format!(
            "name = \"{0}-{number}\"\nregistry = \"{0}\"\nmethods = [{methods}]\npath = \"{path}\"\nresource = \"patient\"\n\
             patient = {{ {place} }}\n{more}",
            socket.name
        );
        routes["route"].as_array_mut().unwrap().push(text.parse::<Table>().unwrap().into());
    }
}
