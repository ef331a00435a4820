//! A registry over HTTP/2 without TLS: bodies of all sizes in both directions, many at once, and ends before the end.

use super::{BOTH, Behind, Bench, LIMIT, changes, is_success, number, path};
use crate::registry;
use crate::rude::{Rude, Then};
use crate::shared::{from_registry, get, patient};
use crate::tap::Tap;
use crate::whole::until;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::any;
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use loadtest::backend::{self, SENT_TRAILER, document_byte};
use loadtest::client::{Connection, Protocol, full};
use loadtest::stack::loopback;
use loadtest::stack::ports::free_port;
use loadtest::stack::process::Keeper;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

const HOST: &str = "streams.localhost";
const HTTP2: &str = "protocol = \"http2\"\n";
const DOCUMENT_BYTES: u64 = 5 << 20;
/// More than fits into the buffers between backend and client.
const LONG_BYTES: u64 = 256 << 20;

fn document(size: u64) -> Vec<u8> {
    (0..size).map(|offset| document_byte(0, offset)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_all_sizes_pass_over_http2() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let (_registry, address) = registry(&keeper, dir.path(), "streams", &[]).await;
    let bench = Bench::start(vec![Behind::sample("streams", &[address]).with(HTTP2)]).await;
    let number = number();
    for protocol in BOTH {
        let who = bench.ask(HOST, protocol, bench.request("GET", "/whoami")).await;
        let who: Value = serde_json::from_slice(&who.body).unwrap();
        assert_eq!(who["version"], "HTTP/2.0", "{protocol:?}");

        let got = bench.ask(HOST, protocol, bench.request("GET", &format!("/patients/{number}"))).await;
        assert!(is_success(&got), "{protocol:?}: {got:?}");
        bench.ended("page", &got, &["complete"]).await;

        let search = bench.builder("POST", "/api/search").header("content-type", "application/json");
        let search = search.body(full(format!("{{\"personnummer\":\"{number}\"}}"))).unwrap();
        let got = bench.ask(HOST, protocol, search).await;
        assert!(is_success(&got) && String::from_utf8_lossy(&got.body).contains(&number), "{protocol:?}: {got:?}");
        bench.ended("search", &got, &["complete"]).await;

        // Of known and of unknown length.
        let documents = format!("/api/patients/{number}/documents");
        let bytes = document(DOCUMENT_BYTES);
        let sum = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&bytes));
        let pieces: Vec<_> = bytes.chunks(10_000).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
        let streamed = http_body_util::BodyExt::boxed(StreamBody::new(futures_util::stream::iter(pieces)));
        for body in [full(bytes.clone()), streamed] {
            let got = bench.ask(HOST, protocol, bench.builder("POST", &documents).body(body).unwrap()).await;
            let told: Value = serde_json::from_slice(&got.body).unwrap();
            assert_eq!(
                (got.status, &told["size"], told["sha256"].as_str()),
                (201, &DOCUMENT_BYTES.into(), Some(sum.as_str()))
            );
            bench.ended("upload", &got, &["complete"]).await;
        }

        for size in [0, 1, DOCUMENT_BYTES] {
            let got = bench.ask(HOST, protocol, bench.request("GET", &format!("{documents}/{size}"))).await;
            assert!(is_success(&got) && got.body == document(size), "{protocol:?}: {size}: {} bytes", got.body.len());
            assert_eq!(bench.row(got.id()).await["bytes"], size, "{protocol:?}");
            if protocol == Protocol::Http2 {
                let told = got.trailers.as_ref().and_then(|trailers| trailers.get(SENT_TRAILER));
                assert_eq!(
                    told.map(|told| told.to_str().unwrap()),
                    Some(size.to_string().as_str()),
                    "trailers of {size}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_share_few_connections_and_each_has_its_row() {
    const AT_ONCE: usize = 50;
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let (_registry, address) = registry(&keeper, dir.path(), "streams", &["--latency-ms", "200"]).await;
    let tap = Tap::open(address);
    let bench = Bench::start(vec![Behind::sample("streams", &[tap.address()]).with(HTTP2)]).await;
    let warm = bench.ask(HOST, Protocol::Http1, bench.request("GET", "/about")).await;
    assert!(is_success(&warm), "{warm:?}");
    let key = bench.place.stack.pseudonym_key().unwrap();
    let mut wanted = BTreeMap::new();
    // More than one connection has room for, in the end.
    for count in [AT_ONCE, 3 * AT_ONCE] {
        let mut asked = JoinSet::new();
        for index in 0..count {
            let (target, device, session) = (bench.target(HOST), bench.device.clone(), bench.session.clone());
            asked.spawn(async move {
                let mut connection = Connection::open(&target, &device, BOTH[index % 2]).await.unwrap();
                let path = format!("/api/patients/{}", patient(index).id.expose());
                let response = connection.send(get(&path, Some(&session)), LIMIT).await.unwrap();
                assert!(response.status().is_success() && from_registry(&response), "{}", response.status());
                let id = crate::shared::request_id(response.headers());
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert!(String::from_utf8_lossy(&body).contains(patient(index).id.expose()), "another's answer");
                (id, index)
            });
        }
        while let Some(done) = asked.join_next().await {
            let (id, index) = done.unwrap();
            wanted.insert(id, hex::encode(key.patient(&patient(index).id).0));
        }
        if count == AT_ONCE {
            assert!(tap.connections() <= 2, "{count} requests at once took {} connections", tap.connections());
        }
    }
    bench.place.drained().await;
    let sql = "SELECT toString(request_id) AS id, lower(hex(patient_ref)) AS patient FROM access_log FINAL \
               WHERE registry = 'streams' AND phase != 'end' AND patient_kind != 0";
    let rows = bench.place.rows(sql).await;
    assert_eq!(rows.len(), wanted.len());
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let found: BTreeMap<_, _> = rows.iter().map(|row| (text(row, "id"), text(row, "patient"))).collect();
    assert_eq!(found, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_a_download_disturbs_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let (_registry, address) = registry(&keeper, dir.path(), "streams", &[]).await;
    let tap = Tap::open(address);
    let bench = Bench::start(vec![Behind::sample("streams", &[tap.address()]).with(HTTP2)]).await;
    let documents = format!("/api/patients/{}/documents", number());
    for protocol in BOTH {
        let mut connections = Vec::new();
        for _ in 0..5 {
            let mut connection = bench.open(HOST, protocol).await;
            let long = bench.request("GET", &format!("{documents}/{LONG_BYTES}"));
            let response = connection.send(long, LIMIT).await.unwrap();
            let id = crate::shared::request_id(response.headers());
            let mut body = response.into_body();
            assert!(body.frame().await.unwrap().is_ok());
            drop(body);
            if protocol == Protocol::Http2 {
                // The connection stays, and only the stream ends.
                connections.push(connection);
            } else {
                drop(connection);
            }
            let got = bench.ask(HOST, protocol, bench.request("GET", &format!("{documents}/{DOCUMENT_BYTES}"))).await;
            assert!(is_success(&got) && got.body == document(DOCUMENT_BYTES), "{protocol:?}: {}", got.body.len());
            assert_eq!(bench.row(&id).await["outcome"], "aborted", "{protocol:?}");
        }
        for connection in &mut connections {
            let got = bench.ask_on(connection, bench.request("GET", "/about")).await;
            assert!(is_success(&got), "{got:?}");
        }
    }
    assert!(tap.connections() <= 4, "{} connections", tap.connections());
}

/// An HTTP/2 server of the test's own, until it is dropped.
struct Served {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

/// Serves in a runtime of its own.
fn serve(app: Router) -> Served {
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            tokio::select! {
                _ = backend::serve(listener, None, app) => {}
                _ = stopped => {}
            }
        });
    });
    Served { address: told.recv().unwrap(), _stop: stop }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_reset_is_seen_to_break_off() {
    let cut = any(async || {
        // More than the gateway keeps back: its client has seen the head, and a part, when the rest does not come.
        let piece = Bytes::from(vec![0x55; 64 << 10]);
        let pieces = (0..256).map(move |_| Ok(Frame::data(piece.clone())));
        let broken = std::iter::once(Err(std::io::Error::other("broken")));
        axum::body::Body::new(StreamBody::new(futures_util::stream::iter(pieces.chain(broken))))
    });
    let plain = any(async || "plain");
    let app = Router::new().route("/reset/cut/{patient}", cut).route("/reset/plain/{patient}", plain);
    let served = serve(app);
    let bench = Bench::start(vec![Behind::raw("reset", &[served.address]).with(HTTP2)]).await;
    for protocol in BOTH {
        let got = bench.ask("localhost", protocol, bench.request("GET", &path("reset", "cut"))).await;
        assert!(got.status == 200 && !got.whole, "{protocol:?}: half an answer looks like a whole one: {got:?}");
        bench.ended("cut", &got, &["aborted", "failed"]).await;
        let got = bench.ask("localhost", protocol, bench.request("GET", &path("reset", "plain"))).await;
        assert!(is_success(&got) && got.body == b"plain", "{protocol:?}: {got:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_and_early_answers_pass_over_http2_and_what_is_no_http2_does_not() {
    let app = Router::new()
        .route("/forms/full/{patient}", any(async || (StatusCode::PAYLOAD_TOO_LARGE, "too much")))
        .route("/forms/empty/{patient}", any(async || StatusCode::NO_CONTENT))
        .route("/forms/unchanged/{patient}", any(async || (StatusCode::NOT_MODIFIED, [("etag", "\"1\"")])))
        .route("/forms/plain/{patient}", any(async || "plain"))
        .route("/forms/takes/{patient}", any(async |body: Bytes| body.len().to_string()))
        .layer(DefaultBodyLimit::disable());
    let served = serve(app);
    let old = Rude::open(|visit, _| {
        visit.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain");
        Then::Close
    });
    let forms = Behind::raw("forms", &[served.address]).with(HTTP2);
    let bench = Bench::start(vec![forms, Behind::raw("old", &[old.address()]).with(HTTP2)]).await;
    let upload = |what: &str| {
        let pieces = (0..512).map(|_| Ok(Frame::data(Bytes::from(vec![0x55; 16 << 10]))));
        let body = http_body_util::BodyExt::boxed(StreamBody::new(futures_util::stream::iter(pieces)));
        bench.builder("POST", &path("forms", what)).header("expect", "100-continue").body(body).unwrap()
    };
    for protocol in BOTH {
        for (method, what, status, body) in [
            ("GET", "plain", 200, "plain"),
            ("HEAD", "plain", 200, ""),
            ("GET", "empty", 204, ""),
            ("GET", "unchanged", 304, ""),
            ("GET", "plain", 200, "plain"),
        ] {
            let got = bench.ask("localhost", protocol, bench.request(method, &path("forms", what))).await;
            let right = got.status == status && got.whole && got.body == body.as_bytes();
            assert!(right, "{method} {what} over {protocol:?}: {got:?}");
            bench.ended(what, &got, &["complete"]).await;
        }
        // Answered before it is read.
        let got = bench.ask("localhost", protocol, upload("full")).await;
        assert!(got.status == 413 && got.whole && got.body == b"too much", "{protocol:?}: {got:?}");
        // `Expect` is no hindrance.
        let got = bench.ask("localhost", protocol, upload("takes")).await;
        assert!(is_success(&got) && got.body == (512_usize << 14).to_string().as_bytes(), "{protocol:?}: {got:?}");

        for method in ["GET", "POST"] {
            let at = path("old", "plain");
            let request = if method == "GET" { bench.request("GET", &at) } else { bench.posts(&at) };
            let got = bench.ask("localhost", protocol, request).await;
            assert!(got.status == 502 && got.is_problem(), "{method} over {protocol:?}: {got:?}");
            bench.ended("old", &got, &["failed"]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_killed_gets_no_change_twice() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let address = loopback(free_port().unwrap());
    let listen = address.to_string();
    let start = async || registry(&keeper, dir.path(), "streams", &["--listen", &listen]).await.0;
    let mut process = start().await;
    let bench = Bench::start(vec![Behind::sample("streams", &[address]).with(HTTP2)]).await;
    let path = format!("/api/patients/{}/withdrawals", number());
    for protocol in BOTH {
        let got = bench.ask(HOST, protocol, bench.posts(&path)).await;
        assert!(is_success(&got), "{protocol:?}: {got:?}");

        // While a change waits for its answer.
        let slow = bench.posts(&format!("{path}?delay_ms=10000"));
        let before = changes(address).await.len();
        let (got, killed) =
            tokio::join!(bench.ask(HOST, protocol, slow), async {
                until("it arrives", LIMIT, async || {
                    if changes(address).await.len() > before { Ok(()) } else { Err(String::new()) }
                })
                .await;
                process.kill();
                start().await
            });
        process = killed;
        assert!(got.status == 502 && got.is_problem(), "{protocol:?}: {got:?}");
        bench.ended("killed", &got, &["failed"]).await;
        assert_eq!(changes(address).await, Vec::<String>::new(), "{protocol:?}: sent again");

        // While the connection is at rest.
        for _ in 0..3 {
            let got = bench.ask(HOST, protocol, bench.posts(&path)).await;
            assert!(is_success(&got), "{protocol:?}: after the kill: {got:?}");
            process.kill();
            process = start().await;
            assert_eq!(changes(address).await, Vec::<String>::new(), "{protocol:?}");
            let got = bench.ask(HOST, protocol, bench.posts(&path)).await;
            assert!(is_success(&got), "{protocol:?}: after a kill at rest: {got:?}");
            assert_eq!(changes(address).await, [got.id()], "{protocol:?}");
        }
    }
}

/// An HTTP/2 server that says this status, and a body behind it whatever the status says of that. A thread for each
/// connection, which ends with it.
fn says_a_body_behind(index: u8, body: &'static [u8]) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || -> std::io::Result<()> {
                let frame = |kind: u8, flags: u8, id: [u8; 4], payload: &[u8]| {
                    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
                    [&length[1..], &[kind, flags], &id, payload].concat()
                };
                stream.read_exact(&mut [0; 24])?;
                stream.write_all(&frame(4, 0, [0; 4], &[]))?;
                loop {
                    let mut head = [0; 9];
                    stream.read_exact(&mut head)?;
                    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                    stream.read_exact(&mut vec![0; usize::try_from(length).unwrap()])?;
                    let id = [head[5], head[6], head[7], head[8]];
                    if head[3] == 1 {
                        // `:status`, from HPACK's static table; the stream goes on.
                        stream.write_all(&frame(1, 4, id, &[0x80 | index]))?;
                        stream.write_all(&frame(0, 1, id, body))?;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_where_none_may_be_does_not_pass() {
    const BODY: &[u8] = b"19121212-1212";
    let named = [("empty", 9), ("unchanged", 11), ("plain", 8)];
    let behind = named.map(|(name, index)| Behind::raw(name, &[says_a_body_behind(index, BODY)]).with(HTTP2));
    let bench = Bench::start(behind.into()).await;
    for (protocol, (name, _)) in BOTH.into_iter().flat_map(|protocol| named.map(|named| (protocol, named))) {
        for way in ["", "marked/"] {
            let at = format!("/{name}/{way}any/{}", number());
            let got = bench.ask("localhost", protocol, bench.request("GET", &at)).await;
            if name == "plain" {
                // What this server says is understood.
                assert!(got.status == 200 && got.body == BODY, "{at} over {protocol:?}: {got:?}");
                continue;
            }
            // Its head has left.
            assert!(got.body.is_empty(), "{at} over {protocol:?}: {got:?}");
            assert_eq!(bench.only_row(got.id()).await["outcome"], "aborted", "{at}");
        }
    }
}
