//! The directory as gateways follow it.

use crate::installation::{Feed, Installation, ORGANISATION, Request};
use contract::directory::{AccountStanding, Commission, Entry, Epoch, Message, SessionAnswer};
use contract::id::{HsaId, SessionKey};
use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslVersion};
use std::io::Write as _;
use std::net::TcpStream;

#[test]
fn a_snapshot_then_each_change_and_a_reader_goes_on_where_it_was() {
    let place = Installation::new();
    let user = place.user("anna");
    let device = place.device("ward3");
    let server = place.serve();
    let mut feed = server.follow(0);
    let (entries, first) = feed.snapshot();
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert!(
        entries
            .iter()
            .any(|e| matches!(e, Entry::Account(a) if a.id == user.id && a.standing == AccountStanding::Pending))
    );
    assert!(entries.iter().any(|e| matches!(e, Entry::Device(d) if d.id == device.id && d.revoked.is_none())));

    // A command in another process arrives in the feed of the server that runs.
    place.ok(&["account", "grant", "anna", "--registry", "journal", "--right", "read"]);
    let (change, second) = feed.change();
    assert!(second > first);
    assert!(matches!(&change, Entry::Account(a) if a.grants.len() == 1), "{change:?}");
    place.ok(&["device", "revoke", &device.id.to_string()]);
    let (change, third) = feed.change();
    assert!(third > second);
    assert!(matches!(&change, Entry::Device(d) if d.revoked.is_some()), "{change:?}");

    // A reader that has a state of ours gets what follows it, and nothing else.
    let mut later = server.follow(first);
    assert_eq!(later.change().1, second);
    assert_eq!(later.change().1, third);
    let Some(Message::Heartbeat { epoch, .. }) = later.next() else { panic!("nothing else has changed") };
    assert_eq!(epoch.0, third);
    assert!(matches!(server.follow(third).next(), Some(Message::Heartbeat { .. })));
    // One that has a state that never was gets everything.
    for unknown in [first + 1, u64::MAX] {
        let mut feed = server.follow(unknown);
        let (_, epoch) = feed.snapshot();
        assert!(epoch >= first, "a snapshot, perhaps one made for another reader a moment ago");
        feed.until(|message| matches!(message, Message::Heartbeat { epoch, .. } if epoch.0 == third));
    }
}

#[test]
fn a_state_is_known_again_after_a_restart() {
    let place = Installation::new();
    place.user("anna");
    let server = place.serve();
    let (_, first) = server.follow(0).snapshot();
    assert_eq!(server.terminate(), Some(0));
    place.ok(&["account", "close", "anna"]);
    let server = place.serve();
    let (change, _) = server.follow(first).change();
    assert!(matches!(change, Entry::Account(a) if a.standing == AccountStanding::Closed));
    assert_eq!(server.follow(0).snapshot().0.len(), 0, "who is closed is left out");
}

#[test]
fn a_feed_ends_when_the_server_drains() {
    let place = Installation::new();
    let server = place.serve();
    let mut feed = server.follow(0);
    feed.snapshot();
    assert_eq!(server.terminate(), Some(0));
    while feed.next().is_some() {}
}

#[test]
fn a_session_is_told_by_its_key_and_its_use_is_noted() {
    let place = Installation::new().with("SESSION__IDLE_S", "1200");
    let user = place.user("anna");
    let device = place.device("ward3");
    let server = place.serve();
    let mut feed = server.follow(0);
    feed.snapshot();
    let code = user.totp.code(auditor::clock::now());
    assert_eq!(server.log_in(&device, "anna", &user.password, &code, "/").status, 303);
    let session = feed.session();

    let ask = |key: SessionKey| {
        let body = serde_json::json!({ "key": key }).to_string();
        let answer = server.ask_internal(Request::post("/internal/v1/session", "application/json", &body));
        assert_eq!(answer.status, 200);
        serde_json::from_str::<SessionAnswer>(&answer.body).unwrap()
    };
    let answer = ask(session.key);
    assert_eq!(answer.session.as_ref().map(|s| s.device), Some(device.id));
    assert_eq!(answer.account.map(|a| a.standing), Some(AccountStanding::Active));
    assert!(answer.epoch > Epoch(0), "the gateway is told how far the feed has to be");
    assert_eq!(ask(SessionKey([7; 32])), SessionAnswer { session: None, account: None, epoch: Epoch(0) });

    // Use that is reported from the future counts as now; an unknown key is passed over.
    let body = serde_json::json!({ "used": [[session.key, i64::MAX], [SessionKey([7; 32]), 1]] }).to_string();
    assert_eq!(server.ask_internal(Request::post("/internal/v1/activity", "application/json", &body)).status, 204);
    let last = ask(session.key).session.unwrap().last_used;
    assert!(last > session.last_used && last <= auditor::clock::now());
    let many: Vec<_> = (0..10_001).map(|_| (session.key, 1)).collect();
    let body = serde_json::json!({ "used": many }).to_string();
    assert_eq!(server.ask_internal(Request::post("/internal/v1/activity", "application/json", &body)).status, 413);
}

