//! The judge finds what is wrong, one thing at a time.

use super::super::corpus::Entry;
use super::super::exchange::{Answer, Told};
use super::*;
use std::net::Ipv4Addr;
use std::path::PathBuf;

const NUMBER: &str = "191212121212";
const FROM: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);

/// One entry that passed, and an innocent request after it.
struct Scene {
    sent: Sent,
    innocent: Innocent,
    seen: Vec<Seen>,
    records: Records,
}

impl Scene {
    fn good() -> Self {
        let socket = Socket { name: "nginx", of: "nginx", path: PathBuf::new(), http2: false };
        let means = |target: &str| Means { method: "GET", target: target.to_owned(), body: String::new() };
        let path = format!("/p/{NUMBER}");
        let entry = Entry {
            name: "entry".to_owned(),
            kind: "kind",
            protocol: Protocol::Http1,
            bytes: Vec::new(),
            must: Must::Mean(means(&path)),
        };
        let answers = vec![Answer { status: 200, id: Some("1".to_owned()), stays: false }];
        let record = |user: &str, from: &str| Record {
            registry: "nginx".to_owned(),
            user: user.to_owned(),
            method: "GET".to_owned(),
            route: "/p/{patient}".to_owned(),
            permitted: true,
            from: from.to_owned(),
            patients: ["reference".to_owned()].into(),
            unidentified: false,
        };
        let from = FROM.to_string();
        let mut records = Records::default();
        records.requests.insert("1".to_owned(), record("anna", &from));
        records.requests.insert("2".to_owned(), record("bertil", "127.0.0.1"));
        Self {
            sent: Sent { entry, socket: socket.clone(), from: FROM, told: Told { answers, reset: false } },
            innocent: Innocent { id: "2".to_owned(), user: "bertil", socket, means: means(&path) },
            seen: vec![seen("1", "anna", &from), seen("2", "bertil", "127.0.0.1")],
            records,
        }
    }

    fn faults(&self) -> Vec<String> {
        faults(&Case {
            sent: std::slice::from_ref(&self.sent),
            innocent: std::slice::from_ref(&self.innocent),
            seen: &self.seen,
            records: &self.records,
            patients: &[(NUMBER.to_owned(), "reference".to_owned())],
            secrets: &["secret".to_owned()],
        })
    }

    fn record(&mut self) -> &mut Record {
        self.records.requests.get_mut("1").unwrap()
    }

    fn header(&mut self, name: &str, value: &str) {
        self.seen[0].headers.push((name.to_owned(), value.to_owned()));
    }
}

fn seen(id: &str, user: &str, from: &str) -> Seen {
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"aud":"nginx","user_hsa":"{user}"}}"#));
    let headers = [
        ("x-request-id", id),
        ("x-forwarded-for", from),
        ("x-forwarded-proto", "https"),
        ("grindvakt-assertion", &format!("head.{claims}.signature")),
    ];
    Seen {
        method: "GET".to_owned(),
        target: format!("/p/{NUMBER}"),
        path: format!("/p/{NUMBER}"),
        host: "nginx.localhost:1".to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        patients: vec![("path".to_owned(), NUMBER.to_owned())],
        connection: Some("1".to_owned()),
        ..Seen::default()
    }
}

type Change = fn(&mut Scene);

#[test]
fn each_misunderstanding_is_found() {
    assert_eq!(Scene::good().faults(), Vec::<String>::new());
    let changes: &[(&str, Change)] = &[
        ("nobody recorded", |scene| scene.seen.push(seen("3", "anna", &FROM.to_string()))),
        ("seen twice", |scene| scene.seen.push(scene.seen[0].clone())),
        ("seen 0 times", |scene| drop(scene.seen.remove(0))),
        ("not permitted", |scene| scene.record().permitted = false),
        ("another method", |scene| scene.record().method = "POST".to_owned()),
        ("another host", |scene| scene.seen[0].host = "other.example".to_owned()),
        ("another host", |scene| scene.record().registry = "haproxy".to_owned()),
        ("a path that is not the target's", |scene| scene.seen[0].path.push_str("%2f")),
        ("a path of another route", |scene| scene.record().route = "/q".to_owned()),
        ("another address", |scene| scene.header("x-forwarded-for", "10.0.0.1")),
        ("another protocol", |scene| scene.header("x-forwarded-proto", "http")),
        ("another identity", |scene| scene.header("grindvakt-assertion", "x.y.z")),
        ("another identity", |scene| scene.record().user = "bertil".to_owned()),
        ("a header of the client's making", |scene| scene.header("x-user", "forged")),
        ("a session's token", |scene| scene.header("authorization", "Bearer secret")),
        ("that is not recorded", |scene| scene.record().patients.clear()),
        ("understood otherwise", |scene| scene.seen[0].body = b"x".to_vec()),
        ("understood otherwise", |scene| scene.seen[0].target.push_str("?x")),
        ("not answered", |scene| scene.sent.told.answers[0].status = 502),
        ("has no record", |scene| scene.sent.told.answers[0].id = Some("2".to_owned())),
        ("on another connection", |scene| scene.seen[1].connection = None),
        ("an innocent request", |scene| drop(scene.seen.remove(1))),
        ("not refused", |scene| scene.sent.entry.must = Must::BeRefused),
        ("nothing of what was meant", |scene| scene.sent.entry.must = Must::MeanEach(Vec::from([other(), other()]))),
        ("understood otherwise", |scene| scene.sent.entry.must = Must::Break(other())),
    ];
    for (fault, change) in changes {
        let mut scene = Scene::good();
        change(&mut scene);
        let faults = scene.faults();
        assert!(faults.iter().any(|found| found.contains(fault)), "{fault}: {faults:?}");
    }
}

fn other() -> Means {
    Means { method: "GET", target: "/p/1".to_owned(), body: String::new() }
}

#[test]
fn a_refusal_needs_an_answer_and_a_record() {
    let refused = || {
        let mut scene = Scene::good();
        scene.sent.entry.must = Must::BeRefused;
        scene.sent.told.answers[0].status = 400;
        scene.seen.remove(0);
        scene.record().permitted = false;
        scene
    };
    assert_eq!(refused().faults(), Vec::<String>::new());
    let mut forgotten = refused();
    forgotten.records.requests.remove("1");
    assert_eq!(forgotten.faults().len(), 1, "no record");
    let mut event = refused();
    event.records.requests.remove("1");
    event.records.events.insert("1".to_owned(), FROM.to_string());
    assert_eq!(event.faults(), Vec::<String>::new());
    let mut silent = refused();
    silent.sent.told.answers.clear();
    assert_eq!(silent.faults().len(), 1, "no answer");
    let mut unread = refused();
    unread.seen.push(seen("1", "anna", &FROM.to_string()));
    assert!(!unread.faults().is_empty(), "seen though it was refused");
}

#[test]
fn paths_are_of_a_route_or_not() {
    assert!(matches("/p/{patient}", "/p/1") && matches("/q", "/q"));
    for path in ["/p/", "/p", "/p/1/2", "/q/1", "/P/1"] {
        assert!(!matches("/p/{patient}", path), "{path}");
    }
}
