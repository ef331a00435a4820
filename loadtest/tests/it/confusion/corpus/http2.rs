//! HTTP/2: pseudo-header fields and fields that HTTP/1.1 would read as something else.

use super::super::frames::{END_HEADERS, END_STREAM, block, headers};
use super::{Corpus, Means, Must};
use loadtest::client::Protocol;

pub(super) type Fields = Vec<(String, String)>;

pub(super) fn add(corpus: &mut Corpus<'_>) {
    paths(corpus);
    pseudo(corpus);
    names_and_values(corpus);
    connection(corpus);
    good(corpus);
}

impl Corpus<'_> {
    /// The fields of a GET of the patient.
    pub(super) fn fields(&self) -> Fields {
        let (name, value) = &self.words.session;
        [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", self.words.authority.as_str()),
            (":path", self.path().as_str()),
            (name.to_ascii_lowercase().as_str(), value.as_str()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// The same with another value of a field.
    pub(super) fn fields_with(&self, name: &str, value: &str) -> Fields {
        let mut fields = self.fields();
        fields.iter_mut().filter(|(known, _)| known == name).for_each(|(_, known)| value.clone_into(known));
        fields
    }

    fn http2(&mut self, name: &str, kind: &'static str, fields: &Fields, must: Must) {
        let bytes = headers(1, &block(fields), END_HEADERS | END_STREAM);
        self.add(&format!("h2: {name}"), kind, Protocol::Http2, bytes, must);
    }

    fn http2_refused(&mut self, name: &str, kind: &'static str, fields: &Fields) {
        self.http2(name, kind, fields, Must::BeRefused);
    }

    fn http2_means(&mut self, name: &str, kind: &'static str, fields: &Fields, means: Means) {
        self.http2(name, kind, fields, Must::Mean(means));
    }
}

pub(super) fn plus(mut fields: Fields, more: &[(&str, &str)]) -> Fields {
    fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    fields
}

fn paths(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9113, 8.3.1: :path";
    let (path, other, authority) = (corpus.path(), corpus.other_path(), corpus.words.authority.clone());
    for (name, value) in [
        ("path with a space", format!("{path} HTTP/1.1")),
        ("path with a request", format!("{path} HTTP/1.1\r\nHost: {authority}\r\n\r\nGET {other}")),
        ("path with LF", format!("{path}\nX-A: b")),
        ("path with CR", format!("{path}\rX-A: b")),
        ("path with NUL", format!("{path}\0")),
        ("path with a tab", format!("{path}\tx")),
        ("path with DEL", format!("{path}\x7f")),
        ("path with a letter beyond ASCII", format!("{path}\u{e5}")),
        ("empty path", String::new()),
        ("path without a slash", path[1..].to_owned()),
        ("path with a host", format!("https://{authority}{path}")),
        ("path with two slashes", format!("//{authority}{path}")),
        ("path of an asterisk", "*".to_owned()),
        ("path with dots", format!("{path}/..{}", &other[2..])),
        ("path with escaped dots", format!("{path}/%2e%2e/{other}")),
        ("path with an escaped slash", path.replacen("/p/", "/p%2f", 1)),
        ("path with a backslash", path.replacen("/p/", "/p\\", 1)),
        ("path with a parameter", format!("{path};x")),
    ] {
        let fields = corpus.fields_with(":path", &value);
        corpus.http2_refused(name, KIND, &fields);
    }
}

fn pseudo(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9113, 8.3: pseudo-header fields";
    let (other, authority) = (corpus.other_path(), corpus.words.authority.clone());
    for (name, field, value) in [
        ("method with a request", ":method", format!("GET {other} HTTP/1.1\r\nX-A: b\r\n\r\nGET")),
        ("method with a space", ":method", "GET /".to_owned()),
        ("method in small letters", ":method", "get".to_owned()),
        ("empty method", ":method", String::new()),
        ("method CONNECT", ":method", "CONNECT".to_owned()),
        ("method TRACE", ":method", "TRACE".to_owned()),
        ("authority elsewhere", ":authority", "other.example".to_owned()),
        ("authority with user info", ":authority", format!("other.example@{authority}")),
        ("authority with a path", ":authority", format!("{authority}/p")),
        ("authority with a line end", ":authority", format!("{authority}\r\nX-A: b")),
        ("empty authority", ":authority", String::new()),
        ("scheme with a host", ":scheme", format!("https://{authority}{other}?")),
        ("scheme with a line end", ":scheme", "https\r\nX-A: b".to_owned()),
    ] {
        let fields = corpus.fields_with(field, &value);
        corpus.http2_refused(name, KIND, &fields);
    }
    let fields = corpus.fields();
    for (name, more) in [
        ("path twice", (":path", other.as_str())),
        ("method twice", (":method", "DELETE")),
        ("authority twice", (":authority", "other.example")),
        ("pseudo-header field of an answer", (":status", "200")),
        ("unknown pseudo-header field", (":host", "other.example")),
        ("protocol", (":protocol", "websocket")),
    ] {
        let mut fields = fields.clone();
        fields.insert(4, (more.0.to_owned(), more.1.to_owned()));
        corpus.http2_refused(name, KIND, &fields);
    }
    let mut late = fields.clone();
    late.rotate_left(1);
    corpus.http2_refused("pseudo-header field after a field", KIND, &late);
    for missing in [":method", ":path", ":scheme"] {
        let fields: Fields = fields.iter().filter(|(name, _)| name != missing).cloned().collect();
        corpus.http2_refused(&format!("no {missing}"), KIND, &fields);
    }
    let without: Fields = fields.iter().filter(|(name, _)| name != ":authority").cloned().collect();
    corpus.http2_refused("no authority", KIND, &without);
    corpus.http2_refused("host for an authority", KIND, &plus(without, &[("host", &authority)]));
    corpus.http2_refused("host elsewhere", KIND, &plus(fields.clone(), &[("host", "other.example")]));
    corpus.http2_refused("host twice", KIND, &plus(fields, &[("host", &authority), ("host", "other.example")]));
}

fn names_and_values(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9113, 8.2.1: names and values";
    let smuggled = format!("b\r\n\r\n{}", corpus.smuggled());
    for (name, field, value) in [
        ("name in capitals", "X-Forwarded-For", "forged"),
        ("name with a space", "x-forwarded-for ", "forged"),
        ("name with a colon", "x-a: b\r\nx-forwarded-for", "forged"),
        ("name with a line end", "x-a\r\nx-forwarded-for", "forged"),
        ("name with a NUL", "x-a\0", "forged"),
        ("name with an underscore", "x_forwarded_for", "forged"),
        ("empty name", "", "forged"),
        ("value with a line end", "x-a", "b\r\nx-forwarded-for: forged"),
        ("value with LF", "x-a", "b\nx-forwarded-for: forged"),
        ("value with CR", "x-a", "b\rx-forwarded-for: forged"),
        ("value with NUL", "x-a", "b\0forged"),
        ("value with a request", "x-a", smuggled.as_str()),
    ] {
        let fields = plus(corpus.fields(), &[(field, value)]);
        corpus.http2_refused(name, KIND, &fields);
    }
}

fn connection(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9113, 8.2.2: fields of a connection";
    for (name, field, value) in [
        ("coding", "transfer-encoding", "chunked"),
        ("coding of nothing", "transfer-encoding", "identity"),
        ("connection", "connection", "grindvakt-assertion"),
        ("connection that closes", "connection", "close"),
        ("keep-alive", "keep-alive", "timeout=1"),
        ("proxy-connection", "proxy-connection", "x-forwarded-for"),
        ("upgrade", "upgrade", "h2c"),
        ("settings", "http2-settings", "AAMAAABkAAQAAP__"),
        ("te", "te", "chunked"),
        ("te of two", "te", "trailers, chunked"),
        ("another path", "x-original-url", "/p/1"),
        ("another method", "x-http-method-override", "DELETE"),
    ] {
        let fields = plus(corpus.fields(), &[(field, value)]);
        corpus.http2_refused(&format!("field {name}"), KIND, &fields);
    }
}

fn good(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9113, 8.3";
    let get = corpus.meaning("GET", "");
    let authority = corpus.words.authority.clone();
    let session = corpus.words.session.1.clone();
    for (name, more) in [
        ("host and authority", [("host", authority.as_str())].as_slice()),
        ("te of trailers", &[("te", "trailers")]),
        ("length 0", &[("content-length", "0")]),
        ("cookies in two fields", &[("cookie", "a=1"), ("cookie", "b=2")]),
        (
            "identity headers",
            &[
                ("grindvakt-assertion", "forged"),
                ("x-forwarded-for", "forged"),
                ("remote-user", "forged"),
                ("x-request-id", "forged"),
            ],
        ),
        ("session twice", &[("authorization", session.as_str())]),
        ("value that is a request line", &[("x-a", "GET /p/1 HTTP/1.1")]),
    ] {
        let fields = plus(corpus.fields(), more);
        corpus.http2_means(name, KIND, &fields, get.clone());
    }
    let (a, b) = (corpus.words.patient.clone(), corpus.words.other.clone());
    for (name, target) in [
        ("parameter twice", format!("/q?patient={a}&patient={b}")),
        ("parameter parted by a semicolon", format!("/q?patient={a};patient={b}")),
        ("escaped escape", format!("/p/{a}%252f{b}")),
        ("line end in a query", format!("/p/{a}?x=%0d%0aX-A:%20b")),
    ] {
        let fields = corpus.fields_with(":path", &target);
        corpus.http2_means(name, KIND, &fields, get.clone().to(target));
    }
    // A fragment is cut off where the frame is read: what is authorised, recorded and forwarded has none.
    let fields = corpus.fields_with(":path", &format!("/p/{a}#/p/{b}"));
    corpus.http2_means("path with a fragment", KIND, &fields, get.clone());
    let fields = corpus.fields_with(":path", "/h");
    let fields = plus(fields, &[("x-patient-id", &a), ("x-patient-id", &b)]);
    corpus.http2_means("patient in two fields", KIND, &fields, get.to("/h"));
}
