//! Uploads: announced by `Expect: 100-continue`, answered before their end.

use super::{BOTH, Behind, Bench, DEVICE, Got, is_success, number, path};
use crate::rude::{Rude, Then};
use crate::shared::set;
use crate::wire::{self, Wire};
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use loadtest::client::Body;
use loadtest::stack::Component;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

const PIECE: usize = 16 << 10;
const PIECES: usize = 512;

/// More than sockets hold on their way.
const TOO_MANY: usize = 8 * PIECES;

/// A body of several MiB in pieces, of unknown length.
fn pieces() -> Body {
    so_many(PIECES)
}

fn so_many(count: usize) -> Body {
    let piece = Bytes::from(vec![0x55; PIECE]);
    let list = (0..count).map(move |_| Ok(Frame::data(piece.clone())));
    BodyExt::boxed(StreamBody::new(futures_util::stream::iter(list)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_before_the_end_of_an_upload_reaches_the_client() {
    const FULL: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n";
    let backend = Rude::open(|visit, heard| {
        match heard.what() {
            // Closes its half, and reads what is still on its way.
            "closes" => {
                visit.say(format!("{FULL}Connection: close\r\n\r\ntoo much"));
                visit.fall_silent();
                visit.until_closed();
                return Then::Close;
            }
            // Has taken nothing when it refuses, and takes nothing after.
            "stalls" => {
                #[expect(clippy::disallowed_methods, reason = "a slow backend: nothing waits for this to have passed")]
                std::thread::sleep(Duration::from_secs(1));
                visit.say(format!("{FULL}Connection: close\r\n\r\ntoo much"));
                visit.until_closed();
                return Then::Close;
            }
            // Means to go on.
            "keeps" => {
                visit.say(format!("{FULL}\r\ntoo much"));
                visit.body(heard);
            }
            _ => {
                let body = visit.body(heard);
                let text = body.len().to_string();
                visit.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()));
            }
        }
        Then::Keep
    });
    // Whoever waited for the upload to be taken would wait for an hour.
    let patient = Behind::raw("full", &[backend.address()]).with("write_timeout_ms = 3600000\n");
    let bench = Bench::start(vec![patient]).await;
    let whole = (PIECE * PIECES).to_string();
    let is_refusal = |got: &Got| got.status == 413 && got.whole && got.body == b"too much";
    let mut faults = Vec::new();
    for protocol in BOTH {
        for what in ["closes", "keeps", "stalls"] {
            let name = format!("{what} over {protocol:?}");
            let count = if what == "stalls" { TOO_MANY } else { PIECES };
            let upload = bench.builder("POST", &path("full", what)).body(so_many(count)).unwrap();
            let got = bench.ask("localhost", protocol, upload).await;
            if !is_refusal(&got) {
                faults.push(format!("{name}: {got:?}"));
            }
            // The client has the whole answer, and did not send the whole upload: either may be said of it.
            faults.extend(bench.end_fault(&name, &got, &["complete", "aborted"]).await);
            // The rest of that upload is no request, and nobody's body.
            let upload = bench.builder("POST", &path("full", "takes")).body(pieces()).unwrap();
            let got = bench.ask("localhost", protocol, upload).await;
            if !is_success(&got) || got.body != whole.as_bytes() {
                faults.push(format!("after {name}: {got:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_for_leave_to_send_gets_it_or_an_answer() {
    let backend = Rude::open(|visit, heard| {
        let expects = heard.header("expect") == Some("100-continue");
        match heard.what() {
            "refuses" => {
                visit.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo much");
                return Then::Close;
            }
            // Takes its time, and says so in between.
            "slow" => {
                #[expect(clippy::disallowed_methods, reason = "a slow backend: nothing waits for this to have passed")]
                let pause = || std::thread::sleep(Duration::from_millis(600));
                pause();
                visit.say("HTTP/1.1 100 Continue\r\n\r\n");
                pause();
                let length = visit.body(heard).len().to_string();
                visit.say(format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{length}", length.len()));
            }
            _ if !expects => visit.say("HTTP/1.1 500 Not Expected\r\nContent-Length: 0\r\n\r\n"),
            _ => {
                visit.say("HTTP/1.1 100 Continue\r\n\r\n");
                let body = visit.body(heard);
                visit.say(format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n", body.len()));
                visit.say(body);
            }
        }
        Then::Keep
    });
    let bench = Bench::start(vec![Behind::raw("expect", &[backend.address()])]).await;
    let stack = &bench.place.stack;
    let (certificate, key) = stack.layout().device_files(DEVICE);
    let config = Arc::new(wire::settings(&stack.layout().server_ca(), Some((&certificate, &key))));
    let (name, value) = bench.session.header();
    let head = |at: &str, length: usize| {
        format!(
            "POST {at} HTTP/1.1\r\nHost: {}\r\n{name}: {value}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n",
            stack.target().authority()
        )
    };
    // Streamed to a raw backend, streamed to the sample registry, and read by the gateway itself.
    let search = format!("{{\"personnummer\":\"{}\"}}", number());
    for (at, body, status) in [
        (path("expect", "takes"), "hello".to_owned(), 201),
        (format!("/api/patients/{}/documents", number()), "hello".to_owned(), 201),
        ("/api/search".to_owned(), search, 200),
    ] {
        for round in 0..2 {
            let mut wire = Wire::open(&stack.target(), &config, wire::address()).await.unwrap();
            wire.write(head(&at, body.len()).as_bytes()).await.unwrap();
            let leave = wire.answer().await.unwrap_or_else(|error| panic!("{at}, round {round}: no leave: {error}"));
            assert_eq!(leave.status, 100, "{at}, round {round}: {leave:?}");
            wire.write(body.as_bytes()).await.unwrap();
            let answer = wire.answer().await.unwrap_or_else(|error| panic!("{at}, round {round}: {error}"));
            assert_eq!(answer.status, status, "{at}, round {round}: {answer:?}");
            bench.row(answer.header("x-request-id").unwrap()).await;
        }
    }
    let mut wire = Wire::open(&stack.target(), &config, wire::address()).await.unwrap();
    wire.write(head(&path("expect", "refuses"), 1 << 20).as_bytes()).await.unwrap();
    let answer = wire.answer().await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (413, &b"too much"[..]), "{answer:?}");
    // Its body never comes. Whatever comes is not taken for it, nor for another request: the connection ends, and soon.
    assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
    let ended = tokio::time::timeout(Duration::from_secs(20), wire.rest()).await;
    assert!(ended.is_ok(), "the connection waits for a body that nobody wants");

    // Who does not wait is served as well.
    for protocol in BOTH {
        let upload = bench.builder("POST", &path("expect", "takes")).header("expect", "100-continue");
        let got = bench.ask("localhost", protocol, upload.body(pieces()).unwrap()).await;
        assert!(
            got.status == 201 && got.body.len() == PIECE * PIECES,
            "{protocol:?}: {} {}",
            got.status,
            got.body.len()
        );
        // Leave that comes late is no refusal.
        let upload = bench.builder("POST", &path("expect", "slow")).header("expect", "100-continue");
        let got = bench.ask("localhost", protocol, upload.body(so_many(TOO_MANY)).unwrap()).await;
        assert!(got.status == 201 && got.body == (PIECE * TOO_MANY).to_string().as_bytes(), "{protocol:?}: {got:?}");
    }
}

/// A body of so many pieces, one after each pause.
fn dribbling(piece: &'static [u8], count: usize, pause: Duration) -> Body {
    let mut ticks = tokio::time::interval(pause);
    // A flood of tiny frames would be another fault.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut left = count;
    let pieces = futures_util::stream::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        ticks.poll_tick(context).map(|_| {
            left -= 1;
            Some(Ok(Frame::data(Bytes::from_static(piece))))
        })
    });
    BodyExt::boxed(StreamBody::new(pieces))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_dribbles_in_is_given_up_and_a_long_one_is_not() {
    const SILENCE_MS: i64 = 1000;
    const PAUSE: Duration = Duration::from_millis(20);
    // Ten bytes each time: half of what must come, for as long as it may last and longer.
    const MANY: usize = 10_000;
    let backend = Rude::open(|visit, heard| {
        let length = visit.body(heard).len().to_string();
        visit.say(format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{length}", length.len()));
        Then::Keep
    });
    let mut bench = Bench::start(vec![Behind::raw("slow", &[backend.address()])]).await;
    bench.place.edit("gateway.toml", |settings| set(settings, "limits", "body_timeout_ms", SILENCE_MS));
    bench.place.stack.restart(Component::Gateway).await.unwrap();
    let streamed = path("slow", "takes");
    for protocol in BOTH {
        for (name, at, body, json) in [
            ("dribbles", streamed.as_str(), dribbling(b"0123456789", MANY, PAUSE), false),
            ("stalls", streamed.as_str(), dribbling(b"0123456789", 2, Duration::from_hours(1)), false),
            ("dribbles to us", "/api/search", dribbling(b" ", MANY, PAUSE), true),
            ("stalls towards us", "/api/search", dribbling(b" ", 2, Duration::from_hours(1)), true),
        ] {
            let kind = if json { "application/json" } else { "application/octet-stream" };
            let upload = bench.builder("POST", at).header("content-type", kind).body(body).unwrap();
            let got = bench.ask("localhost", protocol, upload).await;
            assert_eq!(got.status, 408, "{name} over {protocol:?}: {got:?}");
            let row = bench.only_row(got.id()).await;
            let (outcome, reason) = if json { ("refused", "slow") } else { ("failed", "none") };
            assert_eq!(
                (row["outcome"].as_str(), row["reason"].as_str()),
                (Some(outcome), Some(reason)),
                "{name}: {row}"
            );
        }
        // Three times as long as a client may be silent, and fast enough.
        let upload = bench.builder("POST", &streamed).body(dribbling(&[7; 256], 150, PAUSE)).unwrap();
        let got = bench.ask("localhost", protocol, upload).await;
        assert!(got.status == 201 && got.body == (256 * 150).to_string().as_bytes(), "{protocol:?}: {got:?}");
    }
}
