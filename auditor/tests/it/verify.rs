//! `auditor verify` on the real engine: two hundred times something is done to a row, and each is named.

mod data_keys;
mod keys;
mod log;
mod meanwhile;
mod until;
mod witness;

use crate::installation::Installation;
use crate::started::Engine;
use aws_lc_rs::signature::Ed25519KeyPair;
use contract::row::{self, Packed, Record, Table};
use contract::seal::SealKey;
use log::{BATCHES, ROWS, log, log_to};
use serde_json::Value;
use std::collections::BTreeSet;

const ROUNDS: u64 = 20;
const EACH: u64 = 10;

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
    // Other changes each time; with a printed seed the same ones again.
    let seed = std::env::var("GRINDVAKT_VERIFY_SEED").map_or_else(
        |_| u64::from_le_bytes(uuid::Uuid::new_v4().into_bytes()[..8].try_into().unwrap()),
        |text| text.parse().unwrap(),
    );
    println!("GRINDVAKT_VERIFY_SEED={seed}");
    let mut random = seed;
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
