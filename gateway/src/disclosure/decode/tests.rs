//! Tests of the decoded view: what encoders write is shown, whatever the cuts; what clients could read otherwise is not.

use super::*;
use http::HeaderValue;
use proptest::prelude::*;
use std::convert::Infallible;
use std::io::{Read, Write};

const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

fn headers(name: &header::HeaderName, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

fn of(codings: &[Coding]) -> Codings {
    Codings(codings.iter().copied().collect())
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).expect("writes");
    encoder.finish().expect("ends")
}

fn raw_deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).expect("writes");
    encoder.finish().expect("ends")
}

fn zstd_with(data: &[u8], parameters: &[::zstd::zstd_safe::CParameter]) -> Vec<u8> {
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
    for parameter in parameters {
        encoder.set_parameter(*parameter).expect("a parameter");
    }
    encoder.write_all(data).expect("writes");
    encoder.finish().expect("ends")
}

fn encode(coding: Coding, data: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Gzip => gzip(data),
        Coding::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(data).expect("writes");
            encoder.finish().expect("ends")
        }
        Coding::Brotli => {
            let mut encoder = ::brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
            encoder.write_all(data).expect("writes");
            encoder.into_inner()
        }
        Coding::Zstd => zstd_with(data, &[::zstd::zstd_safe::CParameter::ChecksumFlag(true)]),
    }
}

fn encode_all(codings: &[Coding], data: &[u8]) -> Vec<u8> {
    codings.iter().fold(data.to_owned(), |body, coding| encode(*coding, &body))
}

/// The view of a body that arrives in these pieces, and how it ended.
fn view<'p>(codings: &[Coding], pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<u8>, Result<(), Fault>) {
    let mut decoder = Decoder::new(&of(codings)).expect("a coding");
    let mut shown = Vec::new();
    for piece in pieces {
        let result = decoder.push(piece, &mut |window| {
            assert!(!window.is_empty() && window.len() <= WINDOW_BYTES);
            shown.extend_from_slice(window);
            Ok::<(), Infallible>(())
        });
        match result {
            Ok(()) => {}
            Err(Stop::Fault(fault)) => {
                assert_eq!(decoder.finish(), Err(fault), "a fault stays");
                assert!(!decoder.is_settled());
                return (shown, Err(fault));
            }
            Err(Stop::Sink(never)) => match never {},
        }
    }
    let end = decoder.finish();
    if end.is_ok() {
        assert!(decoder.is_settled());
    }
    (shown, end)
}

/// The view of a body in one piece and in pieces of one byte, which must be the same.
fn whole(codings: &[Coding], body: &[u8]) -> (Vec<u8>, Result<(), Fault>) {
    let (shown, end) = view(codings, [body]);
    let (shown_bytewise, end_bytewise) = view(codings, body.chunks(1));
    assert_eq!(end, end_bytewise);
    if end.is_ok() {
        assert!(shown == shown_bytewise);
    }
    (shown, end)
}

fn ends(codings: &[Coding], body: &[u8]) -> Result<(), Fault> {
    whole(codings, body).1
}

fn text(length: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut row = 0_u64;
    while text.len() < length {
        row += 1;
        let noise = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        writeln!(text, "{{\"row\":{row},\"value\":\"{noise:x}\",\"status\":\"final\"}},").expect("a Vec takes all");
    }
    text.truncate(length);
    text
}

#[test]
fn content_encoding_is_a_list() {
    use Coding::{Brotli, Deflate, Gzip, Zstd};
    let good: &[(&[&str], &[Coding])] = &[
        (&[], &[]),
        (&[""], &[]),
        (&["identity"], &[]),
        (&["gzip"], &[Gzip]),
        (&["X-GZip"], &[Gzip]),
        (&["deflate"], &[Deflate]),
        (&["br"], &[Brotli]),
        (&["ZSTD"], &[Zstd]),
        (&["gzip, br"], &[Gzip, Brotli]),
        (&["gzip\t,\tbr,", " zstd "], &[Gzip, Brotli, Zstd]),
        (&[", gzip,, identity"], &[Gzip]),
    ];
    for (values, applied) in good {
        let codings = codings(&headers(&header::CONTENT_ENCODING, values)).expect("known codings");
        assert_eq!(codings.applied(), *applied, "{values:?}");
        assert_eq!(codings.is_identity(), applied.is_empty());
        assert_eq!(Decoder::new(&codings).is_none(), applied.is_empty());
    }
    for values in [
        &["compress"][..],
        &["x-compress"],
        &["gzip;q=1"],
        &["gzip br"],
        &["dcb"],
        &["dcz"],
        &["aes128gcm"],
        &["*"],
        &["utf-8"],
        &["gzip", "exi"],
        &["gzip, gzip, gzip, gzip"],
        &["\"gzip\""],
        &["gzıp"],
    ] {
        assert_eq!(codings(&headers(&header::CONTENT_ENCODING, values)), Err(UnknownCoding), "{values:?}");
    }
}

