//! `auditor clickhouse`: the real process, asked by the official Rust client, by clickhouse-connect and by raw sockets.
//!
//! The engine itself is fetched once into the user's cache (`auditor fetch engine`).

mod inserts;
mod refusals;
mod server;

use std::net::Ipv6Addr;
use std::process::Command;

use clickhouse::{Client, Compression, Row};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use server::{ADMIN, READ, Server};

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Everything {
    id: u64,
    #[serde(with = "clickhouse::serde::time::datetime64::micros")]
    at: OffsetDateTime,
    #[serde(with = "clickhouse::serde::uuid")]
    uuid: Uuid,
    address: Ipv6Addr,
    kind: i8,
    unit: String,
    list: Vec<String>,
    pair: (u8, String),
    map: Vec<(String, u16)>,
    fixed: [u8; 4],
    maybe: Option<i64>,
}

const EVERYTHING: &str = "CREATE TABLE t.everything (id UInt64, at DateTime64(6), uuid UUID, address IPv6, \
    kind Enum8('a' = 1, 'b' = 2), unit LowCardinality(String), list Array(String), pair Tuple(UInt8, String), \
    map Map(String, UInt16), fixed FixedString(4), maybe Nullable(Int64)) ENGINE = MergeTree ORDER BY id";

fn everything(id: u64) -> Everything {
    Everything {
        id,
        at: OffsetDateTime::from_unix_timestamp_nanos(1_767_323_045_678_901_000 + i128::from(id) * 1000)
            .expect("a time"),
        uuid: Uuid::from_u128(u128::from(id) << 64 | 7),
        address: Ipv6Addr::from(u128::from(id) | 0x2001 << 112),
        kind: if id.is_multiple_of(2) { 1 } else { 2 },
        unit: format!("unit {}", id % 13),
        list: (0..id % 4).map(|n| format!("å\t'{n}")).collect(),
        pair: ((id % 200) as u8, String::new()),
        map: vec![("k".to_owned(), (id % 1000) as u16)],
        fixed: [b'f', b'i', 0, (id % 256) as u8],
        maybe: id.is_multiple_of(3).then_some(-1),
    }
}

