//! Targets: forms, paths that normalise or decode to others, methods, request lines.

use super::{Corpus, Must};
use loadtest::client::Protocol;

pub(super) fn add(corpus: &mut Corpus<'_>) {
    forms(corpus);
    paths(corpus);
    good_paths(corpus);
    lines(corpus);
    methods(corpus);
}

fn forms(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9112, 3.2: forms of targets";
    let (path, authority) = (corpus.path(), corpus.words.authority.clone());
    for (name, target) in [
        ("absolute form", format!("https://{authority}{path}")),
        ("absolute form, http", format!("http://{authority}{path}")),
        ("absolute form of another host", format!("https://other.example{path}")),
        ("absolute form with user info", format!("https://other.example@{authority}{path}")),
        ("absolute form without a scheme", format!("//{authority}{path}")),
        ("absolute form in capitals", format!("HTTPS://{authority}{path}")),
        ("authority form", authority.clone()),
        ("asterisk form", "*".to_owned()),
        ("no slash", path[1..].to_owned()),
        ("question mark alone", "?patient=1".to_owned()),
        ("other scheme", format!("ftp://{authority}{path}")),
    ] {
        let bytes = corpus.head(&format!("GET {target}"), "");
        corpus.refused(name, KIND, bytes);
    }
    let options = corpus.head("OPTIONS *", "");
    corpus.refused("asterisk form of OPTIONS", KIND, options);
}

fn paths(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 3986, 6.2: paths";
    let (a, b) = (corpus.words.patient.clone(), corpus.words.other.clone());
    for (name, target) in [
        ("two slashes first", format!("//p/{a}")),
        ("two slashes inside", format!("/p//{a}")),
        ("two slashes last", format!("/p/{a}//")),
        ("dot segment", format!("/p/./{a}")),
        ("dot segment last", format!("/p/{a}/.")),
        ("dot-dot segment", format!("/p/{a}/../{b}")),
        ("dot-dot segment to the top", format!("/p/{a}/../../p/{b}")),
        ("dot-dot segment last", format!("/p/{a}/..")),
        ("escaped dots", format!("/p/{a}/%2e%2e/{b}")),
        ("escaped dots in capitals", format!("/p/{a}/%2E%2E/{b}")),
        ("half escaped dots", format!("/p/{a}/.%2e/{b}")),
        ("escaped slash", format!("/p/{a}%2f..%2f{b}")),
        ("escaped slash in capitals", format!("/p/{a}%2F{b}")),
        ("escaped slash for the one", format!("/p%2f{a}")),
        ("backslash", format!("/p\\{a}")),
        ("backslashes and dots", format!("/p/{a}\\..\\{b}")),
        ("escaped backslash", format!("/p/{a}%5c..%5c{b}")),
        ("parameter of a session", format!("/p/{a};jsessionid=1")),
        ("parameter before a segment", format!("/p;x/{a}")),
        ("parameter and dots", format!("/p/{a}/..;/{b}")),
        ("escaped parameter", format!("/p/{a}%3bx=1")),
        ("escaped NUL", format!("/p/{a}%00{b}")),
        ("escaped line end", format!("/p/{a}%0d%0aX-A:%20b")),
        ("escaped LF", format!("/p/{a}%0a")),
        ("escaped tab", format!("/p/{a}%09")),
        ("escape of a letter", format!("/%70/{a}")),
        ("escape of a digit", format!("/p/%31{}", &a[1..])),
        ("escape of sixteen bits", format!("/p/{a}%u002f{b}")),
        ("escape of a full-width dot", format!("/p/{a}/%uff0e%uff0e/{b}")),
        ("overlong slash", format!("/p/{a}%c0%af{b}")),
        ("overlong dots", format!("/p/{a}/%c0%ae%c0%ae/{b}")),
        ("overlong slash of three bytes", format!("/p/{a}%e0%80%af{b}")),
        ("half a character", format!("/p/{a}%e5")),
        ("surrogate", format!("/p/{a}%ed%a0%80")),
        ("cut escape", format!("/p/{a}%")),
        ("half escape", format!("/p/{a}%2")),
        ("no escape", format!("/p/{a}%zz")),
        ("escape of an escape's digits", format!("/p/{a}%%32%66")),
        ("fragment", format!("/p/{a}#/p/{b}")),
        ("fragment after a query", format!("/p/{a}?x=1#{b}")),
        ("empty fragment", format!("/p/{a}#")),
        ("pipe", format!("/p/{a}|{b}")),
        ("braces", format!("/p/{{{a}}}")),
        ("caret", format!("/p/{a}^{b}")),
        ("quotation marks", format!("/p/\"{a}\"")),
        ("angle brackets", format!("/p/<{a}>")),
        ("raw letter beyond ASCII", format!("/p/{a}\u{e5}")),
        ("backslash in a query", format!("/q?patient={a}&x=\\{b}")),
        ("bad escape in a query", format!("/q?patient={a}&x=%u0031")),
        ("NUL in a query", format!("/q?patient={a}%00")),
    ] {
        let bytes = corpus.head(&format!("GET {target}"), "");
        corpus.refused(name, KIND, bytes);
    }
    // No route has these: letters are told apart, and so is a slash at the end.
    for (name, target) in [
        ("path in capitals", format!("/P/{a}")),
        ("slash at the end", format!("/p/{a}/")),
        ("one segment more", format!("/p/{a}/{b}")),
        ("escaped slash, twice", format!("/p/{a}/%252f/{b}")),
        ("no segment", "/p".to_owned()),
        ("an empty segment", "/p/".to_owned()),
        ("space at the end of a segment", format!("/p%20/{a}")),
        ("dot at the end of a segment", format!("/p./{a}")),
    ] {
        let bytes = corpus.head(&format!("GET {target}"), "");
        corpus.refused(name, "no route", bytes);
    }
}

