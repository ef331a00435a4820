//! Content codings, taken off as a browser does.

use std::io::{self, Read as _};

/// What a browser, a program and a simple script send as `Accept-Encoding`.
pub const ACCEPTED: [Option<&str>; 6] =
    [None, Some("gzip, deflate, br, zstd"), Some("br"), Some("zstd, gzip;q=0.5"), Some("deflate"), Some("identity")];

/// The body as it was before it was coded, at most `limit` bytes of it. Of one that broke off, what can be told.
pub fn decode(coding: Option<&str>, coded: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let read = match coding {
        None | Some("identity") => coded.take(limit).read_to_end(&mut plain),
        Some("gzip") => flate2::read::MultiGzDecoder::new(coded).take(limit).read_to_end(&mut plain),
        Some("deflate") => flate2::read::ZlibDecoder::new(coded).take(limit).read_to_end(&mut plain),
        Some("br") => brotli::Decompressor::new(coded, 4096).take(limit).read_to_end(&mut plain),
        Some("zstd") => zstd::stream::read::Decoder::new(coded)?.take(limit).read_to_end(&mut plain),
        Some(_) => return Err(io::Error::other("a coding that was not asked for")),
    };
    match read {
        Err(error) if plain.is_empty() => Err(error),
        _ => Ok(plain),
    }
}
