//! The icon of the pages, made here: browsers ask for `/favicon.ico` by themselves on every page, and what is asked for
//! and not there would be a refusal in the log.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The icon, for as long as a day in the browser's own cache.
pub(super) async fn show() -> Response {
    let headers = [(header::CONTENT_TYPE, "image/x-icon"), (header::CACHE_CONTROL, "private, max-age=86400")];
    (headers, ico()).into_response()
}

/// A gate: its arch and bars.
const PICTURE: [&str; SIDE] = [
    "................",
    ".....######.....",
    "...##########...",
    "..####....####..",
    ".####......####.",
    ".###.#.##.#.###.",
    ".###.#.##.#.###.",
    ".##############.",
    ".###.#.##.#.###.",
    ".###.#.##.#.###.",
    ".###.#.##.#.###.",
    ".##############.",
    ".###.#.##.#.###.",
    ".###.#.##.#.###.",
    ".###.#.##.#.###.",
    "................",
];
const SIDE: usize = 16;
/// Blue, green, red, and a byte without meaning: the colour of the pages' buttons. The other colour is not seen.
const COLOURS: [[u8; 4]; 2] = [[0, 0, 0, 0], [0x94, 0x53, 0x0b, 0]];
/// A row of one bit a pixel, filled up to four bytes.
const ROW_BYTES: u32 = 4;
const ROWS_BYTES: u32 = 16 * ROW_BYTES;

/// An ICO file with one bitmap: heads, two colours, the rows from the lowest up, and the mask of what is seen through.
fn ico() -> Vec<u8> {
    let mut out = Vec::with_capacity(198);
    // An icon file with one picture.
    shorts(&mut out, &[0, 1, 1]);
    // Sixteen by sixteen, two colours, one plane, one bit a pixel; its bytes, and where they begin.
    out.extend([16, 16, 2, 0]);
    shorts(&mut out, &[1, 1]);
    words(&mut out, &[40 + 8 + 2 * ROWS_BYTES, 6 + 16]);
    // The bitmap's head: its own size, width, and a height that counts picture and mask.
    words(&mut out, &[40, 16, 32]);
    shorts(&mut out, &[1, 1]);
    // Not compressed; the size; no resolution; two colours.
    words(&mut out, &[0, 2 * ROWS_BYTES, 0, 0, 2, 0]);
    out.extend(COLOURS.concat());
    for unseen in [false, true] {
        for row in PICTURE.iter().rev() {
            let bits = row.bytes().fold(0_u16, |bits, pixel| (bits << 1) | u16::from((pixel == b'#') != unseen));
            out.extend(bits.to_be_bytes());
            out.extend([0, 0]);
        }
    }
    out
}

fn shorts(out: &mut Vec<u8>, numbers: &[u16]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn words(out: &mut Vec<u8>, numbers: &[u32]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That browsers read it is the browser test's.
    #[test]
    fn it_is_as_long_as_its_heads_say() {
        let ico = ico();
        let word =
            |at: usize| ico.get(at..at + 4).map(|bytes| bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b)));
        assert_eq!((word(14), word(18)), (Some(ico.len() - 22), Some(22)));
        assert!(PICTURE.iter().all(|row| row.len() == SIDE));
    }
}