#[test]
fn accept_encoding_keeps_what_is_decoded() {
    let table: &[(&[&str], Option<&str>)] = &[
        (&[], None),
        (&[""], None),
        (&["compress, dcb"], None),
        (&["gzip, deflate, br, zstd"], Some("gzip, deflate, br, zstd")),
        (&["gzip, compress;q=0.5, dcz, br;q=0.8"], Some("gzip, br;q=0.8")),
        (&["X-GZIP; Q=0.5"], Some("gzip;q=0.5")),
        (&["gzip;q=0", "identity ; q=1.000"], Some("gzip;q=0, identity;q=1.000")),
        (&["*"], Some("gzip, deflate, br, zstd, identity")),
        (&["*;q=0.1"], Some("gzip;q=0.1, deflate;q=0.1, br;q=0.1, zstd;q=0.1, identity;q=0.1")),
        (&["br, *;q=0"], Some("br, gzip;q=0, deflate;q=0, zstd;q=0, identity;q=0")),
        (&["gzip;q=0.2, gzip, x-gzip;q=0.9"], Some("gzip;q=0.2")),
        // Not well formed: left out.
        (&["gzip;q=2, br;q=0.1234, zstd;q=, deflate;level=9, identity;q=1.5"], None),
        (&["gzip;q=1;q=0, br"], Some("br")),
        (&["gzıp, br"], Some("br")),
    ];
    for (values, kept) in table {
        let value = acceptable(&headers(&header::ACCEPT_ENCODING, values));
        assert_eq!(value.as_ref().map(|value| value.to_str().expect("ASCII")), *kept, "{values:?}");
    }
    let many = vec!["x"; 2 * 64].join(",") + ", gzip";
    assert_eq!(acceptable(&headers(&header::ACCEPT_ENCODING, &[&many])), None, "bounded");
}

#[test]
fn what_is_encoded_is_shown() {
    for length in [0, 1, 100, 70_000] {
        let data = text(length);
        for first in ALL {
            assert!(whole(&[first], &encode(first, &data)) == (data.clone(), Ok(())), "{first:?} {length}");
            for second in ALL {
                let codings = [first, second];
                assert!(view(&codings, [&*encode_all(&codings, &data)]) == (data.clone(), Ok(())), "{codings:?}");
            }
        }
        let codings = [Coding::Zstd, Coding::Brotli, Coding::Gzip];
        assert!(whole(&codings, &encode_all(&codings, &data)) == (data.clone(), Ok(())));
    }
}

#[test]
fn no_byte_is_an_empty_body() {
    for coding in ALL {
        assert_eq!(view(&[coding], []), (Vec::new(), Ok(())));
        assert_eq!(view(&[coding, coding], [&[][..], &[]]), (Vec::new(), Ok(())));
        // A coded nothing in another coding.
        for outer in ALL {
            assert_eq!(ends(&[coding, outer], &encode(outer, b"")), Ok(()));
        }
    }
}

/// What another reader gets from the beginning of a body.
fn read_elsewhere(coding: Coding, beginning: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn Read + '_> = match coding {
        Coding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(beginning)),
        Coding::Deflate => Box::new(flate2::bufread::ZlibDecoder::new(beginning)),
        Coding::Brotli => Box::new(::brotli::Decompressor::new(beginning, 64)),
        Coding::Zstd => Box::new(::zstd::stream::read::Decoder::with_buffer(beginning).expect("a decoder")),
    };
    let (mut read, mut byte) = (Vec::new(), [0]);
    while let Ok(1) = reader.read(&mut byte) {
        read.extend_from_slice(&byte);
    }
    read
}

