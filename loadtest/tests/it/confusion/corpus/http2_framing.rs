//! HTTP/2: lengths that differ from the data, frames in a wrong order, several streams.

use super::super::frames::{END_HEADERS, END_STREAM, PADDED, block, continuation, data, frame, headers};
use super::http2::{Fields, plus};
use super::{Corpus, Must};
use loadtest::client::Protocol;

const BODY: &str = "abcdef";

pub(super) fn add(corpus: &mut Corpus<'_>) {
    bodies(corpus);
    lengths(corpus);
    trailers(corpus);
    order(corpus);
}

impl Corpus<'_> {
    fn post_fields(&self, more: &[(&str, &str)]) -> Fields {
        plus(self.fields_with(":method", "POST"), &[&[("content-type", "text/plain")], more].concat())
    }

    fn http2_frames(&mut self, name: &str, kind: &'static str, frames: &[Vec<u8>], must: Must) {
        self.add(&format!("h2: {name}"), kind, Protocol::Http2, frames.concat(), must);
    }
}

fn open(fields: &Fields) -> Vec<u8> {
    headers(1, &block(fields), END_HEADERS)
}

fn bodies(corpus: &mut Corpus<'_>) {
    const KIND: &str = "H2.CL, H2.TE";
    let post = corpus.post_fields(&[]);
    let smuggled = corpus.smuggled();
    let chunks = format!("0\r\n\r\n{smuggled}");
    let full = Must::Mean(corpus.meaning("POST", BODY));
    let mean = |corpus: &Corpus<'_>, body: &str| Must::Mean(corpus.meaning("POST", body));
    for (name, frames, must) in [
        ("body of data", vec![data(1, BODY.as_bytes(), END_STREAM)], full.clone()),
        (
            "body in pieces",
            vec![data(1, b"abc", 0), data(1, b"", 0), data(1, b"def", 0), data(1, b"", END_STREAM)],
            full.clone(),
        ),
        ("body with padding", vec![data(1, b"\x03abcdef\0\0\0", END_STREAM | PADDED)], full),
        ("body of nothing", vec![data(1, b"", END_STREAM)], mean(corpus, "")),
        ("body that is a request", vec![data(1, smuggled.as_bytes(), END_STREAM)], mean(corpus, &smuggled)),
        ("body that looks like chunks", vec![data(1, chunks.as_bytes(), END_STREAM)], mean(corpus, &chunks)),
    ] {
        corpus.http2_frames(name, KIND, &[vec![open(&post)], frames].concat(), must);
    }
    let get = open(&corpus.fields());
    let breaks = Must::Break(corpus.meaning("GET", ""));
    corpus.http2_frames("data on a GET", "0.CL", &[get, data(1, smuggled.as_bytes(), END_STREAM)], breaks);
    let get = open(&plus(corpus.fields(), &[("content-length", "6")]));
    corpus.http2_frames(
        "data and length on a GET",
        "0.CL",
        &[get, data(1, BODY.as_bytes(), END_STREAM)],
        Must::BeRefused,
    );
}

fn lengths(corpus: &mut Corpus<'_>) {
    const KIND: &str = "H2.CL: RFC 9113, 8.1.1";
    let long = format!("{BODY}{}", corpus.smuggled());
    let whole = corpus.meaning("POST", &long);
    for (name, more, body) in [
        ("length shorter than the data", [("content-length", "6")].as_slice(), long.as_str()),
        ("length 0 and data", &[("content-length", "0")], &long),
        ("length longer than the data", &[("content-length", "600")], BODY),
    ] {
        let fields = corpus.post_fields(more);
        let frames = [open(&fields), data(1, body.as_bytes(), END_STREAM)];
        corpus.http2_frames(name, KIND, &frames, Must::Break(whole.clone()));
    }
    for (name, more) in [
        ("two lengths", [("content-length", "6"), ("content-length", "600")].as_slice()),
        ("two equal lengths", &[("content-length", "6"), ("content-length", "6")]),
        ("length with sign", &[("content-length", "+6")]),
        ("list of lengths", &[("content-length", "6, 6")]),
        ("empty length", &[("content-length", "")]),
        ("length and coding", &[("content-length", "6"), ("transfer-encoding", "chunked")]),
    ] {
        let fields = corpus.post_fields(more);
        corpus.http2_frames(name, KIND, &[open(&fields), data(1, BODY.as_bytes(), END_STREAM)], Must::BeRefused);
    }
    let fields = corpus.post_fields(&[("content-length", "6")]);
    let means = Must::Mean(corpus.meaning("POST", BODY));
    corpus.http2_frames("length of the data", KIND, &[open(&fields), data(1, BODY.as_bytes(), END_STREAM)], means);
}

