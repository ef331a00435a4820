//! `auditor verify` on the real engine: two hundred times something is done to a row, and each is named.

use crate::installation::Installation;
use crate::started::Engine;
use aws_lc_rs::signature::Ed25519KeyPair;
use contract::id::{DataKeyId, NodeName, RequestId};
use contract::pseudonym::{PatientRef, SealedIdentity};
use contract::record::{
    Activity, Actor, Asked, Decision, Initiator, Intent, Origin, Outcome, OutcomeKind, PatientEntry, Purpose, Reason,
    Sensitivity, Source,
};
use contract::row::{self, AccessRow, Fold, KeyRow, Packed, Record, Row, SealKeyRow, SealRow, Table, kinds};
use contract::seal::{Edge, Root, SealKey, SignedHandOver, Stream, statement};
use contract::wire::Wire as _;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

const ROUNDS: u64 = 20;
const EACH: u64 = 10;
const BATCHES: u64 = 20;
const ROWS: u64 = 50;
/// Ways to flip a bit of a row that is stored. Columns of the sort key cannot be changed in place.
const FLIPS: [&str; 12] = [
    "bytes = bitXor(bytes, 1)",
    "duration_us = bitXor(duration_us, 256)",
    "session = bitXor(session, 4294967296)",
    "src_asn = bitXor(src_asn, 2)",
    "status = bitXor(status, 1)",
    "position = bitXor(position, 65536)",
    "user_name = 'Bob'",
    "patient_ref = toFixedString('another patient!', 16)",
    "outcome = 'aborted'",
    "decision = 'deny'",
    "src_ip = toIPv6('::2')",
    "request_id = toUUID('00000000-0000-0000-0000-000000000001')",
];

fn intent(number: u64, at: i64) -> Intent {
    let text = |text: &str| contract::Text::from(text);
    let request = RequestId::new(Uuid::from_u128(u128::from(number) << 64));
    let patient = PatientEntry {
        reference: PatientRef([u8::try_from(number % 250).unwrap() + 1; 16]),
        kind: 1,
        sealed: SealedIdentity::NONE,
        source: Source::Path,
        position: 0,
        problem: Reason::None,
    };
    let outcome =
        Outcome { request, at: at + 900, status: 200, bytes: 1024, duration_us: 900, kind: OutcomeKind::Complete };
    Intent {
        asked: Asked {
            at,
            request,
            registry: text("sample"),
            system_hsa: text(""),
            route: text("/patients/{patient}"),
            method: text("GET"),
            activity: Activity::Read,
            purpose: Purpose::Care,
            initiator: Initiator::User,
            resource_type: text("patient"),
            sensitivity: Sensitivity::Normal,
            decision: Decision::Permit,
            reason: Reason::None,
            policy_epoch: 1,
        },
        actor: Arc::new(Actor::nobody()),
        origin: Origin { address: Ipv6Addr::LOCALHOST, country: *b"--", asn: 0 },
        key: DataKeyId::new(Uuid::from_u128(9)),
        patients: [patient].into_iter().collect(),
        terms: [].into_iter().collect(),
        answered: Some(outcome),
    }
}

/// A gateway's rows and seals, as it would have sent them.
fn log(key: &SealKey, now: i64) -> (Packed<AccessRow>, Packed<SealRow>) {
    log_of(|_| key, now, None)
}

/// The same with a key for each batch; in one row something else may stand than usual.
fn log_of<'a>(key: impl Fn(u64) -> &'a SealKey, now: i64, other: Option<u64>) -> (Packed<AccessRow>, Packed<SealRow>) {
    log_to(BATCHES, key, now, other)
}