#[test]
fn after_each_byte_all_that_can_be_decoded_was_shown() {
    let data = text(3_000);
    for coding in ALL {
        let body = encode(coding, &data);
        let mut decoder = Decoder::new(&of(&[coding])).expect("a coding");
        let mut shown = Vec::new();
        for (position, byte) in body.iter().enumerate() {
            decoder
                .push(&[*byte], &mut |window| {
                    shown.extend_from_slice(window);
                    Ok::<(), Infallible>(())
                })
                .expect("a good body");
            let elsewhere = read_elsewhere(coding, &body[..=position]);
            assert!(shown.len() >= elsewhere.len(), "{coding:?} {position}: {} {}", shown.len(), elsewhere.len());
            assert!(data.starts_with(&shown));
        }
        assert_eq!(shown, data);
    }
}

#[test]
fn zstd_is_not_settled_within_a_block() {
    let data = text(1_000);
    let body = encode(Coding::Zstd, &data);
    let mut decoder = Decoder::new(&of(&[Coding::Zstd])).expect("a coding");
    let mut shown = 0;
    let mut settled = Vec::new();
    for byte in &body {
        let mut sink = |window: &[u8]| {
            shown += window.len();
            Ok::<(), Infallible>(())
        };
        decoder.push(&[*byte], &mut sink).expect("a good body");
        settled.push(decoder.is_settled());
    }
    assert_eq!(shown, data.len());
    let unsettled = settled.iter().filter(|settled| !**settled).count();
    // Magic, descriptor, window, two bytes of one block's header, the block's last byte, checksum.
    assert_eq!(unsettled, body.len() - 4 - 2 - 2 - 1 - 4);
    for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli] {
        let mut decoder = Decoder::new(&of(&[coding])).expect("a coding");
        decoder.push(&encode(coding, &data)[..20], &mut |_| Ok::<(), Infallible>(())).expect("a good beginning");
        assert!(decoder.is_settled());
    }
}

#[test]
fn each_beginning_is_truncated() {
    let data = text(500);
    for coding in ALL {
        let body = encode(coding, &data);
        for length in 1..body.len() {
            assert_eq!(ends(&[coding], &body[..length]), Err(Fault::Truncated), "{coding:?} {length}");
        }
    }
    // The inner coding, too, has to end.
    let inner = encode(Coding::Gzip, &data);
    let body = encode(Coding::Brotli, &inner[..inner.len() - 1]);
    assert_eq!(ends(&[Coding::Gzip, Coding::Brotli], &body), Err(Fault::Truncated));
}

#[test]
fn nothing_may_follow() {
    let data = text(500);
    for coding in ALL {
        for more in [&b"\0"[..], b"\0\0\0\0\0\0\0\0", b"more of it", b"\xff\xff\xff\xff", b"\x0a"] {
            let body = [&encode(coding, &data), more].concat();
            let (shown, end) = whole(&[coding], &body);
            assert_eq!(end, Err(Fault::Trailing), "{coding:?} {more:?}");
            assert!(data.starts_with(&shown));
        }
    }
    // The beginning of another member or frame.
    for (coding, more) in [(Coding::Gzip, &b"\x1f"[..]), (Coding::Zstd, b"\x28\xb5"), (Coding::Zstd, b"\x5f\x2a")] {
        let body = [&encode(coding, &data), more].concat();
        assert_eq!(whole(&[coding], &body), (data.clone(), Err(Fault::Truncated)));
    }
    for coding in [Coding::Deflate, Coding::Brotli] {
        let twice = [encode(coding, &data), encode(coding, &data)].concat();
        assert_eq!(ends(&[coding], &twice), Err(Fault::Trailing));
    }
}

#[test]
fn only_the_first_member_or_frame_may_have_content() {
    let (one, two) = (text(500), b"another".to_vec());
    for coding in [Coding::Gzip, Coding::Zstd] {
        let (first, second, empty) = (encode(coding, &one), encode(coding, &two), encode(coding, b""));
        // Who stops at the first reads one thing, who goes on another: digits may be a number or a part of a longer one.
        for (body, shown) in [
            ([&*first, &second].concat(), &*one),
            ([&*first, &empty, &second].concat(), &*one),
            ([&*empty, &second].concat(), b""),
        ] {
            assert_eq!(whole(&[coding], &body), (shown.to_vec(), Err(Fault::Trailing)), "{coding:?}");
        }
        let body = [&*first, &empty, &empty].concat();
        assert_eq!(whole(&[coding], &body), (one.clone(), Ok(())), "{coding:?}");
        assert_eq!(ends(&[coding], &body[..body.len() - 1]), Err(Fault::Truncated));
    }
}

