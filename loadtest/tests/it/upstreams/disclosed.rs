//! Answers that say who: each patient in them is on record before that part leaves, once, and nothing passes that cannot be
//! looked into.

use super::{BOTH, Behind, Bench, Got, LIMIT, path, sockets};
use crate::rude::{Heard, Rude, Then, Visit};
use crate::shared::{patient, request_id, set};
use crate::whole::until;
use http_body_util::BodyExt as _;
use loadtest::client::Protocol;
use loadtest::client::socket::{Socket, Upgrade};
use loadtest::stack::Component;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Command;

fn number(index: usize) -> String {
    patient(index).id.expose().to_owned()
}

fn answer(kind: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn list(indices: &[usize]) -> String {
    let list: Vec<Value> = indices.iter().map(|index| json!({"name": "Prov", "id": number(*index)})).collect();
    json!({ "list": list }).to_string()
}

/// What cannot be looked into. `None`: no such script.
fn unscannable(what: &str) -> Option<Vec<u8>> {
    let whole = list(&[1, 2]);
    let coded = |coding: &str, body: Vec<u8>| answer(&format!("application/json\r\nContent-Encoding: {coding}"), body);
    let gzipped = gzip(whole.as_bytes());
    Some(match what {
        "document" => answer("application/pdf", "%PDF-1.7"),
        "letters" => {
            answer("text/html; charset=utf-16le", whole.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>())
        }
        "parts" => answer("multipart/mixed; boundary=x", "--x\r\n\r\nhej\r\n--x--"),
        "coding" => coded("compress", whole.into_bytes()),
        "no-gzip" => coded("gzip", whole.into_bytes()),
        "cut-gzip" => coded("gzip", gzipped[..gzipped.len() - 12].to_vec()),
        "more-gzip" => coded("gzip", [gzipped.as_slice(), b"191212121212"].concat()),
        "bomb" => coded("gzip, gzip", gzip(&gzip(&vec![b' '; 8 << 20]))),
        "cut-json" => answer("application/json", &whole[..whole.len() - 3]),
        "no-json" => answer("application/json", format!("<p>{}</p>", number(1))),
        "deep-json" => answer("application/json", "[".repeat(100_000)),
        _ => return None,
    })
}

const UNSCANNABLE: [&str; 11] = [
    "document",
    "letters",
    "parts",
    "coding",
    "no-gzip",
    "cut-gzip",
    "more-gzip",
    "bomb",
    "cut-json",
    "no-json",
    "deep-json",
];

const SECRET: &str = "sekretess ";

fn long() -> String {
    let (first, second, notes) = (number(1), number(2), SECRET.repeat(30_000));
    format!(r#"{{"list":[{{"id":"{first}"}},{{"notes":"{notes}","id":"{second}"}}]}}"#)
}

fn script(visit: &mut Visit, heard: &Heard) -> Then {
    let what = heard.what();
    if let Some(bytes) = unscannable(what) {
        visit.say(bytes);
        return Then::Keep;
    }
    match what {
        "header" => {
            let kind = format!("application/json\r\nCache-Control: max-age=3600\r\nX-Patient-Id: {}", number(5));
            visit.say(answer(&kind, "{}"));
        }
        // Its head names somebody, and it cannot be looked into.
        "named-wrong" => {
            visit.say(answer(&format!("application/json\r\nX-Patient-Id: {}", number(5)), "<p>"));
        }
        "both" => {
            visit.say(answer(&format!("application/json\r\nX-Patient-Id: {}", number(5)), list(&[6, 7])));
        }
        "moved" => visit.say(format!(
            "HTTP/1.1 302 {}\r\nLocation: /patients/{}\r\nContent-Disposition: inline; filename=\"{}.txt\"\r\n\
             ETag: W/\"{}-v3\"\r\nContent-Length: 0\r\n\r\n",
            number(1),
            number(2),
            number(3),
            number(4)
        )),
        // Cut in its second entry. Of whom the first is, no Patient has said, and none will.
        "bundle" => {
            let body = "{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Observation\",\"subject\":\
                        {\"reference\":\"Patient/abc\"},\"note\":[{\"text\":\"hej\"}]}},{\"resource\":{";
            visit.say(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len() + 100
            ));
            assert!(visit.until_signalled());
            return Then::Close;
        }
        "part" => visit.say("HTTP/1.1 206 Partial Content\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nhej"),
        // A page of a list is no part of an answer.
        "list" => visit.say(answer("application/json\r\nContent-Range: items 0-3/4", list(&[3, 4, 3, 5]))),
        "nobody" => visit.say(answer("application/json", list(&[]))),
        "wrong" => visit.say(answer("application/json", r#"{"list":[{"id":"191212121213"},{"id":"P-17"}]}"#)),
        "coded" => visit.say(answer("application/json\r\nContent-Encoding: gzip", gzip(list(&[6]).as_bytes()))),
        "page" => visit.say(answer("text/html", format!("<td>{}</td>", number(7)))),
        // The identity in two pieces; the second comes when the client has the first.
        "halves" => {
            let number = number(8);
            let (date, serial) = number.split_at(8);
            visit.say(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\nhej {date}-\r\n",
                date.len() + 5
            ));
            assert!(visit.until_signalled());
            visit.say(format!("4\r\n{serial}\r\n0\r\n\r\n"));
        }
        // Of whom it speaks is said when the client has the head.
        "late" | "late-fhir" => {
            let (kind, start, rest) = if what == "late" {
                ("application/json", r#"{"list":[{"name":"Prov","#, format!(r#""id":"{}"}}]}}"#, number(13)))
            } else {
                let system = "http://electronichealth.se/identifier/personnummer";
                let rest = format!(r#""identifier":[{{"system":"{system}","value":"{}"}}]}}"#, number(13));
                ("application/fhir+json", r#"{"name":[{"text":"Prov"}],"resourceType":"Patient","#, rest)
            };
            visit.say(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{start}",
                start.len() + rest.len()
            ));
            assert!(visit.until_signalled());
            visit.say(rest);
        }
        // One who is named, and one of whom much is said before the name comes.
        "long" => visit.say(answer("application/json", long())),
        // Likewise, but what comes then cannot be looked into.
        "late-none" => {
            visit.say("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n");
            assert!(visit.until_signalled());
            visit.say(b"<p>");
            visit.until_closed();
        }
        // Somebody, and then somebody else when told to.
        "pieces" => {
            let line = |index| format!("{{\"list\":[{{\"id\":\"{}\"}}]}}\n", number(index));
            let chunk = |text: String| format!("{:x}\r\n{text}\r\n", text.len());
            visit.say(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                chunk(line(9))
            ));
            assert!(visit.until_signalled());
            visit.say(chunk(line(10)));
            visit.until_closed();
        }
        "events" => {
            visit.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
            assert!(visit.until_signalled());
            let event = format!("data: {}\n\n", list(&[11]).replace('\n', ""));
            visit.say(format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len()));
        }
        "talks" => {
            let text = list(&[12]);
            let mut frames = vec![0x81, u8::try_from(text.len()).unwrap()];
            frames.extend(text.as_bytes());
            visit.say(sockets::accept(heard, &frames));
            assert!(visit.until_signalled());
            visit.say(b"\x82\x03bin");
            visit.until_closed();
        }
        other => panic!("no script {other}"),
    }
    Then::Keep
}

/// A request's rows that tell of it: patients by their place in the population, in the order of their positions.
async fn rows(bench: &Bench, id: &str, count: usize) -> Vec<Value> {
    let key = bench.place.stack.pseudonym_key().unwrap();
    let known: Vec<String> = (0..20).map(|index| hex::encode(key.patient(&patient(index).id).0)).collect();
    let sql = format!(
        "SELECT phase, outcome, status, reason, position, patient_source, length(search_terms) AS terms, \
         lower(hex(patient_ref)) AS patient FROM access_log FINAL WHERE request_id = '{id}' ORDER BY position, reason"
    );
    let mut rows = until("the rows are there", LIMIT, async || match bench.place.rows(&sql).await {
        rows if rows.len() == count => Ok(rows),
        rows => Err(format!("{rows:?}")),
    })
    .await;
    for row in &mut rows {
        let index = known.iter().position(|known| row["patient"].as_str() == Some(known));
        row["patient"] = index.into();
    }
    rows
}

fn patients(rows: &[Value]) -> Vec<Option<u64>> {
    rows.iter().map(|row| row["patient"].as_u64()).collect()
}

async fn start() -> (Rude, Bench) {
    let backend = Rude::open(script);
    let bench = Bench::start(vec![Behind::raw("list", &[backend.address()])]).await;
    (backend, bench)
}

fn way(route: &str, what: &str) -> String {
    format!("/list/{route}/{what}/any")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_looked_into_is_refused_or_passes_on_record() {
    let (_backend, bench) = start().await;
    let mut passed_ids = Vec::new();
    for (protocol, what) in BOTH.into_iter().flat_map(|protocol| UNSCANNABLE.map(|what| (protocol, what))) {
        let sent = unscannable(what).unwrap();
        let at = sent.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let refused = bench.ask("localhost", protocol, bench.request("GET", &way("marked", what))).await;
        assert_eq!((refused.status, refused.is_problem(), refused.whole), (502, true, true), "{what}: {refused:?}");
        let row = rows(&bench, refused.id(), 1).await.remove(0);
        assert_eq!(
            (&row["reason"], &row["outcome"], &row["patient"]),
            (&json!("unscannable"), &json!("failed"), &Value::Null),
            "{what}"
        );

        let passed = bench.ask("localhost", protocol, bench.request("GET", &way("passing", what))).await;
        assert_eq!((passed.status, passed.whole, passed.body == sent[at..]), (200, true, true), "{what}: {passed:?}");
        passed_ids.push((what, passed.id().to_owned()));
    }
    bench.place.drained().await;
    for (what, id) in passed_ids {
        // Whoever was found before it broke has a row, too.
        let sql = format!(
            "SELECT countIf(reason = 'unscanned') AS unscanned FROM access_log FINAL WHERE request_id = '{id}'"
        );
        assert_eq!(bench.place.rows(&sql).await, [json!({"unscanned": 1})], "{what}");
    }
    let refused = bench.place.metric("disclosure_unscanned_total", r#"cause="type",fate="refused""#).await;
    assert!((refused - 6.0).abs() < 0.1, "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_an_answer_names_is_on_record_once_with_the_place_and_what_was_searched_for() {
    let (backend, bench) = start().await;
    for protocol in BOTH {
        let ask = async |what: &str| -> Got {
            let request = bench.builder("GET", &format!("{}?name=Prov", way("marked", what)));
            let request = request.header("accept-encoding", "gzip, compress, br;q=0.5").header("range", "bytes=0-3");
            let request = request.header("request-range", "bytes=0-3").header("a-im", "feed");
            let request = request.header("if-none-match", "\"1\"").body(loadtest::client::empty()).unwrap();
            let got = bench.ask("localhost", protocol, request).await;
            assert!(got.status == 200 && got.whole, "{what}: {got:?}");
            got
        };
        for (what, wanted) in [
            ("list", vec![Some(3), Some(4), Some(5)]),
            ("header", vec![Some(5)]),
            ("coded", vec![Some(6)]),
            ("page", vec![Some(7)]),
            ("nobody", vec![None]),
        ] {
            let got = ask(what).await;
            let kept: Vec<_> = got.headers.get_all("cache-control").iter().collect();
            assert_eq!(kept, ["no-store"], "{what}: who looks again asks again");
            let rows = rows(&bench, got.id(), wanted.len()).await;
            assert_eq!(patients(&rows), wanted, "{what}: {rows:?}");
            for row in &rows {
                let reason = if what == "nobody" { "patient_in_response" } else { "none" };
                assert_eq!(
                    (&row["reason"], &row["outcome"], &row["terms"]),
                    (&json!(reason), &json!("complete"), &json!(1)),
                    "{what}"
                );
                assert_eq!(row["patient_source"], "response", "{what}");
            }
            if what == "list" {
                let positions: Vec<_> = rows.iter().map(|row| row["position"].as_u64().unwrap()).collect();
                assert_eq!(positions, [0, 1, 3]);
            }
        }
        let wrong = rows(&bench, ask("wrong").await.id(), 2).await;
        let mut reasons: Vec<_> = wrong.iter().map(|row| row["reason"].as_str().unwrap()).collect();
        reasons.sort_unstable();
        assert_eq!(
            reasons,
            ["patient_check_digit", "patient_form"],
            "what is no identity is no patient, and not nothing"
        );
        // Whoever a head names, in whatever header, has a row; and the words behind a status are our own.
        let moved = bench.ask("localhost", protocol, bench.request("GET", &way("marked", "moved"))).await;
        assert_eq!(moved.status, 302, "{moved:?}");
        let mut named = patients(&rows(&bench, moved.id(), 3).await);
        named.sort_unstable();
        assert_eq!(named, [Some(2), Some(3), Some(4)]);
        let part = bench.ask("localhost", protocol, bench.request("GET", &way("marked", "part"))).await;
        assert_eq!((part.status, part.is_problem()), (502, true), "{part:?}");
        assert_eq!(rows(&bench, part.id(), 1).await[0]["reason"], "unscannable");
        // Whom the head of an answer names that is refused has not been shown.
        let refused = bench.ask("localhost", protocol, bench.request("GET", &way("marked", "named-wrong"))).await;
        assert_eq!((refused.status, refused.is_problem()), (502, true), "{refused:?}");
        assert_eq!(patients(&rows(&bench, refused.id(), 1).await), [None]);
        // A head tells as much as an answer.
        let head = bench.ask("localhost", protocol, bench.request("HEAD", &way("marked", "header"))).await;
        assert_eq!(patients(&rows(&bench, head.id(), 1).await), [Some(5)]);
    }
    for heard in backend.heard("list") {
        let told = ["range", "if-none-match", "request-range", "a-im", "accept-encoding"];
        let told = told.map(|name| heard.header(name).map(str::to_owned));
        assert!(told[..4].iter().all(Option::is_none), "the whole is asked for: {told:?}");
        let codings = told[4].clone().unwrap();
        assert!(codings.contains("gzip") && codings.contains("br") && !codings.contains("compress"), "{codings}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whomever_an_answer_names_it_waits_for_one_sync() {
    let (_backend, bench) = start().await;
    let commits = async || bench.place.metric("audit_commit_seconds_count", "").await;
    let mut seen = Vec::new();
    for _again in 0..5 {
        let before = commits().await;
        let got = bench.ask("localhost", BOTH[0], bench.request("GET", &way("marked", "both"))).await;
        let mut named = patients(&rows(&bench, got.id(), 3).await);
        named.sort_unstable();
        assert_eq!(named, [Some(5), Some(6), Some(7)]);
        seen.push(commits().await - before);
    }
    // That it was asked for, whom it names, and its end. Others may come between, but not each time.
    assert!(seen.iter().any(|commits| *commits < 3.5), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_identity_does_not_leave_and_a_cut_answer_names_whom_it_told() {
    let (backend, bench) = start().await;
    for protocol in BOTH {
        // The first piece leaves, but for what may be somebody.
        let mut connection = bench.open("localhost", protocol).await;
        let response = connection.send(bench.request("GET", &way("marked", "halves")), LIMIT).await.unwrap();
        let id = request_id(response.headers());
        let mut body = response.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "hej ".as_bytes());
        backend.signal();
        let rest = body.collect().await.unwrap().to_bytes();
        let number = number(8);
        assert_eq!(rest, format!("{}-{}", &number[..8], &number[8..]).as_bytes());
        assert_eq!(patients(&rows(&bench, &id, 1).await), [Some(8)]);

        // Broken off by the client before the second was said.
        let mut connection = bench.open("localhost", protocol).await;
        let response = connection.send(bench.request("GET", &way("marked", "pieces")), LIMIT).await.unwrap();
        let id = request_id(response.headers());
        let mut body = response.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(String::from_utf8_lossy(&first).contains(&self::number(9)));
        drop((body, connection));
        let cut = rows(&bench, &id, 1).await;
        assert_eq!((patients(&cut), &cut[0]["outcome"]), (vec![Some(9)], &json!("aborted")), "{cut:?}");
        backend.signal();

        // Broken off by the backend, before it said whom it spoke of.
        let mut connection = bench.open("localhost", protocol).await;
        let response = connection.send(bench.request("GET", &way("marked", "bundle")), LIMIT).await.unwrap();
        let id = request_id(response.headers());
        let mut body = response.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let mut came = first.to_vec();
        backend.signal();
        while let Some(Ok(frame)) = body.frame().await {
            came.extend(frame.into_data().unwrap_or_default());
        }
        let came = String::from_utf8_lossy(&came);
        assert!(came.contains("Bundle") && !came.contains("hej"), "what waits for a Patient does not leave: {came}");
        let cut = rows(&bench, &id, 1).await;
        assert_eq!((&cut[0]["reason"], &cut[0]["outcome"]), (&json!("patient_form"), &json!("aborted")), "{cut:?}");

        // The head does not wait for whom the body will name.
        for what in ["late", "late-fhir"] {
            let mut connection = bench.open("localhost", protocol).await;
            let response = connection.send(bench.request("GET", &way("marked", what)), LIMIT).await.unwrap();
            let id = request_id(response.headers());
            backend.signal();
            let told = response.into_body().collect().await.unwrap().to_bytes();
            assert!(String::from_utf8_lossy(&told).contains(&self::number(13)), "{what}");
            assert_eq!(patients(&rows(&bench, &id, 1).await), [Some(13)], "{what}");
        }

        // Once it has left, what cannot be looked into breaks off.
        let mut connection = bench.open("localhost", protocol).await;
        let response = connection.send(bench.request("GET", &way("marked", "late-none")), LIMIT).await.unwrap();
        let id = request_id(response.headers());
        backend.signal();
        assert!(response.into_body().collect().await.is_err());
        let cut = rows(&bench, &id, 1).await;
        assert_eq!((&cut[0]["reason"], &cut[0]["outcome"]), (&json!("unscannable"), &json!("aborted")), "{cut:?}");

        // Who listens to events hears at once that they may come.
        let mut connection = bench.open("localhost", protocol).await;
        let response = connection.send(bench.request("GET", &way("marked", "events")), LIMIT).await.unwrap();
        let id = request_id(response.headers());
        backend.signal();
        let told = response.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&told).contains(&self::number(11)));
        assert_eq!(patients(&rows(&bench, &id, 1).await), [Some(11)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_says_much_before_it_says_of_whom_does_not_leave_unrecorded() {
    let (_backend, bench) = start().await;
    for protocol in BOTH {
        let mut connection = bench.open("localhost", protocol).await;
        // Its head may have left before, or not, or be on its way.
        let (mut got, mut cut) = (Vec::new(), false);
        match connection.send(bench.request("GET", &way("marked", "long")), LIMIT).await {
            Err(_) => cut = true,
            Ok(response) => {
                cut |= response.status() == 502;
                let mut body = response.into_body();
                while let (false, Some(frame)) = (cut, body.frame().await) {
                    match frame {
                        Ok(frame) => got.extend(frame.into_data().unwrap_or_default()),
                        Err(_) => cut = true,
                    }
                }
            }
        }
        assert!(cut);
        assert!(!String::from_utf8(got).unwrap().contains(SECRET));

        let passed = bench.ask("localhost", protocol, bench.request("GET", &way("passing", "long"))).await;
        assert_eq!((passed.status, passed.whole, passed.body == long().as_bytes()), (200, true, true));
        let told = rows(&bench, passed.id(), 2).await;
        assert!(
            patients(&told).contains(&Some(1)) && told.iter().any(|row| row["reason"] == json!("unscanned")),
            "{told:?}"
        );
    }
    bench.place.drained().await;
    let refused = "SELECT countIf(reason = 'unscannable') AS refused FROM access_log FINAL";
    assert_eq!(bench.place.rows(refused).await, [json!({"refused": 2})]);
    let refused = bench.place.metric("disclosure_unscanned_total", r#"cause="nameless",fate="refused""#).await;
    assert!((refused - 2.0).abs() < 0.1, "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_socket_are_looked_into_and_what_is_no_text_ends_it() {
    let (backend, bench) = start().await;
    let (name, value) = bench.session.header();
    let target = bench.place.stack.target();
    let opened = Socket::open(&target, &bench.device, &way("socket", "talks"), Some((name, &value))).await.unwrap();
    let Upgrade::Open(mut socket, headers) = opened else { panic!("refused") };
    let id = request_id(&headers);
    let heard = socket.hear(LIMIT).await.unwrap().unwrap();
    assert!(heard.contains(&number(12)));
    backend.signal();
    assert!(socket.hear(LIMIT).await.is_err(), "a binary message does not pass");
    // The socket's own two rows, the patient's, and of what could not be looked into.
    let rows = rows(&bench, &id, 4).await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row["phase"].as_str().unwrap(), row["patient"].as_u64(), row["reason"].as_str().unwrap()))
        .collect();
    for wanted in [
        ("begin", None, "patient_in_response"),
        ("during", Some(12), "none"),
        ("during", None, "unscannable"),
        ("end", None, "none"),
    ] {
        assert!(told.contains(&wanted), "{wanted:?} in {told:?}");
    }
    assert!(backend.heard("talks").iter().all(|heard| heard.header("sec-websocket-extensions").is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_with_more_patients_than_it_may_have_is_refused() {
    let (_backend, mut bench) = start().await;
    bench.place.edit("gateway.toml", |settings| set(settings, "limits", "response_patients_max", 2));
    bench.place.stack.restart(Component::Gateway).await.unwrap();
    let got = bench.ask("localhost", Protocol::Http1, bench.request("GET", &way("marked", "list"))).await;
    assert_eq!((got.status, got.is_problem()), (502, true), "{got:?}");
    let row = rows(&bench, got.id(), 1).await.remove(0);
    assert_eq!((&row["reason"], &row["patient"]), (&json!("unscannable"), &Value::Null), "nobody was disclosed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_that_should_be_marked_are_discovered() {
    let (backend, mut bench) = start().await;
    bench.place.edit("gateway.toml", |settings| set(settings, "discover", "enabled", true));
    bench.place.stack.restart(Component::Gateway).await.unwrap();
    for what in ["list", "page", "coded", "nobody"] {
        let got = bench.ask("localhost", Protocol::Http1, bench.request("GET", &path("list", what))).await;
        assert_eq!(got.status, 200, "{got:?}");
    }
    // An answer that is left before its end counts as well.
    let mut connection = bench.open("localhost", Protocol::Http1).await;
    let response = connection.send(bench.request("GET", &path("list", "pieces")), LIMIT).await.unwrap();
    let mut body = response.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    drop((body, connection));
    backend.signal();
    // The patient's own page names the patient of its path, and nobody else.
    let known = format!("/api/patients/{}", number(0));
    assert_eq!(bench.ask("localhost", Protocol::Http1, bench.request("GET", &known)).await.status, 200);
    let program = &bench.place.stack.settings().programs.gateway;
    let config = bench.place.dir().join("gateway.toml");
    let found = until("it is written", LIMIT, async || {
        let told =
            Command::new(program).args(["discover", "--output", "json", "--config"]).arg(&config).output().unwrap();
        let told: Value = serde_json::from_slice(&told.stdout).map_err(|error| error.to_string())?;
        match told["routes"].as_array().map(Vec::as_slice) {
            Some([one]) if one["answers"] == 5 => Ok(one.clone()),
            _ => Err(told.to_string()),
        }
    })
    .await;
    assert_eq!((&found["disclosing"], &found["patients"]), (&json!(4), &found["patients"]), "{found}");
    assert!(found["patients"].as_u64() >= Some(6), "{found}");
    let line = found["config"].as_str().unwrap();
    assert_eq!(line, r#"patients = [{ in = "path", name = "patient" }, { in = "response" }]"#);
    let shown = Command::new(program).args(["discover", "--config"]).arg(&config).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(line) && !shown.contains(&number(3)), "{shown}");
}
