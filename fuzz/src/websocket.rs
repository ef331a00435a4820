//! A server's WebSocket frames: the pieces do not matter, and they are what a plain reader of the whole finds.

use crate::cuts::cut;
use gateway::disclosure::websocket::{Event, Fault, Frames};

/// What was told, with each text message joined.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Text { bytes: Vec<u8>, ended: bool },
    Binary,
    Close(Option<u16>, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

/// Cut, bytes.
pub fn websocket(data: &[u8]) {
    let [seed, bytes @ ..] = data else { return };
    let whole = read(bytes, 0);
    assert_eq!(read(bytes, *seed), whole, "the pieces matter");
    assert_eq!(read(bytes, b'1'), whole, "the bytes matter");
    let (told, faulty) = plain(bytes);
    assert_eq!(whole.0, told, "a plain reader reads something else");
    assert_eq!(whole.2.is_some(), faulty, "a plain reader judges otherwise: {:?}", whole.2);
}

/// Events, settled, fault.
fn read(bytes: &[u8], seed: u8) -> (Vec<Told>, u64, Option<Fault>) {
    let mut frames = Frames::new();
    let mut told: Vec<Told> = Vec::new();
    // Control frames may stand within a message.
    let mut open: Option<usize> = None;
    let (mut settled, mut pushed) = (0, 0);
    for piece in cut(bytes, seed) {
        pushed += piece.len() as u64;
        let result = frames.push(piece, &mut |event| match event {
            Event::Text { bytes, starts, ends } => {
                assert_eq!(starts, open.is_none(), "a message starts when none is open");
                let at = *open.get_or_insert_with(|| {
                    told.push(Told::Text { bytes: Vec::new(), ended: false });
                    told.len() - 1
                });
                if let Some(Told::Text { bytes: all, ended }) = told.get_mut(at) {
                    all.extend_from_slice(bytes);
                    *ended = ends;
                }
                if ends {
                    open = None;
                }
            }
            Event::Binary => told.push(Told::Binary),
            Event::Close { code, reason } => told.push(Told::Close(code, reason.to_vec())),
            Event::Ping(payload) => told.push(Told::Ping(payload.to_vec())),
            Event::Pong(payload) => told.push(Told::Pong(payload.to_vec())),
        });
        assert!(frames.settled() >= settled && frames.settled() <= pushed, "settled");
        settled = frames.settled();
        if let Err(fault) = result {
            let more = frames.push(&[0x89, 0], &mut |_| panic!("an event after a fault"));
            assert_eq!(more, Err(fault), "a fault stays");
            assert!(!frames.is_told());
            return (told, settled, Some(fault));
        }
    }
    (told, settled, None)
}

/// RFC 6455, 5.2 to 5.5, over all bytes at once. Gives what was told and whether it ended in a fault.
fn plain(bytes: &[u8]) -> (Vec<Told>, bool) {
    let mut told: Vec<Told> = Vec::new();
    // Where the open message's text stands; `None` within: a binary one.
    let mut open: Option<Option<usize>> = None;
    let mut rest = bytes;
    let mut closed = false;
    while let Some((&first, after)) = rest.split_first() {
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        let control = opcode >= 8;
        let bad = closed
            || first & 0x70 != 0
            || !matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10)
            || (control && !last)
            || (opcode == 0 && open.is_none())
            || (matches!(opcode, 1 | 2) && open.is_some());
        if bad {
            return (told, true);
        }
        let Some((&second, after)) = after.split_first() else { break };
        if second & 0x80 != 0 || (control && second > 125) {
            return (told, true);
        }
        let (long, least) = match second {
            126 => (2, 126),
            127 => (8, 1 << 16),
            _ => (0, 0),
        };
        let Some((digits, payload)) = after.split_at_checked(long) else { break };
        let length = match long {
            0 => u64::from(second),
            _ => digits.iter().fold(0, |length, digit| length << 8 | u64::from(*digit)),
        };
        if length < least || length > 1 << 62 {
            return (told, true);
        }
        let whole = payload.len() as u64 >= length;
        let (payload, next) = if whole { payload.split_at(length as usize) } else { (payload, [].as_slice()) };
        if control {
            if !whole {
                break;
            }
            match (opcode, payload) {
                (8, [_]) => return (told, true),
                (8, [high, low, reason @ ..]) => {
                    told.push(Told::Close(Some(u16::from_be_bytes([*high, *low])), reason.to_vec()));
                    closed = true;
                }
                (8, _) => {
                    told.push(Told::Close(None, Vec::new()));
                    closed = true;
                }
                (9, _) => told.push(Told::Ping(payload.to_vec())),
                _ => told.push(Told::Pong(payload.to_vec())),
            }
        } else {
            if opcode == 2 {
                told.push(Told::Binary);
                open = Some(None);
            } else if opcode == 1 {
                open = Some(Some(usize::MAX));
            }
            if let Some(Some(at)) = &mut open {
                // What is told begins with the first bytes of a payload, or with the end of an empty one.
                if *at == usize::MAX && (!payload.is_empty() || length == 0) {
                    told.push(Told::Text { bytes: Vec::new(), ended: false });
                    *at = told.len() - 1;
                }
                if let Some(Told::Text { bytes, ended }) = told.get_mut(*at) {
                    bytes.extend_from_slice(payload);
                    *ended = whole && last;
                }
            }
            if whole && last {
                open = None;
            }
        }
        rest = next;
    }
    (told, false)
}