/// The same with so many batches.
fn log_to<'a>(
    batches: u64,
    key: impl Fn(u64) -> &'a SealKey,
    now: i64,
    other: Option<u64>,
) -> (Packed<AccessRow>, Packed<SealRow>) {
    let node = NodeName::parse("gw1").unwrap();
    let (mut all, mut seals) = (Packed::default(), Packed::default());
    let mut fold = Fold::new(&node, &"SE2321000016-T".into());
    let mut previous = [0; 32];
    for batch in 1..=batches {
        let (mut rows, mut folded) = (Packed::<AccessRow>::default(), Vec::new());
        let first = (batch - 1) * ROWS + 1;
        for number in first..first + ROWS {
            let at = now - 1_000_000_000 + i64::try_from(number).unwrap() * 1_000;
            let mut intent = intent(number, at);
            if other == Some(number) {
                intent.asked.purpose = Purpose::Statistics;
            }
            fold.apply(number, kinds::INTENT, &intent.to_bytes(), &mut folded).unwrap();
        }
        for row in &folded {
            if let Row::Access(row) = row {
                rows.push(row);
            }
        }
        let mut root = Root::default();
        rows.numbered(first, batch, |row, _| root.add(row));
        let statement = statement(&node, Stream::Access, batch, first, root, previous, now);
        previous = statement.chain();
        seals.push(&SealRow::new(statement, key(batch)));
        for row in rows.read().unwrap() {
            all.push(&row);
        }
    }
    (all, seals)
}

struct Sender {
    client: clickhouse::Client,
    runtime: tokio::runtime::Runtime,
}

impl Sender {
    fn new(installation: &Installation, engine: &Engine) -> Self {
        let password = std::fs::read_to_string(installation.path("secrets/clickhouse-auditor.password")).unwrap();
        let client = clickhouse::Client::default().with_url(format!("http://{}", engine.address)).with_user("auditor");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { client: client.with_database("grindvakt").with_password(password.trim()), runtime }
    }

    fn insert<R: Record>(&self, rows: &Packed<R>) {
        self.runtime.block_on(async {
            let columns = self.client.query(row::COLUMNS_OF).bind(R::TABLE).fetch_all::<(String, String)>();
            let table = Table::of::<R>(&columns.await.unwrap()).unwrap();
            let mut insert = self.client.insert_formatted_with(table.statement());
            insert.send([table.head(), rows.bytes()].concat().into()).await.unwrap();
            insert.end().await.unwrap();
        });
    }
}

struct Place {
    installation: Installation,
    engine: Engine,
    sender: Sender,
}

impl Place {
    fn new(key: &SealKey) -> Self {
        let installation = Installation::new();
        let engine = Engine::start(&installation, "127.0.0.1:0");
        let url = format!("http://{}", engine.address);
        let installation = installation.with("CLICKHOUSE__URL", &url);
        installation.ok(&["migrate"]);
        std::fs::write(installation.path("state/gateway/seal.pub"), hex::encode(key.public())).unwrap();
        let sender = Sender::new(&installation, &engine);
        Self { installation, engine, sender }
    }

    fn insert<R: Record>(&self, rows: &Packed<R>) {
        self.sender.insert(rows);
    }

    /// For another thread.
    fn sender(&self) -> Sender {
        Sender::new(&self.installation, &self.engine)
    }

    /// What `auditor verify` says: whether it ended well, and its report.
    fn verify(&self, more: &[&str]) -> (bool, Value) {
        self.verify_at(None, more)
    }

    /// The same, with ClickHouse at another address.
    fn verify_at(&self, url: Option<&str>, more: &[&str]) -> (bool, Value) {
        let mut command = self.installation.command(&[&["verify", "--output", "json"], more].concat());
        command.envs(url.map(|url| ("AUDITOR__CLICKHOUSE__URL", url)));
        let output = command.output().unwrap();
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.success(), report)
    }

    /// The findings' kinds and numbers.
    fn found(&self) -> BTreeSet<(String, u64, u64)> {
        let (intact, report) = self.verify(&[]);
        assert!(!intact, "{report}");
        let findings = report["findings"].as_array().unwrap();
        assert_eq!(report["count"].as_u64(), Some(findings.len() as u64));
        let number = |finding: &Value, key: &str| finding[key].as_u64().unwrap();
        let named = |finding: &Value| {
            if finding["kind"] != "removed" {
                assert!(!finding["records"].as_array().unwrap().is_empty(), "{finding}");
            }
            (finding["kind"].as_str().unwrap().to_owned(), number(finding, "first"), number(finding, "last"))
        };
        findings.iter().map(named).collect()
    }
}

/// Those of them that are of these batches.
fn part<R: Record>(all: &Packed<R>, wanted: impl Fn(&R) -> bool) -> Packed<R> {
    let mut part = Packed::default();
    all.read().unwrap().iter().filter(|row| wanted(row)).for_each(|row| part.push(row));
    part
}

