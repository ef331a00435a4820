use super::*;
use crate::disclosure::Seen;
use crate::route::FieldPath;
use contract::identity::{Series, Year, luhn_holds};
use contract::pseudonym::PseudonymKey;
use http::{HeaderValue, header};
use proptest::prelude::*;
use std::io::Write as _;

const READING: Reading = Reading { year: Year(2026), series: Series { skane: false, short: true } };

/// A formally valid number of nobody: serials of 980 and above are for tests.
fn number(index: u32) -> String {
    let head = format!("{}0{}{:02}98{}", 1950 + index % 40, 1 + index % 9, 1 + index % 28, index % 10);
    let fits = |check: &u32| {
        let digits: Vec<u8> = format!("{head}{check}").bytes().skip(2).map(|byte| byte - b'0').collect();
        luhn_holds(digits.into_iter())
    };
    format!("{head}{}", (0..10).find(fits).unwrap_or(0))
}

fn how(json: &[&str]) -> InResponse {
    let json = json.iter().filter_map(|path| FieldPath::parse(path)).collect();
    InResponse { json, fhir: false, headers: Vec::new(), passes_unscanned: false }
}

fn headers(kind: &'static str, coding: Option<&'static str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    headers
}

fn encode(coding: Option<&str>, plain: &[u8]) -> Vec<u8> {
    match coding {
        Some("gzip") => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).expect("memory");
            encoder.finish().expect("memory")
        }
        Some("zstd") => zstd::bulk::compress(plain, 1).expect("memory"),
        _ => plain.to_vec(),
    }
}

/// Takes the bytes through in pieces. Gives whom it told, and checks that nothing leaves before what is in it is told: of
/// plain bodies, whatever left until then has no number whole that was not told.
fn through(mut inspector: Inspector, bytes: &[u8], cuts: &[usize], plain: bool) -> Result<Vec<String>, Unscannable> {
    let (mut left, mut told, mut rest) = (Vec::new(), Vec::new(), bytes);
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let at = cuts.next().map_or(rest.len(), |cut| (*cut).clamp(1, rest.len()));
        let (piece, after) = rest.split_at(at);
        rest = after;
        let mut hits = Vec::new();
        let ready = push(&mut inspector, piece, &mut hits)?;
        note(&hits, &mut told);
        left.extend(ready.iter().flatten());
        if plain {
            let text = String::from_utf8_lossy(&left);
            for index in 0..400 {
                let number = number(index);
                assert!(!text.contains(&number) || told.contains(&number), "it left, and was not told");
            }
        }
    }
    let mut hits = Vec::new();
    let ready = inspector.finish(&mut hits)?;
    note(&hits, &mut told);
    left.extend(ready.iter().flatten());
    assert_eq!(left, bytes, "the bytes pass as they came");
    Ok(told)
}

/// Looks at a piece to its end.
fn push(inspector: &mut Inspector, piece: &[u8], hits: &mut Vec<Hit>) -> Result<Ready, Unscannable> {
    let mut left = piece;
    while inspector.step(&mut left, hits)? {}
    Ok(inspector.passed(Bytes::copy_from_slice(piece)))
}

fn length(ready: &Ready) -> usize {
    ready.iter().map(Bytes::len).sum()
}

fn note(hits: &[Hit], told: &mut Vec<String>) {
    for hit in hits {
        if let Hit::Patient { id, .. } = hit
            && !told.iter().any(|known| known == id.expose())
        {
            told.push(id.expose().to_owned());
        }
    }
}

