//! Kept connections: closed while at rest, broken under a request, too slow. What was sent is sent once.

use super::{BOTH, Behind, Bench, LIMIT, is_success, path};
use crate::rude::{Rude, Then};
use crate::whole::until;

const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain";
const ROUNDS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_closed_at_rest_is_not_used() {
    let backend = Rude::open(|visit, heard| {
        visit.body(heard);
        visit.say(PLAIN);
        if heard.what() != "leaves" {
            return Then::Keep;
        }
        visit.until_signalled();
        Then::Close
    });
    let bench = Bench::start(vec![Behind::raw("kept", &[backend.address()])]).await;
    for protocol in BOTH {
        let mut connection = bench.open("localhost", protocol).await;
        for round in 0..ROUNDS {
            for method in ["GET", "POST"] {
                let name = format!("{method}, round {round} over {protocol:?}");
                let leaves = bench.ask_on(&mut connection, bench.request("GET", &path("kept", "leaves"))).await;
                assert!(is_success(&leaves), "{name}: {leaves:?}");
                let closed = backend.closed();
                backend.signal();
                until(
                    "it is closed",
                    LIMIT,
                    async || {
                        if backend.closed() > closed { Ok(()) } else { Err(name.clone()) }
                    },
                )
                .await;
                let what = format!("{method}-{round}-{protocol:?}");
                let at = path("kept", &what);
                let request = if method == "GET" { bench.request("GET", &at) } else { bench.posts(&at) };
                let got = bench.ask_on(&mut connection, request).await;
                assert!(is_success(&got) && got.body == b"plain", "{name}: {got:?}");
                assert_eq!(backend.heard(&what).len(), 1, "{name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_sent_is_not_sent_again() {
    let backend = Rude::open(|visit, heard| {
        visit.body(heard);
        let breaks = match heard.what().split('-').next() {
            Some("always") => true,
            // The first request of a connection is answered, any other finds it broken.
            Some("later") => heard.before > 0,
            _ => false,
        };
        if breaks {
            return Then::Close;
        }
        visit.say(PLAIN);
        Then::Keep
    });
    let bench = Bench::start(vec![Behind::raw("breaks", &[backend.address()])]).await;
    for protocol in BOTH {
        // On a new connection.
        let what = format!("always-{protocol:?}");
        let got = bench.ask("localhost", protocol, bench.posts(&path("breaks", &what))).await;
        assert!(got.status == 502 && got.is_problem(), "{protocol:?}: {got:?}");
        assert_eq!(backend.heard(&what).len(), 1, "{protocol:?}: a change was sent again");
        bench.ended("a broken change", &got, &["failed"]).await;

        // On one that was used before.
        for (method, arrivals) in [("POST", 1), ("GET", 2)] {
            let first = bench.ask("localhost", protocol, bench.request("GET", &path("breaks", "first"))).await;
            assert!(is_success(&first), "{first:?}");
            let (what, used) =
                (format!("later-{method}-{protocol:?}"), backend.heard("first").last().unwrap().connection);
            let at = path("breaks", &what);
            let request = if method == "GET" { bench.request("GET", &at) } else { bench.posts(&at) };
            let got = bench.ask("localhost", protocol, request).await;
            let heard = backend.heard(&what);
            assert_eq!(heard[0].connection, used, "{what}: the connection was to be used again");
            if method == "POST" {
                assert!(got.status == 502 && got.is_problem(), "{what}: {got:?}");
            } else {
                // Who only reads is asked for again, and does not notice.
                assert!(is_success(&got) && got.body == b"plain", "{what}: {got:?}");
            }
            assert_eq!(heard.len(), arrivals, "{what}");
            bench.ended(&what, &got, if method == "POST" { &["failed"] } else { &["complete"] }).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_is_too_slow_is_given_up() {
    let backend = Rude::open(|visit, heard| {
        visit.body(heard);
        match heard.what().split('-').next() {
            Some("stalls") => visit.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello"),
            Some("hints") => visit.say("HTTP/1.1 103 Early Hints\r\n\r\n"),
            _ => {}
        }
        visit.until_closed();
        Then::Close
    });
    let slow = Behind::raw("slow", &[backend.address()]).with("read_timeout_ms = 400\n");
    let bench = Bench::start(vec![slow]).await;
    for protocol in BOTH {
        for what in ["silent", "hints"] {
            let got = bench.ask("localhost", protocol, bench.request("GET", &path("slow", what))).await;
            assert!(got.status == 504 && got.is_problem(), "{what} over {protocol:?}: {got:?}");
            bench.ended(what, &got, &["failed"]).await;
        }
        let what = format!("silent-{protocol:?}");
        let got = bench.ask("localhost", protocol, bench.posts(&path("slow", &what))).await;
        assert!(got.status == 504 && got.is_problem(), "POST over {protocol:?}: {got:?}");
        assert_eq!(backend.heard(&what).len(), 1, "{protocol:?}: a change was sent again");
        bench.ended("POST", &got, &["failed"]).await;

        let got = bench.ask("localhost", protocol, bench.request("GET", &path("slow", "stalls"))).await;
        assert!(got.status == 200 && !got.whole && got.body == b"hello", "{protocol:?}: {got:?}");
        bench.ended("stalls", &got, &["aborted", "failed"]).await;
    }
}