/// Stands between the auditor and ClickHouse, and does something before the question with these words goes on that is asked for
/// the nth time.
fn before_question(place: &Place, words: &str, nth: u32, act: impl FnOnce() + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (engine, words) = (place.engine.address.clone(), words.to_owned());
    let act: Act = Arc::new(Mutex::new((nth, Some(Box::new(act)))));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(&engine).unwrap();
            let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ended = std::io::copy(&mut from_server, &mut to_client);
                let _closed = to_client.shutdown(std::net::Shutdown::Both);
            });
            let (act, words) = (Arc::clone(&act), words.clone());
            std::thread::spawn(move || forward(client, server, words.as_bytes(), &act));
        }
    });
    format!("http://{address}")
}

type Act = Arc<Mutex<(u32, Option<Box<dyn FnOnce() + Send>>)>>;

fn forward(mut client: TcpStream, mut server: TcpStream, words: &[u8], act: &Act) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let piece = &bytes[..count];
        if piece.windows(words.len()).any(|part| part == words) {
            let mut act = act.lock().unwrap();
            act.0 = act.0.saturating_sub(1);
            if act.0 == 0
                && let Some(act) = act.1.take()
            {
                act();
            }
        }
        if server.write_all(piece).is_err() {
            return;
        }
    }
}

/// The findings' kinds and batches.
fn kinds_of(report: &Value) -> Vec<(String, u64)> {
    let of = |finding: &Value| (finding["kind"].as_str().unwrap().to_owned(), finding["batch"].as_u64().unwrap_or(0));
    report["findings"].as_array().unwrap().iter().map(of).collect()
}

fn each(kind: &str, batches: impl IntoIterator<Item = u64>) -> Vec<(String, u64)> {
    batches.into_iter().map(|batch| (kind.to_owned(), batch)).collect()
}

fn key() -> SealKey {
    let der = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    SealKey::from_pkcs8(der.as_ref()).unwrap()
}

#[test]
fn whatever_is_done_to_a_row_is_named() {
    let key = key();
    let place = Place::new(&key);
    let (rows, seals) = log(&key, auditor::clock::now());
    place.insert(&seals);
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    for round in 0..ROUNDS {
        place.engine.run("TRUNCATE TABLE access_log");
        place.insert(&rows);
        if round == 0 {
            let (intact, report) = place.verify(&[]);
            assert!(intact, "{report}");
            assert_eq!((report["rows"].as_u64(), report["seals"].as_u64()), (Some(BATCHES * ROWS), Some(BATCHES)));
        }
        // No two of them side by side: those would be one finding.
        let span = BATCHES * ROWS / EACH;
        let mut expected = BTreeSet::new();
        for place_of in 0..EACH {
            let number = place_of * span + 1 + below(span - 1);
            let kind = match below(4) {
                0 => {
                    let flip = FLIPS[usize::try_from(below(12)).unwrap()];
                    place.engine.run(&format!("ALTER TABLE access_log UPDATE {flip} WHERE seq = {number}"));
                    "changed"
                }
                1 => {
                    place.engine.run(&format!("ALTER TABLE access_log DELETE WHERE seq = {number}"));
                    "removed"
                }
                2 => {
                    place.engine.run(&added("generateUUIDv4() AS record_id", number));
                    "added"
                }
                _ => {
                    // With the other's id it takes its place, at once or when parts are merged.
                    place.engine.run(&added("record_id AS record_id", number));
                    "replaced"
                }
            };
            expected.insert((kind.to_owned(), number, number));
        }
        let mut found = place.found();
        for replaced in expected.iter().filter(|(kind, ..)| kind == "replaced") {
            let as_found = |kind: &str| (kind.to_owned(), replaced.1, replaced.2);
            if found.remove(&as_found("added")) || found.remove(&as_found("changed")) {
                found.insert(replaced.clone());
            }
        }
        assert_eq!(found, expected, "round {round}");
    }
}

fn added(id: &str, number: u64) -> String {
    format!(
        "INSERT INTO access_log SELECT * REPLACE ({id}, 'Bob' AS user_name) FROM access_log WHERE seq = {number} LIMIT 1"
    )
}

