//! Where a chunked body ends: sizes, extensions, line ends, trailers.

use super::{Corpus, Must};
use loadtest::client::Protocol;

const BODY: &str = "abcdef";

pub(super) fn add(corpus: &mut Corpus<'_>) {
    sizes(corpus);
    ends(corpus);
    read_before(corpus);
}

fn sizes(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9112, 7.1: chunk-size";
    let full = corpus.meaning("POST", BODY);
    for (name, size) in [
        ("size with zeros before", "0000000006"),
        ("size and an extension", "6;a=b"),
        ("size and an extension in quotes", "6;a=\"b;c\""),
        ("size and an extension without value", "6;a"),
    ] {
        corpus.means(name, KIND, corpus.post_chunked(&format!("{size}\r\n{BODY}\r\n0\r\n\r\n")), full.clone());
    }
    let letters = "abcdefabcd";
    for (name, size) in [("size in small letters", "a"), ("size in capitals", "A")] {
        let bytes = corpus.post_chunked(&format!("{size}\r\n{letters}\r\n0\r\n\r\n"));
        corpus.means(name, KIND, bytes, corpus.meaning("POST", letters));
    }
    for (name, size) in [
        ("size with 0x", "0x6"),
        ("size with sign", "+6"),
        ("size below nothing", "-6"),
        ("size with a point", "6.0"),
        ("size with a letter that is no digit", "6g"),
        ("size with an underscore", "0_6"),
        ("size with a NUL", "6\0"),
        ("size in quotes", "\"6\""),
        ("size over 64 bits", "10000000000000006"),
        ("size of all bits", "ffffffffffffffff"),
        ("no size", ""),
        ("no size but an extension", ";a=b"),
        ("size and a bare CR", "6\rX"),
        ("extension with a bare CR", "6;a\rb"),
        ("extension with a bare LF", "6;a\nb"),
        ("extension with a NUL", "6;a\0b"),
        ("size after a space", " 6"),
        ("size before a space", "6 "),
        ("size before a tab", "6\t"),
        ("size before a vertical tab", "6\x0b"),
        ("two sizes", "6 6"),
    ] {
        corpus.breaks(name, KIND, corpus.post_chunked(&format!("{size}\r\n{BODY}\r\n0\r\n\r\n")), full.clone());
    }
    let long = format!("6;{}\r\n{BODY}\r\n0\r\n\r\n", "x".repeat(20_000));
    corpus.breaks("very long extension", KIND, corpus.post_chunked(&long), full);
}

fn ends(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9112, 7.1: ends of chunks";
    let smuggled = corpus.smuggled();
    let full = corpus.meaning("POST", BODY);
    for (name, body) in [
        ("bare LF after the size", format!("6\n{BODY}\r\n0\r\n\r\n")),
        ("bare LF after the data", format!("6\r\n{BODY}\n0\r\n\r\n")),
        ("bare LF at the end", format!("6\r\n{BODY}\r\n0\n\n")),
        ("bare CR after the size", format!("6\r{BODY}\r\n0\r\n\r\n")),
        ("bare CR after the data", format!("6\r\n{BODY}\r0\r\n\r\n")),
        ("no line end after the data", format!("6\r\n{BODY}0\r\n\r\n")),
        ("other bytes after the data", format!("6\r\n{BODY}XX0\r\n\r\n")),
        ("too much data", format!("6\r\n{BODY}{BODY}\r\n0\r\n\r\n")),
        ("bare LF in an extension, then a request", format!("6;\n{BODY}\r\n0\r\n\r\n{smuggled}")),
        (
            "two bytes of any kind for a line end",
            format!("2;\nxx{:x}\r\n0\r\n\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len() + 5),
        ),
        ("no last chunk", format!("6\r\n{BODY}\r\n")),
        ("no line after the last chunk", format!("6\r\n{BODY}\r\n0\r\n")),
        ("last chunk with a sign", format!("6\r\n{BODY}\r\n-0\r\n\r\n")),
        ("end of another kind", format!("6\r\n{BODY}\r\n0\r\nX")),
    ] {
        corpus.breaks(name, KIND, corpus.post_chunked(&body), full.clone());
    }
    corpus.means(
        "last chunk of zeros",
        KIND,
        corpus.post_chunked(&format!("6\r\n{BODY}\r\n0000\r\n\r\n")),
        full.clone(),
    );
    let pieces = "1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n";
    corpus.means("many chunks", KIND, corpus.post_chunked(pieces), full.clone());
    corpus.means("no chunk but the last", KIND, corpus.post_chunked("0\r\n\r\n"), corpus.meaning("POST", ""));
    let inside = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    corpus.means("request in a chunk", KIND, corpus.post_chunked(&inside), corpus.meaning("POST", &smuggled));
    for (name, trailers) in [
        ("trailer", "X-A: b\r\n"),
        ("trailer with a length", "Content-Length: 600\r\n"),
        ("trailer with a coding", "Transfer-Encoding: chunked\r\n"),
        ("trailer with a host", "Host: other.example\r\n"),
        ("trailer with an identity", "Grindvakt-Assertion: forged\r\nX-Forwarded-For: forged\r\n"),
        ("trailer with a patient", "X-Patient-Id: forged\r\n"),
        ("trailer that is a request", "GET / HTTP/1.1\r\n"),
        ("trailer that ends by bare LF", "X-A: b\n"),
        ("folded trailer", "X-A: b\r\n c\r\n"),
    ] {
        let body = format!("6\r\n{BODY}\r\n0\r\n{trailers}\r\n");
        // Whether a trailer is taken off or ends the connection: it goes nowhere.
        corpus.breaks(name, KIND, corpus.post_chunked(&body), full.clone());
    }
    let trailed = format!("6\r\n{BODY}\r\n0\r\nX-A: b\r\n\r\n{smuggled}");
    let each = vec![full.clone(), corpus.meaning("GET", "").to(corpus.other_path())];
    corpus.add("request after a trailer", KIND, Protocol::Http1, corpus.post_chunked(&trailed), Must::MeanEach(each));
    corpus.breaks(
        "trailer that hides a request",
        KIND,
        corpus.post_chunked(&format!("6\r\n{BODY}\r\n0\r\n{smuggled}")),
        full,
    );
}

/// Bodies that the gateway reads as a whole, and frames anew.
fn read_before(corpus: &mut Corpus<'_>) {
    const KIND: &str = "TE.CL, read before";
    let body = format!("{{\"patient\":\"{}\"}}", corpus.words.patient);
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let lines = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    let means = corpus.meaning("POST", &body).to("/j");
    corpus.means("chunks that are read before", KIND, corpus.head("POST /j", lines) + &chunked, means.clone());
    let broken = format!("{:x}\n{body}\r\n0\r\n\r\n", body.len());
    corpus.breaks("bad chunks that are read before", KIND, corpus.head("POST /j", lines) + &broken, means.clone());
    let smuggled = corpus.smuggled();
    let each = vec![means, corpus.meaning("GET", "").to(corpus.other_path())];
    let bytes = corpus.head("POST /j", lines) + &chunked + &smuggled;
    corpus.add("request after chunks that are read before", KIND, Protocol::Http1, bytes, Must::MeanEach(each));
}
