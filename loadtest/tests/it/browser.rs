//! A real Chromium logs in and opens patient pages; then there is exactly one row for each page, by two clients.
//!
//! What the browser does is in `loadtest/browser`. It opens the first patient as the first user and the second as the
//! second, each once.

mod sms;

use crate::whole;
use contract::identity::PatientId;
use loadtest::patients::{CARE_PROVIDER, UNITS};
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
        "procedure": procedure(&stack),
        "life": life(&stack),
        "messages": provider.file(),
        "emergency": emergency(&stack),
        "lists": account(&stack, "petra", "Petra Kontoadministratör", "SE0000000000-P017", Some("account_admin")),
        "lists_finds": found(&stack),
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
    // Of passkeys: one login, and each answer that is refused by its reason.
    told_of_passkeys(&stack, "login_failed", &["app replayed", "app unverified", "app removed"]).await;
    told_of_passkeys(&stack, "login", &["app"]).await;
    // The two pages that it asked for to see that they are not there; nothing that a browser asks for by itself.
    let sql = "SELECT count() FROM access_log FINAL WHERE reason = 'no_route'";
    let refused = stack.clickhouse().unwrap().query(sql).fetch_one::<u64>().await.unwrap();
    assert_eq!(refused, 2);
    stack.stop().await;
}

/// Those by whom a form goes its way: an account for each, with what they are appointed to.
fn procedure(stack: &Stack) -> serde_json::Value {
    serde_json::json!({
        "applicant": account(stack, "frida", "Frida Sökande", "SE0000000000-P011", None),
        "approver": account(stack, "gustav", "Gustav Godkännare", "SE0000000000-P012", Some("approver:12")),
        "holder": account(stack, "hanna", "Hanna Registerhållare", "SE0000000000-P013", Some("registry_holder:exempelregistret")),
        "admin": account(stack, "ivar", "Ivar Kontoadministratör", "SE0000000000-P014", Some("account_admin")),
    })
}

/// Those who work on the account of a fifth person, who has none yet.
fn life(stack: &Stack) -> serde_json::Value {
    serde_json::json!({
        "approver": account(stack, "karin", "Karin Godkännare", "SE0000000000-P022", Some("approver:12")),
        "holder": account(stack, "lars", "Lars Registerhållare", "SE0000000000-P023", Some("registry_holder:exempelregistret")),
        "admin": account(stack, "maja", "Maja Kontoadministratör", "SE0000000000-P024", Some("account_admin")),
        "clerk": account(stack, "olle", "Olle Utlämnare", "SE0000000000-P025", Some("account_admin")),
    })
}

/// Who is refused a patient, and who reviews the accesses of the unit that they act from.
fn emergency(stack: &Stack) -> serde_json::Value {
    let (unit, name) = UNITS[0];
    let refused = account(stack, "kerstin", "Kerstin Utanrätt", "SE0000000000-P015", None);
    let commission = ["account", "commission", "kerstin", "--care-unit", unit, "--care-unit-name", name];
    let provider = ["--care-provider", CARE_PROVIDER, "--name", "Sjuksköterska"];
    let arguments = stack.layout().auditor_arguments(&[commission.as_slice(), &provider].concat());
    whole::run(Command::new(&stack.settings().programs.auditor).args(arguments));
    let appointment = format!("log_reviewer:{unit}");
    let reviewer = account(stack, "leif", "Leif Granskare", "SE0000000000-P016", Some(&appointment));
    serde_json::json!({ "refused": refused, "reviewer": reviewer })
}

/// The name of somebody that no name is like.
fn found(stack: &Stack) -> &'static str {
    let name = "Qvarn Ensamstad";
    account(stack, "qvarn", name, "SE0000000000-P018", None);
    name
}

fn account(stack: &Stack, user: &str, name: &str, hsa: &str, appointment: Option<&str>) -> serde_json::Value {
    let mut arguments = vec!["account", "create", "--user", user, "--name", name, "--hsa", hsa];
    arguments.extend(["--title", "Sjuksköterska", "--generate-password", "--totp"]);
    arguments.extend(appointment.into_iter().flat_map(|appointment| ["--appoint", appointment]));
    let auditor = &stack.settings().programs.auditor;
    let told = whole::run(Command::new(auditor).args(stack.layout().auditor_arguments(&arguments)));
    // What it warns of comes after it.
    let mut values = serde_json::Deserializer::from_str(&told).into_iter::<serde_json::Value>();
    values.next().unwrap().unwrap()
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