#[test]
fn what_zstd_has_shown_is_known_within_a_piece() {
    let data: Vec<u8> = (0_u64..60_000).flat_map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect();
    let body = encode(Coding::Zstd, &data);
    let mut decoder = Decoder::new(&of(&[Coding::Zstd])).expect("a coding");
    let mut pushed = 0;
    for piece in body.chunks(1_000) {
        decoder.push(piece, &mut |_| Ok::<(), Infallible>(())).expect("a good body");
        pushed += piece.len() as u64;
        assert!(decoder.shown() <= pushed && pushed - decoder.shown() <= (128 << 10) + 1_000, "{pushed}");
    }
    assert_eq!((decoder.shown(), decoder.finish()), (body.len() as u64, Ok(())));
}

#[test]
fn the_work_comes_in_small_parts() {
    let data = vec![b'x'; 1 << 20];
    for codings in [&[Coding::Gzip][..], &[Coding::Zstd], &[Coding::Brotli], &[Coding::Deflate, Coding::Gzip]] {
        let body = encode_all(codings, &data);
        let mut decoder = Decoder::new(&of(codings)).expect("a coding");
        let (mut left, mut shown, mut parts) = (&*body, 0, 0);
        loop {
            let before = left.len();
            let more = decoder.next(&mut left).expect("a good body");
            assert!(before - left.len() <= PART_BYTES && decoder.window().len() <= WINDOW_BYTES);
            if !more {
                break;
            }
            // In two halves.
            let half = decoder.window().len() / 2;
            shown += decoder.window().len();
            decoder.pass(half);
            decoder.pass(usize::MAX);
            parts += 1;
        }
        assert_eq!((shown, decoder.finish()), (data.len(), Ok(())), "{codings:?}");
        assert!(parts >= data.len() / WINDOW_BYTES, "{codings:?}");
    }
}

#[test]
fn one_bit_of_difference_is_seen_where_there_is_a_checksum() {
    let data = text(300);
    for coding in ALL {
        let body = encode(coding, &data);
        for bit in 0..body.len() * 8 {
            let mut body = body.clone();
            body[bit / 8] ^= 1 << (bit % 8);
            let (shown, end) = view(&[coding], [&*body]);
            if end.is_ok() && coding != Coding::Brotli {
                assert!(shown == data, "{coding:?} {bit}");
            }
        }
    }
}

#[test]
fn gzip_headers_may_have_fields() {
    let data = text(100);
    let with = |name: &str, extra: &[u8]| {
        let builder = flate2::GzBuilder::new().filename(name).comment("c").extra(extra).mtime(7);
        let mut encoder = builder.write(Vec::new(), flate2::Compression::default());
        encoder.write_all(&data).expect("writes");
        encoder.finish().expect("ends")
    };
    let body = with("name.json", b"extra");
    assert_eq!(whole(&[Coding::Gzip], &body), (data.clone(), Ok(())));
    assert_eq!(whole(&[Coding::Gzip], &with("", b"")), (data.clone(), Ok(())));
    assert_eq!(ends(&[Coding::Gzip], &with("n", &[1; 2000])), Err(Fault::Refused));
    assert_eq!(ends(&[Coding::Gzip], &with(&"n".repeat(2000), b"")), Err(Fault::Refused));

    let plain = gzip(&data);
    let mut header = plain[..10].to_vec();
    header[3] = 0x02;
    let mut crc = flate2::Crc::new();
    crc.update(&header);
    let sum = (crc.sum() as u16).to_le_bytes();
    assert_eq!(whole(&[Coding::Gzip], &[&*header, &sum, &plain[10..]].concat()), (data.clone(), Ok(())));
    let wrong = [sum[0], !sum[1]];
    assert_eq!(ends(&[Coding::Gzip], &[&*header, &wrong, &plain[10..]].concat()), Err(Fault::Corrupt));

    for (position, byte) in [(0, 0x1e), (1, 0x8c), (2, 7), (3, 0x20), (3, 0x80)] {
        let mut body = plain.clone();
        body[position] = byte;
        assert_eq!(ends(&[Coding::Gzip], &body), Err(Fault::Corrupt), "{position}");
    }
    for from_end in 1..=8 {
        let mut body = plain.clone();
        let position = body.len() - from_end;
        body[position] ^= 0x40;
        assert_eq!(whole(&[Coding::Gzip], &body), (data.clone(), Err(Fault::Corrupt)), "shown, then refused");
    }
    assert_eq!(ends(&[Coding::Gzip], &data), Err(Fault::Corrupt), "not coded at all");
    assert_eq!(ends(&[Coding::Gzip], &encode(Coding::Deflate, &data)), Err(Fault::Corrupt), "no sniffing of zlib");
}