/// They look odd, and mean one thing.
fn good_paths(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 3986, 2.1: escapes";
    let (a, b) = (corpus.words.patient.clone(), corpus.words.other.clone());
    for (name, target) in [
        ("escaped escape of a slash", format!("/p/{a}%252f{b}")),
        ("escaped escape of dots", format!("/p/{a}%252e%252e")),
        ("space after a patient", format!("/p/{a}%20")),
        ("dot after a patient", format!("/p/{a}.")),
        ("three dots", "/p/...".to_owned()),
        ("two patients with a comma", format!("/p/{a},{b}")),
        ("two patients with a colon", format!("/p/{a}:{b}")),
        ("two patients with a pipe", format!("/p/{a}%7c{b}")),
        ("two patients with carets", format!("/p/{a}%5e%5e%5e{b}")),
        ("two patients with a space", format!("/p/{a}%20{b}")),
        ("letter of two bytes", format!("/p/{a}%c3%a5")),
        ("full-width slash", format!("/p/{a}%ef%bc%8f{b}")),
        ("plus", format!("/p/{a}+{b}")),
        ("equals and ampersand", format!("/p/{a}&patient={b}")),
        ("at sign", format!("/p/{a}@{b}")),
        ("parameters in a query", format!("/p/{a}?;/../p/{b}")),
        ("two question marks", format!("/p/{a}??patient={b}")),
        ("empty query", format!("/p/{a}?")),
        ("path in a query", format!("/p/{a}?/../../p/{b}")),
        ("address in a query", format!("/p/{a}?http://other.example/p/{b}")),
        ("line end in a query", format!("/p/{a}?x=%0d%0aX-A:%20b")),
    ] {
        let means = corpus.meaning("GET", "").to(target.clone());
        let bytes = corpus.head(&format!("GET {target}"), "");
        corpus.means(name, KIND, bytes, means);
    }
}

