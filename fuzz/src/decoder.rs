//! Content codings: the pieces do not matter, and what is decoded is what another decoder makes of the same bytes.

use crate::cuts::cut;
use gateway::disclosure::decode::{Codings, Decoder, Fault, RATIO_MAX, SLACK_BYTES, Stop, WINDOW_BYTES, codings};
use http::{HeaderMap, HeaderValue, header};
use std::io::Read;

/// How much of what comes out is kept.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Coding, cut, body.
pub fn decoder(data: &[u8]) {
    let [kind, seed, body @ ..] = data else { return };
    let name = match kind {
        b'g' => "gzip",
        b'd' => "deflate",
        b'b' => "br",
        b'z' => "zstd",
        b'G' => "gzip, gzip",
        b'D' => "deflate, gzip",
        b'B' => "br, deflate",
        b'Z' => "gzip, br, zstd",
        _ => return named(data),
    };
    let coded = applied(name.as_bytes()).expect("a known coding");
    let (whole, ended) = decoded(&coded, body, 0);
    for seed in [*seed, b'1'] {
        let (pieces, pieces_ended) = decoded(&coded, body, seed);
        // How much may come out depends on how much has come in.
        if ended != Err(Fault::Bomb) && pieces_ended != Err(Fault::Bomb) {
            // Which fault, and what a faulty piece shows, is not said: it does not leave.
            assert_eq!(pieces_ended.is_ok(), ended.is_ok(), "the pieces matter");
            if ended.is_ok() {
                assert_eq!(pieces, whole, "the pieces matter");
            } else {
                assert!(pieces.starts_with(&whole) || whole.starts_with(&pieces), "the pieces matter");
            }
        }
    }
    if ended.is_ok()
        && !body.is_empty()
        && whole.len() < KEPT_BYTES_MAX
        && let Some(reference) = reference(*kind, body)
    {
        assert_eq!(whole, reference, "another decoder reads something else");
    }
}

fn applied(names: &[u8]) -> Option<Codings> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_bytes(names).ok()?);
    codings(&headers).ok()
}

/// Any list of codings is read or refused.
fn named(names: &[u8]) {
    if let Some(codings) = applied(names) {
        assert!(codings.applied().len() <= gateway::disclosure::decode::CODINGS_MAX);
        assert_eq!(Decoder::new(&codings).is_none(), codings.is_identity());
    }
}

fn decoded(codings: &Codings, body: &[u8], seed: u8) -> (Vec<u8>, Result<(), Fault>) {
    let mut decoder = Decoder::new(codings).expect("there are codings");
    let mut out = Vec::new();
    let (mut count, mut pushed) = (0_u64, 0_u64);
    for piece in cut(body, seed) {
        pushed += piece.len() as u64;
        let mut sink = |window: &[u8]| -> Result<(), std::convert::Infallible> {
            assert!(window.len() <= WINDOW_BYTES);
            count += window.len() as u64;
            if out.len() < KEPT_BYTES_MAX {
                out.extend_from_slice(window);
            }
            Ok(())
        };
        if let Err(stop) = decoder.push(piece, &mut sink) {
            let Stop::Fault(fault) = stop;
            assert!(!decoder.is_settled(), "a fault is not settled");
            assert_eq!(decoder.finish(), Err(fault), "a fault stays");
            return (out, Err(fault));
        }
        assert!(count <= pushed * RATIO_MAX + SLACK_BYTES, "a bomb");
        assert!(decoder.shown() <= pushed, "more was shown than there is");
        assert!(!decoder.is_settled() || decoder.shown() == pushed, "what is settled was shown");
    }
    let ended = decoder.finish();
    (out, ended)
}

/// What the libraries make of it by themselves. Of gzip and zstd those that stop at the first member's or frame's end must
/// read the same as those that go on.
fn reference(kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match kind {
        b'g' => {
            let mut first = Vec::new();
            flate2::read::GzDecoder::new(body).read_to_end(&mut first).ok()?;
            flate2::read::MultiGzDecoder::new(body).read_to_end(&mut out).ok()?;
            assert_eq!(first, out, "readers of one member and of all differ");
            out.len()
        }
        b'd' => match flate2::read::ZlibDecoder::new(body).read_to_end(&mut out) {
            Ok(count) => count,
            Err(_) => {
                out.clear();
                flate2::read::DeflateDecoder::new(body).read_to_end(&mut out).ok()?
            }
        },
        b'b' => brotli_decompressor::Decompressor::new(body, 4096).read_to_end(&mut out).ok()?,
        b'z' => {
            let mut first = Vec::new();
            zstd::stream::read::Decoder::new(body).ok()?.single_frame().read_to_end(&mut first).ok()?;
            zstd::stream::read::Decoder::new(body).ok()?.read_to_end(&mut out).ok()?;
            assert_eq!(first, out, "readers of one frame and of all differ");
            out.len()
        }
        _ => return None,
    };
    Some(out)
}