#[test]
fn a_revoked_device_and_a_closed_account_lose_their_sessions() {
    let place = Installation::new();
    let (anna, bo) = (place.user("anna"), place.user("bodil"));
    let (one, two) = (place.device("one"), place.device("two"));
    let server = place.serve();
    let mut feed = server.follow(0);
    feed.snapshot();
    let now = auditor::clock::now();
    server.log_in(&one, "anna", &anna.password, &anna.totp.code(now), "/");
    let first = feed.session();
    server.log_in(&two, "bodil", &bo.password, &bo.totp.code(now), "/");
    let second = feed.session();
    place.ok(&["device", "revoke", &one.id.to_string()]);
    let ended = feed.session();
    assert!(ended.key == first.key && ended.ended.is_some());
    place.ok(&["account", "close", &bo.id.to_string()]);
    let ended = feed.session();
    assert!(ended.key == second.key && ended.ended.is_some());
}

#[test]
fn a_session_carries_the_accounts_commission_and_ends_when_that_changes() {
    let place = Installation::new();
    let user = place.user("anna");
    let device = place.device("ward3");
    let server = place.serve();
    let mut feed = server.follow(0);
    feed.snapshot();
    let now = auditor::clock::now();
    let log_in = |code: &str| assert_eq!(server.log_in(&device, "anna", &user.password, code, "/").status, 303);
    log_in(&user.totp.code(now));
    let before = feed.session();
    assert_eq!(before.commission, Commission::default(), "nobody needs one to log in");

    let set = ["account", "commission", "anna", "--care-unit", "SE2321000016-U001", "--care-provider", ORGANISATION];
    place.ok(&[set.as_slice(), &["--care-unit-name", "Ward 3", "--name", "Physician", "--purpose", "Care"]].concat());
    let ended = feed.session();
    assert!(ended.key == before.key && ended.ended.is_some(), "the new commission counts from the next login");
    log_in(&user.totp.code(now + 30_000_000));
    let session = feed.session();
    let wanted = Commission {
        hsa: None,
        name: "Physician".to_owned(),
        purpose: "Care".to_owned(),
        care_provider: HsaId::parse(ORGANISATION).ok(),
        care_unit: HsaId::parse("SE2321000016-U001").ok(),
        care_unit_name: "Ward 3".to_owned(),
    };
    assert_eq!(session.commission, wanted);
    // A gateway that starts now, and one that asks for this session only, hear the same.
    server
        .follow(0)
        .until(|message| matches!(message, Message::Change { entry: Entry::Session(s), .. } if s.commission == wanted));
    let body = serde_json::json!({ "key": session.key }).to_string();
    let answer = server.ask_internal(Request::post("/internal/v1/session", "application/json", &body));
    let answer = serde_json::from_str::<SessionAnswer>(&answer.body).unwrap();
    assert_eq!(answer.session.map(|session| session.commission), Some(wanted));

    place.ok(&["account", "commission", "anna", "--none"]);
    let ended = feed.session();
    assert!(ended.key == session.key && ended.ended.is_some());
}

#[test]
fn a_session_ends_when_it_is_unused_for_too_long() {
    let place = Installation::new()
        .with("SESSION__IDLE_S", "1")
        .with("SESSION__REPORT_GRACE_S", "0")
        .with("SESSION__SWEEP_EVERY_MS", "50");
    let user = place.user("anna");
    let device = place.device("ward3");
    let server = place.serve();
    let mut feed = server.follow(0);
    feed.snapshot();
    server.log_in(&device, "anna", &user.password, &user.totp.code(auditor::clock::now()), "/");
    let opened = feed.session();
    let ended = feed.session();
    assert_eq!(opened.key, ended.key);
    assert!(ended.ended.unwrap() >= opened.last_used + 1_000_000);
}

#[test]
fn over_tcp_only_a_certificate_of_the_internal_authority_gets_in() {
    let mut place = Installation::new().with("INTERNAL__LISTEN", "127.0.0.1:0");
    for (key, file) in [
        ("CERT_FILE", "internal-server.pem"),
        ("KEY_FILE", "internal-server.key"),
        ("CLIENT_CA_FILE", "internal-ca.pem"),
    ] {
        place = place.with(&format!("INTERNAL__TLS__{key}"), &format!("pki/{file}"));
    }
    place.device("ward3");
    let server = place.serve();
    let connect = |pair: Option<(&str, &str)>| {
        let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
        connector.set_min_proto_version(Some(SslVersion::TLS1_3)).unwrap();
        connector.set_ca_file(place.path("pki/internal-ca.pem")).unwrap();
        if let Some((cert, key)) = pair {
            connector.set_certificate_file(place.path(cert), SslFiletype::PEM).unwrap();
            connector.set_private_key_file(place.path(key), SslFiletype::PEM).unwrap();
        }
        let mut stream = connector.build().connect("localhost", TcpStream::connect(&server.internal).unwrap()).unwrap();
        // TLS 1.3: a refusal of the client's certificate shows on the first read.
        stream.write_all(b"GET /internal/v1/directory HTTP/1.1\r\nHost: auditor\r\n\r\n").unwrap();
        stream
    };
    assert_eq!(
        Feed::over(Box::new(connect(Some(("pki/internal-gateway.pem", "pki/internal-gateway.key")))))
            .snapshot()
            .0
            .len(),
        1
    );
    for pair in [None, Some(("devices/ward3.pem", "devices/ward3.key"))] {
        let mut answer = Vec::new();
        let read = std::io::Read::read_to_end(&mut connect(pair), &mut answer);
        assert!(read.is_err() && answer.is_empty(), "{pair:?}");
    }
}
