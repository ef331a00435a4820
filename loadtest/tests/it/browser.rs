//! A real Chromium logs in and opens patient pages; then there is exactly one row for each page, by two clients.
//!
//! What the browser does is in `loadtest/browser`. It opens the first patient as the first user and the second as the
//! second, each once.

mod life;
mod people;
mod sms;

use crate::whole;
use contract::identity::PatientId;
use loadtest::stack::Stack;
use loadtest::stack::people::{ANNA, BERTIL, CECILIA, DAVID, Person};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const DEVICE: &str = "mottagning";
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const SHIPPED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_browser_reads_a_patient_and_there_is_one_row() {
    let (Some(chromium), Some(_)) = (whole::tool(&BROWSERS), whole::tool(&["npm"])) else { return };
    let provider = sms::Provider::start();
    let (stack, dir) = whole::start_with_sms(provider.port()).await;
    let patients = whole::POPULATION.patients();
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&pictures).unwrap();
    let person = |person: &Person| stack.enrolled().credentials[person.user].clone();
    let (certificate, key) = stack.layout().device_files(DEVICE);
    let facts = serde_json::json!({
        "url": format!("https://{}", stack.target().authority()),
        "certificate": certificate,
        "key": key,
        "authority": stack.layout().server_ca(),
        "bundle": stack.layout().device_bundle(DEVICE),
        "pass_phrase": stack.enrolled().devices[DEVICE].pass_phrase,
        "people": [person(&ANNA), person(&BERTIL), person(&CECILIA), person(&DAVID)],
        "procedure": people::procedure(&stack),
        "life": people::life(&stack),
        "messages": provider.file(),
        "year_later": life::year_later(&stack),
        "emergency": people::emergency(&stack),
        "lists": people::lists(&stack),
        "lists_finds": people::found(&stack),
        "patients": patients.iter().take(2).map(|patient| serde_json::json!({"number": patient.id.expose(), "name": patient.name})).collect::<Vec<_>>(),
        "screenshots": pictures,
        "chromium": chromium,
        "title": "Grindvakt",
    });
    let facts_file = dir.path().join("browser.json");
    std::fs::write(&facts_file, facts.to_string()).unwrap();

    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    if !browser.join("node_modules/.package-lock.json").exists() {
        whole::run(Command::new("npm").args(["ci", "--silent"]).current_dir(&browser));
    }
    let told = whole::run(
        Command::new("node")
            .args([
                "--test",
                "--test-reporter=spec",
                "--test-concurrency=1",
                "browser.test.js",
                "passkeys.test.js",
                "admin.test.js",
                "emergency.test.js",
                "lists.test.js",
                "life.test.js",
            ])
            .current_dir(&browser)
            .env("GRINDVAKT_FACTS", &facts_file)
            .env("NODE_EXTRA_CA_CERTS", stack.layout().server_ca()),
    );
    println!("{told}");

    for (who, patient) in [(&ANNA, &patients[0]), (&BERTIL, &patients[1])] {
        let reference = pseudonym(&stack, &patient.id);
        by_the_official_client(&stack, who, &reference).await;
        by_clickhouse_connect(&stack, who, &reference);
    }
    // Of passkeys: a login each of two people, and each answer that is refused by its reason; the first two because the account is closed.
    let refused = ["app", "app", "app replayed", "app unverified", "app removed"];
    told_of_passkeys(&stack, "login_failed", &refused).await;
    told_of_passkeys(&stack, "login", &["app", "app"]).await;
    life::told(&stack).await;
    // The two pages that it asked for to see that they are not there, one of them twice more, in two languages; nothing that
    // a browser asks for by itself.
    let sql = "SELECT count() FROM access_log FINAL WHERE reason = 'no_route'";
    let refused = stack.clickhouse().unwrap().query(sql).fetch_one::<u64>().await.unwrap();
    assert_eq!(refused, 4);
    stack.stop().await;
}

/// Waits until the events of a kind about passkeys have these words, in this order.
async fn told_of_passkeys(stack: &Stack, kind: &str, words: &[&str]) {
    let sql = "SELECT detail FROM event WHERE kind = ? AND auth_method = 'passkey' ORDER BY ts";
    let client = stack.clickhouse().unwrap();
    whole::until("the events are in ClickHouse", SHIPPED_WITHIN, async || {
        let told = client.query(sql).bind(kind).fetch_all::<String>().await.map_err(|error| error.to_string())?;
        if told == words { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await;
}

fn pseudonym(stack: &Stack, patient: &PatientId) -> String {
    hex::encode(stack.pseudonym_key().unwrap().patient(patient).0)
}

async fn by_the_official_client(stack: &Stack, who: &Person, reference: &str) {
    let client = stack.clickhouse().unwrap();
    let (unit, _) = who.unit.unwrap();
    let count = async |table: &str, patient: &str| {
        let sql = format!(
            "SELECT count() FROM {table} WHERE {patient} = ? AND user_hsa = ? AND care_unit_hsa = ? AND route = '/patients/{{patient}}' AND decision = 'permit'"
        );
        client
            .query(&sql)
            .bind(reference)
            .bind(who.hsa)
            .bind(unit)
            .fetch_one::<u64>()
            .await
            .map_err(|error| error.to_string())
    };
    whole::until("the row is in ClickHouse", SHIPPED_WITHIN, async || match count("access", "patient").await? {
        0 => Err("no row".to_owned()),
        _ => Ok(()),
    })
    .await;
    until_shipped(stack).await;
    assert_eq!(count("access", "patient").await, Ok(1), "the view");
    // Without FINAL: nothing is doubled underneath either.
    assert_eq!(count("access_log", "lower(hex(patient_ref))").await, Ok(1), "the table");
}

fn by_clickhouse_connect(stack: &Stack, who: &Person, reference: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/browser/one_row.py");
    let port = stack.settings().ports.clickhouse.to_string();
    whole::run(
        Command::new(whole::python())
            .arg(script)
            .args([port.as_str(), reference, who.hsa])
            .arg(stack.layout().reader_key()),
    );
}

/// All that the gateway has made durable is in ClickHouse.
async fn until_shipped(stack: &Stack) {
    whole::until("the gateway has shipped everything", SHIPPED_WITHIN, async || {
        let (_, text) =
            loadtest::client::plain::get(stack.ops(), "/metrics").await.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&text);
        let waiting =
            text.lines().find_map(|line| line.strip_prefix("audit_backlog_frames ")).ok_or("no such metric")?;
        if waiting == "0" { Ok(()) } else { Err(format!("{waiting} frames wait")) }
    })
    .await;
}
