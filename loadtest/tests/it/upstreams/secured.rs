//! TLS towards registries: only the right server gets a request, and only with the certificate that it demands.

use super::{Behind, Bench, is_success, number};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_server_gets_a_request_and_only_with_the_right_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let ours = pki::make(&dir.path().join("ours"));
    let other = pki::make(&dir.path().join("other"));
    let authority = ours.authority.to_str().unwrap();
    let (_open, open) = secured(&keeper, dir.path(), "open", &ours, &[]).await;
    let (_strict, strict) = secured(&keeper, dir.path(), "strict", &ours, &["--client-ca", authority]).await;

    let tls = |ca: &Files, name: &str, shown: Option<&Files>| {
        let pair = shown
            .map_or(String::new(), |files| format!("certificate = {:?}\nkey = {:?}\n", files.client.0, files.client.1));
        format!("[tls]\nca = {:?}\nserver_name = {name:?}\n{pair}", ca.authority)
    };
    let cases = [
        ("right", open, tls(&ours, "localhost", None), true),
        ("authority", open, tls(&other, "localhost", None), false),
        ("name", open, tls(&ours, "registry.example", None), false),
        ("shown", strict, tls(&ours, "localhost", Some(&ours)), true),
        ("unshown", strict, tls(&ours, "localhost", None), false),
        ("foreign", strict, tls(&ours, "localhost", Some(&other)), false),
    ];
    let protocols = [("http1", "HTTP/1.1"), ("http2", "HTTP/2.0")];
    let mut behind = Vec::new();
    for (protocol, _) in protocols {
        for (case, peer, tls, _) in &cases {
            let settings = format!("protocol = {protocol:?}\n{tls}");
            behind.push(Behind::sample(&format!("{case}-{protocol}"), &[*peer]).with(&settings));
        }
    }
    let bench = Bench::start(behind).await;
    let read = format!("/api/patients/{}", number());
    let write = format!("{read}/withdrawals");
    let mut arrived = Vec::new();
    for (protocol, version) in protocols {
        for (case, peer, _, good) in &cases {
            let host = format!("{case}-{protocol}.localhost");
            // Twice: a connection, or a handshake, that was tried before changes nothing.
            for _ in 0..2 {
                let got = bench.ask(&host, Protocol::Http2, bench.request("GET", &read)).await;
                let changed = bench.ask(&host, Protocol::Http1, bench.posts(&write)).await;
                if *good {
                    assert!(is_success(&got) && is_success(&changed), "{host}: {got:?} {changed:?}");
                    arrived.push((*peer, changed.id().to_owned()));
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
    }
    for peer in [open, strict] {
        let wanted: Vec<_> = arrived.iter().filter(|(at, _)| *at == peer).map(|(_, id)| id.clone()).collect();
        assert_eq!(changes(peer, &ours).await, wanted, "nothing else arrives");
    }
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
