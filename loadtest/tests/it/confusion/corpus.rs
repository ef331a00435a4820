//! The corpus: requests that two programs could read in two ways, by kind, each with what it must come to.
//!
//! Each is a request that would pass but for what its name says; many carry a second one inside, which nobody may take
//! for a request of its own. The kinds are those that RFC 9112, RFC 9113, RFC 3986 and the public lists of request
//! smuggling and path confusion name; the requests are written for this project's routes.

mod chunks;
mod framing;
mod headers;
mod hosts;
mod http2;
mod http2_framing;
mod patients;
mod targets;

use loadtest::client::Protocol;

/// What the requests are filled with.
pub(super) struct Words {
    /// `host:port` of the registry.
    pub(super) authority: String,
    /// The session: name and value of its header.
    pub(super) session: (String, String),
    /// The patient that the requests are about, and another.
    pub(super) patient: String,
    pub(super) other: String,
}

/// An entry.
pub(super) struct Entry {
    pub(super) name: String,
    /// The kind: a section of an RFC, or the usual name of the trick.
    pub(super) kind: &'static str,
    pub(super) protocol: Protocol,
    /// The bytes of the connection; for HTTP/2 what follows on the preface.
    pub(super) bytes: Vec<u8>,
    pub(super) must: Must,
}

/// What it must come to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Must {
    /// The gateway refuses it, and nothing of it reaches a backend.
    BeRefused,
    /// It passes, and means just this.
    Mean(Means),
    /// Several requests, one after the other: each is one of its own. The first passes, the others may have to be sent again.
    MeanEach(Vec<Means>),
    /// It breaks in the midst of its body, by itself or because the client ends it there: if the backend sees it at all, then
    /// as this, with no more than the beginning of the body.
    Break(Means),
}

/// The one meaning of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Means {
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) body: String,
}

/// How many entries there are at least.
pub(super) const HTTP1_LEAST: usize = 120;
pub(super) const HTTP2_LEAST: usize = 25;

/// All entries.
pub(super) fn all(words: &Words) -> Vec<Entry> {
    let mut corpus = Corpus { words, list: Vec::new() };
    framing::add(&mut corpus);
    chunks::add(&mut corpus);
    targets::add(&mut corpus);
    hosts::add(&mut corpus);
    headers::add(&mut corpus);
    patients::add(&mut corpus);
    http2::add(&mut corpus);
    http2_framing::add(&mut corpus);
    corpus.list
}

/// Gathers entries.
struct Corpus<'w> {
    words: &'w Words,
    list: Vec<Entry>,
}

impl Corpus<'_> {
    fn add(&mut self, name: &str, kind: &'static str, protocol: Protocol, bytes: impl Into<Vec<u8>>, must: Must) {
        self.list.push(Entry { name: name.to_owned(), kind, protocol, bytes: bytes.into(), must });
    }

    fn refused(&mut self, name: &str, kind: &'static str, bytes: impl Into<Vec<u8>>) {
        self.add(name, kind, Protocol::Http1, bytes, Must::BeRefused);
    }

    fn means(&mut self, name: &str, kind: &'static str, bytes: impl Into<Vec<u8>>, means: Means) {
        self.add(name, kind, Protocol::Http1, bytes, Must::Mean(means));
    }

    fn breaks(&mut self, name: &str, kind: &'static str, bytes: impl Into<Vec<u8>>, means: Means) {
        self.add(name, kind, Protocol::Http1, bytes, Must::Break(means));
    }

    /// The path of the patient.
    fn path(&self) -> String {
        format!("/p/{}", self.words.patient)
    }

    /// The path of the other patient: what is smuggled asks for it.
    fn other_path(&self) -> String {
        format!("/p/{}", self.words.other)
    }

    /// A head with the usual headers, and more lines.
    fn head(&self, line: &str, more: &str) -> String {
        let Words { authority, session: (name, value), .. } = self.words;
        format!("{line} HTTP/1.1\r\nHost: {authority}\r\n{name}: {value}\r\n{more}\r\n")
    }

    /// A GET of the patient, with more lines.
    fn get(&self, more: &str) -> String {
        self.head(&format!("GET {}", self.path()), more)
    }

    /// A POST of a text, with more lines.
    fn post(&self, more: &str, body: &str) -> String {
        self.head(&format!("POST {}", self.path()), &format!("Content-Type: text/plain\r\n{more}")) + body
    }

    /// The same in one chunk, or what is said to be one.
    fn post_chunked(&self, body: &str) -> String {
        self.post("Transfer-Encoding: chunked\r\n", body)
    }

    /// The request that is hidden in others: it would be answered if it came by itself.
    fn smuggled(&self) -> String {
        self.head(&format!("GET {}", self.other_path()), "X-Case: smuggled\r\n")
    }

    fn meaning(&self, method: &'static str, body: &str) -> Means {
        Means { method, target: self.path(), body: body.to_owned() }
    }
}

impl Means {
    fn to(self, target: impl Into<String>) -> Self {
        Self { target: target.into(), ..self }
    }
}

#[test]
fn the_corpus_is_large_and_names_each_entry_once() {
    let words = Words {
        authority: "r.localhost:1".to_owned(),
        session: ("authorization".to_owned(), "Bearer x".to_owned()),
        patient: "191212121212".to_owned(),
        other: "201212121212".to_owned(),
    };
    let entries = all(&words);
    let of = |protocol| entries.iter().filter(|entry| entry.protocol == protocol).count();
    assert!(of(Protocol::Http1) >= HTTP1_LEAST, "{}", of(Protocol::Http1));
    assert!(of(Protocol::Http2) >= HTTP2_LEAST, "{}", of(Protocol::Http2));
    let names: std::collections::BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names.len(), entries.len());
    let passing = entries.iter().filter(|entry| matches!(entry.must, Must::Mean(_) | Must::MeanEach(_))).count();
    assert!(passing * 5 > entries.len(), "one in five passes, or the backends' reading is not tested: {passing}");
}
