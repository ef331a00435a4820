//! A right that ends, ends everywhere within one second: on connections that are open, in WebSockets, in downloads.
//!
//! Each trial has an account and a device of its own. The time is taken from the return of the command that ends the
//! right (for a logout: its answer) to the moment at which the client sees the end.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::print_stdout, reason = "tests")]

use crate::shared::{Newcomer, Place, Shared, from_registry, get, patient, request_id};
use crate::whole::until;
use crate::wire::{self, Wire};
use http::Response;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use loadtest::client::login::Session;
use loadtest::client::socket::{Socket, Upgrade};
use loadtest::client::{ClientError, Connection, Protocol};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

static PLACE: Shared<Place> = Shared::new();

/// The promise.
const WITHIN: Duration = Duration::from_secs(1);
const TRIALS: usize = 5;
const LIMIT: Duration = Duration::from_secs(20);
/// Larger than what could be sent before the cut.
const DOCUMENT_BYTES: u64 = 1 << 30;

/// How a right ends.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    Device,
    Account,
    Logout,
}

/// What was seen, and how long after the command's return; nothing if it had ended before that.
type Seen = BTreeMap<&'static str, Vec<Duration>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_device_is_shut_out_within_a_second() {
    let place = PLACE.get(Place::start).await;
    let seen = trials(&place, Ending::Device, "revoked").await;
    judge(
        "device revoked",
        &seen,
        &["request", "idle connection", "socket", "idle socket", "download", "download over HTTP/2"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_account_is_shut_out_within_a_second() {
    let place = PLACE.get(Place::start).await;
    let seen = trials(&place, Ending::Account, "closed").await;
    judge("account closed", &seen, &["request", "socket", "idle socket", "download", "download over HTTP/2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_session_is_shut_out_within_a_second() {
    let place = PLACE.get(Place::start).await;
    let seen = trials(&place, Ending::Logout, "leaves").await;
    judge("logged out", &seen, &["request", "socket", "idle socket", "download", "download over HTTP/2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_certificate_is_refused_in_the_handshake() {
    let place = PLACE.get(Place::start).await;
    let somebody = place.newcomer("handshake").await;
    place.auditor(&["device", "revoke", &somebody.device_id]).await;
    let config =
        Arc::new(wire::settings(&place.stack.layout().server_ca(), Some((&somebody.files.0, &somebody.files.1))));
    let target = place.stack.target();
    let from = until("the handshake is refused", LIMIT, async || {
        let from = wire::address();
        match wire::refusal(&target, &config, from).await {
            Some(alert) => {
                assert_eq!(alert, rustls::AlertDescription::CertificateRevoked);
                Ok(from)
            }
            // It was before the revocation, and is cut.
            None => Err("it is not".to_owned()),
        }
    })
    .await;
    let (certificate, from) = (fingerprint(&somebody), wire::shown(from));
    until("the event is there", LIMIT, async || {
        let rows = place
            .rows(&format!("SELECT kind, reason, lower(hex(device_cert)) AS cert FROM auth_event FINAL WHERE src_ip = toIPv6('{from}')"))
            .await;
        let [row] = rows.as_slice() else { return Err(format!("{rows:?}")) };
        assert_eq!((row["kind"].as_str(), row["reason"].as_str()), (Some("handshake_refused"), Some("cert_revoked")));
        assert_eq!(row["cert"].as_str(), Some(certificate.as_str()));
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_body_outlasts_the_right_to_it_is_not_made() {
    // A right is asked for again when a request has lasted for half a second.
    const LASTING: Duration = Duration::from_millis(600);
    let place = PLACE.get(Place::start).await;
    let number = patient(2).id.expose().to_owned();
    let body = format!(r#"{{"resourceType":"Observation","subject":{{"identifier":{{"value":"{number}"}}}}}}"#);
    let post = async |somebody: &Newcomer, ends: bool| {
        let config =
            Arc::new(wire::settings(&place.stack.layout().server_ca(), Some((&somebody.files.0, &somebody.files.1))));
        let mut wire = Wire::open(&place.stack.target(), &config, wire::address()).await.unwrap();
        let (name, value) = somebody.session.header();
        let head = format!(
            "POST /fhir/Observation HTTP/1.1\r\nHost: {}\r\n{name}: {value}\r\nAccept: application/json\r\n\
             Content-Type: application/fhir+json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            place.stack.target().authority(),
            body.len()
        );
        wire.write(head.as_bytes()).await.unwrap();
        // Leave is given by the gateway, once the policy has said yes.
        assert_eq!(wire.answer().await.unwrap().status, 100);
        tokio::time::sleep(LASTING).await;
        if ends {
            place.auditor(&["account", "close", &somebody.user]).await;
            until("the gateway knows of it", LIMIT, async || {
                let (status, _) =
                    place.ask(&somebody.device, Protocol::Http1, get("/", Some(&somebody.session))).await?;
                if status == 401 || status == 403 { Ok(()) } else { Err(status.to_string()) }
            })
            .await;
        }
        wire.write(body.as_bytes()).await.unwrap();
        wire.answer().await.unwrap()
    };
    let somebody = place.newcomer("slow").await;
    for (ends, status, outcome) in [(false, 201, "complete"), (true, 401, "failed")] {
        let answer = post(&somebody, ends).await;
        assert_eq!(answer.status, status, "{answer:?}");
        let id = answer.header("x-request-id").unwrap();
        let changed = crate::shared::changes(place.stack.registry()).await;
        assert_eq!(changed.iter().any(|change| change == id), !ends, "what reached the registry");
        let sql =
            format!("SELECT decision, outcome FROM access_log FINAL WHERE request_id = '{id}' AND phase != 'begin'");
        until("its row is there", LIMIT, async || match place.rows(&sql).await.as_slice() {
            [row] if row["decision"] == "permit" && row["outcome"] == outcome => Ok(()),
            rows => Err(format!("{rows:?}")),
        })
        .await;
    }
}

fn fingerprint(somebody: &Newcomer) -> String {
    use rustls_pki_types::{CertificateDer, pem::PemObject as _};
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(CertificateDer::from_pem_file(&somebody.files.0).unwrap()))
}

fn judge(what: &str, seen: &Seen, wanted: &[&str]) {
    for (kind, times) in seen {
        let mut times = times.clone();
        times.sort_unstable();
        let (p50, max) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{what}: {kind}: ended after {p50:?} (p50), {max:?} (max), {} trials", times.len());
    }
    assert_eq!(seen.keys().copied().collect::<std::collections::BTreeSet<_>>(), wanted.iter().copied().collect());
    for (kind, times) in seen {
        assert_eq!(times.len(), TRIALS);
        assert!(times.iter().all(|time| *time <= WITHIN), "{what}: {kind}: {times:?}");
    }
}

async fn trials(place: &Place, ending: Ending, prefix: &str) -> Seen {
    let mut seen = Seen::new();
    let (mut sockets, mut certificates) = (Vec::new(), Vec::new());
    for trial in 0..TRIALS {
        let somebody = place.newcomer(&format!("{prefix}{trial}")).await;
        certificates.push(fingerprint(&somebody));
        sockets.extend(one(place, ending, somebody, &mut seen).await);
    }
    for id in sockets {
        until("the socket's rows are there", LIMIT, async || {
            let rows = place.rows(&format!("SELECT phase, outcome, route, duration_us, bytes FROM access_log FINAL WHERE request_id = '{id}' ORDER BY phase")).await;
            let told: Vec<_> = rows.iter().map(|row| (row["phase"].as_str().unwrap(), row["outcome"].as_str().unwrap())).collect();
            if told == [("begin", "open"), ("end", "aborted")] { Ok(()) } else { Err(format!("{rows:?}")) }
        })
        .await;
        // Who reads the view sees it once, and how it ended.
        let shown = place.rows(&format!("SELECT outcome FROM access WHERE request_id = '{id}'")).await;
        assert!(matches!(shown.as_slice(), [row] if row["outcome"] == "aborted"), "{shown:?}");
    }
    // Two sockets and two downloads are cut; of a revoked device the idle connection as well. Maybe the one that asks, too,
    // if an answer takes its time, or the refusal of the next request does not come first.
    let cut = if ending == Ending::Device { 5..=6 } else { 4..=5 };
    let reason = if ending == Ending::Device { "device_revoked" } else { "none" };
    for certificate in certificates {
        until("the cuts are recorded", LIMIT, async || {
            let rows = place.rows(&format!("SELECT reason, count, toString(device) AS device FROM auth_event FINAL WHERE kind = 'connection_cut' AND lower(hex(device_cert)) = '{certificate}'")).await;
            let sum = rows.iter().map(|row| row["count"].as_u64().unwrap()).sum::<u64>();
            if cut.contains(&sum) && rows.iter().all(|row| row["reason"] == reason) { Ok(()) } else { Err(format!("{rows:?}")) }
        })
        .await;
    }
    seen
}

/// Opens everything, ends the right, and sees when each thing ends. Gives the request ids of the sockets.
async fn one(place: &Place, ending: Ending, somebody: Newcomer, seen: &mut Seen) -> Vec<String> {
    let (target, patient) = (place.stack.target(), patient(1));
    let number = patient.id.expose();
    let path = format!("/api/patients/{number}");
    let session = somebody.session.clone();
    let open = async |protocol| Connection::open(&target, &somebody.device, protocol).await.unwrap();

    let mut asked = open(Protocol::Http2).await;
    assert!(ask(&mut asked, &path, &session).await);
    let mut idle = open(Protocol::Http2).await;
    assert!(ask(&mut idle, &path, &session).await);
    let mut ids = Vec::new();
    let mut socket = async |path: &str| {
        let (name, value) = session.header();
        match Socket::open(&target, &somebody.device, path, Some((name, &value))).await.unwrap() {
            Upgrade::Open(socket, headers) => {
                ids.push(request_id(&headers));
                socket
            }
            Upgrade::Refused(status, _) => panic!("the upgrade is refused: {status}"),
        }
    };
    let mut talking = socket("/ws").await;
    let mut silent = socket(&format!("/ws/patients/{number}")).await;
    assert!(silent.hear(LIMIT).await.unwrap().unwrap().contains(number));
    let document = format!("{path}/documents/{DOCUMENT_BYTES}");
    let (mut plain, mut streams) = (open(Protocol::Http1).await, open(Protocol::Http2).await);
    let download = plain.send(get(&document, Some(&session)), LIMIT).await.unwrap();
    let download2 = streams.send(get(&document, Some(&session)), LIMIT).await.unwrap();
    assert!(download.status().is_success() && download2.status().is_success());

    let (tell, told) = watch::channel(false);
    let told2 = told.clone();
    let mut ends = JoinSet::new();
    ends.spawn(async move { ("socket", talk(&mut talking).await) });
    ends.spawn(async move { ("idle socket", listen(&mut silent).await) });
    ends.spawn(async move {
        let end = read(download, told).await;
        drop(plain);
        ("download", end)
    });
    ends.spawn(async move {
        let end = read(download2, told2).await;
        drop(streams);
        ("download over HTTP/2", end)
    });
    let asking = session.clone();
    ends.spawn(async move {
        let since = Instant::now();
        loop {
            let began = Instant::now();
            if !ask(&mut asked, &path, &asking).await {
                // And stays refused.
                assert!(!ask(&mut asked, &path, &asking).await);
                return ("request", began);
            }
            assert!(since.elapsed() < LIMIT, "requests are answered as ever");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    if ending == Ending::Device {
        ends.spawn(async move {
            let since = Instant::now();
            while !idle.is_closed() {
                assert!(since.elapsed() < LIMIT, "the idle connection is still open");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            ("idle connection", Instant::now())
        });
    }
    match ending {
        Ending::Device => drop(place.auditor(&["device", "revoke", &somebody.device_id]).await),
        Ending::Account => drop(place.auditor(&["account", "close", &somebody.user]).await),
        Ending::Logout => {
            let request =
                crate::shared::builder("POST", "/auth/logout", Some(&session)).body(loadtest::client::empty()).unwrap();
            let (status, _) = place.ask(&somebody.device, Protocol::Http1, request).await.unwrap();
            assert!(status.is_success(), "{status}");
        }
    }
    let returned = Instant::now();
    tell.send_replace(true);
    while let Some(end) = ends.join_next().await {
        let (kind, at) = end.unwrap();
        seen.entry(kind).or_default().push(at.saturating_duration_since(returned));
    }
    ids
}

/// Whether the registry answers. Nothing else than its answer, a refusal or a cut may come.
async fn ask(connection: &mut Connection, path: &str, session: &Session) -> bool {
    match connection.send(get(path, Some(session)), LIMIT).await {
        Ok(response) if from_registry(&response) => {
            assert!(response.status().is_success());
            // A cut in the middle of an answer is one as well.
            response.into_body().collect().await.is_ok()
        }
        Ok(response) => {
            assert!(matches!(response.status().as_u16(), 401 | 403), "{}", response.status());
            false
        }
        Err(ClientError::Timeout(limit)) => panic!("no answer within {limit:?}"),
        Err(_) => false,
    }
}

async fn talk(socket: &mut Socket) -> Instant {
    loop {
        if socket.say("hej").await.is_err() {
            return Instant::now();
        }
        match socket.hear(LIMIT).await {
            Ok(Some(text)) => assert_eq!(text, "hej"),
            Err(ClientError::Timeout(_)) => panic!("the socket is silent, and open"),
            Ok(None) | Err(_) => return Instant::now(),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn listen(socket: &mut Socket) -> Instant {
    match socket.hear(LIMIT).await {
        Ok(Some(text)) => panic!("told without being asked: {text}"),
        Err(ClientError::Timeout(_)) => panic!("the idle socket is still open"),
        Ok(None) | Err(_) => Instant::now(),
    }
}

/// Reads a download slowly, so that it is under way when the right ends, and then without pause: what had arrived
/// before the cut takes no time.
async fn read(response: Response<Incoming>, returned: watch::Receiver<bool>) -> Instant {
    let mut body = response.into_body();
    let (mut bytes, since) = (0, Instant::now());
    loop {
        match body.frame().await {
            Some(Ok(frame)) => bytes += frame.into_data().unwrap().len() as u64,
            Some(Err(_)) => return Instant::now(),
            None => panic!("the download came to its end after {bytes} bytes"),
        }
        assert!(since.elapsed() < LIMIT, "the download goes on: {bytes} bytes");
        if !*returned.borrow() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
