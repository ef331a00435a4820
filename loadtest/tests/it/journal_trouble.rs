//! The journal in trouble: full, on a disk without room, damaged, held by another, ClickHouse away. Nothing is disclosed
//! that is not recorded, and nothing that was recorded is lost.
#![expect(clippy::indexing_slicing, clippy::print_stderr, reason = "tests")]

use crate::shared::{LIMIT, Place, from_registry, get, patient, request_id, set};
use crate::whole::until;
use http::StatusCode;
use loadtest::client::login::Session;
use loadtest::client::socket::{Socket, Upgrade};
use loadtest::client::{ClientError, Connection, Device, Protocol, read_all};
use loadtest::stack::Component;
use loadtest::stack::people::ANNA;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use toml::Table;

const DEVICE: &str = "mottagning";

/// Somebody who asks for patients, and remembers what was answered.
struct Reader {
    device: Device,
    session: Session,
    /// The requests that got a patient's data.
    disclosed: BTreeSet<String>,
}

/// How a request ended.
#[derive(Debug, PartialEq)]
enum End {
    Disclosed,
    Refused,
}

impl Reader {
    async fn new(place: &Place) -> Self {
        let device = place.stack.device(DEVICE).unwrap();
        let session = place.stack.log_in(&ANNA, &device).await.unwrap();
        Self { device, session, disclosed: BTreeSet::new() }
    }

    async fn connect(&self, place: &Place) -> Connection {
        Connection::open(&place.stack.target(), &self.device, Protocol::Http1).await.unwrap()
    }

    /// Asks for a patient. A refusal must be the journal's, and tell nothing.
    async fn read(&mut self, connection: &mut Connection) -> End {
        let patient = patient(0);
        let response = connection
            .send(get(&format!("/api/patients/{}", patient.id.expose()), Some(&self.session)), LIMIT)
            .await
            .unwrap();
        let (status, id, registry) = (response.status(), request_id(response.headers()), from_registry(&response));
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = String::from_utf8(read_all(response, 1 << 20).await.unwrap().to_vec()).unwrap();
        if registry {
            assert_eq!(status, StatusCode::OK);
            assert!(body.contains(patient.id.expose()));
            self.disclosed.insert(id);
            return End::Disclosed;
        }
        assert_eq!((status, kind.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "application/problem+json"), "{body}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&problem["type"], &problem["status"]),
            (&"urn:grindvakt:problem:journal_unavailable".into(), &503.into())
        );
        assert!(!body.contains(patient.id.expose()) && !body.contains(&patient.name), "{body}");
        End::Refused
    }

    /// Each request that disclosed something is there, once.
    async fn all_are_there(&self, place: &Place) {
        place.drained().await;
        let rows = place.rows("SELECT toString(request_id) AS id, count() AS n FROM access_log FINAL WHERE decision = 'permit' AND phase != 'end' GROUP BY id").await;
        let there: BTreeSet<String> = rows
            .iter()
            .map(|row| {
                assert!(
                    matches!(row["n"].as_str().map_or_else(|| row["n"].as_u64(), |n| n.parse().ok()), Some(1)),
                    "{row}"
                );
                row["id"].as_str().unwrap().to_owned()
            })
            .collect();
        let missing: Vec<_> = self.disclosed.difference(&there).collect();
        assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), self.disclosed.len());
    }
}

/// The smallest journal that the settings allow.
fn tiny(settings: &mut Table) {
    set(settings, "journal", "segment_bytes", 65_536);
    set(settings, "journal", "budget_bytes", 262_144);
}

async fn until_ready(place: &Place) {
    until("the gateway is ready", LIMIT, async || match place.ready().await {
        (StatusCode::OK, _) => Ok(()),
        (_, why) => Err(why),
    })
    .await;
}

