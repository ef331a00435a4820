//! Seals of a gateway whose key is replaced and whose witness comes and goes, by the programs that people run.

use crate::shared::{LIMIT, Place, get, patient};
use crate::whole::until;
use http::StatusCode;
use loadtest::client::Protocol;
use loadtest::client::login::Session;
use loadtest::stack::people::ANNA;
use loadtest::stack::{Component, process};
use serde_json::Value;
use std::collections::BTreeSet;

const DEVICE: &str = "mottagning";

/// What a command of the gateway's says, if it succeeds.
async fn gateway(place: &Place, arguments: &[&str]) -> Value {
    serde_json::from_str(&said(place, arguments).await.unwrap()).unwrap()
}

async fn said(place: &Place, arguments: &[&str]) -> Result<String, process::ProcessError> {
    let settings = place.dir().join("gateway.toml");
    let mut all: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    all.extend(["--config".to_owned(), settings.to_str().unwrap().to_owned()]);
    all.extend(["--output".to_owned(), "json".to_owned()]);
    process::output(&place.stack.settings().programs.gateway, &all, LIMIT).await
}

async fn read(place: &Place, session: &Session) {
    let path = format!("/api/patients/{}", patient(0).id.expose());
    let device = place.stack.device(DEVICE).unwrap();
    until("a patient is read", LIMIT, async || {
        match place.ask(&device, Protocol::Http1, get(&path, Some(session))).await {
            Ok((StatusCode::OK, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_follow_each_other_and_the_witness_has_every_seal() {
    let mut place = Place::start_with(|dir, settings| {
        let file = dir.join("outside/gw1.ndjson");
        let mut witness = toml::Table::new();
        witness.insert("file".to_owned(), file.to_str().unwrap().into());
        settings.insert("witness".to_owned(), witness.into());
    })
    .await;
    let session = place.stack.log_in(&ANNA, &place.stack.device(DEVICE).unwrap()).await.unwrap();
    read(&place, &session).await;
    place.drained().await;
    // Records are shipped though the witness is away; it comes back while another key seals.
    let failed = async || match place.metric("audit_witness_failures_total", "file").await {
        0.0 => Err("no failure yet".to_owned()),
        _ => Ok(()),
    };
    until("the witness was missed", LIMIT, failed).await;
    let first = gateway(&place, &["seal-key", "show"]).await;
    assert_eq!(first["key"], first["first_key"]);
    for round in 1..=3_usize {
        let made = gateway(&place, &["seal-key", "rotate"]).await;
        assert_eq!(made["made"], true);
        // It is killed, and may have a batch on its way: the old key finishes that one.
        read(&place, &session).await;
        place.stack.restart(Component::Gateway).await.unwrap();
        if round == 1 {
            std::fs::create_dir(place.dir().join("outside")).unwrap();
        }
        read(&place, &session).await;
        place.drained().await;
        let shown = gateway(&place, &["seal-key", "show"]).await;
        assert_eq!((&shown["key"], &shown["first_key"]), (&made["waiting"], &first["key"]));
        assert_eq!(shown["hand_overs"].as_array().unwrap().len(), round);
    }
    let file = place.dir().join("outside/gw1.ndjson");
    let report = until("the witness has every seal of the gateway's", LIMIT, async || {
        if !file.exists() {
            return Err("it has nothing".to_owned());
        }
        let report = place.auditor(&["verify", "--witness", file.to_str().unwrap()]).await;
        let seals = place.rows("SELECT count() AS n FROM access_seal FINAL WHERE node != 'auditor'").await;
        let count = seals[0]["n"].as_str().map_or_else(|| seals[0]["n"].as_u64(), |n| n.parse().ok());
        if report["witness"]["copies"].as_u64() == count { Ok(report) } else { Err(format!("{count:?}: {report}")) }
    })
    .await;
    assert_eq!((&report["intact"], &report["witness"]["unreadable"]), (&true.into(), &0.into()), "{report}");
    let text = std::fs::read_to_string(&file).unwrap();
    let keys: BTreeSet<String> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["key"].to_string()).collect();
    assert_eq!(keys.len(), 4, "each key has sealed something");
    place.stack.stop().await;
}

/// What is in ClickHouse of the gateway's: how much of each table, and what.
async fn held(place: &Place) -> Vec<Value> {
    let mut all = Vec::new();
    for table in ["access_log", "auth_event", "access_seal", "data_key", "seal_key"] {
        let sql = format!(
            "SELECT '{table}' AS in, count() AS n, toString(sum(cityHash64(tuple(*)))) AS what FROM {table} FINAL WHERE node != 'auditor'"
        );
        all.extend(place.rows(&sql).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clickhouse_has_lost_is_sent_again_while_the_gateway_runs() {
    let mut place = Place::start().await;
    let session = place.stack.log_in(&ANNA, &place.stack.device(DEVICE).unwrap()).await.unwrap();
    for _ in 0..3 {
        read(&place, &session).await;
        place.drained().await;
    }
    gateway(&place, &["seal-key", "rotate"]).await;
    place.stack.restart(Component::Gateway).await.unwrap();
    read(&place, &session).await;
    place.drained().await;
    let was = held(&place).await;
    let check = ["journal", "resend", "--check"];
    let looked = gateway(&place, &check).await;
    let batches = looked["batches"].as_u64().unwrap();
    assert!(batches >= 4, "{looked}");
    assert_eq!(looked["absent"], 0, "{looked}");

    // Some of it, then all there is.
    let administrator = place.stack.clickhouse_administrator().unwrap().with_setting("mutations_sync", "2");
    let tables = ["access_log", "auth_event", "access_seal", "data_key", "seal_key"];
    for (which, tables) in [("seq % 2 = 0", &tables[..1]), ("batch = 1", &tables[2..3]), ("1", &tables[..])] {
        for table in tables {
            let sql = format!("ALTER TABLE {table} DELETE WHERE node != 'auditor' AND {which}");
            administrator.query(&sql).execute().await.unwrap();
        }
        let error = said(&place, &check).await.unwrap_err();
        assert!(matches!(error, process::ProcessError::Failed { .. }), "{error}");
        let resent = gateway(&place, &["journal", "resend"]).await;
        assert_eq!((&resent["batches"], &resent["lost"]), (&batches.into(), &Value::Array(Vec::new())), "{resent}");
        assert_eq!(resent["sent"], resent["absent"], "{resent}");
        // Of a batch that holds nothing but a data key nothing can be absent.
        let all = (&was[0]["n"], &was[2]["n"]);
        assert!(which != "1" || all == (&resent["access_rows"], &resent["seals"]), "{resent}, {was:?}");
        assert_eq!(held(&place).await, was, "{resent}");
        assert_eq!(place.auditor(&["verify"]).await["intact"], true);
        assert_eq!(gateway(&place, &check).await["absent"], 0);
    }
    // A row goes, and another stands under its number: as many as there were. Sent again, the row is there beside the other, which
    // nobody deletes but whoever put it there.
    let swap = [
        "INSERT INTO access_log SELECT * REPLACE (generateUUIDv4() AS record_id, 'Bob' AS user_name) FROM access_log \
         WHERE node != 'auditor' AND seq = 1 LIMIT 1",
        "ALTER TABLE access_log DELETE WHERE node != 'auditor' AND seq = 1 AND user_name != 'Bob'",
    ];
    for sql in swap {
        administrator.query(sql).execute().await.unwrap();
    }
    for args in [&check[..], &check[..2]] {
        let error = said(&place, args).await.unwrap_err();
        assert!(matches!(error, process::ProcessError::Failed { .. }), "{error}");
    }
    administrator.query("ALTER TABLE access_log DELETE WHERE user_name = 'Bob'").execute().await.unwrap();
    assert_eq!(held(&place).await, was);
    assert_eq!(gateway(&place, &check).await["absent"], 0);
    // And of another time nothing is asked for.
    let never = gateway(&place, &["journal", "resend", "--until", "2026-01-01"]).await;
    assert_eq!((&never["batches"], never["noted_from"].is_null()), (&0.into(), false), "{never}");
    place.stack.stop().await;
}
