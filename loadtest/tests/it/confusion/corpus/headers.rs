//! Headers: identities that clients make up, names that become others, values that end early, hop by hop.

use super::{Corpus, Must};
use loadtest::client::Protocol;

pub(super) fn add(corpus: &mut Corpus<'_>) {
    identities(corpus);
    sessions(corpus);
    names(corpus);
    values(corpus);
    hops(corpus);
    overrides(corpus);
}

/// Taken out: the request passes without them. A value `forged` that a backend sees is a fault.
fn identities(corpus: &mut Corpus<'_>) {
    const KIND: &str = "identity headers";
    for name in [
        "Grindvakt-Assertion",
        "GRINDVAKT-ASSERTION",
        "Grindvakt-Client-Address",
        "X-Grindvakt-User",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-User",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-Prefix",
        "X-Forwarded-Port",
        "Forwarded",
        "X-Real-IP",
        "True-Client-IP",
        "X-Request-Id",
        "Remote-User",
        "X-Remote-User",
        "X-User",
        "Client-Cert",
        "X-Client-Cert",
        "X-SSL-Client-Verify",
        "X-HSA-Id",
        "Proxy-Authorization",
    ] {
        let means = corpus.meaning("GET", "");
        let bytes = corpus.get(&format!("{name}: forged\r\n"));
        corpus.means(&format!("{name} of the client's"), KIND, bytes, means);
    }
    let means = corpus.meaning("GET", "");
    let many = "X-Forwarded-For: forged\r\nx-forwarded-for: forged\r\nGrindvakt-Assertion: forged\r\ngrindvakt-assertion: forged\r\n";
    corpus.means("identities twice", KIND, corpus.get(many), means.clone());
    corpus.means(
        "cookie of ours twice in other case",
        KIND,
        corpus.get("Cookie: __HOST-grindvakt=forged; a=1\r\n"),
        means,
    );
}

/// However a session is shown: its token goes to no backend.
fn sessions(corpus: &mut Corpus<'_>) {
    const KIND: &str = "sessions";
    let (name, value) = corpus.words.session.clone();
    let line = format!("{name}: {value}\r\n");
    let cookie = format!("__Host-grindvakt={}", value.split(' ').next_back().unwrap());
    let whole = corpus.get("");
    for (name, lines) in [
        ("session after another authorization", format!("Authorization: Basic eDp4\r\n{line}")),
        ("session before another authorization", format!("{line}Authorization: Basic eDp4\r\n")),
        ("session twice", line.repeat(2)),
        ("session in small letters", line.replacen("Bearer", "bearer", 1)),
        ("session in a cookie", format!("Cookie: a=1; {cookie}\r\n")),
        ("session in two cookies", format!("Cookie: {cookie}\r\nCookie: a=1;{cookie}\r\n")),
        ("session in a cookie without spaces", format!("Cookie: a=1;{cookie};b=2\r\n")),
        ("session in cookie and header", format!("{line}Cookie: {cookie}\r\n")),
    ] {
        let means = corpus.meaning("GET", "");
        corpus.means(name, KIND, whole.replacen(&line, &lines, 1), means);
    }
    for (name, lines) in [
        ("two sessions", format!("{line}Authorization: Bearer forged\r\n")),
        ("two sessions in cookies", format!("Cookie: {cookie}; __Host-grindvakt=forged\r\n")),
        ("session in a list", format!("Authorization: Basic eDp4, {value}\r\n")),
        ("session in a cookie's quotes", format!("Cookie: {}\r\n", cookie.replacen('=', "=\"", 1) + "\"")),
        ("session in a cookie of other case", format!("Cookie: {}\r\n", cookie.replacen("Host", "HOST", 1))),
    ] {
        corpus.refused(name, KIND, whole.replacen(&line, &lines, 1));
    }
}

fn names(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9110, 5.1: names";
    for (name, line) in [
        ("underscore in an identity", "Grindvakt_Assertion: forged"),
        ("underscores in an address", "X_Forwarded_For: forged"),
        ("one underscore in an address", "X-Forwarded_For: forged"),
        ("underscore in a user", "Remote_User: forged"),
        ("underscore in a length", "Content_Length: 6"),
        ("dot in a name", "X.Forwarded.For: forged"),
        ("space in a name", "X Forwarded For: forged"),
        ("space before a colon", "X-Forwarded-For : forged"),
        ("tab before a colon", "X-Forwarded-For\t: forged"),
        ("NUL in a name", "X-Forwarded-For\0: forged"),
        ("vertical tab in a name", "X-Forwarded-For\x0b: forged"),
        ("letter beyond ASCII in a name", "X-\u{e5}: forged"),
        ("no-break space after a name", "X-Forwarded-For\u{a0}: forged"),
        ("exclamation mark in a name", "X-Forwarded-For!: forged"),
        ("quotation marks around a name", "\"X-Forwarded-For\": forged"),
        ("slash in a name", "X/Forwarded-For: forged"),
        ("at sign in a name", "@X: forged"),
        ("colon first", ":path: /p/1"),
        ("no name", ": forged"),
        ("no colon", "X-Forwarded-For forged"),
        ("space before a name", " X-Forwarded-For: forged"),
        ("tab before a name", "\tX-Forwarded-For: forged"),
    ] {
        let bytes = corpus.get(&format!("{line}\r\n"));
        corpus.refused(name, KIND, bytes);
    }
}