#[test]
fn deflate_is_zlib_or_raw_and_never_both() {
    for length in [0, 1, 2, 10, 5_000] {
        let data = text(length);
        assert_eq!(whole(&[Coding::Deflate], &raw_deflate(&data)), (data.clone(), Ok(())), "{length}");
    }
    let data = b"0123456789".to_vec();
    // Raw: one stored block.
    let stored = [&[1, 10, 0, 245, 255][..], &data].concat();
    assert_eq!(whole(&[Coding::Deflate], &stored), (data.clone(), Ok(())));
    // Raw with odd padding, which is a zlib method but no zlib header.
    let padded = [&[0x78, 10, 0, 245, 255][..], &data, &[3, 0]].concat();
    assert_eq!(whole(&[Coding::Deflate], &padded), (data.clone(), Ok(())));
    // The same with a length that makes it a zlib header: some clients read one thing, some another.
    let polyglot = [&[0x78, 0x9c, 0, !0x9c, 255][..], &data].concat();
    assert_eq!(ends(&[Coding::Deflate], &polyglot), Err(Fault::Ambiguous));
    // A zlib body that agrees with a raw stored block in byte 3, and differs in byte 4.
    let length = 0x00fe_u16;
    let content = vec![b'x'; usize::from(length)];
    let zlib = [&[0x78, 0x01, 0x01, 0xfe, 0x00, 0x01, 0xff][..], &content].concat();
    let mut adler = (1_u32, 0_u32);
    for byte in &content {
        adler.0 = (adler.0 + u32::from(*byte)) % 65_521;
        adler.1 = (adler.1 + adler.0) % 65_521;
    }
    let zlib = [&*zlib, &(adler.1 << 16 | adler.0).to_be_bytes()].concat();
    assert_eq!(zlib[3], !zlib[1]);
    assert_eq!(whole(&[Coding::Deflate], &zlib), (content, Ok(())));

    let dictionary = [0x78, 0xbb, 0, 0, 0, 1, 3, 0];
    assert_eq!(ends(&[Coding::Deflate], &dictionary), Err(Fault::Refused));
    assert_eq!(ends(&[Coding::Deflate], &gzip(&data)), Err(Fault::Corrupt), "no sniffing of gzip");
    for byte in 0..=255 {
        assert!(ends(&[Coding::Deflate], &[byte]).is_err(), "{byte}");
    }
}

#[test]
fn zstd_is_as_http_uses_it() {
    use ::zstd::zstd_safe::CParameter;
    let data = text(10_000);
    let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let body = encode(Coding::Zstd, &data);
    assert_eq!(ends(&[Coding::Zstd], &[&*skippable, &body].concat()), Err(Fault::Refused));
    assert_eq!(ends(&[Coding::Zstd], &[&*body, &skippable].concat()), Err(Fault::Refused));
    assert_eq!(ends(&[Coding::Zstd], &[0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0]), Err(Fault::Corrupt), "version 0.7");

    assert_eq!(whole(&[Coding::Zstd], &zstd_with(&data, &[CParameter::WindowLog(23)])), (data.clone(), Ok(())));
    assert_eq!(ends(&[Coding::Zstd], &zstd_with(&data, &[CParameter::WindowLog(24)])), Err(Fault::Refused));
    // With its size in the header, and in one segment.
    let bulk = ::zstd::bulk::compress(&data, 3).expect("compresses");
    assert_eq!(bulk[4] & 0x20, 0x20);
    assert_eq!(whole(&[Coding::Zstd], &bulk), (data.clone(), Ok(())));
    // One segment of 9 MiB.
    let large = [0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0x90, 0];
    assert_eq!(ends(&[Coding::Zstd], &large), Err(Fault::Refused));
    // A dictionary's number; zero is none.
    let named = |number: u8| [&[0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x58, number][..], &[0x11, 0, 0], b"ab"].concat();
    assert_eq!(ends(&[Coding::Zstd], &named(9)), Err(Fault::Refused));
    assert_eq!(whole(&[Coding::Zstd], &named(0)), (b"ab".to_vec(), Ok(())));
    // Reserved bit, reserved block, a block longer than its window lets it be.
    assert_eq!(ends(&[Coding::Zstd], &[0x28, 0xb5, 0x2f, 0xfd, 0x08, 0x58, 1, 0, 0]), Err(Fault::Corrupt));
    assert_eq!(ends(&[Coding::Zstd], &[0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, 0x07, 0, 0]), Err(Fault::Corrupt));
    assert_eq!(ends(&[Coding::Zstd], &[0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0x01, 0xff, 0xff, 0]), Err(Fault::Corrupt));
}