fn lines(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9112, 3: request line";
    let whole = corpus.get("");
    let path = corpus.path();
    let line = format!("GET {path} HTTP/1.1\r\n");
    for (name, other) in [
        ("two spaces before the target", format!("GET  {path} HTTP/1.1\r\n")),
        ("two spaces after the target", format!("GET {path}  HTTP/1.1\r\n")),
        ("tab before the target", format!("GET\t{path} HTTP/1.1\r\n")),
        ("tab after the target", format!("GET {path}\tHTTP/1.1\r\n")),
        ("space before the method", format!(" GET {path} HTTP/1.1\r\n")),
        ("space after the version", format!("GET {path} HTTP/1.1 \r\n")),
        ("space in the target", format!("GET {path} x HTTP/1.1\r\n")),
        ("second request in the target", format!("GET {path} HTTP/1.1 HTTP/1.1\r\n")),
        ("vertical tab in the target", format!("GET {path}\x0bx HTTP/1.1\r\n")),
        ("NUL in the target", format!("GET {path}\0 HTTP/1.1\r\n")),
        ("DEL in the target", format!("GET {path}\x7f HTTP/1.1\r\n")),
        ("bare CR in the line", format!("GET {path}\rX HTTP/1.1\r\n")),
        ("bare LF after the line", format!("GET {path} HTTP/1.1\n")),
        ("two CR after the line", format!("GET {path} HTTP/1.1\r\r\n")),
        ("empty line before the line", format!("\r\nGET {path} HTTP/1.1\r\n")),
        ("bare LF before the line", format!("\nGET {path} HTTP/1.1\r\n")),
        ("version 0.9", format!("GET {path} HTTP/0.9\r\n")),
        ("version 1.2", format!("GET {path} HTTP/1.2\r\n")),
        ("version 2.0", format!("GET {path} HTTP/2.0\r\n")),
        ("version 1.10", format!("GET {path} HTTP/1.10\r\n")),
        ("version 1", format!("GET {path} HTTP/1\r\n")),
        ("version in small letters", format!("GET {path} http/1.1\r\n")),
        ("version of another protocol", format!("GET {path} ICAP/1.1\r\n")),
        ("no version", format!("GET {path}\r\n")),
        ("header for a line", "Host: x\r\n".to_owned()),
    ] {
        corpus.refused(name, KIND, whole.replacen(&line, &other, 1));
    }
    corpus.refused("preface of HTTP 2", KIND, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    corpus.refused("bytes that are no text", KIND, b"\x16\x03\x01\x00\x05\xff\xfe\r\n\r\n".as_slice());
    let old = whole.replacen("HTTP/1.1", "HTTP/1.0", 1);
    corpus.means("version 1.0", KIND, old.clone(), corpus.meaning("GET", ""));
    let kept = old.replacen("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n", 1);
    let each = vec![corpus.meaning("GET", ""), corpus.meaning("GET", "").to(corpus.other_path())];
    let bytes = kept + &corpus.smuggled();
    corpus.add("version 1.0, kept, and a request", KIND, Protocol::Http1, bytes, Must::MeanEach(each));
}

fn methods(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9110, 9: methods";
    let path = corpus.path();
    for method in [
        "get", "Get", "TRACE", "CONNECT", "PROPFIND", "PURGE", "DEBUG", "MOVE", "QUERY", "PATCH", "GETGET", "G.ET",
        "GET,POST", "POST/", "X", "OPTIONS",
    ] {
        let bytes = corpus.head(&format!("{method} {path}"), "");
        corpus.refused(&format!("method {method}"), KIND, bytes);
    }
    let tunnel = corpus.head(&format!("CONNECT {}", corpus.words.authority), "");
    corpus.refused("method CONNECT to a host", KIND, tunnel);
    for method in ["HEAD", "PUT", "DELETE"] {
        let bytes = corpus.head(&format!("{method} {path}"), "");
        corpus.means(&format!("method {method} without a body"), KIND, bytes, corpus.meaning(method, ""));
    }
}