fn values(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9112, 5: values and line ends";
    for (name, line) in [
        ("folded value", "X-A: b\r\n X-Forwarded-For: forged\r\n"),
        ("folded value by a tab", "X-A: b\r\n\tX-Forwarded-For: forged\r\n"),
        ("folded empty line", "X-A: b\r\n \r\nX-Forwarded-For: forged\r\n"),
        ("bare CR in a value", "X-A: b\rX-Forwarded-For: forged\r\n"),
        ("bare LF in a value", "X-A: b\nX-Forwarded-For: forged\r\n"),
        ("two CR at a line's end", "X-A: b\r\r\n"),
        ("LF and CR", "X-A: b\n\rX-Forwarded-For: forged\r\n"),
        ("NUL in a value", "X-A: b\0c\r\n"),
        ("escape character in a value", "X-A: b\x1bc\r\n"),
        ("DEL in a value", "X-A: b\x7fc\r\n"),
        ("backspace in a value", "X-A: b\x08c\r\n"),
        ("form feed in a value", "X-A: b\x0cc\r\n"),
    ] {
        let bytes = corpus.get(line);
        corpus.refused(name, KIND, bytes);
    }
    let whole = corpus.get("X-A: b\r\n");
    corpus.refused("all lines by bare LF", KIND, whole.replace("\r\n", "\n"));
    corpus.refused("head that ends by bare LF", KIND, whole.replacen("\r\n\r\n", "\r\n\n", 1));
    corpus.refused("head that ends by two bare LF", KIND, whole.replacen("\r\n\r\n", "\n\n", 1));
    corpus.refused("head that ends by CR alone", KIND, whole.replacen("\r\n\r\n", "\r\n\r", 1) + "X-A: b\r\n\r\n");
    let hidden = format!("X-A: b\n\n{}", corpus.smuggled());
    let bytes = corpus.get("").replacen("\r\n\r\n", &format!("\r\n{hidden}"), 1);
    corpus.refused("request after bare LF", KIND, bytes);
    let means = corpus.meaning("GET", "");
    corpus.means("tab in a value", KIND, corpus.get("X-A: b\tc\r\n"), means.clone());
    corpus.means("bytes beyond ASCII in a value", KIND, corpus.get("X-A: \u{e5}\u{a0}\r\n"), means.clone());
    corpus.means("empty value", KIND, corpus.get("X-A:\r\n"), means.clone());
    corpus.means("line end in escapes", KIND, corpus.get("X-A: %0d%0aX-Forwarded-For: 1\r\n"), means.clone());
    corpus.means("request in a value", KIND, corpus.get("X-A: GET /p/1 HTTP/1.1\r\n"), means);
}

fn hops(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9110, 7.6.1: hop by hop";
    for (name, lines) in [
        ("Connection names the assertion", "Connection: Grindvakt-Assertion\r\n"),
        ("Connection names an address", "Connection: close, X-Forwarded-For\r\n"),
        ("Connection names a session", "Connection: keep-alive, Authorization, Cookie\r\n"),
        ("Connection names the host", "Connection: Host\r\n"),
        ("Connection names the length", "Connection: Content-Length\r\n"),
        ("Connection names the request's id", "Connection: close\r\nConnection: X-Request-Id\r\n"),
        ("Connection with no name", "Connection: @\r\n"),
        (
            "upgrade to HTTP 2",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        ),
        ("upgrade to HTTP 2 without settings", "Connection: Upgrade\r\nUpgrade: h2c\r\n"),
        ("upgrade without Connection", "Upgrade: h2c\r\n"),
        ("Connection without Upgrade", "Connection: Upgrade\r\n"),
        ("upgrade to two", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"),
        ("upgrade twice", "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"),
        ("upgrade to TLS", "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n"),
        (
            "upgrade where the route has none",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        ),
    ] {
        let bytes = corpus.get(lines);
        corpus.refused(name, KIND, bytes);
    }
    for (name, lines) in [
        ("Connection with empty names", "Connection: ,, keep-alive ,\r\n"),
        ("Connection in capitals", "Connection: KEEP-ALIVE\r\n"),
        ("Keep-Alive with a number", "Connection: keep-alive\r\nKeep-Alive: timeout=1, max=1\r\n"),
        ("Proxy-Connection", "Proxy-Connection: close, X-Forwarded-For\r\n"),
        ("TE", "Connection: te\r\nTE: trailers, chunked\r\n"),
        ("Trailer", "Trailer: Content-Length, Grindvakt-Assertion\r\n"),
        ("Max-Forwards", "Max-Forwards: 0\r\n"),
    ] {
        let means = corpus.meaning("GET", "");
        let bytes = corpus.get(lines);
        corpus.means(name, KIND, bytes, means);
    }
    let smuggled = corpus.smuggled();
    let each = vec![corpus.meaning("GET", "")];
    let bytes = corpus.get("Connection: close\r\n") + &smuggled;
    corpus.add("request after the last", KIND, Protocol::Http1, bytes, Must::MeanEach(each));
}

fn overrides(corpus: &mut Corpus<'_>) {
    const KIND: &str = "headers that replace method or path";
    let other = corpus.other_path();
    for (name, value) in [
        ("X-Original-URL", other.as_str()),
        ("X-Rewrite-URL", other.as_str()),
        ("X-Original-URI", other.as_str()),
        ("x-rewrite-url", other.as_str()),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-HTTP-Method", "DELETE"),
        ("X-Method-Override", "DELETE"),
        ("X-Original-Method", "DELETE"),
    ] {
        let bytes = corpus.get(&format!("{name}: {value}\r\n"));
        corpus.refused(&format!("{name} replaces"), KIND, bytes);
    }
}
