//! Where a body ends by its head: lengths and transfer codings.

use super::{Corpus, Must};
use loadtest::client::Protocol;

const BODY: &str = "abcdef";

pub(super) fn add(corpus: &mut Corpus<'_>) {
    two_framings(corpus);
    lengths(corpus);
    codings(corpus);
    bodies_of_get(corpus);
    several(corpus);
    leave(corpus);
}

fn two_framings(corpus: &mut Corpus<'_>) {
    let smuggled = corpus.smuggled();
    let inside = format!("0\r\n\r\n{smuggled}");
    let length = inside.len();
    let chunked = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    for (name, kind, lines, body) in [
        ("length then coding", "CL.TE", format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), &inside),
        ("coding then length", "CL.TE", format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"), &inside),
        (
            "short length, long chunk",
            "TE.CL",
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            &chunked,
        ),
        ("no length, long chunk", "TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n".to_owned(), &chunked),
        (
            "length and coding in other case",
            "CL.TE",
            format!("cOnTeNt-LeNgTh: {length}\r\ntRANSFER-eNCODING: chunked\r\n"),
            &inside,
        ),
        (
            "length and identity",
            "RFC 9112, 6.3",
            format!("Content-Length: {length}\r\nTransfer-Encoding: identity\r\n"),
            &inside,
        ),
        (
            "length and unknown coding",
            "TE.TE",
            format!("Content-Length: {length}\r\nTransfer-Encoding: xchunked\r\n"),
            &inside,
        ),
        ("length and empty coding", "TE.TE", format!("Content-Length: {length}\r\nTransfer-Encoding:\r\n"), &inside),
    ] {
        corpus.refused(name, kind, corpus.post(&lines, body));
    }
}

fn lengths(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9112, 6.3: Content-Length";
    let two = |first: &str, second: &str| format!("Content-Length: {first}\r\nContent-Length: {second}\r\n");
    for (name, lines) in [
        ("two equal lengths", two("6", "6")),
        ("two lengths", two("6", "3")),
        ("two lengths, the first none", two("0", "6")),
        ("two lengths, the second none", two("6", "0")),
        ("list of equal lengths", "Content-Length: 6, 6\r\n".to_owned()),
        ("list of lengths", "Content-Length: 6, 3\r\n".to_owned()),
        ("length with sign", "Content-Length: +6\r\n".to_owned()),
        ("length below nothing", "Content-Length: -6\r\n".to_owned()),
        ("length in hexadecimal digits", "Content-Length: 0x6\r\n".to_owned()),
        ("length with a letter", "Content-Length: 6a\r\n".to_owned()),
        ("length with a point", "Content-Length: 6.0\r\n".to_owned()),
        ("length with an exponent", "Content-Length: 6e0\r\n".to_owned()),
        ("length with a space inside", "Content-Length: 6 6\r\n".to_owned()),
        ("length with a comma", "Content-Length: 6,\r\n".to_owned()),
        ("length in quotes", "Content-Length: \"6\"\r\n".to_owned()),
        ("empty length", "Content-Length:\r\n".to_owned()),
        ("length over 64 bits", "Content-Length: 18446744073709551622\r\n".to_owned()),
        ("length over 32 bits by 6", "Content-Length: 4294967302\r\n".to_owned()),
        ("length with vertical tab", "Content-Length: \x0b6\r\n".to_owned()),
        ("space before the colon of a length", "Content-Length : 6\r\n".to_owned()),
        ("tab before the colon of a length", "Content-Length\t: 6\r\n".to_owned()),
        ("folded length", "Content-Length:\r\n 6\r\n".to_owned()),
    ] {
        corpus.refused(name, KIND, corpus.post(&lines, BODY));
    }
    let kind = KIND;
    let full = corpus.meaning("POST", BODY);
    corpus.means("length with zeros before", kind, corpus.post("Content-Length: 0006\r\n", BODY), full.clone());
    corpus.means("length among spaces", kind, corpus.post("Content-Length: \t 6 \t\r\n", BODY), full.clone());
    corpus.means("length without a space", kind, corpus.post("Content-Length:6\r\n", BODY), full.clone());
    corpus.breaks("length longer than the body", "CL.0", corpus.post("Content-Length: 600\r\n", BODY), full);
    let smuggled = corpus.smuggled();
    let inside = corpus.meaning("POST", &smuggled);
    let lines = format!("Content-Length: {}\r\n", smuggled.len());
    corpus.means("request in a body of its length", "CL.0", corpus.post(&lines, &smuggled), inside);
    // What follows is another request: of the patient, of its own, recorded as such.
    let each = vec![corpus.meaning("POST", ""), corpus.meaning("GET", "").to(corpus.other_path())];
    for (name, lines) in
        [("nothing announced, a request follows", ""), ("length 0, a request follows", "Content-Length: 0\r\n")]
    {
        let bytes = corpus.post(lines, &smuggled);
        corpus.add(name, "CL.0", Protocol::Http1, bytes, Must::MeanEach(each.clone()));
    }
}

