//! Hosts: which of two, of which form, and whether of this connection.

use super::Corpus;

pub(super) fn add(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9112, 3.2: Host";
    let authority = corpus.words.authority.clone();
    let (host, port) = authority.split_once(':').unwrap();
    let whole = corpus.get("");
    let line = format!("Host: {authority}\r\n");
    let other_port = if port == "1" { "2" } else { "1" };
    for (name, lines) in [
        ("no host", String::new()),
        ("empty host", "Host: \r\n".to_owned()),
        ("port alone", format!("Host: :{port}\r\n")),
        ("host twice", format!("{line}{line}")),
        ("host and another", format!("{line}Host: other.example\r\n")),
        ("another and the host", format!("Host: other.example\r\n{line}")),
        ("host twice in other case", format!("{line}hOSt: {authority}\r\n")),
        ("host in a list", format!("Host: {authority}, other.example\r\n")),
        ("host and a space", format!("Host: {host} other.example\r\n")),
        ("host with user info", format!("Host: user@{authority}\r\n")),
        ("host with another for user info", format!("Host: {authority}@other.example\r\n")),
        ("host with a scheme", format!("Host: https://{authority}\r\n")),
        ("host with a path", format!("Host: {authority}/p\r\n")),
        ("host with a query", format!("Host: {authority}?x\r\n")),
        ("host with a fragment", format!("Host: {authority}#x\r\n")),
        ("host with a backslash", format!("Host: {authority}\\x\r\n")),
        ("host with an escape", format!("Host: {}\r\n", authority.replacen(".local", "%2elocal", 1))),
        ("host with a dot first", format!("Host: .{authority}\r\n")),
        ("host with a dot last", format!("Host: {host}.:{port}\r\n")),
        ("host with two ports", format!("Host: {authority}:80\r\n")),
        ("host with an empty port", format!("Host: {host}:\r\n")),
        ("host with a port of letters", format!("Host: {host}:https\r\n")),
        ("host with a port too large", format!("Host: {host}:65536\r\n")),
        ("host with a NUL", format!("Host: {host}\0.example\r\n")),
        ("host with a tab inside", format!("Host: {host}\tx\r\n")),
        ("host folded", format!("Host:\r\n {authority}\r\n")),
        ("space before the colon of the host", format!("Host : {authority}\r\n")),
        ("space before the host's name", format!(" Host: {authority}\r\n")),
        ("another host", "Host: other.example\r\n".to_owned()),
        ("an address", format!("Host: 127.0.0.1:{port}\r\n")),
        ("an address of version 6", format!("Host: [::1]:{port}\r\n")),
        ("host of another registry", format!("Host: localhost:{port}\r\n")),
        ("host below the host", format!("Host: x.{authority}\r\n")),
        ("host with letters beyond ASCII", format!("Host: \u{e5}{authority}\r\n")),
    ] {
        corpus.refused(name, KIND, whole.replacen(&line, &lines, 1));
    }
    for (name, lines) in [
        ("host in capitals", format!("Host: {}\r\n", authority.to_ascii_uppercase())),
        ("host without a port", format!("Host: {host}\r\n")),
        ("host with another port", format!("Host: {host}:{other_port}\r\n")),
        ("host among spaces", format!("Host: \t {authority} \t\r\n")),
    ] {
        let means = corpus.meaning("GET", "");
        corpus.means(name, KIND, whole.replacen(&line, &lines, 1), means);
    }
    for (name, lines) in [
        ("host in another header", "X-Forwarded-Host: forged.example\r\n"),
        ("host in a third header", "X-Host: forged.example\r\nX-Original-Host: forged.example\r\n"),
        ("host in Forwarded", "Forwarded: for=forged;host=forged.example;proto=http\r\n"),
    ] {
        let means = corpus.meaning("GET", "");
        let bytes = corpus.get(lines);
        corpus.means(name, KIND, bytes, means);
    }
}