/// Reads until the journal refuses.
async fn fill(place: &Place, reader: &mut Reader) {
    let since = Instant::now();
    let mut connection = reader.connect(place).await;
    while reader.read(&mut connection).await == End::Disclosed {
        assert!(since.elapsed() < LIMIT * 2, "{} requests, and the journal is not full", reader.disclosed.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_its_budget_nothing_is_disclosed_and_all_is_well_when_clickhouse_returns() {
    let mut place = Place::start_with(|_, settings| tiny(settings)).await;
    let mut reader = Reader::new(&place).await;
    place.stack.kill(Component::Clickhouse);
    fill(&place, &mut reader).await;
    let (status, why) = place.ready().await;
    assert_eq!((status, why.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "the journal is full\n"));
    let mut connection = reader.connect(&place).await;
    for _ in 0..20 {
        assert_eq!(reader.read(&mut connection).await, End::Refused);
    }
    // A change is not made either.
    let path = format!("/api/patients/{}", patient(1).id.expose());
    let change = crate::shared::builder("PUT", &path, Some(&reader.session)).header("content-type", "application/json");
    let (status, _) =
        place.ask(&reader.device, Protocol::Http2, change.body(loadtest::client::full("{}")).unwrap()).await.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let (_, body) = loadtest::client::plain::get(place.stack.registry(), &path).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["entries"], serde_json::json!([]));

    place.stack.restart(Component::Clickhouse).await.unwrap();
    until_ready(&place).await;
    let mut connection = reader.connect(&place).await;
    assert_eq!(reader.read(&mut connection).await, End::Disclosed);
    reader.all_are_there(&place).await;
}

/// A socket that stays open, and requests enough to fill the journal many times over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_stays_open_does_not_fill_the_journal() {
    let mut place = Place::start_with(|_, settings| tiny(settings)).await;
    let mut reader = Reader::new(&place).await;
    let (name, value) = reader.session.header();
    let opened = Socket::open(&place.stack.target(), &reader.device, "/ws", Some((name, &value))).await.unwrap();
    let Upgrade::Open(mut socket, response) = opened else { panic!("the upgrade is refused") };
    let socket_id = request_id(&response);
    let mut connection = reader.connect(&place).await;
    while reader.disclosed.len() < 1_000 {
        // Refused is whoever comes before the rows of others are shipped; but not for ever.
        until("the journal has room", LIMIT, async || match reader.read(&mut connection).await {
            End::Disclosed => Ok(()),
            End::Refused => Err("it is full".to_owned()),
        })
        .await;
    }
    assert!(place.metric("audit_carried_over_total", "").await >= 1.0);
    socket.say("still there").await.unwrap();
    assert_eq!(socket.hear(LIMIT).await.unwrap().as_deref(), Some("still there"));
    place.stack.restart(Component::Gateway).await.unwrap();
    until_ready(&place).await;
    reader.all_are_there(&place).await;
    let of_socket = format!("SELECT outcome FROM access_log FINAL WHERE request_id = '{socket_id}' ORDER BY phase");
    let both = ["open", "unknown"].map(|outcome| serde_json::json!({ "outcome": outcome }));
    until("the rows of the socket", LIMIT, async || {
        let rows = place.rows(&of_socket).await;
        if rows == both { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_clickhouse_is_away_requests_go_on_and_all_rows_come() {
    let mut place = Place::start().await;
    let mut reader = Reader::new(&place).await;
    place.drained().await;
    place.stack.kill(Component::Clickhouse);
    let mut connection = reader.connect(&place).await;
    for _ in 0..200 {
        assert_eq!(reader.read(&mut connection).await, End::Disclosed);
    }
    let backlog = async || {
        place.metric("audit_journal_durable_sequence", "").await + 1.0
            - place.metric("audit_journal_acked_sequence", "").await
    };
    assert!(backlog().await >= 200.0);
    until("the age of the oldest row is told", LIMIT, async || {
        let age = place.metric("audit_oldest_unshipped_seconds", "").await;
        if age >= 1.0 { Ok(()) } else { Err(age.to_string()) }
    })
    .await;
    assert_eq!(place.ready().await.0, StatusCode::OK);
    place.stack.restart(Component::Clickhouse).await.unwrap();
    reader.all_are_there(&place).await;
    until("the age is 0 again", LIMIT, async || {
        let age = place.metric("audit_oldest_unshipped_seconds", "").await;
        if age < 1.0 { Ok(()) } else { Err(age.to_string()) }
    })
    .await;
}

/// A file system without room, for as long as this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// A tmpfs of so many bytes; none where nothing may be mounted. CI skips nothing.
    fn mount(path: &Path, bytes: u64) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(path).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(path.to_owned())),
            other => {
                assert!(std::env::var_os("CI").is_none(), "no file system can be mounted here: {other:?}");
                eprintln!("skipped: no file system can be mounted here: {other:?}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_disk_without_room_nothing_is_disclosed_and_it_goes_on_when_there_is_room() {
    let mut place = Place::start().await;
    let journal = place.dir().join("small/journal");
    let Some(disk) = SmallDisk::mount(&place.dir().join("small"), 2 << 20) else { return };
    place.edit("gateway.toml", |settings| {
        set(settings, "journal", "dir", journal.to_str().unwrap());
        set(settings, "journal", "segment_bytes", 262_144);
    });
    place.stack.restart(Component::Gateway).await.unwrap();
    let mut reader = Reader::new(&place).await;
    // Something else takes the room.
    let ballast = disk.0.join("ballast");
    let full = std::fs::write(&ballast, vec![1_u8; 4 << 20]);
    assert!(full.is_err(), "the disk has more room than it should");
    fill(&place, &mut reader).await;
    let (status, why) = place.ready().await;
    assert_eq!((status, why.contains("the journal")), (StatusCode::SERVICE_UNAVAILABLE, true), "{why}");
    std::fs::remove_file(ballast).unwrap();
    until_ready(&place).await;
    let mut connection = reader.connect(&place).await;
    assert_eq!(reader.read(&mut connection).await, End::Disclosed);
    reader.all_are_there(&place).await;
    place.stack.kill(Component::Gateway);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_segment_is_set_aside_named_and_what_follows_is_shipped() {
    let mut place = Place::start_with(|_, settings| set(settings, "journal", "segment_bytes", 65_536)).await;
    let mut reader = Reader::new(&place).await;
    place.drained().await;
    place.stack.kill(Component::Clickhouse);
    let mut connection = reader.connect(&place).await;
    for _ in 0..400 {
        assert_eq!(reader.read(&mut connection).await, End::Disclosed);
    }
    place.stack.kill(Component::Gateway);
    let journal = place.dir().join("gateway/journal");
    let mut segments: Vec<PathBuf> = std::fs::read_dir(&journal)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    segments.sort();
    assert!(segments.len() >= 2, "{segments:?}");
    // A byte of a frame in the middle of the last segment but one.
    let damaged = &segments[segments.len() - 2];
    let mut bytes = std::fs::read(damaged).unwrap();
    bytes[40_000] ^= 0x10;
    std::fs::write(damaged, bytes).unwrap();

    let fsck = |place: &Place| {
        let gateway = &place.stack.settings().programs.gateway;
        let output = Command::new(gateway)
            .args(["journal", "fsck", "--config"])
            .arg(place.dir().join("gateway.toml"))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = fsck(&place);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("DAMAGE: frames") && text.contains("cannot be read") && text.contains("what to do"),
        "{text}"
    );

    place.stack.restart(Component::Gateway).await.unwrap();
    let log = std::fs::read_to_string(place.dir().join("logs/gateway.log")).unwrap();
    assert!(log.contains("gateway journal fsck") && log.contains("quarantined"), "{log}");
    assert!(
        std::fs::read_dir(&journal).unwrap().any(|entry| entry
            .unwrap()
            .file_name()
            .to_str()
            .unwrap()
            .ends_with(".seg.quarantined"))
    );
    assert!(place.metric("audit_journal_lost_frames_total", "").await >= 1.0);
    place.stack.restart(Component::Clickhouse).await.unwrap();
    // What follows goes on: a new request, and all but a few of those before.
    let before = std::mem::take(&mut reader.disclosed);
    let mut connection = reader.connect(&place).await;
    assert_eq!(reader.read(&mut connection).await, End::Disclosed);
    reader.all_are_there(&place).await;
    let rows = place.rows("SELECT DISTINCT toString(request_id) AS id FROM access_log FINAL").await;
    let there: BTreeSet<String> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let missing = before.difference(&there).count();
    assert!(missing <= 4, "one damaged byte has cost {missing} of {} records", before.len());
    let (_, text) = fsck(&place);
    assert!(text.contains(".seg.quarantined is kept"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_gateway_on_the_same_journal_says_so_and_ends() {
    let place = Place::start().await;
    let other = place.dir().join("other.toml");
    std::fs::copy(place.dir().join("gateway.toml"), &other).unwrap();
    crate::shared::edit(&other, |settings| {
        set(settings, "listen", "https", vec!["127.0.0.1:0"]);
        set(settings, "listen", "ops", "127.0.0.1:0");
    });
    let output = Command::new(&place.stack.settings().programs.gateway)
        .args(["serve", "--config"])
        .arg(&other)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("is in use by another process") && text.contains("gateway/journal"), "{text}");
    // The first goes on.
    let mut reader = Reader::new(&place).await;
    let mut connection = reader.connect(&place).await;
    assert_eq!(reader.read(&mut connection).await, End::Disclosed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_ends_what_is_under_way_and_takes_nothing_new() {
    let mut place = Place::start().await;
    let reader = Reader::new(&place).await;
    let path = format!("/api/patients/{}?delay_ms=2000", patient(0).id.expose());
    let mut http1 = reader.connect(&place).await;
    let mut http2 = Connection::open(&place.stack.target(), &reader.device, Protocol::Http2).await.unwrap();
    let before = place.metric("audit_intents_total", "").await;
    let slow = async |connection: &mut Connection| {
        let response = connection.send(get(&path, Some(&reader.session)), LIMIT).await?;
        assert!(from_registry(&response) && response.status().is_success());
        let id = request_id(response.headers());
        read_all(response, 1 << 20).await.map(|_| id)
    };
    let gateway = place.stack.process_id(Component::Gateway).unwrap();
    let stop =
        async {
            until("both are under way", LIMIT, async || {
                let now = place.metric("audit_intents_total", "").await;
                if now >= before + 2.0 { Ok(()) } else { Err(now.to_string()) }
            })
            .await;
            assert!(Command::new("kill").args(["-TERM", &gateway.to_string()]).status().unwrap().success());
            until("it takes no new connections", Duration::from_millis(1500), async || {
                match tokio::net::TcpStream::connect(place.stack.target().address).await {
                    Err(_) => Ok(()),
                    Ok(_) => match Connection::open(&place.stack.target(), &reader.device, Protocol::Http1).await {
                        Err(ClientError::Connect(_)) => Ok(()),
                        _ => Err("it does".to_owned()),
                    },
                }
            })
            .await;
            let (status, why) = place.ready().await;
            assert_eq!((status, why.contains("stopping")), (StatusCode::SERVICE_UNAVAILABLE, true), "{why}");
        };
    let (one, two, ()) = tokio::join!(slow(&mut http1), slow(&mut http2), stop);
    let ids = [one.unwrap(), two.unwrap()];
    drop((http1, http2));
    let ended = until("it has ended", LIMIT, async || place.stack.fallen().ok_or_else(|| "it runs".to_owned())).await;
    assert!(ended.contains("exit status: 0"), "{ended}");
    // How they ended is in the journal, and in ClickHouse at the latest when the gateway runs again.
    let dump = Command::new(&place.stack.settings().programs.gateway)
        .args(["journal", "dump", "--output", "json", "--limit", "100000", "--config"])
        .arg(place.dir().join("gateway.toml"))
        .output()
        .unwrap();
    let frames: Vec<Value> =
        String::from_utf8(dump.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for id in &ids {
        let ends: Vec<_> =
            frames.iter().filter(|frame| frame["kind"] == "outcome" && frame["request"] == id.as_str()).collect();
        assert!(matches!(ends.as_slice(), [end] if end["outcome"] == "complete"), "{ends:?}");
    }
    place.stack.restart(Component::Gateway).await.unwrap();
    place.drained().await;
    for id in ids {
        let rows = place.rows(&format!("SELECT outcome, status FROM access_log FINAL WHERE request_id = '{id}'")).await;
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((row["outcome"].as_str(), &row["status"]), (Some("complete"), &200.into()));
    }
}
