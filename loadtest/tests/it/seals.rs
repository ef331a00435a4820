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

/// What a command of the gateway's says.
async fn gateway(place: &Place, arguments: &[&str]) -> Value {
    let settings = place.dir().join("gateway.toml");
    let mut all: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    all.extend(["--config".to_owned(), settings.to_str().unwrap().to_owned()]);
    all.extend(["--output".to_owned(), "json".to_owned()]);
    let said = process::output(&place.stack.settings().programs.gateway, &all, LIMIT).await.unwrap();
    serde_json::from_str(&said).unwrap()
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