#[test]
fn what_is_missing_or_foreign_is_named_and_what_is_new_is_not() {
    let key = key();
    let place = Place::new(&key);
    let now = auditor::clock::now();
    let (rows, seals) = log(&key, now);
    place.insert(&rows);
    place.insert(&seals);
    let last = BATCHES * ROWS;
    let add = |number: u64, batch: u64, at: i64| {
        place.engine.run(&format!(
            "INSERT INTO access_log SELECT * REPLACE ({number} AS seq, {batch} AS batch, generateUUIDv4() AS record_id, \
             fromUnixTimestamp64Micro(toInt64({at}), 'UTC') AS ts) FROM (SELECT * FROM access_log WHERE seq = 1 LIMIT 1)"
        ));
    };
    // A row whose seal is on its way.
    add(last + 1, BATCHES + 1, now);
    let (intact, report) = place.verify(&[]);
    assert!(intact && report["waiting"] == 1, "{report}");
    // One that has waited for too long, and one that claims to be of a batch that cannot be.
    add(last + 3, BATCHES + 1, now - 3_600_000_000);
    add(last + 5, BATCHES + 2, now);
    let named = |kind: &str, first, last| (kind.to_owned(), first, last);
    let beyond = [named("unsealed", last + 3, last + 3), named("added", last + 5, last + 5)];
    assert_eq!(place.found(), BTreeSet::from(beyond.clone()));
    // A seal that is gone: its rows are there, and nobody vouches for them.
    place.engine.run("ALTER TABLE access_seal DELETE WHERE batch = 3");
    let (first, end) = (2 * ROWS + 1, 3 * ROWS);
    let (_, report) = place.verify(&[]);
    let gap = report["findings"].as_array().unwrap().iter().find(|finding| finding["kind"] == "seal_missing").unwrap();
    assert_eq!((gap["first"].as_u64(), gap["last"].as_u64()), (Some(first), Some(end)));
    assert!(gap["from"].is_string() && gap["to"].is_string(), "{gap}");
    // Another key than the one that is known.
    std::fs::write(place.installation.path("state/gateway/seal.pub"), hex::encode(self::key().public())).unwrap();
    let (_, report) = place.verify(&[]);
    let foreign = report["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] == "seal_foreign");
    assert_eq!(foreign.count() as u64, BATCHES - 1);
    // From tomorrow on there is nothing that could be wrong.
    let (intact, report) = place.verify(&["--since", "2199-01-01"]);
    assert!(!intact && report["seals"] == 0, "rows without a seal are still seen: {report}");
}

#[test]
fn a_log_that_was_sealed_anew_with_the_right_key_is_found_by_a_witness() {
    let key = key();
    let place = Place::new(&key);
    let now = auditor::clock::now();
    let (rows, seals) = log(&key, now);
    place.insert(&rows);
    place.insert(&seals);
    let file = place.installation.path("seals.ndjson");
    let copies: Vec<Vec<u8>> = seals.read().unwrap().iter().map(|seal| seal.copy().line().unwrap()).collect();
    // The last one is on its way, and a crash has left its traces.
    std::fs::write(&file, [&copies[..19].concat(), &copies[4][..99], b"\n", &copies[4..19].concat()].concat()).unwrap();
    let with_witness = ["--witness", file.to_str().unwrap()];
    let (intact, report) = place.verify(&with_witness);
    assert!(intact, "{report}");
    let said = serde_json::json!({ "copies": 19, "unreadable": 1, "without_copy": 1 });
    assert_eq!(report["witness"], said);

    // Whoever has the key and the database changes a row of batch 17, and seals all from there on anew.
    let place_of = 16 * ROWS + 7;
    let (other_rows, other_seals) = log_of(|_| &key, now, Some(place_of));
    for table in ["access_log", "access_seal"] {
        place.engine.run(&format!("TRUNCATE TABLE {table}"));
    }
    place.insert(&other_rows);
    place.insert(&other_seals);
    let (intact, report) = place.verify(&[]);
    assert!(intact, "by itself the log is in order: {report}");
    let (_, report) = place.verify(&with_witness);
    assert_eq!(kinds_of(&report), each("seal_replaced", 17..=19));

    // Or takes the last ones away, rows and seals.
    place.engine.run("ALTER TABLE access_seal DELETE WHERE batch > 17");
    place.engine.run("ALTER TABLE access_log DELETE WHERE batch > 17");
    assert!(place.verify(&[]).0);
    let (_, report) = place.verify(&with_witness);
    let wanted = [each("seal_replaced", [17]), each("seal_gone", 18..=19)].concat();
    assert_eq!(kinds_of(&report), wanted);
    // Or everything.
    for table in ["access_log", "access_seal"] {
        place.engine.run(&format!("TRUNCATE TABLE {table}"));
    }
    assert!(place.verify(&[]).0);
    assert_eq!(kinds_of(&place.verify(&with_witness).1), each("seal_gone", 1..=19));

    let output = place.installation.run(&["verify", "--witness", "/nowhere"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere cannot be read"));
}

#[test]
fn a_key_is_followed_to_the_next_by_what_it_signed() {
    let (old, new, thief) = (key(), key(), key());
    let place = Place::new(&old);
    let now = auditor::clock::now();
    let (rows, seals) = log_of(|batch| if batch < 11 { &old } else { &new }, now, None);
    place.insert(&rows);
    place.insert(&seals);
    let node = NodeName::parse("gw1").unwrap();
    let tenth = seals.read().unwrap()[9].statement().chain();
    let auth = Edge { batch: 1, previous: [0; 32] };
    let hand_over = |key: &SealKey, new: &SealKey, batch, previous| {
        SignedHandOver::new(&node, key, new.public(), Edge { batch, previous }, auth, now)
    };
    let told = |all: &[SignedHandOver]| {
        place.engine.run("TRUNCATE TABLE seal_key");
        let mut rows = Packed::default();
        for signed in all {
            rows.push(&SealKeyRow::from(signed));
        }
        place.insert(&rows);
    };
    let right = hand_over(&old, &new, 11, tenth);
    assert_eq!(kinds_of(&place.verify(&[]).1), each("seal_foreign", 11..=20));
    // The gateway says it again whenever it starts.
    told(&[right.clone(), right.clone()]);
    place.insert(&{
        let mut again = Packed::default();
        again.push(&SealKeyRow::from(&right));
        again
    });
    let (intact, report) = place.verify(&[]);
    assert!(intact, "{report}");
    // Also of what came after it alone.
    assert!(place.verify(&["--since", "2020-01-01"]).0);

    let forged = SignedHandOver { signature: hand_over(&thief, &new, 11, tenth).signature, ..right.clone() };
    told(&[forged]);
    assert_eq!(kinds_of(&place.verify(&[]).1), [each("hand_over_broken", [0]), each("seal_foreign", 11..=20)].concat());
    told(&[right.clone(), hand_over(&old, &thief, 15, [7; 32])]);
    let wanted = [each("hand_over_forked", [0, 0]), each("seal_foreign", 11..=20)].concat();
    assert_eq!(kinds_of(&place.verify(&[]).1), wanted);
    told(&[hand_over(&old, &new, 11, [7; 32])]);
    assert_eq!(kinds_of(&place.verify(&[]).1), each("hand_over_misplaced", [0]));
    told(&[hand_over(&old, &new, 9, tenth)]);
    let (_, report) = place.verify(&[]);
    let wanted = [each("hand_over_misplaced", [0]), each("seal_out_of_term", [9, 10])].concat();
    assert_eq!(kinds_of(&report), wanted);
    let finding = &report["findings"][1];
    assert_eq!(finding["key"].as_str(), Some(contract::seal::key_id(&old.public()).as_str()));
    told(&[right, hand_over(&thief, &old, 3, [7; 32]), hand_over(&thief, &key(), 3, [7; 32])]);
    // A stranger's two hand-overs: the one to a key that is believed does no harm.
    assert_eq!(kinds_of(&place.verify(&[]).1), each("hand_over_foreign", [0]));
    // The key may stand in the settings.
    let text = std::fs::read_to_string(place.installation.path("auditor.toml")).unwrap();
    let with_key =
        text.replace("file = \"state/gateway/seal.pub\"", &format!("key = \"{}\"", hex::encode(old.public())));
    assert_ne!(text, with_key);
    std::fs::write(place.installation.path("auditor.toml"), with_key).unwrap();
    assert_eq!(kinds_of(&place.verify(&[]).1), each("hand_over_foreign", [0]));
    let output = place.installation.run(&["verify"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("comes from a key that is not this node's"), "{text}");
}

#[test]
fn a_gateway_may_ship_and_change_its_key_meanwhile() {
    let (old, new) = (key(), key());
    let place = Place::new(&old);
    let last = BATCHES + 3;
    let key_of = |batch| if batch < last { &old } else { &new };
    let (rows, seals) = log_to(last, key_of, auditor::clock::now(), None);
    place.insert(&part(&rows, |row| row.batch <= BATCHES));
    place.insert(&part(&seals, |seal| seal.batch <= BATCHES));
    let previous = seals.read().unwrap()[usize::try_from(last - 2).unwrap()].statement().chain();
    let auth = Edge { batch: 1, previous: [0; 32] };
    let edge = Edge { batch: last, previous };
    let node = NodeName::parse("gw1").unwrap();
    let mut hand_over = Packed::default();
    hand_over.push(&SealKeyRow::from(&SignedHandOver::new(
        &node,
        &old,
        new.public(),
        edge,
        auth,
        auditor::clock::now(),
    )));
    let sender = place.sender();
    // When it asks what lies beyond the last seal.
    let beyond = format!("node = 'gw1' AND seq BETWEEN {} AND", BATCHES * ROWS + 1);
    let proxy = before_question(&place, &beyond, 1, move || {
        for batch in BATCHES + 1..=last {
            if batch == last {
                sender.insert(&hand_over);
            }
            sender.insert(&part(&rows, |row| row.batch == batch));
            sender.insert(&part(&seals, |seal| seal.batch == batch));
        }
    });
    let (intact, report) = place.verify_at(Some(&proxy), &[]);
    assert!(intact, "{report}");
    let seen = ["rows", "seals", "waiting"].map(|key| report[key].as_u64());
    assert_eq!(seen, [last * ROWS, last, 0].map(Some));
    assert_eq!(report["never_sealed"].as_array().map(Vec::len), Some(1), "only the auditor's own: {report}");
}

#[test]
fn a_gateway_that_catches_up_with_old_rows_has_a_moment_for_their_seal() {
    let key = key();
    let place = Place::new(&key);
    // Some quarter of an hour old.
    let (rows, seals) = log_to(2, |_| &key, auditor::clock::now(), None);
    place.insert(&part(&rows, |_| true));
    place.insert(&part(&seals, |seal| seal.batch == 1));
    let (sender, late) = (place.sender(), part(&seals, |seal| seal.batch == 2));
    let beyond = format!("node = 'gw1' AND seq BETWEEN {} AND", ROWS + 1);
    // It comes when they have been seen once without it.
    let proxy = before_question(&place, &beyond, 2, move || sender.insert(&late));
    let (intact, report) = place.verify_at(Some(&proxy), &[]);
    assert!(intact && report["rows"] == 2 * ROWS && report["waiting"] == 0, "{report}");
    place.engine.run("ALTER TABLE access_seal DELETE WHERE batch = 2");
    let (_, report) = place.verify(&[]);
    assert_eq!(kinds_of(&report), each("unsealed", [2]), "it does not wait for ever");
}

#[test]
fn a_row_is_not_believed_when_it_says_that_its_time_has_not_come() {
    let key = key();
    let place = Place::new(&key);
    let now = auditor::clock::now();
    let (rows, seals) = log_to(1, |_| &key, now, None);
    place.insert(&rows);
    place.insert(&seals);
    let day = 86_400_000_000_i64;
    let add = |node: &str, seq: u64, batch: u64, ts: i64, duration: u64| {
        place.engine.run(&format!(
            "INSERT INTO access_log SELECT * REPLACE ('{node}' AS node, {seq} AS seq, {batch} AS batch, \
             generateUUIDv4() AS record_id, fromUnixTimestamp64Micro(toInt64({ts}), 'UTC') AS ts, {duration} AS duration_us) \
             FROM (SELECT * FROM access_log WHERE seq = 1 AND node = 'gw1' LIMIT 1)"
        ));
    };
    // An exchange that took a day, and has just ended; and one by a clock that is a little ahead.
    add("gw1", ROWS + 1, 2, now - day, 86_400_000_000);
    add("gw1", ROWS + 2, 2, now + 60_000_000, 0);
    let (intact, report) = place.verify(&[]);
    let waiting = serde_json::json!([{ "node": "gw1", "stream": "access", "rows": 2 }]);
    assert!(intact && report["waiting"] == 2 && report["waiting_of"] == waiting, "{report}");
    let text = String::from_utf8(place.installation.run(&["verify"]).stdout).unwrap();
    assert!(text.contains("2 of gw1 wait for their seal"), "{text}");
    assert!(text.contains("there is no seal of "), "{text}");

    add("gw1", ROWS + 4, 2, now - 300 * day, 400 * 86_400_000_000);
    add("gw1", ROWS + 6, 2, now + 1_500 * day, 0);
    add("gw1", ROWS + 8, 2, now - 300 * day, u64::MAX);
    // Of a node that there is not: however new it is.
    add("nodex", 1, 1, now, 0);
    let named = |kind: &str, number| (kind.to_owned(), number, number);
    let unsealed = [4, 6, 8].map(|more| named("unsealed", ROWS + more));
    assert_eq!(place.found(), unsealed.into_iter().chain([named("added", 1)]).collect());
}

#[test]
fn a_hand_over_tells_of_what_was_taken_away_before_it() {
    let (old, new) = (key(), key());
    let place = Place::new(&old);
    let now = auditor::clock::now();
    let (rows, seals) = log_to(10, |batch| if batch < 6 { &old } else { &new }, now, None);
    place.insert(&rows);
    place.insert(&seals);
    let previous = seals.read().unwrap()[4].statement().chain();
    let node = NodeName::parse("gw1").unwrap();
    let auth = Edge { batch: 1, previous: [0; 32] };
    let mut hand_over = Packed::default();
    hand_over.push(&SealKeyRow::from(&SignedHandOver::new(
        &node,
        &old,
        new.public(),
        Edge { batch: 6, previous },
        auth,
        now,
    )));
    place.insert(&hand_over);
    assert!(place.verify(&[]).0);
    let cut = |from: u64| {
        for table in ["access_log", "access_seal"] {
            place.engine.run(&format!("ALTER TABLE {table} DELETE WHERE batch >= {from}"));
        }
    };
    // Nothing has been sealed with the new key yet.
    cut(6);
    assert!(place.verify(&[]).0);
    for from in [4, 1] {
        cut(from);
        let (intact, report) = place.verify(&[]);
        assert!(!intact);
        assert_eq!(kinds_of(&report), each("seal_missing", [from]));
        let finding = &report["findings"][0];
        assert_eq!(finding["first"].as_u64(), Some((from - 1) * ROWS + 1));
        assert!(finding["key"].is_string() && finding["to"].is_string(), "{finding}");
    }
    // Whoever asks only for what came later is not told.
    assert!(place.verify(&["--since", "2199-01-01"]).0);
}

#[test]
fn data_keys_that_are_gone_are_named() {
    let key = key();
    let place = Place::new(&key);
    let id = |number: u128| Uuid::from_u128(number);
    let (plain, _) = log_to(1, |_| &key, auditor::clock::now(), None);
    let mut rows = Packed::default();
    for mut row in plain.read().unwrap() {
        // Of some nobody's number is known, under no key and under one that may be gone.
        let (patient_key, sealed) = match row.seq {
            1..=20 => (id(1), 7),
            21..=40 => (id(2), 7),
            41..=45 => (Uuid::nil(), 7),
            _ => (id(3), 0),
        };
        (row.patient_key, row.patient_sealed) = (patient_key, [sealed; 37]);
        rows.push(&row);
    }
    let mut root = Root::default();
    rows.numbered(1, 1, |row, _| root.add(row));
    let node = NodeName::parse("gw1").unwrap();
    let mut seals = Packed::default();
    seals.push(&SealRow::new(statement(&node, Stream::Access, 1, 1, root, [0; 32], auditor::clock::now()), &key));
    let mut keys = Packed::default();
    for number in 1..=2 {
        keys.push(&KeyRow { key_id: id(number), node: node.text(), ts: 1, wrapped: "00".into() });
    }
    place.insert(&keys);
    place.insert(&rows);
    place.insert(&seals);
    let (intact, report) = place.verify(&[]);
    assert!(intact, "{report}");
    place.engine.run(&format!("ALTER TABLE data_key DELETE WHERE key_id = '{}'", id(2)));
    let (intact, report) = place.verify(&[]);
    let finding = serde_json::json!([{
        "kind": "data_key_missing", "node": "gw1", "stream": "access", "first": 21, "last": 40, "key": id(2).to_string()
    }]);
    assert!(!intact && report["findings"] == finding, "{report}");
    place.engine.run("TRUNCATE TABLE data_key");
    assert_eq!(place.verify(&[]).1["count"], 2);
}
