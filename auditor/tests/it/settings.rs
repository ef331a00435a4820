//! Bad settings end the program before it binds anything.

use crate::installation::Installation;
use toml::{Table, Value};

#[test]
fn every_mistake_is_named_with_its_line_and_nothing_is_bound() {
    let place = Installation::new();
    let file = place.path("auditor.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text =
        text.replace("listen = \"127.0.0.1:8082\"", "lisen = \"127.0.0.1:8082\"").replace("days = 30", "days = 0");
    std::fs::write(&file, &text).unwrap();
    let line = |words: &str| text.lines().position(|l| l.contains(words)).unwrap() + 1;
    let place = place.with("SESSION__IDLE_S", "soon");
    for args in [
        ["validate"].as_slice(),
        &["serve", "--ready-file", place.path("ready.json").to_str().unwrap()],
        &["account", "list"],
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(78), "{args:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        let name = file.display();
        for start in [
            format!("{name}:{}: app.lisen: ", line("lisen =")),
            format!("{name}:{}: devices.certificate_days: ", line("certificate_days")),
            "AUDITOR__SESSION__IDLE_S: session.idle_s: ".to_owned(),
        ] {
            assert!(errors.lines().any(|l| l.starts_with(&start)), "{start:?} in:\n{errors}");
        }
    }
    assert!(!place.path("ready.json").exists() && !place.path("state/internal.sock").exists());
}

#[test]
fn operators_see_health_readiness_and_metrics() {
    let place = Installation::new();
    let server = place.serve();
    assert_eq!(server.ask_ops("/healthz").status, 200);
    assert_eq!(server.ask_ops("/readyz").body, "ready\n");
    assert!(server.ask_ops("/metrics").body.contains("auditor_build_info{version="));
    assert_eq!(server.ask_ops("/nothing").status, 404);
    assert_eq!(server.terminate(), Some(0));
    assert!(!place.path("state/internal.sock").exists());
}

/// A value by its section and key.
fn at<'t>(table: &'t Table, section: &str, key: &str) -> &'t str {
    table[section][key].as_str().unwrap_or_else(|| panic!("{section}.{key} is a text"))
}

#[test]
fn what_init_makes_fits_the_settings_of_both_programs() {
    let place = Installation::new();
    let read = |name: &str| -> Table { std::fs::read_to_string(place.path(name)).unwrap().parse().unwrap() };
    let (gateway, auditor, routes) = (read("gateway.toml"), read("auditor.toml"), read("routes.toml"));
    // Every file that a gateway needs, and that is not its own to make, is there.
    let mut files: Vec<&str> =
        gateway["tls"]["client_ca"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    files.extend([
        at(&gateway, "tls", "certificate"),
        at(&gateway, "tls", "key"),
        at(&gateway, "identity", "pseudonym_key"),
        at(&gateway, "identity", "auditor_public_key"),
        at(&gateway, "clickhouse", "key_file"),
        at(&gateway, "routes", "file"),
    ]);
    let told = std::fs::read_to_string(place.path("gateway.toml")).unwrap();
    let over_tls = told.lines().filter_map(|line| line.strip_prefix("#   ")?.split_once(" = \"pki/"));
    let over_tls: Vec<String> = over_tls.map(|(_, file)| format!("pki/{}", file.trim_end_matches('"'))).collect();
    assert_eq!(over_tls.len(), 3, "{over_tls:?}");
    files.extend(over_tls.iter().map(String::as_str));
    for file in files {
        assert!(place.path(file).is_file(), "gateway.toml names {file}, which init does not make");
    }
    // Both mean the same key, socket, database and application.
    assert_eq!(at(&gateway, "identity", "pseudonym_key"), at(&auditor, "keys", "pseudonym_file"));
    assert_eq!(at(&gateway, "auditor", "directory"), at(&auditor, "internal", "listen"));
    assert_eq!(at(&gateway, "auditor", "registry"), at(&auditor, "app", "registry"));
    assert_eq!(at(&gateway, "clickhouse", "url"), at(&auditor, "clickhouse", "url"));
    assert_eq!(at(&gateway, "clickhouse", "database"), at(&auditor, "clickhouse", "database"));
    let public = format!("{}/jwks.json", at(&gateway, "node", "state_dir"));
    assert_eq!(auditor["app"]["gateway_keys"].as_array().unwrap(), &[Value::from(public)]);
    let own = routes["registry"].as_array().unwrap().iter();
    let own = own.filter_map(Value::as_table).find(|registry| registry["name"] == auditor["app"]["registry"]).unwrap();
    assert_eq!(own["peers"].as_array().unwrap(), &[auditor["app"]["listen"].clone()]);
    // ClickHouse knows both users, by the passwords that they are given.
    let users = std::fs::read_to_string(place.path("secrets/clickhouse.keys")).unwrap();
    for (settings, password) in [(&gateway, "key_file"), (&auditor, "password_file")] {
        let password = std::fs::read_to_string(place.path(at(settings, "clickhouse", password))).unwrap();
        let line = format!("{}:{}:", at(settings, "clickhouse", "user"), password.trim());
        assert!(users.lines().any(|user| user.starts_with(&line)), "{}", at(settings, "clickhouse", "user"));
    }
}