fn codings(corpus: &mut Corpus<'_>) {
    const KIND: &str = "TE.TE";
    let chunked = "6\r\nabcdef\r\n0\r\n\r\n";
    for (name, lines) in [
        ("coding in capitals", "Transfer-Encoding: CHUNKED\r\n"),
        ("coding with a capital", "Transfer-Encoding: Chunked\r\n"),
        ("unknown coding", "Transfer-Encoding: xchunked\r\n"),
        ("coding with an end", "Transfer-Encoding: chunkedx\r\n"),
        ("identity", "Transfer-Encoding: identity\r\n"),
        ("coding twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("coding, then identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        ("identity, then coding", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
        ("coding and unknown coding in two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n"),
        ("list of codings, chunked last", "Transfer-Encoding: gzip, chunked\r\n"),
        ("list of codings, chunked first", "Transfer-Encoding: chunked, identity\r\n"),
        ("list of codings, chunked twice", "Transfer-Encoding: chunked, chunked\r\n"),
        ("coding with a comma before", "Transfer-Encoding: ,chunked\r\n"),
        ("coding with a comma after", "Transfer-Encoding: chunked,\r\n"),
        ("coding in quotes", "Transfer-Encoding: \"chunked\"\r\n"),
        ("coding with a parameter", "Transfer-Encoding: chunked;q=1\r\n"),
        ("coding after a vertical tab", "Transfer-Encoding: \x0bchunked\r\n"),
        ("coding after a form feed", "Transfer-Encoding: \x0cchunked\r\n"),
        ("coding after a NUL", "Transfer-Encoding: \0chunked\r\n"),
        ("coding before a bare CR", "Transfer-Encoding: chunked\r\r\n"),
        ("coding after a no-break space", "Transfer-Encoding: \u{a0}chunked\r\n"),
        ("space before the colon of a coding", "Transfer-Encoding : chunked\r\n"),
        ("tab before the colon of a coding", "Transfer-Encoding\t: chunked\r\n"),
        ("folded coding", "Transfer-Encoding:\r\n chunked\r\n"),
        ("folded coding, by a tab", "Transfer-Encoding:\r\n\tchunked\r\n"),
        ("coding in a folded other line", "X-A: b\r\n Transfer-Encoding: chunked\r\n"),
        ("space before a coding's name", " Transfer-Encoding: chunked\r\n"),
        ("coding with an underscore", "Transfer_Encoding: chunked\r\n"),
        ("coding after a bare CR", "X-A: b\rTransfer-Encoding: chunked\r\n"),
        ("coding after a bare LF", "X-A: b\nTransfer-Encoding: chunked\r\n"),
        ("no coding but its header", "Transfer-Encoding:\r\n"),
    ] {
        corpus.refused(name, KIND, corpus.post(lines, chunked));
    }
    let old = corpus.post_chunked(chunked).replacen("HTTP/1.1", "HTTP/1.0", 1);
    corpus.refused("coding in HTTP 1.0", "RFC 9112, 6.1", old);
    let full = corpus.meaning("POST", BODY);
    corpus.means("coding among spaces", KIND, corpus.post("Transfer-Encoding: \t chunked \t\r\n", chunked), full);
}

fn bodies_of_get(corpus: &mut Corpus<'_>) {
    let smuggled = corpus.smuggled();
    let length = format!("Content-Length: {}\r\n", smuggled.len());
    let chunked = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    let coding = "Transfer-Encoding: chunked\r\n";
    corpus.refused("GET with a body", "0.CL", corpus.get(&length) + &smuggled);
    corpus.refused("GET with a chunked body", "0.TE", corpus.get(coding) + &chunked);
    let head = |corpus: &Corpus<'_>, lines: &str| corpus.head(&format!("HEAD {}", corpus.path()), lines);
    corpus.refused("HEAD with a body", "0.CL", head(corpus, &length) + &smuggled);
    corpus.refused("HEAD with a chunked body", "0.TE", head(corpus, coding) + &chunked);
    let none = corpus.meaning("GET", "");
    corpus.means("GET with length 0", "0.CL", corpus.get("Content-Length: 0\r\n"), none);
    let delete = corpus.head(&format!("DELETE {}", corpus.path()), &length) + &smuggled;
    corpus.means("DELETE with a body", "0.CL", delete, corpus.meaning("DELETE", &smuggled));
}

/// Requests one after the other, in one piece.
fn several(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9112, 9.3.2: pipelining";
    let get = corpus.get("");
    let smuggled = corpus.smuggled();
    let (here, there) = (corpus.meaning("GET", ""), corpus.meaning("GET", "").to(corpus.other_path()));
    let full = corpus.meaning("POST", BODY);
    let post = corpus.post("Content-Length: 6\r\n", BODY);
    let chunked = corpus.post_chunked("6\r\nabcdef\r\n0\r\n\r\n");
    let malformed = get.replacen("/p/", "//p/", 1);
    for (name, bytes, each) in [
        ("GET after GET", format!("{get}{smuggled}"), vec![here.clone(), there.clone()]),
        ("GET after a body", format!("{post}{smuggled}"), vec![full.clone(), there.clone()]),
        ("GET after chunks", format!("{chunked}{smuggled}"), vec![full.clone(), there.clone()]),
        ("GET after an empty line", format!("{get}\r\n{smuggled}"), vec![here.clone(), there.clone()]),
        ("malformed after GET", format!("{get}{malformed}"), vec![here.clone()]),
        ("garbage after GET", format!("{get}\x01\x02\r\n\r\n"), vec![here.clone()]),
        ("garbage after a body", format!("{post}x=1\r\n\r\n"), vec![full]),
        ("preface of HTTP 2 after GET", format!("{get}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), vec![here]),
    ] {
        corpus.add(name, KIND, Protocol::Http1, bytes, Must::MeanEach(each));
    }
    corpus.refused("GET after what is malformed", KIND, format!("{malformed}{get}"));
}

fn leave(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9110, 10.1.1: Expect";
    let full = corpus.meaning("POST", BODY);
    let with = |corpus: &Corpus<'_>, lines: &str| corpus.post(&format!("Content-Length: 6\r\n{lines}"), BODY);
    corpus.means("body before leave to send it", KIND, with(corpus, "Expect: 100-continue\r\n"), full.clone());
    corpus.means("leave in capitals", KIND, with(corpus, "Expect: 100-CONTINUE\r\n"), full.clone());
    corpus.refused("leave twice", KIND, with(corpus, "Expect: 100-continue\r\nExpect: 100-continue\r\n"));
    corpus.refused("leave with more", KIND, with(corpus, "Expect: 100-continue, x\r\n"));
    corpus.refused("unknown expectation", KIND, with(corpus, "Expect: y 100-continue\r\n"));
    let chunked = corpus.post("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", "6\r\nabcdef\r\n0\r\n\r\n");
    corpus.means("chunks before leave to send them", KIND, chunked, full);
    let smuggled = corpus.smuggled();
    let each = vec![corpus.meaning("GET", ""), corpus.meaning("GET", "").to(corpus.other_path())];
    let get = corpus.get("Expect: 100-continue\r\n") + &smuggled;
    corpus.add("leave for no body", KIND, Protocol::Http1, get, Must::MeanEach(each));
}
