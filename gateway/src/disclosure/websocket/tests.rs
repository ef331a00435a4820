//! Tests of reading WebSocket frames, by the sections of RFC 6455, and against another implementation.

use super::*;
use proptest::prelude::*;
use std::io::{self, Read, Write};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use tokio_tungstenite::tungstenite::{Message as Sent, Utf8Bytes};

/// An event that owns its bytes. Parts of one text stand together: `Text` has all that came before the next event.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Text { bytes: Vec<u8>, starts: bool, ends: bool },
    Binary,
    Close(Option<u16>, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn tell(told: &mut Vec<Told>, event: Event<'_>) {
    match event {
        Event::Text { bytes, starts, ends } => match told.last_mut() {
            Some(Told::Text { bytes: before, ends: before_ends @ false, .. }) if !starts => {
                before.extend_from_slice(bytes);
                *before_ends = ends;
            }
            _ => told.push(Told::Text { bytes: bytes.to_owned(), starts, ends }),
        },
        Event::Binary => told.push(Told::Binary),
        Event::Close { code, reason } => told.push(Told::Close(code, reason.to_owned())),
        Event::Ping(payload) => told.push(Told::Ping(payload.to_owned())),
        Event::Pong(payload) => told.push(Told::Pong(payload.to_owned())),
    }
}

fn read<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<Told>, Result<(), Fault>, u64) {
    let mut frames = Frames::new();
    let mut told = Vec::new();
    let mut end = Ok(());
    for piece in pieces {
        end = frames.push(piece, &mut |event| tell(&mut told, event));
        if end.is_err() {
            let mut silent = |_: Event<'_>| unreachable!("no event after a fault");
            assert_eq!(frames.push(b"\x81\x01x", &mut silent), end, "a fault stays");
            break;
        }
    }
    (told, end, frames.settled())
}

/// Reads bytes in one piece and in pieces of one byte, which must be the same.
fn whole(bytes: &[u8]) -> (Vec<Told>, Result<(), Fault>, u64) {
    let read_whole = read([bytes]);
    assert_eq!(read_whole, read(bytes.chunks(1)));
    read_whole
}

fn text(bytes: &[u8]) -> Told {
    Told::Text { bytes: bytes.to_owned(), starts: true, ends: true }
}

#[test]
fn frames_of_section_5_7() {
    assert_eq!(whole(b"\x81\x05Hello"), (vec![text(b"Hello")], Ok(()), 7), "unmasked text");
    assert_eq!(whole(b"\x01\x03Hel\x80\x02lo"), (vec![text(b"Hello")], Ok(()), 9), "fragmented text");
    assert_eq!(whole(b"\x89\x05Hello"), (vec![Told::Ping(b"Hello".to_vec())], Ok(()), 7), "ping");
    let payload = vec![7; 256];
    let frame = [&[0x82, 0x7e, 0x01, 0x00][..], &payload].concat();
    assert_eq!(whole(&frame), (vec![Told::Binary], Ok(()), 260), "256 bytes of binary");
    let payload = vec![7; 65_536];
    let frame = [&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0][..], &payload].concat();
    assert_eq!(whole(&frame), (vec![Told::Binary], Ok(()), 65_546), "64 KiB of binary");
}

#[test]
fn good_streams() {
    let long = vec![b'x'; 70_000];
    let table: &[(&str, Vec<u8>, Vec<Told>)] = &[
        ("nothing", vec![], vec![]),
        ("5.6 empty text", b"\x81\0".to_vec(), vec![text(b"")]),
        ("5.4 empty fragments", b"\x01\0\0\0\0\x01a\x80\0".to_vec(), vec![text(b"a")]),
        (
            "5.4 control frames between fragments",
            b"\x01\x01a\x89\x01p\x00\x01b\x8a\0\x80\x01c".to_vec(),
            vec![
                Told::Text { bytes: b"a".to_vec(), starts: true, ends: false },
                Told::Ping(b"p".to_vec()),
                Told::Text { bytes: b"b".to_vec(), starts: false, ends: false },
                Told::Pong(vec![]),
                Told::Text { bytes: b"c".to_vec(), starts: false, ends: true },
            ],
        ),
        ("5.4 binary in fragments, then text", b"\x02\x01a\x80\x01b\x81\x01c".to_vec(), vec![Told::Binary, text(b"c")]),
        ("5.5.1 close without payload", b"\x88\0".to_vec(), vec![Told::Close(None, vec![])]),
        ("5.5.1 close with a code", b"\x88\x02\x03\xe8".to_vec(), vec![Told::Close(Some(1000), vec![])]),
        ("5.5.1 close with a reason", b"\x88\x05\x03\xe9bye".to_vec(), vec![Told::Close(Some(1001), b"bye".to_vec())]),
        (
            "5.5 longest control frame",
            [&b"\x8a\x7d"[..], &long[..125]].concat(),
            vec![Told::Pong(long[..125].to_vec())],
        ),
        ("5.2 125 bytes", [&b"\x81\x7d"[..], &long[..125]].concat(), vec![text(&long[..125])]),
        ("5.2 126 bytes", [&b"\x81\x7e\0\x7e"[..], &long[..126]].concat(), vec![text(&long[..126])]),
        ("5.2 65535 bytes", [&b"\x81\x7e\xff\xff"[..], &long[..65_535]].concat(), vec![text(&long[..65_535])]),
        ("8.1 no UTF-8", b"\x81\x02\xff\xfe".to_vec(), vec![text(b"\xff\xfe")]),
    ];
    for (name, bytes, told) in table {
        assert_eq!(whole(bytes), (told.clone(), Ok(()), bytes.len() as u64), "{name}");
    }
}

