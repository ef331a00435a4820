//! How long it takes to decode a response body for its view.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use flate2::Compression;
use gateway::disclosure::decode::{Decoder, codings};
use http::{HeaderMap, HeaderValue, header};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;

/// What a body arrives in.
const PIECE_BYTES: usize = 16 << 10;

/// JSON of 64 KiB whose values differ.
fn json() -> Vec<u8> {
    let mut text = String::from("[");
    let mut row = 0_u64;
    while text.len() < 64 << 10 {
        row += 1;
        let value = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let written = write!(
            text,
            r#"{{"resourceType":"Observation","id":"{row}","status":"final","valueQuantity":{{"value":{value},"unit":"mmol/L"}}}},"#
        );
        written.expect("a String takes all");
    }
    text.into_bytes()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("writes");
    encoder.finish().expect("ends")
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("writes");
    encoder.finish().expect("ends")
}

fn brotli(data: &[u8]) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
    encoder.write_all(data).expect("writes");
    encoder.into_inner()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::encode_all(data, 3).expect("writes")
}

fn decoding(c: &mut Criterion) {
    let data = json();
    let mut group = c.benchmark_group("decode 64 KiB");
    group.throughput(Throughput::Bytes(data.len() as u64));
    for (name, body) in
        [("gzip", gzip(&data)), ("deflate", deflate(&data)), ("br", brotli(&data)), ("zstd", zstd(&data))]
    {
        let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static(name))]);
        let codings = codings(&headers).expect("a known coding");
        group.bench_function(name, |b| {
            b.iter_batched(
                || Decoder::new(&codings).expect("a coding"),
                |mut decoder| {
                    let mut shown = 0;
                    for piece in body.chunks(PIECE_BYTES) {
                        let mut sink = |window: &[u8]| {
                            shown += black_box(window).len();
                            Ok::<(), Infallible>(())
                        };
                        decoder.push(piece, &mut sink).expect("a good body");
                    }
                    decoder.finish().expect("a whole body");
                    assert_eq!(shown, data.len());
                    // Its buffers are wiped within what is measured.
                    drop(decoder);
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, decoding);
criterion_main!(benches);