fn json(indices: &[u32]) -> String {
    let list: Vec<String> = indices.iter().map(|i| format!(r#"{{"name":"Prov {i}","id":"{}"}}"#, number(*i))).collect();
    format!(r#"{{"list":[{}],"total":{}}}"#, list.join(","), indices.len())
}

fn frames(texts: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.push(0x81);
        match u8::try_from(text.len()) {
            Ok(short) if short < 126 => bytes.push(short),
            _ => {
                bytes.push(126);
                bytes.extend(u16::try_from(text.len()).expect("a short text").to_be_bytes());
            }
        }
        bytes.extend(text.as_bytes());
    }
    bytes
}

proptest! {
    #[test]
    fn all_pass_unchanged_and_nobody_leaves_untold(
        indices in prop::collection::vec(0_u32..400, 0..30),
        cuts in prop::collection::vec(1_usize..200, 1..20),
        by_path in any::<bool>(),
    ) {
        let body = json(&indices);
        let mut wanted: Vec<String> = indices.iter().map(|index| number(*index)).collect();
        wanted.sort();
        wanted.dedup();
        let how = how(if by_path { &["list[*].id"] } else { &[] });
        for coding in [None, Some("gzip"), Some("zstd")] {
            let inspector = Inspector::of_answer(&how, StatusCode::OK, &headers("application/json", coding), READING).expect("scannable");
            let mut told = through(inspector, &encode(coding, body.as_bytes()), &cuts, coding.is_none()).expect("scannable");
            told.sort();
            prop_assert_eq!(&told, &wanted);
        }
        let texts: Vec<String> = indices.chunks(3).map(json).collect();
        let mut told = through(Inspector::of_socket(&how, READING), &frames(&texts), &cuts, true).expect("scannable");
        told.sort();
        prop_assert_eq!(&told, &wanted);
    }

    #[test]
    fn no_bytes_panic_and_what_leaves_is_what_came(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        cuts in prop::collection::vec(1_usize..100, 1..10),
        kind in 0_usize..4,
    ) {
        let kinds = ["application/json", "text/html", "text/event-stream", "application/fhir+json"];
        for coding in [None, Some("gzip"), Some("zstd"), Some("br"), Some("deflate")] {
            let headers = headers(kinds[kind], coding);
            let inspector = Inspector::of_answer(&how(&["a.b"]), StatusCode::OK, &headers, READING).expect("scannable");
            let _either = through(inspector, &bytes, &cuts, false);
        }
        let _either = through(Inspector::of_socket(&how(&["a.b"]), READING), &bytes, &cuts, false);
    }
}

#[test]
fn a_message_that_is_not_as_the_route_says_is_read_as_text() {
    let texts = [format!("hej {}", number(7)), json(&[8])];
    let told = through(Inspector::of_socket(&how(&["list[*].id"]), READING), &frames(&texts), &[5], true);
    assert_eq!(told, Ok(vec![number(7), number(8)]));
}

#[test]
fn what_waits_is_bounded_while_nobody_is_named() {
    let how = how(&["list[*].id"]);
    let least = usize::try_from(super::super::scan::HOLD_BYTES_MAX).expect("a small number");
    let held = least - 1000..=least + (8 << 10) + 2000;
    let piece = [b'x'; 1000];
    for (kind, start) in [
        ("application/json", r#"{"list":[{"text":""#),
        ("application/x-ndjson", r#"{"text":""#),
        ("application/fhir+json", r#"{"resourceType":"Observation","text":""#),
        ("text/event-stream", r#"data: {"list":[{"text":""#),
    ] {
        let inspector = Inspector::of_answer(&how, StatusCode::OK, &headers(kind, None), READING).expect("scannable");
        let (end, most) = flood(inspector, start.as_bytes(), &piece, 1000);
        assert!(end == Some(Unscannable::Nameless) && held.contains(&most), "{kind} {end:?} {most}");
    }
    // A message of 200,000 bytes.
    let start = b"\x81\x7f\0\0\0\0\0\x03\x0d\x40{\"list\":[";
    let (end, most) = flood(Inspector::of_socket(&how, READING), start, &[b' '; 1000], 1000);
    assert!(end == Some(Unscannable::Nameless) && held.contains(&most), "{end:?} {most}");
    // Text belongs to nobody in particular.
    let inspector =
        Inspector::of_answer(&how, StatusCode::OK, &headers("text/html", None), READING).expect("scannable");
    let (end, most) = flood(inspector, b"<p>", &piece, 1000);
    assert!(end.is_none() && most < 1000, "{end:?} {most}");
}

#[test]
fn what_waits_for_a_name_passes_whole_where_it_may() {
    let how = how(&["list[*].id"]);
    let body = format!(r#"{{"list":[{{"id":"{}"}},{{"text":"{}"}}]}}"#, number(3), "x".repeat(200_000));
    for coding in [None, Some("gzip")] {
        let mut inspector = Inspector::of_answer(&how, StatusCode::OK, &headers("application/json", coding), READING)
            .expect("scannable");
        let coded = encode(coding, body.as_bytes());
        let (mut left, mut hits, mut end) = (Vec::new(), Vec::new(), None);
        for piece in coded.chunks(97) {
            if end.is_none() {
                match push(&mut inspector, piece, &mut hits) {
                    Ok(ready) => left.extend(ready.concat()),
                    Err(cause) => {
                        end = Some(cause);
                        // As the proxy does once it is recorded.
                        left.extend(inspector.give_up().concat());
                        left.extend(piece);
                    }
                }
            } else {
                left.extend(piece);
            }
        }
        assert_eq!((end, left == coded), (Some(Unscannable::Nameless), true), "{coding:?}");
        let mut told = Vec::new();
        note(&hits, &mut told);
        assert_eq!(told, [number(3)], "who was told before it");
    }
}

/// Pushes the same piece again and again. Gives how it ended, and how much waited at most.
fn flood(mut inspector: Inspector, start: &[u8], piece: &[u8], times: usize) -> (Option<Unscannable>, usize) {
    let (mut waits, mut most) = (0, 0);
    for piece in std::iter::once(start).chain(std::iter::repeat_n(piece, times)) {
        match push(&mut inspector, piece, &mut Vec::new()) {
            Ok(ready) => waits = waits + piece.len() - length(&ready),
            Err(cause) => return (Some(cause), most),
        }
        most = most.max(waits);
    }
    (None, most)
}

#[test]
fn what_adds_nothing_to_the_view_does_not_wait_without_end() {
    let text = b"hej 1980";
    let bound = WAITING_BYTES_MAX + (64 << 10);
    // A stored block, and then empty ones.
    let start = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff\0\x08\0\xf7\xff".as_slice(), text].concat();
    let inspector = Inspector::of_answer(&how(&[]), StatusCode::OK, &headers("text/plain", Some("gzip")), READING)
        .expect("scannable");
    let (end, most) = flood(inspector, &start, &b"\0\0\0\xff\xff".repeat(13_000), 100);
    assert!(end == Some(Unscannable::Bomb) && most <= bound, "{end:?} {most}");
    // A message that goes on with empty frames, also in pieces of a frame each.
    let start = [b"\x01\x08".as_slice(), text].concat();
    for (piece, times) in [(b"\0\0".repeat(10_000), 100), (b"\0\0".to_vec(), 2 * WAITING_PIECES_MAX)] {
        let (end, most) = flood(Inspector::of_socket(&how(&[]), READING), &start, &piece, times);
        assert!(end == Some(Unscannable::Frames) && most <= bound, "{end:?} {most}");
    }
}

#[test]
fn pings_pass_what_waits_between_frames() {
    let pings = b"\x89\0\x8a\x02ok".as_slice();
    let mut inspector = Inspector::of_socket(&how(&[]), READING);
    let mut push = |piece: &[u8]| self::push(&mut inspector, piece, &mut Vec::new()).expect("scannable").concat();
    assert_eq!(push(b"\x01\x08hej 1980"), b"");
    for _ in 0..1_000 {
        assert_eq!(push(pings), pings);
    }
    // Half of one waits for the rest of it, and then both for the text, as they are not between frames.
    assert_eq!(push(b"\x89"), b"");
    assert_eq!(push(b"\0"), b"");
    // So does what has text, or ends the connection.
    let rest = push(b"\x80\x02 !\x88\0");
    assert_eq!(rest, b"\x01\x08hej 1980\x89\0\x80\x02 !\x88\0");

    // Within a frame nothing may stand.
    let mut inspector = Inspector::of_socket(&how(&[]), READING);
    let mut push = |piece: &[u8]| self::push(&mut inspector, piece, &mut Vec::new()).expect("scannable").concat();
    assert_eq!(push(b"\x01\x60").len(), 2);
    assert_eq!(push(&[b'x'; 0x60 - 8]).len(), 0x60 - 8);
    assert_eq!(push(b"198001 x").len(), 8, "no number");
    assert_eq!(push(b"\0\x08").len(), 2);
    assert_eq!(push(b"19800101"), b"");
    assert_eq!(push(pings), b"", "the frame's header has left without the rest of it");
}

#[test]
fn long_answers_in_zstd_go_on_as_they_come() {
    let rows = (0_u64..100_000).map(|i| format!("row {:x}\n", i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let body = encode(Some("zstd"), rows.collect::<String>().as_bytes());
    let mut inspector = Inspector::of_answer(&how(&[]), StatusCode::OK, &headers("text/plain", Some("zstd")), READING)
        .expect("scannable");
    let mut waits = 0;
    for piece in body.chunks(16 << 10) {
        waits = waits + piece.len() - length(&push(&mut inspector, piece, &mut Vec::new()).expect("scannable"));
        assert!(waits <= 256 << 10, "{waits}");
    }
    assert!(body.len() > 1 << 19 && inspector.finish(&mut Vec::new()).is_ok());
}

#[test]
fn short_pieces_are_joined_while_they_wait() {
    let mut inspector =
        Inspector::of_answer(&how(&["id"]), StatusCode::OK, &headers("application/json", None), READING)
            .expect("scannable");
    let body = format!(r#"{{"text":"{}","id":"{}"}}"#, "x".repeat(50_000), number(3));
    let mut left = Vec::new();
    for byte in body.as_bytes().chunks(1) {
        left.extend(push(&mut inspector, byte, &mut Vec::new()).expect("scannable").concat());
        assert!(inspector.waiting.len() <= 5);
    }
    left.extend(inspector.finish(&mut Vec::new()).expect("scannable").concat());
    assert_eq!(left, body.as_bytes());
}

#[test]
fn a_step_is_small_whatever_the_piece() {
    let numbers: String = (0..100_000).map(|i| number(i % 400) + "\n").collect();
    for coding in [None, Some("gzip"), Some("zstd")] {
        let body = encode(coding, numbers.as_bytes());
        let mut inspector = Inspector::of_answer(&how(&[]), StatusCode::OK, &headers("text/plain", coding), READING)
            .expect("scannable");
        let (mut left, mut steps, mut told, mut more) = (&*body, 0, 0, true);
        while more {
            let mut hits = Vec::new();
            more = inspector.step(&mut left, &mut hits).expect("scannable");
            assert!(hits.len() <= STEP_BYTES / 10, "{}", hits.len());
            (steps, told) = (steps + 1, told + hits.len());
        }
        assert!(steps >= numbers.len() / STEP_BYTES && told >= 99_999, "{steps} {told}");
    }
}

#[test]
fn each_is_new_once() {
    let key = PseudonymKey::new(&[7; 32]);
    let mut seen = Seen::new(&[], 10);
    let id = contract::identity::parse(&number(1), Year(2026)).expect("an identity");
    assert_eq!([0, 1].map(|_| seen.patient(key.patient(&id))), [Ok(true), Ok(false)]);
}

#[test]
fn a_message_that_names_nobody_beside_others_is_told_once() {
    let named = json(&[3]);
    let nobody = r#"{"list":{"name":"Kalle","diagnosis":"HIV"}}"#.to_owned();
    let by_text = format!(r#"{{"note":"{}"}}"#, number(4));
    let absent = |texts: &[String]| {
        let (mut inspector, mut hits) = (Inspector::of_socket(&how(&["list[*].id"]), READING), Vec::new());
        for byte in frames(texts).chunks(1) {
            push(&mut inspector, byte, &mut hits).expect("scannable");
        }
        inspector.finish(&mut hits).expect("scannable");
        hits.iter().filter(|hit| **hit == Hit::Unread { reason: Reason::PatientAbsent }).count()
    };
    let empty = "{}".to_owned();
    for (texts, wanted) in [
        (vec![&named, &nobody, &nobody], 1),
        (vec![&nobody, &named], 1),
        (vec![&nobody, &by_text], 1),
        (vec![&named, &by_text, &empty], 0),
        (vec![&nobody, &nobody], 0),
    ] {
        let texts: Vec<String> = texts.into_iter().cloned().collect();
        assert_eq!(absent(&texts), wanted, "{texts:?}");
    }
}

#[test]
fn a_message_of_fhir_that_breaks_off_tells_whom_it_did_not_resolve() {
    let how = InResponse { json: [].into(), fhir: true, headers: Vec::new(), passes_unscanned: false };
    let mut inspector = Inspector::of_socket(&how, READING);
    let text = r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","valueString":"HIV","subject":{"reference":"Patient/7"}}},"#;
    let mut bytes = vec![0x01, 126];
    bytes.extend(u16::try_from(text.len()).expect("a short text").to_be_bytes());
    bytes.extend(text.as_bytes());
    let (mut hits, mut left) = (Vec::new(), 0);
    for byte in bytes.chunks(1) {
        left += length(&push(&mut inspector, byte, &mut hits).expect("frames"));
    }
    inspector.break_off(&mut hits);
    assert!(left < bytes.len() || !hits.is_empty(), "all has left, and nobody is told");
}