#[test]
fn what_a_server_must_not_send() {
    let table: &[(&str, &[u8], Fault)] = &[
        ("5.1 masked", b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Fault::Masked),
        ("5.1 masked and empty", b"\x89\x80", Fault::Masked),
        ("5.2 RSV1, as permessage-deflate", b"\xc1\x01a", Fault::ReservedBits),
        ("5.2 RSV2", b"\xa1", Fault::ReservedBits),
        ("5.2 RSV3", b"\x91", Fault::ReservedBits),
        ("5.2 data opcode 3", b"\x83", Fault::Opcode),
        ("5.2 data opcode 7", b"\x87", Fault::Opcode),
        ("5.2 control opcode 11", b"\x8b", Fault::Opcode),
        ("5.2 control opcode 15", b"\x8f", Fault::Opcode),
        ("5.2 125 in two bytes", b"\x81\x7e\0\x7d", Fault::LengthForm),
        ("5.2 65535 in eight bytes", b"\x81\x7f\0\0\0\0\0\0\xff\xff", Fault::LengthForm),
        ("5.2 0 in eight bytes", b"\x82\x7f\0\0\0\0\0\0\0\0", Fault::LengthForm),
        ("5.2 most significant bit", b"\x81\x7f\x80\0\0\0\0\0\0\0", Fault::Length),
        ("more than 2^62", b"\x81\x7f\x40\0\0\0\0\0\0\x01", Fault::Length),
        ("5.5 ping in parts", b"\x09", Fault::ControlFragmented),
        ("5.5 close in parts", b"\x08", Fault::ControlFragmented),
        ("5.5 pong of 126", b"\x8a\x7e", Fault::ControlLength),
        ("5.5 ping of 65536", b"\x89\x7f", Fault::ControlLength),
        ("5.4 continuation of nothing", b"\x80\x01a", Fault::Continuation),
        ("5.4 first part of nothing", b"\x00", Fault::Continuation),
        ("5.4 text in text", b"\x01\x01a\x81\x01b", Fault::Interleaved),
        ("5.4 binary in text", b"\x01\x01a\x02", Fault::Interleaved),
        ("5.4 text in binary", b"\x02\x01a\x01", Fault::Interleaved),
        ("5.4 continuation after the end", b"\x01\x01a\x80\x01b\x80\x01c", Fault::Continuation),
        ("5.5.1 half a code", b"\x88\x01\x03", Fault::CloseForm),
        ("5.5.1 text after close", b"\x88\0\x81\x01a", Fault::AfterClose),
        ("5.5.1 ping after close", b"\x88\x02\x03\xe8\x89\0", Fault::AfterClose),
    ];
    for (name, bytes, fault) in table {
        let (_, end, settled) = whole(bytes);
        assert_eq!(end, Err(*fault), "{name}");
        assert!(settled < bytes.len() as u64, "{name}");
        let before = [b"\x81\x05Hello", *bytes].concat();
        let (told, end, settled) = whole(&before);
        assert_eq!((told.first(), end), (Some(&text(b"Hello")), Err(*fault)), "{name}");
        assert!(settled >= 7, "{name}");
    }
}

#[test]
fn settled_counts_whole_frames() {
    let bytes = b"\x81\x02ab\x01\x01c\x89\0\x80\x03def\x88\0";
    let mut frames = Frames::new();
    let counted: Vec<u64> = bytes
        .iter()
        .map(|byte| {
            frames.push(&[*byte], &mut |_| {}).expect("a good stream");
            frames.settled()
        })
        .collect();
    assert_eq!(counted, [0, 0, 0, 4, 4, 4, 7, 7, 9, 9, 9, 9, 9, 14, 14, 16]);
}

#[test]
fn a_frame_of_any_length_streams() {
    let mut frames = Frames::new();
    frames.push(b"\x81\x7f\x40\0\0\0\0\0\0\0", &mut |_| unreachable!("no payload yet")).expect("2^62 bytes may come");
    let piece = vec![b'x'; 1 << 20];
    let mut told = 0;
    for _ in 0..16 {
        let mut count = |event: Event<'_>| match event {
            Event::Text { bytes, starts, ends } => {
                assert_eq!((starts, ends), (told == 0, false));
                told += bytes.len();
            }
            _ => unreachable!("text only"),
        };
        frames.push(&piece, &mut count).expect("payload");
    }
    assert_eq!((told, frames.settled()), (16 << 20, 0));
}

