//! HTTP/2 in bytes (RFC 9113), as no library sends it: whatever stands in a field goes out as it is, each field as a literal
//! without Huffman's code (RFC 7541, 6.2.2). Of what comes back only ends and bodies are read.

use std::collections::BTreeMap;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// A frame of any kind.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A whole head.
pub(super) fn headers(stream: u32, block: &[u8], flags: u8) -> Vec<u8> {
    frame(HEADERS, flags, stream, block)
}

pub(super) fn continuation(stream: u32, block: &[u8], flags: u8) -> Vec<u8> {
    frame(CONTINUATION, flags, stream, block)
}

pub(super) fn data(stream: u32, bytes: &[u8], flags: u8) -> Vec<u8> {
    frame(DATA, flags, stream, bytes)
}

/// A block of fields.
pub(super) fn block<'f>(fields: impl IntoIterator<Item = &'f (String, String)>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name);
        string(&mut block, value);
    }
    block
}

/// A length of seven bits and more, and the text.
fn string(block: &mut Vec<u8>, text: &str) {
    let mut rest = text.len();
    if rest < 127 {
        block.push(u8::try_from(rest).unwrap());
    } else {
        block.push(127);
        rest -= 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        block.push(u8::try_from(rest).unwrap());
    }
    block.extend(text.as_bytes());
}

/// What has come back.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) bodies: BTreeMap<u32, Vec<u8>>,
    /// Answers without a body, by their status if it stands in the static table (RFC 7541, appendix A); else 0.
    pub(super) bare: Vec<u16>,
    /// Streams that came to their end, with an answer or without.
    pub(super) ended: Vec<u32>,
    /// Streams that were broken off.
    pub(super) reset: Vec<u32>,
    /// The peer wants no more of this connection.
    pub(super) parted: bool,
}

/// Reads the whole frames.
pub(super) fn hear(mut bytes: &[u8]) -> Heard {
    let mut heard = Heard::default();
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let [a, b, c, kind, flags, id @ ..] = *head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let Some((payload, next)) = rest.split_at_checked(length) else { break };
        bytes = next;
        let stream = u32::from_be_bytes(id) & 0x7fff_ffff;
        match kind {
            DATA => heard.bodies.entry(stream).or_default().extend(payload),
            HEADERS if flags & END_STREAM != 0 && !heard.bodies.contains_key(&stream) => {
                heard.bare.push(match payload.first() {
                    Some(0x88) => 200,
                    Some(0x8c) => 400,
                    Some(0x8d) => 404,
                    Some(0x8e) => 500,
                    _ => 0,
                });
            }
            RST_STREAM => heard.reset.push(stream),
            GOAWAY => heard.parted = true,
            _ => {}
        }
        if kind == RST_STREAM || matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            heard.ended.push(stream);
        }
    }
    heard
}

#[test]
fn frames_and_lengths_are_written_and_read() {
    let field = [("a".to_owned(), "x".repeat(300))];
    let block = block(&field);
    assert_eq!(block.get(..6), Some([0, 1, b'a', 127, 173, 1].as_slice()));
    let all = [
        headers(1, &block, END_HEADERS),
        data(1, b"ab", 0),
        data(1, b"c", END_STREAM),
        frame(RST_STREAM, 0, 3, &[0; 4]),
    ];
    let heard = hear(&all.concat());
    assert_eq!(heard.bodies.get(&1).map(Vec::as_slice), Some(b"abc".as_slice()));
    assert_eq!((heard.ended, heard.reset, heard.parted), (vec![1, 3], vec![3], false));
}