fn trailers(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9113, 8.1: trailers";
    let post = open(&corpus.post_fields(&[]));
    let means = corpus.meaning("POST", BODY);
    for (name, field, value) in [
        ("trailer", "x-a", "b"),
        ("trailer with an identity", "grindvakt-assertion", "forged"),
        ("trailer with a length", "content-length", "600"),
        ("trailer with a path", ":path", "/p/1"),
        ("trailer with a line end", "x-a", "b\r\nx-forwarded-for: forged"),
    ] {
        let end = headers(1, &block(&[(field.to_owned(), value.to_owned())]), END_HEADERS | END_STREAM);
        corpus.http2_frames(name, KIND, &[post.clone(), data(1, BODY.as_bytes(), 0), end], Must::Break(means.clone()));
    }
}

fn order(corpus: &mut Corpus<'_>) {
    const KIND: &str = "RFC 9113, 5 and 6: frames";
    let whole = END_HEADERS | END_STREAM;
    let fields = block(&corpus.fields());
    let (first, second) = fields.split_at(fields.len() / 2);
    let get = corpus.meaning("GET", "");
    let other = block(&corpus.fields_with(":path", &corpus.other_path()));
    let two = vec![get.clone(), get.clone().to(corpus.other_path())];
    let parts = [headers(1, first, END_STREAM), continuation(1, second, END_HEADERS)];
    corpus.http2_frames("head in two frames", KIND, &parts, Must::Mean(get));
    let streams = [headers(1, &fields, whole), headers(3, &other, whole)];
    corpus.http2_frames("two streams", KIND, &streams, Must::MeanEach(two));
    for (name, frames) in [
        (
            "other frame amid a head",
            vec![headers(1, first, END_STREAM), data(1, b"x", 0), continuation(1, second, END_HEADERS)],
        ),
        ("head of another stream amid a head", vec![headers(1, first, END_STREAM), headers(3, &other, whole)]),
        ("rest of a head on another stream", vec![headers(1, first, END_STREAM), continuation(3, second, END_HEADERS)]),
        ("rest of no head", vec![continuation(1, &fields, whole)]),
        ("head on the connection's own stream", vec![headers(0, &fields, whole)]),
        ("head on a stream of the server's", vec![headers(2, &fields, whole)]),
        ("data on no stream", vec![data(1, b"x", END_STREAM)]),
        ("padding longer than its frame", vec![headers(1, &[&[255], fields.as_slice()].concat(), whole | PADDED)]),
        ("index that is not there", vec![headers(1, &[fields.as_slice(), &[0xff, 0x80, 0x7f]].concat(), whole)]),
        ("field that is cut", vec![headers(1, &fields[..fields.len() - 1], whole)]),
        ("promise of a client's", vec![frame(5, END_HEADERS, 1, &[&[0, 0, 0, 2], fields.as_slice()].concat())]),
        ("request of HTTP 1 for frames", vec![corpus.smuggled().into_bytes()]),
    ] {
        corpus.http2_frames(name, KIND, &frames, Must::BeRefused);
    }
    let after = vec![headers(1, &fields, whole), data(1, b"x", END_STREAM)];
    let means = corpus.meaning("GET", "");
    corpus.http2_frames("data after the end", KIND, &after, Must::Break(means));
}