#[test]
fn brotli_has_no_large_windows() {
    assert_eq!(ends(&[Coding::Brotli], &[0x11, 0x1e, 0x03, 0, 0]), Err(Fault::Corrupt));
    let data = text(10_000);
    for window in [10, 16, 24] {
        let mut encoder = ::brotli::CompressorWriter::new(Vec::new(), 4096, 3, window);
        encoder.write_all(&data).expect("writes");
        assert_eq!(whole(&[Coding::Brotli], &encoder.into_inner()), (data.clone(), Ok(())));
    }
}

/// Pushes a body; how many bytes were shown and how it ended.
fn count(codings: &[Coding], body: &[u8]) -> (u64, Result<(), Stop<Infallible>>) {
    let mut decoder = Decoder::new(&of(codings)).expect("a coding");
    let mut shown = 0;
    let end = decoder.push(body, &mut |window| {
        shown += window.len() as u64;
        Ok(())
    });
    (shown, end)
}

#[test]
fn bombs_are_stopped() {
    let zeros = vec![0; 80 << 20];
    let few = &zeros[..16 << 20];
    let bombs: &[(&[Coding], Vec<u8>)] = &[
        (&[Coding::Gzip], encode(Coding::Gzip, &zeros)),
        (&[Coding::Deflate], encode(Coding::Deflate, &zeros)),
        (&[Coding::Brotli], encode(Coding::Brotli, few)),
        (&[Coding::Zstd], encode(Coding::Zstd, few)),
        (&[Coding::Gzip, Coding::Gzip], encode_all(&[Coding::Gzip, Coding::Gzip], few)),
        (&[Coding::Zstd, Coding::Brotli], encode_all(&[Coding::Zstd, Coding::Brotli], few)),
        (&[Coding::Brotli, Coding::Deflate, Coding::Gzip], {
            encode_all(&[Coding::Brotli, Coding::Deflate, Coding::Gzip], few)
        }),
    ];
    for (codings, body) in bombs {
        let (shown, end) = count(codings, body);
        assert_eq!(end, Err(Stop::Fault(Fault::Bomb)), "{codings:?} {}", body.len());
        assert!(shown <= body.len() as u64 * RATIO_MAX + SLACK_BYTES);
    }
    // The coding in between grows, and the last one shrinks it again: nothing is shown, and it stops as well.
    let members: Vec<u8> = gzip(b"").repeat(1 << 17);
    let body = encode(Coding::Brotli, &members);
    assert_eq!(count(&[Coding::Gzip, Coding::Brotli], &body), (0, Err(Stop::Fault(Fault::Bomb))));
}

#[test]
fn noise_buys_no_bomb() {
    let noise = (0_u64..12_500).flat_map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    let data: Vec<u8> = noise.chain(std::iter::repeat_n(0, 64 << 20)).collect();
    for coding in [Coding::Zstd, Coding::Brotli] {
        let body = encode(coding, &data);
        assert!(data.len() as u64 <= body.len() as u64 * RATIO_MAX, "as a whole it is within the measure");
        let (shown, end) = count(&[coding], &body);
        assert_eq!(end, Err(Stop::Fault(Fault::Bomb)), "{coding:?}");
        assert!(shown <= 200_000 + CREDIT_BYTES + RATIO_MAX * 16_384, "{coding:?} {shown}");
    }
}

