//! TLS towards registries: only the right server gets a request, and only with the certificate that it demands.

use super::{Behind, Bench, Got, is_success, number};
use crate::pki::{self, Files};
use crate::registry;
use loadtest::client::{Connection, Device, Protocol, Target, empty, read_all};
use loadtest::stack::process::{Keeper, Process};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// A sample registry that speaks TLS.
async fn secured(
    keeper: &Keeper,
    dir: &Path,
    name: &'static str,
    files: &Files,
    more: &[&str],
) -> (Process, SocketAddr) {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (certificate, key) = (path(&files.server.0), path(&files.server.1));
    let mut arguments = vec!["--tls-cert", &certificate, "--tls-key", &key];
    arguments.extend(more);
    registry(keeper, dir, name, &arguments).await
}

/// The ids of changes that reached a registry, which is asked directly.
async fn changes(address: SocketAddr, files: &Files) -> Vec<String> {
    let device = Device::load(&files.client.0, &files.client.1, &files.authority).unwrap();
    let target = Target { address, host: "localhost".to_owned() };
    let mut connection = Connection::open(&target, &device, Protocol::Http2).await.unwrap();
    let request = http::Request::get(loadtest::backend::changes::PATH).body(empty()).unwrap();
    let list = read_all(connection.send(request, LIMIT).await.unwrap(), 1 << 20).await.unwrap();
    String::from_utf8(list.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

const PROTOCOLS: [(&str, &str); 2] = [("http1", "HTTP/1.1"), ("http2", "HTTP/2.0")];

/// The settings of a registry whose server is of this authority and has this name, and is shown a certificate.
fn tls(authority: &Files, name: &str, shown: Option<&Files>) -> String {
    let mut table = toml::Table::new();
    let mut set = |key: &str, value: &str| table.insert(key.to_owned(), value.into());
    set("ca", authority.authority.to_str().unwrap());
    set("server_name", name);
    if let Some(files) = shown {
        set("certificate", files.client.0.to_str().unwrap());
        set("key", files.client.1.to_str().unwrap());
    }
    format!("[tls]\n{table}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_server_gets_a_request_and_only_with_the_right_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let ours = pki::make(&dir.path().join("ours"));
    let other = pki::make(&dir.path().join("other"));
    let authority = ours.authority.to_str().unwrap();
    let demands: &[&str] = &["--client-ca", authority];
    let cases = [
        ("right", &[][..], tls(&ours, "localhost", None), true),
        ("authority", &[], tls(&other, "localhost", None), false),
        ("name", &[], tls(&ours, "registry.example", None), false),
        ("shown", demands, tls(&ours, "localhost", Some(&ours)), true),
        ("unshown", demands, tls(&ours, "localhost", None), false),
        ("foreign", demands, tls(&ours, "localhost", Some(&other)), false),
    ];
    let (mut behind, mut servers) = (Vec::new(), Vec::new());
    for (case, more, tls, _) in &cases {
        // A server for each: what one registry has opened is not to be of use to another here.
        let (process, address) = secured(&keeper, dir.path(), case, &ours, more).await;
        for (protocol, _) in PROTOCOLS {
            let settings = format!("protocol = {protocol:?}\n{tls}");
            behind.push(Behind::sample(&format!("{case}-{protocol}"), &[address]).with(&settings));
        }
        servers.push((process, address));
    }
    let bench = Bench::start(behind).await;
    for ((_process, address), (case, _, _, good)) in servers.iter().zip(&cases) {
        let mut arrived = Vec::new();
        for (protocol, version) in PROTOCOLS {
            let host = format!("{case}-{protocol}.localhost");
            // Twice: a connection, or a handshake, that was tried before changes nothing.
            for _ in 0..2 {
                let (got, changed) = read_and_change(&bench, &host).await;
                if *good {
                    assert!(is_success(&got) && is_success(&changed), "{host}: {got:?} {changed:?}");
                    arrived.push(changed.id().to_owned());
                    bench.ended(&host, &got, &["complete"]).await;
                    let who = bench.ask(&host, Protocol::Http2, bench.request("GET", "/whoami")).await;
                    let who: Value = serde_json::from_slice(&who.body).unwrap();
                    assert_eq!(who["version"], version, "{host}");
                } else {
                    for got in [got, changed] {
                        assert!(got.status == 502 && got.is_problem(), "{host}: {got:?}");
                        bench.ended(&host, &got, &["failed"]).await;
                    }
                }
            }
        }
        assert_eq!(changes(*address, &ours).await, arrived, "{case}: nothing else arrives");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_one_registry_has_opened_is_of_no_use_to_another() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let ours = pki::make(&dir.path().join("ours"));
    let other = pki::make(&dir.path().join("other"));
    let (_process, address) = secured(&keeper, dir.path(), "shared", &ours, &[]).await;
    let mut behind = Vec::new();
    for (protocol, _) in PROTOCOLS {
        // The same server; what is trusted differs.
        for (case, files) in [("trusts", &ours), ("distrusts", &other)] {
            let settings = format!("protocol = {protocol:?}\n{}", tls(files, "localhost", None));
            behind.push(Behind::sample(&format!("{case}-{protocol}"), &[address]).with(&settings));
        }
    }
    let bench = Bench::start(behind).await;
    let mut arrived = Vec::new();
    for (protocol, _) in PROTOCOLS {
        for _ in 0..2 {
            let (got, changed) = read_and_change(&bench, &format!("trusts-{protocol}.localhost")).await;
            assert!(is_success(&got) && is_success(&changed), "{protocol}: {got:?} {changed:?}");
            arrived.push(changed.id().to_owned());
            let (got, changed) = read_and_change(&bench, &format!("distrusts-{protocol}.localhost")).await;
            assert_eq!(
                (got.status, changed.status),
                (502, 502),
                "{protocol}: a server that it does not trust was asked"
            );
        }
    }
    assert_eq!(changes(address, &ours).await, arrived);
}

async fn read_and_change(bench: &Bench, host: &str) -> (Got, Got) {
    let read = format!("/api/patients/{}", number());
    let got = bench.ask(host, Protocol::Http2, bench.request("GET", &read)).await;
    let changed = bench.ask(host, Protocol::Http1, bench.posts(&format!("{read}/withdrawals"))).await;
    (got, changed)
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (pki::make(&dir.path().join("ours")), pki::make(&dir.path().join("other")));
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let absent = dir.path().join("absent.pem");
    let run = |certificate: &Path, key: &Path, authority: &Path| {
        let mut command = std::process::Command::new(crate::program());
        command.args(["backend", "--tls-cert"]).arg(certificate).arg("--tls-key").arg(key);
        let output = command.arg("--client-ca").arg(authority).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let (certificate, key) = (&ours.server.0, &ours.server.1);
    for (said, named, wanted) in [
        (run(&absent, key, &ours.authority), &absent, "--tls-cert"),
        (run(&empty, key, &ours.authority), &empty, "--tls-cert"),
        (run(certificate, &absent, &ours.authority), &absent, "--tls-key"),
        (run(certificate, certificate, &ours.authority), certificate, "--tls-key"),
        (run(certificate, &other.server.1, &ours.authority), certificate, "do not fit together"),
        (run(certificate, key, &absent), &absent, "--client-ca"),
        (run(certificate, key, &empty), &empty, "--client-ca"),
    ] {
        assert!(said.contains(named.to_str().unwrap()) && said.contains(wanted), "{said}");
        assert!(said.contains("; name "), "what to do is told: {said}");
    }
    let alone = std::process::Command::new(crate::program()).args(["backend", "--tls-cert"]).arg(certificate).output();
    assert!(String::from_utf8(alone.unwrap().stderr).unwrap().contains("--tls-key"));
}
