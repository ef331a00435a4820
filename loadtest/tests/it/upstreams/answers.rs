//! Answers of all forms, and answers that are none.

use super::{BOTH, Behind, Bench, DEVICE, Got, LIMIT, number, path};
use crate::rude::{Heard, Rude, Then, Visit};
use crate::whole::until;
use crate::wire::{self, Wire};
use loadtest::client::Protocol;
use loadtest::stack::people::ANNA;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// An answer that a proxy which is misled would give to the next request.
const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

/// What the client is to get.
#[derive(Clone, Copy)]
enum Want {
    /// This answer, whole.
    Answer(u16, &'static str),
    /// The gateway's own answer: there was none that could be passed on.
    None(u16),
    /// Either may be right: this answer, whole, or the gateway's own.
    AnswerOr(&'static str, u16),
}

/// Method, script, bytes, whether the backend closes after them, what the client gets.
type Case = (&'static str, &'static str, &'static str, bool, Want);

const HEAD: &str = "HTTP/1.1 200 OK\r\n";

const CASES: &[Case] = &[
    ("GET", "length", "Content-Length: 5\r\n\r\nhello", false, Want::Answer(200, "hello")),
    ("GET", "length-close", "Content-Length: 5\r\nConnection: close\r\n\r\nhello", true, Want::Answer(200, "hello")),
    ("GET", "nothing", "Content-Length: 0\r\n\r\n", false, Want::Answer(200, "")),
    ("GET", "until-close", "\r\nhello", true, Want::Answer(200, "hello")),
    ("GET", "http-1.0", "HTTP/1.0 200 OK\r\n\r\nhello", true, Want::Answer(200, "hello")),
    (
        "GET",
        "chunked",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;name=value\r\n world\r\n0\r\n\r\n",
        false,
        Want::Answer(200, "hello world"),
    ),
    (
        "GET",
        "chunked-trailer",
        "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
        false,
        Want::Answer(200, "hello"),
    ),
    (
        "GET",
        "hint",
        "HTTP/1.1 103 Early Hints\r\nLink: </static/style.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        false,
        Want::Answer(200, "hello"),
    ),
    (
        "GET",
        "two-hints",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        false,
        Want::Answer(200, "hello"),
    ),
    ("HEAD", "head", "Content-Length: 5\r\n\r\n", false, Want::Answer(200, "")),
    ("HEAD", "head-chunked", "Transfer-Encoding: chunked\r\n\r\n", false, Want::Answer(200, "")),
    ("GET", "equal-lengths", "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false, Want::Answer(200, "hello")),
    ("GET", "no-content-length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", true, Want::Answer(204, "")),
    ("GET", "identity", "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", true, Want::None(502)),
    ("GET", "no-content", "HTTP/1.1 204 No Content\r\n\r\n", false, Want::Answer(204, "")),
    ("GET", "unchanged", "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", false, Want::Answer(304, "")),
    (
        "GET",
        "unchanged-length",
        "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 5\r\n\r\n",
        false,
        Want::Answer(304, ""),
    ),
    ("GET", "missing", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", false, Want::Answer(404, "none")),
    ("GET", "failing", "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\noh", false, Want::Answer(500, "oh")),
    // None.
    ("GET", "closed", "-", true, Want::None(502)),
    ("GET", "garbage", "SSH-2.0-OpenSSH_9.9\r\n\r\n", true, Want::None(502)),
    ("GET", "zeros", "\0\0\0\0\0\0\0\0\r\n\r\n", true, Want::None(502)),
    ("GET", "half-head", "Content-Len", true, Want::None(502)),
    ("GET", "two-lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", true, Want::None(502)),
    ("GET", "two-lengths-open", "Content-Length: 6\r\nContent-Length: 5\r\n\r\nhello!", false, Want::None(502)),
    ("GET", "length-list", "Content-Length: 5, 6\r\n\r\nhello!", true, Want::None(502)),
    ("GET", "length-word", "Content-Length: five\r\n\r\nhello", true, Want::None(502)),
    ("GET", "length-sign", "Content-Length: +5\r\n\r\nhello", true, Want::None(502)),
    (
        "GET",
        "chunked-and-length",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        false,
        Want::AnswerOr("hello", 502),
    ),
    (
        "GET",
        "chunked-twice",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        true,
        Want::AnswerOr("hello", 502),
    ),
];

/// What comes of an answer that is cut: more than pingora keeps back of a body of known length (1460 bytes).
const PART: usize = 0x1000;

/// Answers that begin well: script, what stands before and after the first part, and what is said before the backend
/// closes.
const CUT: &[(&str, &str, &str, &str)] = &[
    ("short", "Content-Length: 10000\r\n\r\n", "", ""),
    ("short-chunked", "Transfer-Encoding: chunked\r\n\r\n1000\r\n", "\r\n", ""),
    ("short-chunk", "Transfer-Encoding: chunked\r\n\r\n1000\r\n", "\r\n", "50\r\n"),
    ("wrong-chunk", "Transfer-Encoding: chunked\r\n\r\n1000\r\n", "\r\n", "five\r\nhello\r\n0\r\n\r\n"),
];

/// Head lines alone follow a 200; `-` is nothing at all.
fn bytes(text: &str) -> String {
    let whole = text.starts_with("HTTP/") || text.starts_with("SSH") || text.starts_with('\0');
    match text {
        "-" => String::new(),
        _ if whole => text.to_owned(),
        _ => format!("{HEAD}{text}"),
    }
}

fn script(visit: &mut Visit, heard: &Heard) -> Then {
    visit.body(heard);
    let Some((_, _, text, closes, _)) = CASES.iter().find(|case| case.1 == heard.what()) else {
        visit.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain");
        return Then::Keep;
    };
    visit.say(bytes(text));
    if *closes { Then::Close } else { Then::Keep }
}

/// What is wrong with what the client got.
fn fault(want: Want, got: &Got) -> Option<String> {
    let lengths = got.headers.get_all("content-length").iter().count();
    let framed = lengths <= usize::from(got.status != 204);
    let answer = |status, body: &str| got.status == status && got.whole && framed && got.body == body.as_bytes();
    let own = |status| got.status == status && got.whole && got.is_problem();
    let good = match want {
        Want::Answer(status, body) => answer(status, body),
        Want::None(status) => own(status),
        Want::AnswerOr(body, status) => answer(200, body) || own(status),
    };
    (!good).then(|| format!("{} {:?} whole: {}", got.status, String::from_utf8_lossy(&got.body), got.whole))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_form_of_answer_reaches_the_client_and_what_is_none_does_not() {
    let backend = Rude::open(script);
    let bench = Bench::start(vec![Behind::raw("rude", &[backend.address()])]).await;
    let mut faults = String::new();
    let mut seen = Vec::new();
    for protocol in BOTH {
        for (method, what, _, _, want) in CASES {
            let got = bench.ask("localhost", protocol, bench.request(method, &path("rude", what))).await;
            if let Some(fault) = fault(*want, &got) {
                let _ = writeln!(faults, "{what} over {protocol:?}: {fault}");
            }
            // What follows is not disturbed by it.
            let next = bench.ask("localhost", protocol, bench.request("GET", &path("rude", "next"))).await;
            if let Some(fault) = fault_of_next(&next) {
                let _ = writeln!(faults, "after {what} over {protocol:?}: {fault}");
            }
            seen.push((*what, *want, got));
        }
    }
    for (what, want, got) in &seen {
        let outcomes: &[&str] = match want {
            Want::Answer(..) => &["complete"],
            Want::None(_) => &["failed"],
            Want::AnswerOr(..) => &["complete", "failed"],
        };
        if let Some(fault) = bench.end_fault(what, got, outcomes).await {
            let _ = writeln!(faults, "the row: {fault}");
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_answer_is_seen_to_be_half() {
    let backend = Rude::open(|visit, heard| {
        visit.body(heard);
        match CUT.iter().find(|case| case.0 == heard.what()) {
            None => visit.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain"),
            Some((_, before, after, last)) => {
                visit.say(format!("{HEAD}{before}{}{after}", "x".repeat(PART)));
                visit.until_signalled();
                visit.say(last);
                return Then::Close;
            }
        }
        Then::Keep
    });
    let bench = Bench::start(vec![Behind::raw("cut", &[backend.address()])]).await;
    for protocol in BOTH {
        for (what, ..) in CUT {
            let mut connection = bench.open("localhost", protocol).await;
            // The client has a part, when the rest does not come.
            let request = bench.request("GET", &path("cut", what));
            let got = bench.ask_and(&mut connection, request, || backend.signal()).await;
            let begins = !got.body.is_empty() && got.body.len() <= PART && got.body.iter().all(|byte| *byte == b'x');
            assert!(got.status == 200 && begins, "{what} over {protocol:?}: {got:?}");
            assert!(!got.whole, "{what} over {protocol:?}: half an answer looks like a whole one");
            bench.ended(what, &got, &["aborted", "failed"]).await;
            let next = bench.ask("localhost", protocol, bench.request("GET", &path("cut", "next"))).await;
            assert_eq!(fault_of_next(&next), None, "after {what} over {protocol:?}");
        }
    }
}

/// A hint may name a patient, and comes before the record is durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_does_not_reach_the_client() {
    let backend = Rude::open(|visit, heard| {
        visit.body(heard);
        visit.say("HTTP/1.1 103 Early Hints\r\nLink: </191212121212>\r\nSet-Cookie: __Host-grindvakt=evil\r\n\r\n");
        visit.say("HTTP/1.1 100 Continue\r\nX-Patient: 191212121212\r\n\r\n");
        visit.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain");
        Then::Keep
    });
    let bench = Bench::start(vec![Behind::raw("hinting", &[backend.address()])]).await;
    let stack = &bench.place.stack;
    let (certificate, key) = stack.layout().device_files(DEVICE);
    let config = Arc::new(wire::settings(&stack.layout().server_ca(), Some((&certificate, &key))));
    let mut wire = Wire::open(&stack.target(), &config, wire::address()).await.unwrap();
    let (name, value) = bench.session.header();
    let (at, host) = (path("hinting", "any"), stack.target().authority());
    wire.write(format!("GET {at} HTTP/1.1\r\nHost: {host}\r\n{name}: {value}\r\n\r\n").as_bytes()).await.unwrap();
    let first = wire.answer().await.unwrap();
    assert_eq!((first.status, first.body.as_slice()), (200, &b"plain"[..]), "{first:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_is_no_answer() {
    let backend = Rude::open(|visit, heard| {
        visit.body(heard);
        visit.say("HTTP/1.1 103 Early Hints\r\nLink: </static/style.css>; rel=preload\r\n\r\n");
        if heard.what() == "stalls" {
            visit.until_closed();
        }
        Then::Close
    });
    let hints = Behind::raw("hints", &[backend.address()]).with("read_timeout_ms = 400\n");
    let bench = Bench::start(vec![hints]).await;
    let mut faults = Vec::new();
    for protocol in BOTH {
        for (method, what, status) in
            [("GET", "closes", 502), ("POST", "closes", 502), ("GET", "stalls", 504), ("POST", "stalls", 504)]
        {
            let name = format!("{method} {what} over {protocol:?}");
            let at = path("hints", what);
            let request = if method == "GET" { bench.request("GET", &at) } else { bench.posts(&at) };
            let got = bench.ask("localhost", protocol, request).await;
            if let Some(fault) = fault(Want::None(status), &got) {
                faults.push(format!("{name}: expected {status}, got {fault}"));
            } else {
                faults.extend(bench.end_fault(&name, &got, &["failed"]).await);
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn fault_of_next(got: &Got) -> Option<String> {
    fault(Want::Answer(200, "plain"), got)
}

/// Extra bytes after each kind of end: method, script, answer, its body.
const EXTRA: [(&str, &str, &str, &str); 5] = [
    ("GET", "after-length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
    ("GET", "after-chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"),
    ("GET", "after-no-content", "HTTP/1.1 204 No Content\r\n\r\n", ""),
    ("GET", "after-unchanged", "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", ""),
    ("HEAD", "after-head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ""),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_after_an_answer_never_reach_the_next_request() {
    let backend = Rude::open(|visit, heard| {
        visit.body(heard);
        let rude = EXTRA.iter().find(|(_, what, _, _)| *what == heard.what());
        match (rude, heard.what()) {
            (Some((_, _, answer, _)), _) => visit.say(format!("{answer}{EVIL}")),
            (None, "late") => {
                visit.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
                visit.until_signalled();
                visit.say(EVIL);
            }
            _ => visit.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain"),
        }
        Then::Keep
    });
    let bench = Bench::start(vec![Behind::raw("extra", &[backend.address()])]).await;
    let last = |what: &str| backend.heard(what).last().cloned().unwrap();
    for protocol in BOTH {
        for (method, what, _, body) in EXTRA {
            let got = bench.ask("localhost", protocol, bench.request(method, &path("extra", what))).await;
            assert!(got.status == 502 || got.body == body.as_bytes(), "{what} over {protocol:?}: {got:?}");
            let rude = last(what);
            let next = bench.ask("localhost", protocol, bench.request("GET", &path("extra", "next"))).await;
            assert_eq!(fault_of_next(&next), None, "after {what} over {protocol:?}");
            assert_ne!(
                last("next").connection,
                rude.connection,
                "{what} over {protocol:?}: the connection is used again"
            );
        }
        // The bytes come when the connection is at rest.
        let got = bench.ask("localhost", protocol, bench.request("GET", &path("extra", "late"))).await;
        assert_eq!(got.body, b"hello", "{protocol:?}");
        let said = backend.said();
        backend.signal();
        until("they are said", LIMIT, async || if backend.said() > said { Ok(()) } else { Err(String::new()) }).await;
        let next = bench.ask("localhost", protocol, bench.request("GET", &path("extra", "next"))).await;
        assert_eq!(fault_of_next(&next), None, "after late over {protocol:?}");
        assert_ne!(
            last("next").connection,
            last("late").connection,
            "late over {protocol:?}: the connection is used again"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_backend_has_said_leaves_before_it_says_the_rest() {
    let backend = Rude::open(move |visit, heard| {
        visit.body(heard);
        let chunked = match heard.what() {
            "length" => false,
            "chunks" => true,
            _ => {
                visit.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain");
                return Then::Keep;
            }
        };
        let piece = |text: &str| if chunked { format!("5\r\n{text}\r\n") } else { text.to_owned() };
        let length = if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 10" };
        visit.say(format!("{HEAD}{length}\r\n\r\n{}", piece("hello")));
        // The rest comes once the client has the first half.
        if !visit.until_signalled() {
            return Then::Close;
        }
        visit.say(piece("world"));
        if chunked {
            visit.say("0\r\n\r\n");
        }
        Then::Keep
    });
    let bench = Bench::start(vec![Behind::raw("halves", &[backend.address()])]).await;
    for protocol in BOTH {
        for what in ["length", "chunks"] {
            let mut connection = bench.open("localhost", protocol).await;
            let request = bench.request("GET", &path("halves", what));
            let got = bench.ask_and(&mut connection, request, || backend.signal()).await;
            assert!(got.whole && got.body == b"helloworld", "{what} over {protocol:?}: {got:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_ends_while_the_backend_works_ends_the_exchange() {
    const ALL: [&str; 3] = ["head", "body", "upload"];
    let backend = Rude::open(|visit, heard| {
        let early = heard.what() == "body";
        if early {
            visit.say(format!("{HEAD}Content-Length: 10\r\n\r\n"));
        }
        visit.until_signalled();
        visit.body(heard);
        let head = if early { String::new() } else { format!("{HEAD}Content-Length: 10\r\n\r\n") };
        visit.say(format!("{head}helloworld"));
        Then::Close
    });
    let bench = Bench::start(vec![Behind::raw("ends", &[backend.address()])]).await;
    let begun = tokio::time::Instant::now();
    let asked = BOTH.into_iter().flat_map(|protocol| ALL.map(|what| (protocol, what))).map(async |(protocol, what)| {
        let method = if what == "upload" { "POST" } else { "GET" };
        (protocol, what, bench.ask("localhost", protocol, bench.request(method, &path("ends", what))).await)
    });
    let answers = futures_util::future::join_all(asked);
    let ends = async {
        let heard = || ALL.iter().map(|what| backend.heard(what).len()).sum::<usize>();
        let all = BOTH.len() * ALL.len();
        until(
            "all are with the backend",
            LIMIT,
            async || if heard() == all { Ok(()) } else { Err(heard().to_string()) },
        )
        .await;
        bench.place.auditor(&["account", "close", ANNA.user]).await;
        let known = format!("/api/patients/{}", number());
        until("the gateway knows", LIMIT, async || {
            match bench.ask("localhost", Protocol::Http1, bench.request("GET", &known)).await.status {
                401 | 403 => Ok(()),
                status => Err(status.to_string()),
            }
        })
        .await;
        // What has lasted for less than half a second is not asked again.
        tokio::time::sleep_until(begun + Duration::from_secs(1)).await;
        (0..all).for_each(|_| backend.signal());
    };
    let (answers, ()) = tokio::join!(answers, ends);
    for (protocol, what, got) in answers {
        let refused = if what == "body" { !got.whole } else { got.status == 401 };
        assert!(refused && !got.body.windows(5).any(|piece| piece == b"hello"), "{what} over {protocol:?}: {got:?}");
    }
}