#[test]
fn long_tables_are_no_bombs() {
    let table = b"<tr><td class=\"value\">0</td><td>normal</td></tr>\n".repeat(100_000);
    assert_eq!(count(&[Coding::Gzip], &gzip(&table)), (table.len() as u64, Ok(())));
    let short = &table[..900 << 10];
    for coding in ALL {
        assert_eq!(count(&[coding], &encode(coding, short)), (short.len() as u64, Ok(())), "{coding:?}");
        let rows = text(3 << 20);
        assert_eq!(count(&[coding], &encode(coding, &rows)), (rows.len() as u64, Ok(())), "{coding:?}");
    }
}

#[test]
fn the_sink_can_stop() {
    for coding in ALL {
        let body = encode(coding, &text(100_000));
        let mut decoder = Decoder::new(&of(&[coding])).expect("a coding");
        let mut windows = 0;
        let mut sink = |_: &[u8]| {
            windows += 1;
            if windows == 2 { Err("enough") } else { Ok(()) }
        };
        assert_eq!(decoder.push(&body, &mut sink), Err(Stop::Sink("enough")));
        assert_eq!(decoder.push(b"", &mut sink), Err(Stop::Fault(Fault::Stopped)));
        assert_eq!(decoder.finish(), Err(Fault::Stopped));
        assert_eq!(windows, 2);
    }
}

#[test]
fn a_decoder_tells_nothing_and_may_change_threads() {
    fn is_send<T: Send>(_: &T) {}
    let mut decoder = Decoder::new(&of(&[Coding::Brotli, Coding::Gzip])).expect("a coding");
    is_send(&decoder);
    let body = encode_all(&[Coding::Brotli, Coding::Gzip], b"19121212-1212");
    decoder.push(&body, &mut |_| Ok::<(), Infallible>(())).expect("a good body");
    assert_eq!(format!("{decoder:?}"), format!("Decoder {{ coded: {}, fault: None, .. }}", body.len()));
}

fn any_codings() -> impl Strategy<Value = Vec<Coding>> {
    prop::collection::vec(prop::sample::select(&ALL[..]), 1..=CODINGS_MAX)
}

/// Bytes that repeat in part, as bodies do.
fn any_data() -> impl Strategy<Value = Vec<u8>> {
    let runs = (prop::collection::vec(any::<u8>(), 1..40), 1..200_usize);
    prop::collection::vec(runs, 0..40)
        .prop_map(|runs| runs.into_iter().flat_map(|(bytes, times)| bytes.repeat(times)).collect())
}

fn cut<'b>(mut body: &'b [u8], lengths: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = body.split_at((*length).min(body.len()));
        pieces.push(piece);
        body = rest;
    }
    pieces.push(body);
    pieces
}

proptest! {
    #[test]
    fn any_data_is_shown_whatever_the_cuts(
        codings in any_codings(),
        data in any_data(),
        lengths in prop::collection::vec(0..3_000_usize, 0..50),
    ) {
        let body = encode_all(&codings, &data);
        let (shown, end) = view(&codings, cut(&body, &lengths));
        prop_assert_eq!(end, Ok(()));
        prop_assert!(shown == data);
    }

    #[test]
    fn random_bytes_end_in_order(
        codings in any_codings(),
        start in prop::sample::select(vec![
            &b""[..], b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\x78\x9c", b"\x0b", b"\x28\xb5\x2f\xfd\0\x58", b"\x28\xb5\x2f\xfd",
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
        lengths in prop::collection::vec(0..100_usize, 0..20),
    ) {
        let body = [start, &bytes].concat();
        let (shown, _) = view(&codings, cut(&body, &lengths));
        prop_assert!(shown.len() as u64 <= body.len() as u64 * RATIO_MAX + SLACK_BYTES);
    }

    #[test]
    fn damaged_bodies_end_in_order(
        codings in any_codings(),
        data in any_data(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        lengths in prop::collection::vec(0..3_000_usize, 0..20),
    ) {
        let mut body = encode_all(&codings, &data);
        for (position, byte) in damage {
            let position = position.index(body.len());
            body[position] = byte;
        }
        let (shown, _) = view(&codings, cut(&body, &lengths));
        prop_assert!(shown.len() as u64 <= body.len() as u64 * RATIO_MAX + SLACK_BYTES);
    }
}
