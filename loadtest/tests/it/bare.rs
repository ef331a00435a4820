//! The bare proxy of the bench demands a client certificate and forwards, over HTTP/1.1 and HTTP/2.

use super::{pki, program, registry};
use http::HeaderMap;
use loadtest::bench::load::Load;
use loadtest::bench::usage;
use loadtest::client::{Connection, Device, Protocol, Target};
use loadtest::patients::Population;
use loadtest::stack::loopback;
use loadtest::stack::ports::free_port;
use loadtest::stack::process::{Keeper, Plan, Process};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_forwards_for_those_with_a_certificate_only() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let files = pki::make(dir.path());
    let stranger = tempfile::tempdir().unwrap();
    let foreign = pki::make(stranger.path());
    let (_registry, peer) = registry(&keeper, dir.path(), "registry", &["--patients", "10", "--size", "1024"]).await;
    let port = free_port().unwrap();
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let plan = Plan {
        name: "bare",
        program: program(),
        arguments: [
            "bare",
            "--listen",
            &loopback(port).to_string(),
            "--peer",
            &peer.to_string(),
            "--certificate",
            &path(&files.server.0),
            "--key",
            &path(&files.server.1),
            "--client-ca",
            &path(&files.authority),
        ]
        .map(str::to_owned)
        .to_vec(),
        log: dir.path().join("bare.log"),
        ready_file: dir.path().join("bare.ready"),
    };
    let mut bare = Process::start(&keeper, plan).unwrap();
    bare.until("listens", Duration::from_secs(20), async move || {
        tokio::net::TcpStream::connect(loopback(port)).await.ok()
    })
    .await
    .unwrap();

    let target = Target { address: loopback(port), host: "localhost".to_owned() };
    let device = Device::load(&files.client.0, &files.client.1, &files.authority).unwrap();
    let patients = Population { seed: loadtest::patients::SEED, count: 10 }.patients();
    let paths = Arc::new(patients.iter().map(|p| format!("/api/patients/{}", p.id.expose())).collect::<Vec<_>>());
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let load = Load {
            target: target.clone(),
            device: device.clone(),
            protocol,
            connections: 4,
            paths: Arc::clone(&paths),
            headers: HeaderMap::new(),
        };
        let open = load.connect().await.unwrap();
        let (figures, open) = load.drive(open, Duration::from_millis(300)).await;
        assert!(
            figures.answers > 10 && figures.errors == 0,
            "{protocol:?}: {} answers, {} errors",
            figures.answers,
            figures.errors
        );
        assert_eq!(open.len(), 4);
    }
    assert!(usage::cpu(bare.id()).unwrap() > Duration::ZERO);

    let uninvited = Device::load(&foreign.client.0, &foreign.client.1, &files.authority).unwrap();
    // In TLS 1.3 the client learns of the refusal only with the first answer.
    let refused = match Connection::open(&target, &uninvited, Protocol::Http1).await {
        Err(_) => true,
        Ok(mut connection) => {
            let request = http::Request::get("/").body(loadtest::client::empty()).unwrap();
            connection.send(request, Duration::from_secs(5)).await.is_err()
        }
    };
    assert!(refused, "a foreign certificate was let in");
}
