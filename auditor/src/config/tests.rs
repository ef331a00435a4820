use super::*;
use crate::init::{InitArgs, init};

/// The example of config/, read in a folder that `auditor init` has filled.
fn example(change: impl FnOnce(String) -> String) -> Result<Config, Problems> {
    let dir = tempfile::tempdir().expect("a directory");
    init(&InitArgs { dir: dir.path().to_owned(), host: vec!["localhost".to_owned()] }, crate::clock::now())
        .expect("makes all");
    let text = change(include_str!("../../../config/auditor.toml").to_owned());
    let file = dir.path().join("auditor.toml");
    Config::parse(&file.to_string_lossy(), &text, [])
}

fn problems(change: impl FnOnce(String) -> String) -> Vec<String> {
    let problems = example(change).expect_err("mistakes");
    problems.0.iter().map(|p| format!("{}: {}", p.key, p.reason)).collect()
}

#[test]
fn the_example_reads() {
    let config = example(|text| text).expect("reads");
    assert_eq!(config.node.as_str(), "auditor");
    assert_eq!(config.session.limits, sessions::Limits { idle_s: 1800, absolute_s: 36_000 });
    assert_eq!(config.login.lock, LockRule::default());
    assert_eq!(config.login.step_up_us, 300_000_000);
    assert_eq!(config.accounts.request_life_days, 30);
    assert_eq!(config.accounts.review, Review { months: 12, notice_days: 30, grace_days: 30 });
    assert!(matches!(config.internal.listen, Listen::Unix(_)));
    let shown = format!("{config:?}");
    assert!(shown.contains("Keys(hidden)"), "{shown}");
}

#[test]
fn every_mistake_is_named() {
    let found = problems(|text| {
        text.replace("name = \"auditor\"", "name = \"Auditor One\"")
            .replace("idle_s = 1800", "idle_s = 40000")
            .replace("certificate_days = 30", "certifcate_days = 30")
            .replace("secrets/master.key", "secrets/none.key")
            .replace("format = \"text\"", "format = \"xml\"")
            .replace("retention_years = 10", "retention_years = 2")
    });
    for (key, words) in [
        ("node.name", "a name is"),
        ("session.idle_s", "longer than absolute_s"),
        ("devices.certifcate_days", "did you mean \"certificate_days\""),
        ("keys.master_file", "cannot be read"),
        ("log.format", "must be one of: text, json"),
        ("clickhouse.retention_years", "must be 5 to 100"),
    ] {
        assert!(found.iter().any(|p| p.starts_with(key) && p.contains(words)), "{key}: {found:#?}");
    }
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn passkeys_need_a_name_and_may_be_left_out() {
    let line = "origin = \"https://localhost:8443\"\n";
    assert!(example(|text| text).expect("reads").login.origin.is_some());
    assert!(example(|text| text.replace(line, "")).expect("reads").login.origin.is_none());
    let found = problems(|text| text.replace(line, "origin = \"https://127.0.0.1:8443\"\n"));
    assert!(found.len() == 1 && found.iter().all(|p| p.starts_with("login.origin: ") && p.contains("no address")));
}

#[test]
fn tcp_needs_mutual_tls_and_a_socket_none() {
    let listen = "listen = \"unix:state/internal.sock\"";
    let found = problems(|text| text.replace(listen, "listen = \"127.0.0.1:0\""));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found.iter().all(|p| p.contains("[internal.tls]")), "{found:?}");
    let tls = "[internal.tls]\ncert_file = \"pki/internal-server.pem\"\nkey_file = \"pki/internal-server.key\"\nclient_ca_file = \"pki/internal-ca.pem\"\n";
    let config = example(|text| text.replace(listen, &format!("listen = \"127.0.0.1:0\"\n{tls}"))).expect("reads");
    assert!(config.internal.tls.is_some());
    let found = problems(|text| text.replace(listen, &format!("{listen}\n{tls}")));
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn devices_may_enrol_at_a_listener_of_its_own_if_there_is_one() {
    let config = example(|text| text).expect("reads");
    assert!(config.enrol.is_none(), "off unless it is asked for");
    let devices = config.devices;
    assert_eq!((devices.days, devices.renew_from_day, devices.code_hours, devices.crl_hours), (30, 20, 72, 24));
    assert!(devices.crl_file.is_none());
    let enrol = "[enrol]\nlisten = \"127.0.0.1:0\"\ncert_file = \"pki/internal-server.pem\"\n\
                 key_file = \"pki/internal-server.key\"\n";
    let enrol = |text: String| text + "\n" + enrol;
    assert_eq!(example(enrol).expect("reads").enrol.expect("is there").tries_a_minute, 10);
    let found = problems(|text| enrol(text) + "tries_a_minute = 0\n");
    assert!(found.len() == 1 && found.iter().all(|p| p.starts_with("enrol.tries_a_minute: ")), "{found:?}");
}

#[test]
fn a_seal_key_stands_here_or_in_a_file() {
    let file = "file = \"state/gateway/seal.pub\"";
    let key = format!("key = \"{}\"", "0f".repeat(32));
    let config = example(|text| text.replace(file, &key)).expect("reads");
    assert_eq!(config.seal_keys.first().map(|known| &known.key), Some(&PublicKey::Here([15; 32])));
    for (wrong, words) in [
        (format!("{file}\n{key}"), "seal_key[0].key: stands beside file"),
        ("key = \"0f\"".to_owned(), "seal_key[0].key: is not the public key of a node"),
        (String::new(), "seal_key[0].file: is missing"),
    ] {
        let found = problems(|text| text.replace(file, &wrong));
        assert!(found.len() == 1 && found.iter().all(|p| p.starts_with(words)), "{wrong}: {found:?}");
    }
}

#[test]
fn without_clickhouse_events_wait() {
    let config = example(|text| text.split("[clickhouse]").next().unwrap_or_default().to_owned()).expect("reads");
    assert!(config.clickhouse.is_none());
}