/// Makes the database `t`, and gives a client that is in it.
async fn database(client: &Client) -> Client {
    client.query("CREATE DATABASE t").execute().await.expect("a database");
    client
        .query("CREATE TABLE t.lines (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
        .execute()
        .await
        .expect("a table");
    client.clone().with_database("t")
}

async fn count(client: &Client) -> u64 {
    client.query("SELECT count() FROM t.lines").fetch_one().await.expect("a count")
}

/// The code of the exception that the server answered with.
fn code<T: std::fmt::Debug>(result: Result<T, clickhouse::error::Error>) -> u32 {
    let text = result.expect_err("an exception").to_string();
    let (_, after) = text.split_once("Code: ").unwrap_or_else(|| unreachable!("no code in {text}"));
    after.split('.').next().and_then(|code| code.parse().ok()).unwrap_or_else(|| unreachable!("no code in {text}"))
}

#[tokio::test]
async fn every_type_comes_back_as_it_went_in() {
    let server = Server::start();
    for compression in [Compression::None, Compression::Lz4] {
        let client = server.client(ADMIN).with_compression(compression);
        client.query("CREATE DATABASE IF NOT EXISTS t").execute().await.expect("a database");
        client.query("DROP TABLE IF EXISTS t.everything").execute().await.expect("dropped");
        client.query(EVERYTHING).execute().await.expect("a table");
        let rows: Vec<Everything> = (0..5000).map(everything).collect();
        let client = client.with_database("t");
        let mut insert = client.insert::<Everything>("everything").await.expect("an insert");
        for row in &rows {
            insert.write(row).await.expect("written");
        }
        insert.end().await.expect("inserted");
        let back: Vec<Everything> =
            client.query("SELECT ?fields FROM t.everything ORDER BY id").fetch_all().await.expect("rows");
        assert!(rows == back, "rows differ");
    }
}

#[derive(Debug, Row, Serialize, Deserialize)]
struct Line {
    n: u64,
    s: String,
}

#[tokio::test]
async fn a_hundred_thousand_rows_with_compression_and_validation() {
    let server = Server::start();
    let client = server.client(ADMIN).with_compression(Compression::Lz4);
    let client = database(&client).await;
    let mut insert = client.insert::<Line>("lines").await.expect("an insert");
    for n in 0..100_000 {
        insert.write(&Line { n, s: format!("row {n}") }).await.expect("written");
    }
    insert.end().await.expect("inserted");
    assert_eq!(count(&client).await, 100_000);

    // Several blocks of the engine: names and types must come once only.
    let mut rows = client.query("SELECT ?fields FROM t.lines ORDER BY n").fetch::<Line>().expect("a cursor");
    let mut next = 0;
    while let Some(row) = rows.next().await.expect("a row") {
        assert_eq!((row.n, row.s), (next, format!("row {next}")));
        next += 1;
    }
    assert_eq!(next, 100_000);

    let wrong = client.query("SELECT n FROM t.lines LIMIT 1").fetch_one::<i64>().await;
    assert!(wrong.is_err(), "validation is on: {wrong:?}");
}

#[tokio::test]
async fn parameters_and_settings_reach_the_engine() {
    let server = Server::start();
    let client = server.client(ADMIN);
    let tricky = "it's \\ a\ttab\nand {braces} ?";
    let back: String = client.query("SELECT {p:String}").param("p", tricky).fetch_one().await.expect("a string");
    assert_eq!(back, tricky);
    let list: Vec<u32> =
        client.query("SELECT {p:Array(UInt32)}").param("p", vec![1_u32, 2, 3]).fetch_one().await.expect("a list");
    assert_eq!(list, [1, 2, 3]);
    let threads: String = client
        .query("SELECT toString(getSetting('max_threads'))")
        .with_setting("max_threads", "3")
        .fetch_one()
        .await
        .expect("a setting");
    assert_eq!(threads, "3");
    // A setting lives as long as its request.
    let threads: String =
        client.query("SELECT toString(getSetting('max_threads'))").fetch_one().await.expect("a setting");
    assert_ne!(threads, "3");
    let inline = client.query("SELECT toString(getSetting('max_threads')) SETTINGS max_threads = 5");
    assert_eq!(inline.fetch_one::<String>().await.expect("a setting"), "5");
    assert_eq!(code(client.query("SELECT 1").with_setting("no_such_setting", "1").fetch_one::<u8>().await), 115);
    for fixed in ["readonly", "dialect", "s3_max_connections", "allow_introspection_functions"] {
        assert_eq!(code(client.query("SELECT 1").with_setting(fixed, "0").fetch_one::<u8>().await), 452, "{fixed}");
    }
}

#[tokio::test]
async fn errors_look_like_those_of_a_clickhouse_server() {
    let server = Server::start();
    for compression in [Compression::None, Compression::Lz4] {
        let client = server.client(ADMIN).with_compression(compression);
        assert_eq!(code(client.query("SELECT * FROM nothing").fetch_one::<u8>().await), 60);
        assert_eq!(code(client.query("SELECT FROM WHERE").execute().await), 62);
        assert_eq!(code(client.query("SELECT 1; SELECT 2").execute().await), 62);
        // In the middle of the answer, after the head has been sent.
        let mut rows =
            client.query("SELECT throwIf(number = 3000000) FROM numbers(4000000)").fetch::<u8>().expect("a cursor");
        let error = loop {
            match rows.next().await {
                Ok(Some(_)) => {}
                Ok(None) => unreachable!("the answer ended as if it was whole"),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("Code: 395"), "{error}");
    }
}

#[test]
fn the_http_interface_has_its_corners() {
    let server = Server::start();
    assert!(server.get("/ping").starts_with("HTTP/1.1 200"));
    assert!(server.get("/nowhere").starts_with("HTTP/1.1 404"));
    let answer = server.get("/?query=SELECT%201%20AS%20a&default_format=JSONEachRow&query_id=my-id");
    assert!(
        answer.ends_with("{\"a\":1}\n")
            && answer.contains("x-clickhouse-query-id: my-id")
            && answer.contains("x-clickhouse-format: JSONEachRow"),
        "{answer}"
    );
    assert!(server.get("/?query=CREATE%20DATABASE%20x").starts_with("HTTP/1.1 403"), "a GET only reads");
    let pretty = server.get("/?query=SELECT%201%20FORMAT%20JSON");
    assert!(pretty.contains("\"rows\": 1"), "{pretty}");
}

#[test]
fn clickhouse_connect_works() {
    let server = Server::start();
    let python = server::python();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/engine/clickhouse_connect_check.py");
    let port = server.port().to_string();
    let checked = Command::new(python)
        .args([script, &port, ADMIN.name, ADMIN.key, READ.name, READ.key])
        .output()
        .expect("python ran");
    assert!(
        checked.status.success(),
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
}

#[test]
fn a_second_fetch_has_nothing_to_do() {
    let before = server::fetch();
    let after = server::fetch();
    assert!(before.contains("libchdb.so"), "{before}");
    assert!(after.contains("there already"), "{after}");
}