#[test]
fn debug_tells_no_text() {
    let mut told = Vec::new();
    let mut frames = Frames::new();
    let bytes = b"\x81\x0c191212121212\x89\x0c191212121212\x8a\x00\x82\x00\x88\x0e\x03\xe8191212121212";
    frames.push(bytes, &mut |event| told.push(format!("{event:?}"))).expect("a good stream");
    let events =
        ["Text(12 bytes, true, true)", "Ping(12 bytes)", "Pong(0 bytes)", "Binary", "Close(Some(1000), 12 bytes)"];
    assert_eq!(told, events);
    assert_eq!(format!("{frames:?}"), "Frames { settled: 48, fault: None, .. }");
}

/// The other end of a connection that only takes.
struct Wire(Vec<u8>);

impl Read for Wire {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message, and whether it goes in parts.
#[derive(Debug, Clone)]
enum Said {
    Text(String),
    TextInParts(Vec<String>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn any_said() -> impl Strategy<Value = Said> {
    let control = || prop::collection::vec(any::<u8>(), 0..=125);
    prop_oneof![
        "\\PC{0,200}".prop_map(Said::Text),
        (0..70_000_usize).prop_map(|length| Said::Text("å".repeat(length / 2))),
        prop::collection::vec("\\PC{0,80}", 1..5).prop_map(Said::TextInParts),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Said::Binary),
        control().prop_map(Said::Ping),
        control().prop_map(Said::Pong),
    ]
}

/// What another implementation writes as a server, and what is to be told of it. Between the parts of a text stands a ping.
fn written(said: &[Said], close: Option<(u16, String)>) -> (Vec<u8>, Vec<Told>) {
    let mut socket = WebSocket::from_raw_socket(Wire(Vec::new()), Role::Server, None);
    let mut told = Vec::new();
    let mut send = |message: Sent| socket.send(message).expect("is written");
    for said in said {
        match said {
            Said::Text(content) => {
                send(Sent::text(content.clone()));
                told.push(text(content.as_bytes()));
            }
            Said::TextInParts(parts) => {
                for (number, part) in parts.iter().enumerate() {
                    let (starts, ends) = (number == 0, number + 1 == parts.len());
                    let opcode = OpCode::Data(if starts { Data::Text } else { Data::Continue });
                    send(Sent::Frame(Frame::message(part.clone(), opcode, ends)));
                    told.push(Told::Text { bytes: part.clone().into_bytes(), starts, ends });
                    if !ends {
                        send(Sent::Ping(vec![1, 2].into()));
                        told.push(Told::Ping(vec![1, 2]));
                    }
                }
            }
            Said::Binary(content) => {
                send(Sent::binary(content.clone()));
                told.push(Told::Binary);
            }
            Said::Ping(payload) => {
                send(Sent::Ping(payload.clone().into()));
                told.push(Told::Ping(payload.clone()));
            }
            Said::Pong(payload) => {
                send(Sent::Pong(payload.clone().into()));
                told.push(Told::Pong(payload.clone()));
            }
        }
    }
    if let Some((code, reason)) = close {
        told.push(Told::Close(Some(code), reason.clone().into_bytes()));
        send(Sent::Close(Some(CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from(reason) })));
    }
    (socket.get_ref().0.clone(), told)
}

fn cut<'b>(mut bytes: &'b [u8], lengths: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

proptest! {
    #[test]
    fn what_another_server_writes_is_told_whatever_the_cuts(
        said in prop::collection::vec(any_said(), 0..12),
        close in prop::option::of((1000..1004_u16, "[a-zåäö ]{0,40}")),
        lengths in prop::collection::vec(0..300_usize, 0..60),
    ) {
        let (bytes, expected) = written(&said, close);
        let (told, end, settled) = read(cut(&bytes, &lengths));
        prop_assert_eq!((end, settled), (Ok(()), bytes.len() as u64));
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn random_bytes_are_read_the_same_whatever_the_cuts(
        // First bytes and lengths that are often good.
        frames in prop::collection::vec(
            (
                prop::sample::select(vec![0x00_u8, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a, 0xc1, 0x83, 0x09]),
                0..135_u8,
                prop::collection::vec(any::<u8>(), 0..140),
            ),
            0..10,
        ),
        lengths in prop::collection::vec(0..50_usize, 0..60),
    ) {
        let bytes: Vec<u8> =
            frames.into_iter().flat_map(|(first, length, payload)| [vec![first, length], payload].concat()).collect();
        let (told, end, settled) = read([&*bytes]);
        prop_assert_eq!(read(cut(&bytes, &lengths)), (told, end, settled));
        prop_assert!(settled <= bytes.len() as u64);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let (_, _, settled) = whole(&bytes);
        prop_assert!(settled <= bytes.len() as u64);
    }
}
