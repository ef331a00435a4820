//! Two auditors over one PostgreSQL.

use crate::installation::{Installation, Request, Server};
use auditor::accounts::State;
use auditor::devices::Why;
use auditor::sessions::End;
use auditor::store::{By, Place, Store};
use auditor::{clock, pki};
use contract::directory::{Commission, Entry, Message, Session};
use contract::id::{DeviceId, SessionKey};
use contract::record::{AuthEventKind, AuthMethod, Reason};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use uuid::Uuid;

const TRIALS: usize = 1000;
/// The promise, for 99 of 100.
const WITHIN: Duration = Duration::from_secs(1);

fn both(place: &Installation) -> [Server<'_>; 2] {
    let second = [("AUDITOR__INTERNAL__LISTEN", "unix:state/internal-2.sock")];
    [place.serve(), place.serve_as("ready-2.json", &second)]
}

fn has_lease(server: &Server<'_>) -> bool {
    server.metric("auditor_lease_held") > 0.0
}

/// Reads a server's feed from a state on, and gives when each of so many changes came.
fn arrivals(server: &Server<'_>, after: u64, count: usize) -> std::thread::JoinHandle<BTreeMap<u64, Instant>> {
    let mut feed = server.follow(after);
    std::thread::spawn(move || {
        let mut seen = BTreeMap::new();
        while seen.len() < count {
            if let Some(Message::Change { epoch, .. }) = feed.next() {
                seen.insert(epoch.0, Instant::now());
            }
        }
        seen
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_at_one_ends_at_all_within_a_second() {
    let Some(place) = Installation::on_postgres() else { return };
    let anna = place.user("anna");
    let ward = place.device("ward3");
    let config = auditor::config::Config::read(&place.path("auditor.toml"), []).unwrap();
    assert!(matches!(config.store, Place::Postgres(_)));
    let store = Store::open(&config.store).await.unwrap();
    let servers = both(&place);
    // Sessions to be ended, and devices to be revoked.
    let mut change = store.change(clock::now(), By::program("test")).await.unwrap();
    let model = store.device(ward.id).await.unwrap().unwrap();
    for number in 0..TRIALS {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        let now = change.at();
        let session = Session {
            key: SessionKey(key),
            account: anna.id,
            device: ward.id,
            created: now,
            expires: now + 3_600_000_000,
            idle_s: 3600,
            last_used: now,
            auth_method: AuthMethod::PasswordTotp,
            acr: String::new(),
            commission: Commission::default(),
            ended: None,
        };
        let fingerprint = contract::id::CertFingerprint(key);
        let device = auditor::devices::Device {
            id: DeviceId::new(Uuid::from_u128(number as u128 + 1)),
            serial: format!("{number:x}"),
            fingerprint,
            ..model.clone()
        };
        match number % 3 {
            0 => change.open_session(&session).await.unwrap(),
            1 => change.enrol_device(&device).await.unwrap(),
            _ => {}
        }
    }
    change.commit().await.unwrap();
    let mut account = store.account(anna.id).await.unwrap().unwrap();
    let start = store.epoch().await.unwrap().0;
    let feeds: Vec<_> = servers.iter().map(|server| arrivals(server, start, TRIALS)).collect();
    let mut made = BTreeMap::new();
    for number in 0..TRIALS {
        let mut change = store.change(clock::now(), By::program("test")).await.unwrap();
        match number % 3 {
            0 => {
                let mut key = [0; 32];
                key[..8].copy_from_slice(&number.to_le_bytes());
                assert!(change.end_session(SessionKey(key), End::Logout).await.unwrap());
            }
            1 => {
                drop(
                    change.revoke_device(DeviceId::new(Uuid::from_u128(number as u128 + 1)), Why::Lost).await.unwrap(),
                );
            }
            _ => {
                let locked = matches!(account.state, State::Locked { .. });
                let at = change.at();
                let moved = if locked { account.state.unlock(at) } else { account.state.lock(at, None) };
                account.state = moved.unwrap();
                change.move_account(&account, AuthEventKind::AccountLocked, Reason::None).await.unwrap();
            }
        }
        change.commit().await.unwrap();
        made.insert(store.epoch().await.unwrap().0, Instant::now());
    }
    for feed in feeds {
        let seen = tokio::task::spawn_blocking(|| feed.join().unwrap()).await.unwrap();
        assert!(seen.keys().eq(made.keys()), "each change is told once, in order");
        let mut took: Vec<Duration> =
            seen.iter().map(|(epoch, at)| at.saturating_duration_since(made[epoch])).collect();
        took.sort();
        let (half, most) = (took[TRIALS / 2], took[TRIALS * 99 / 100]);
        println!("of {TRIALS}: half within {half:?}, 99 of 100 within {most:?}, the last {:?}", took.last().unwrap());
        assert!(most <= WITHIN, "99 of 100 took up to {most:?}");
    }
    store.close().await;
}

#[test]
fn one_does_the_scheduled_work_and_the_other_takes_over_when_it_is_gone() {
    let Some(place) = Installation::on_postgres() else { return };
    let mut servers: Vec<_> = both(&place).into_iter().collect();
    while !servers.iter().any(has_lease) {}
    assert!(!servers.iter().all(has_lease));
    let holder = servers.iter().position(has_lease).unwrap();
    // It hangs: the other takes over. It goes on: it knows that it is another's turn.
    let (one, other) = (&servers[holder], &servers[1 - holder]);
    one.signal("-STOP");
    while !has_lease(other) {}
    one.signal("-CONT");
    while has_lease(one) {}
    assert!(has_lease(other));
    // It dies.
    drop(servers.remove(1 - holder));
    while !has_lease(&servers[0]) {}
    // It ends, and gives the lease back: who comes next need not wait until it has run out.
    assert_eq!(servers.remove(0).terminate(), Some(0));
    let next = place.serve();
    while !has_lease(&next) {}
}

#[test]
fn while_the_database_is_away_gateways_hear_nothing_and_then_all_of_it() {
    let Some(mut place) = Installation::on_postgres() else { return };
    place.user("anna");
    let device = place.device("ward3");
    let mut cluster = place.take_cluster();
    let server = place.serve();
    let (_, epoch) = server.follow(0).snapshot();
    let mut feed = server.follow(epoch);
    cluster.stop();
    while feed.next().is_some() {}
    assert_eq!(server.ask_ops("/readyz").status, 503);
    let refused = server.ask_internal(Request::get(&format!("/internal/v1/directory?after={epoch}")));
    assert_eq!(refused.status, 503, "what it knows may be old");
    cluster.go_on();
    // As a gateway does it.
    while server.ask_ops("/readyz").status != 200 {}
    place.ok(&["device", "revoke", &device.id.to_string()]);
    let mut changes = 0;
    while changes == 0 {
        let mut feed = server.follow(epoch);
        while let Some(message) = feed.next() {
            if let Message::Change { entry, .. } = message {
                assert!(matches!(entry, Entry::Device(told) if told.id == device.id && told.revoked.is_some()));
                changes += 1;
                break;
            }
        }
    }
}

#[test]
fn all_who_share_a_database_are_one_node_in_the_audit_log() {
    let Some(place) = Installation::on_postgres() else { return };
    let _first = place.serve();
    let mut command = place.command(&["serve"]);
    let other = command.env("AUDITOR__NODE__NAME", "another").env("AUDITOR__INTERNAL__LISTEN", "unix:state/2.sock");
    let refused = other.output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("is that of auditor \"auditor\""), "{said}");
}

#[test]
fn the_database_is_reached_over_tls_and_by_a_password_only() {
    const PASSWORD: &str = "hem/ligt@1 ?";
    let Some(mut place) = Installation::on_postgres() else { return };
    let mut cluster = place.take_cluster();
    let issue = |name: &str| {
        let now = clock::now();
        let own = pki::authority(name, &[7; 16], now, 1).unwrap();
        let authority = pki::Authority::from_pem(&own.cert_pem, &own.key_pem).unwrap();
        (authority.issue_host(name, &["localhost".to_owned()], pki::Usage::Server, &[8; 16], now, 1).unwrap(), own)
    };
    let ((server, own), (_, stranger)) = (issue("database"), issue("stranger"));
    let port = cluster.over_tls(&server.cert_pem, &server.key_pem, PASSWORD);
    std::fs::write(place.path("own.pem"), &own.cert_pem).unwrap();
    std::fs::write(place.path("stranger.pem"), &stranger.cert_pem).unwrap();
    std::fs::write(place.path("right"), format!("{PASSWORD}\n")).unwrap();
    std::fs::write(place.path("wrong"), "gissat").unwrap();
    let try_with = |host: &str, authority: &str, password: &str| {
        let authority = place.path(authority).display().to_string();
        let url = format!("postgres://auditor@{host}:{port}/postgres?sslmode=verify-full&sslrootcert={authority}");
        let mut command = place.command(&["account", "list"]);
        command.env("AUDITOR__STORE__POSTGRES_URL", url).env("AUDITOR__STORE__POSTGRES_PASSWORD_FILE", password);
        let done = command.output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (done, said) = try_with("localhost", "own.pem", "right");
    assert!(done, "{said}");
    for (host, authority, password) in
        [("localhost", "stranger.pem", "right"), ("127.0.0.1", "own.pem", "right"), ("localhost", "own.pem", "wrong")]
    {
        let (done, said) = try_with(host, authority, password);
        assert!(
            !done && said.contains("no connection to the account database"),
            "{host} {authority} {password}: {said}"
        );
        assert!(!said.contains(PASSWORD) && !said.contains("gissat"), "{said}");
    }
}
