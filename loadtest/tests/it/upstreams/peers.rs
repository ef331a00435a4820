//! Several peers: requests go round; a peer that is gone is passed over, and used again when it is back.

use super::{BOTH, Behind, Bench, Got, LIMIT, changes, is_success, number};
use crate::registry;
use crate::whole::until;
use loadtest::client::Protocol;
use loadtest::stack::loopback;
use loadtest::stack::ports::free_port;
use loadtest::stack::process::{Keeper, Process};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

/// Peers are told apart by the length of their answers.
const PEERS: [(&str, &str); 3] = [("one", "1001"), ("two", "1002"), ("three", "1003")];
const HOST: &str = "peers.localhost";
const HEALTH: &str = "[health]\npath = \"/healthz\"\ninterval_s = 1\nunhealthy_after = 1\n";

async fn start(keeper: &Keeper, dir: &Path, peer: usize, address: SocketAddr) -> Process {
    let (name, size) = PEERS[peer];
    registry(keeper, dir, name, &["--listen", &address.to_string(), "--size", size]).await.0
}

/// Which peers answered so many reads.
async fn round(bench: &Bench, requests: usize) -> BTreeMap<usize, usize> {
    let mut seen = BTreeMap::new();
    for number in 0..requests {
        let got = read(bench, BOTH[number % 2]).await;
        assert!(is_success(&got), "request {number}: {got:?}");
        *seen.entry(got.body.len()).or_default() += 1;
    }
    seen
}

async fn read(bench: &Bench, protocol: Protocol) -> Got {
    bench.ask(HOST, protocol, bench.request("GET", &format!("/api/patients/{}", number()))).await
}

/// Waits until the gateway holds so many peers for well.
async fn until_well(bench: &Bench, count: f64) {
    until("the gateway knows its peers", LIMIT, async || {
        let well = bench.place.metric("upstream_peers", "registry=\"peers\",state=\"well\"").await;
        if (well - count).abs() < f64::EPSILON { Ok(()) } else { Err(format!("{well} peers are well")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_gone_is_passed_over_until_it_is_back() {
    for protocol in ["http1", "http2"] {
        trial(protocol).await;
    }
}

async fn trial(protocol: &str) {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let mut addresses = Vec::new();
    let mut peers = Vec::new();
    for peer in 0..PEERS.len() {
        let address = loopback(free_port().unwrap());
        peers.push(start(&keeper, dir.path(), peer, address).await);
        addresses.push(address);
    }
    let behind = Behind::sample("peers", &addresses).with(&format!("protocol = {protocol:?}\n{HEALTH}"));
    let bench = Bench::start(vec![behind]).await;
    until_well(&bench, 3.0).await;
    let seen = round(&bench, 30).await;
    assert!(seen.len() == 3 && seen.values().all(|count| *count >= 5), "{protocol}: they do not go round: {seen:?}");

    // Gone: at first the gateway does not know. What cannot be sent to one is sent to another, whatever it is.
    peers[1].kill();
    let path = format!("/api/patients/{}/withdrawals", number());
    let mut sent = Vec::new();
    for number in 0..30 {
        let got = read(&bench, BOTH[number % 2]).await;
        assert!(is_success(&got), "{protocol}, read {number} after the kill: {got:?}");
        let got = bench.ask(HOST, BOTH[number % 2], bench.posts(&path)).await;
        assert!(is_success(&got), "{protocol}, change {number} after the kill: {got:?}");
        sent.push(got.id().to_owned());
    }
    let mut arrived = [changes(addresses[0]).await, changes(addresses[2]).await].concat();
    arrived.sort_unstable();
    sent.sort_unstable();
    assert_eq!(arrived, sent, "{protocol}: each change arrives once");
    until_well(&bench, 2.0).await;
    let seen = round(&bench, 20).await;
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [1001, 1003], "{protocol}");

    // All are gone.
    peers[0].kill();
    peers[2].kill();
    let got = read(&bench, Protocol::Http1).await;
    assert!(matches!(got.status, 502 | 503) && got.is_problem(), "{protocol}: {got:?}");
    until_well(&bench, 0.0).await;
    for method in ["GET", "POST"] {
        let request = if method == "GET" {
            bench.request("GET", &format!("/api/patients/{}", number()))
        } else {
            bench.posts(&path)
        };
        let got = bench.ask(HOST, Protocol::Http2, request).await;
        assert!(got.status == 503 && got.is_problem(), "{protocol}: {got:?}");
        bench.ended(method, &got, &["failed"]).await;
    }

    // One is back, then all.
    peers[1] = start(&keeper, dir.path(), 1, addresses[1]).await;
    until_well(&bench, 1.0).await;
    assert_eq!(round(&bench, 4).await.keys().copied().collect::<Vec<_>>(), [1002], "{protocol}");
    peers[0] = start(&keeper, dir.path(), 0, addresses[0]).await;
    peers[2] = start(&keeper, dir.path(), 2, addresses[2]).await;
    until_well(&bench, 3.0).await;
    assert_eq!(round(&bench, 12).await.len(), 3, "{protocol}");
}
