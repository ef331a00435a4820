//! Settings with mistakes: all of them are told at once, each with its line, before anything is opened or bound.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "tests")]

use crate::shared::{edit, set};
use loadtest::stack::files::{Fetched, Layout};
use loadtest::stack::people::Roster;
use loadtest::stack::ports::Ports;
use loadtest::stack::{Programs, Settings};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An installation that was never started: keys, certificates and settings, whose ports are held by this test.
struct Installation {
    dir: tempfile::TempDir,
    programs: Programs,
    _held: Vec<TcpListener>,
}

impl Installation {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let programs = Programs::in_folder(crate::program().parent().unwrap()).unwrap();
        let held: Vec<TcpListener> = (0..6).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
        let port = |index: usize| held[index].local_addr().unwrap().port();
        let ports = Ports {
            https: port(0),
            gateway_ops: port(1),
            registry: port(2),
            clickhouse: port(3),
            auditor: port(4),
            auditor_ops: port(5),
        };
        let layout = Layout::new(dir.path()).unwrap();
        crate::whole::run(Command::new(&programs.auditor).args(layout.init_arguments(&["localhost".to_owned()])));
        let settings = Settings {
            dir: dir.path().to_owned(),
            programs: programs.clone(),
            ports,
            population: crate::whole::POPULATION,
            registry_arguments: Vec::new(),
            second: None,
            several: None,
            more_hosts: Vec::new(),
            roster: Roster::demo(),
            gateway_threads: 1,
            sms: None,
        };
        layout.write_settings(&settings, &Fetched::default()).unwrap();
        Self { dir, programs, _held: held }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn gateway(&self, arguments: &[&str]) -> Output {
        Command::new(&self.programs.gateway)
            .args(arguments)
            .arg("--config")
            .arg(self.path("gateway.toml"))
            .output()
            .unwrap()
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Where a text stands in a file, as messages name it.
fn place(path: &Path, text: &str) -> String {
    let line = std::fs::read_to_string(path).unwrap().lines().position(|line| line.starts_with(text));
    format!("{}:{}", path.canonicalize().unwrap().display(), line.unwrap_or_else(|| panic!("{text}")) + 1)
}

#[test]
fn every_mistake_is_told_with_its_line_before_a_port_is_bound() {
    let installation = Installation::new();
    let (gateway, routes) = (installation.path("gateway.toml"), installation.path("routes.toml"));
    edit(&gateway, |settings| {
        set(settings, "journal", "budget_bytes", "much");
        set(settings, "node", "name", "no name");
        set(settings, "limits", "head_bytes_max", 3);
        set(settings, "tls", "no_such_key", true);
        settings["listen"].as_table_mut().unwrap().remove("ops");
        set(settings, "clickhouse", "url", "ftp://nowhere");
    });
    edit(&routes, |routes| {
        let list = routes["route"].as_array_mut().unwrap();
        list[0].as_table_mut().unwrap().insert("path".to_owned(), "no-slash".into());
        list[1].as_table_mut().unwrap().insert("registry".to_owned(), "elsewhere".into());
    });
    let at = |text| place(&gateway, text);
    let wanted = [
        (at("budget_bytes"), "journal.budget_bytes"),
        (at("name"), "node.name"),
        (at("head_bytes_max"), "limits.head_bytes_max"),
        (at("no_such_key"), "tls.no_such_key"),
        (at("[listen]"), "listen.ops"),
        (at("url"), "clickhouse.url"),
        (place(&routes, "path = \"no-slash\""), "path"),
        (place(&routes, "registry = \"elsewhere\""), "registry"),
    ];
    let ready = installation.path("ready");
    for arguments in [&["validate"][..], &["serve", "--ready-file", ready.to_str().unwrap()]] {
        let output = installation.gateway(arguments);
        let text = told(&output);
        assert_eq!(output.status.code(), Some(78), "{text}");
        for (place, key) in &wanted {
            let found = text.lines().any(|line| line.contains(place.as_str()) && line.contains(key));
            assert!(found, "{place}: {key} is not told in:\n{text}");
        }
        assert_eq!(text.lines().count(), wanted.len(), "{text}");
    }
    // The ports are held: had one been bound before, the mistake would be that. And nothing was made.
    assert!(!ready.exists() && !installation.path("gateway/journal").exists());
}

#[test]
fn text_that_is_no_toml_and_files_that_are_not_there_are_told() {
    let installation = Installation::new();
    let gateway = installation.path("gateway.toml");
    std::fs::remove_file(installation.path("routes.toml")).unwrap();
    let output = installation.gateway(&["validate"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        told(&output).contains(&place(&gateway, "file = ")) || told(&output).contains("routes.toml"),
        "{}",
        told(&output)
    );
    std::fs::write(&gateway, "[node]\nname = \"gw1\"\nthis is no toml\n").unwrap();
    let output = installation.gateway(&["serve"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(told(&output).contains(&format!("{}:3", gateway.canonicalize().unwrap().display())), "{}", told(&output));
    std::fs::remove_file(&gateway).unwrap();
    let output = installation.gateway(&["serve"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(told(&output).contains("gateway.toml"), "{}", told(&output));
}

#[test]
fn missing_secrets_and_certificates_are_named_all_at_once() {
    let installation = Installation::new();
    let names = [
        "secrets/pseudonym.key",
        "secrets/clickhouse-gateway.password",
        "pki/identity.pub",
        "pki/gateway.pem",
        "pki/gateway.key",
        "pki/device-ca.pem",
    ];
    let away = |name: &str| installation.path(&name.replace('/', "-"));
    for name in names {
        std::fs::rename(installation.path(name), away(name)).unwrap();
    }
    for command in ["serve", "validate"] {
        let output = installation.gateway(&[command]);
        let text = told(&output);
        assert_eq!(output.status.code(), Some(78), "{command}: {text}");
        let settings = installation.path("gateway.toml").canonicalize().unwrap().display().to_string();
        for name in names {
            let line = text.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {text}"));
            assert!(line.starts_with(&settings) && line.contains("cannot be read"), "{line}");
        }
        assert_eq!(text.lines().count(), names.len(), "{text}");
    }
    // Nor does it help to have something in their place. A password may be anything.
    let keys: Vec<_> = names.into_iter().filter(|name| !name.ends_with(".password")).collect();
    for name in &keys {
        std::fs::write(installation.path(name), "something else").unwrap();
    }
    std::fs::copy(away(names[1]), installation.path(names[1])).unwrap();
    for command in ["serve", "validate"] {
        let output = installation.gateway(&[command]);
        let text = told(&output);
        assert_eq!(output.status.code(), Some(78), "{command}: {text}");
        for name in &keys {
            assert!(text.lines().any(|line| line.contains(name) && line.contains(" is not ")), "{name}: {text}");
        }
        assert_eq!(text.lines().count(), keys.len(), "{text}");
        assert!(!text.contains("something else"), "{text}");
    }
    for name in names {
        std::fs::remove_file(installation.path(name)).unwrap();
    }
    // To look into the journal none of them is needed.
    let output = installation.gateway(&["journal", "status"]);
    assert_ne!(output.status.code(), Some(78), "{}", told(&output));
    for name in names {
        std::fs::rename(away(name), installation.path(name)).unwrap();
    }
    // With all of them the ports are what is wrong: they are held by this test.
    let output = installation.gateway(&["serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("cannot listen on 127.0.0.1:"), "{}", told(&output));
}

#[test]
fn the_settings_that_init_makes_are_good_for_a_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let programs = Programs::in_folder(crate::program().parent().unwrap()).unwrap();
    let run = |program: &Path, arguments: &[&str], file: &str| {
        crate::whole::run(Command::new(program).args(arguments).arg("--config").arg(dir.path().join(file)))
    };
    crate::whole::run(Command::new(&programs.auditor).args(["init", "--host", "localhost", "--dir"]).arg(dir.path()));
    run(&programs.gateway, &["validate"], "gateway.toml");
    run(&programs.gateway, &["keys"], "gateway.toml");
    run(&programs.auditor, &["validate"], "auditor.toml");
    // The public keys are where the auditor looks for them.
    let auditor: toml::Table = std::fs::read_to_string(dir.path().join("auditor.toml")).unwrap().parse().unwrap();
    let keys = auditor["app"]["gateway_keys"][0].as_str().unwrap();
    assert!(dir.path().join(keys).is_file(), "{keys}");
}
