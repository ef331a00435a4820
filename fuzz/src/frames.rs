//! The journal's bytes: one form per value, frames found again behind damage, and rows of whatever frames.

use contract::Text;
use contract::id::NodeName;
use contract::record::{AuthEvent, Disclosure, Intent, Marker, Outcome};
use contract::row::{Carry, Fold, Packed, Record, Row, kinds};
use contract::seal::{HandOver, SealCopy, Statement};
use contract::wire::Wire;
use gateway::fuzzing::journal::{FRAMES_START, has_header, search, segment};
use gateway::journal::FrameKind;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hasher as _};

/// The most frames of one input.
const FRAMES_MAX: usize = 64;

/// `w`: one value. `s`: a segment of any bytes. `d`: a damaged segment. Else: frames in a row, as [`taken`] reads them.
pub fn frames(data: &[u8]) {
    let [kind, rest @ ..] = data else { return };
    match kind {
        b'w' => {
            one_form::<Intent>(rest);
            one_form::<Disclosure>(rest);
            one_form::<Outcome>(rest);
            one_form::<AuthEvent>(rest);
            one_form::<Marker>(rest);
            one_form::<Statement>(rest);
            one_form::<HandOver>(rest);
            if let Some(copy) = SealCopy::read(rest) {
                let line = copy.line().expect("what was read can be written");
                assert_eq!(SealCopy::read(&line), Some(copy), "a copy of a seal keeps its form");
            }
        }
        b's' => any_segment(rest),
        b'd' => damaged(rest),
        _ => rows(&taken(rest)),
    }
}

fn one_form<T: Wire + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(value) = T::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes, "a second form of {value:?}");
    }
}

/// Frames in a row: kind, length in two bytes, payload.
fn taken(mut rest: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let [kind, low, high, after @ ..] = rest
        && frames.len() < FRAMES_MAX
    {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (payload, next) = after.split_at(length);
        frames.push((*kind, payload));
        rest = next;
    }
    frames
}

fn any_segment(bytes: &[u8]) {
    let file = [&vec![0; FRAMES_START], bytes].concat();
    let mut room = 0;
    for frame in search(file, 7).expect("memory reads") {
        let payload = frame.payload.as_slice();
        assert!(
            payload.is_empty() || bytes.windows(payload.len()).any(|window| window == payload),
            "a payload of its own"
        );
        room += 28 + payload.len();
    }
    assert!(room <= bytes.len(), "frames overlap");
    has_header(bytes.to_vec()).expect("memory reads");
}

/// Frames, then a range that is damaged: those before and behind it are found, and none that was not written. The salt
/// hangs on all of the input: as little as who sends a request can an input hold a frame that fits its own salt.
fn damaged(data: &[u8]) {
    let [at_low, at_high, length, rest @ ..] = data else { return };
    let mut hasher = DefaultHasher::new();
    hasher.write(data);
    let salt = hasher.finish() as u32;
    let kind = |byte: u8| FrameKind::ALL.get(usize::from(byte % 5)).copied();
    let written: Vec<(FrameKind, &[u8])> =
        taken(rest).into_iter().filter_map(|(byte, payload)| Some((kind(byte)?, payload))).collect();
    let (mut bytes, ends) = segment(salt, 1, &written);
    let from = FRAMES_START + usize::from(u16::from_le_bytes([*at_low, *at_high]));
    let to = from + usize::from(*length);
    for byte in bytes.iter_mut().take(to).skip(from) {
        *byte ^= 0xa5;
    }
    let found = search(bytes, salt).expect("memory reads");
    let mut start = FRAMES_START;
    let mut wanted = Vec::new();
    for (index, end) in ends.iter().enumerate() {
        if *end <= from || start >= to {
            wanted.push(index as u64 + 1);
        }
        start = *end;
    }
    let mut last = 0;
    for frame in &found {
        let sequence = frame.position.sequence();
        assert!(sequence > last, "in order, each once");
        last = sequence;
        let (kind, payload) = written.get(sequence as usize - 1).expect("only what was written");
        assert_eq!((frame.kind, frame.payload.as_slice()), (*kind, *payload));
        wanted.retain(|wanted| *wanted != sequence);
    }
    assert_eq!(wanted, [0; 0], "undamaged frames are lost");
}

/// Frames become rows; the same ones each time, and nothing stays open behind a start.
fn rows(frames: &[(u8, &[u8])]) {
    let node = NodeName::parse("node").expect("a name");
    let tenant = Text::from("tenant");
    let mut fold = Fold::new(&node, &tenant);
    let mut again = Fold::new(&node, &tenant);
    let (mut rows, mut rows_again) = (Vec::new(), Vec::new());
    let mut intents = 0;
    for (sequence, (kind, payload)) in (1..).zip(frames) {
        let taken = fold.apply(sequence, *kind, payload, &mut rows);
        assert_eq!(again.apply(sequence, *kind, payload, &mut rows_again), taken);
        if let Ok(carry) = Carry::from_bytes(payload) {
            assert_eq!(carry.to_bytes(), *payload, "one form");
        }
        let carry = fold.carry(sequence + 1, sequence);
        assert!(carry.exchanges.len() <= fold.open(), "more is carried over than is open");
        assert_eq!(Carry::from_bytes(&carry.to_bytes()).as_ref(), Ok(&carry));
        intents += usize::from(*kind == kinds::INTENT && taken.is_ok());
        assert!(fold.open() <= intents, "more is open than was asked");
        assert!(fold.resume_from(sequence + 1) <= sequence + 1);
        assert_eq!(fold.open() == 0, fold.resume_from(sequence + 1) == sequence + 1, "what is open is read again");
    }
    assert_eq!(rows, rows_again, "rows depend on the frames alone");
    let started = Marker::Started { at: 1 }.to_bytes();
    fold.apply(u64::MAX, kinds::MARKER, &started, &mut rows).expect("a marker");
    assert_eq!(fold.open(), 0, "a start closes what is open");
    fold.gap(1, u64::MAX, 0, &mut rows);
    for row in rows {
        match row {
            Row::Access(row) => packed(*row),
            Row::Auth(row) => packed(*row),
            Row::Key(row) => packed(row),
        }
    }
}

/// A row has one form on the way to ClickHouse, too.
fn packed<R: Record + PartialEq + Debug>(row: R) {
    let mut rows = Packed::<R>::default();
    rows.push(&row);
    assert_eq!(rows.read().expect("what was written is read"), [row]);
}
