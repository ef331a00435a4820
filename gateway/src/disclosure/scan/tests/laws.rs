//! What holds for all bodies, whatever stands in them and however they are cut.

use super::slow;
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

/// Looks at a body in pieces, and checks what is settled after each of them.
fn watched(form: &Form, body: &[u8], cuts: &[Index]) -> (Vec<Hit>, Result<(), Fault>) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).chain([body.len()]).collect();
    ends.sort_unstable();
    let mut scanner = Scanner::new(form.clone(), READING);
    let (mut hits, mut start, mut settled) = (Vec::new(), 0, 0);
    for end in ends {
        let ended = scanner.push(&body[start..end], &mut hits);
        let now = scanner.settled();
        assert!(now >= settled && now <= end as u64, "{settled} {now} {end}");
        (start, settled) = (end, now);
        if ended.is_err() {
            assert_eq!(scanner.push(b"x", &mut hits), ended, "a fault stays");
            assert_eq!(scanner.finish(&mut hits), ended);
            return (hits, ended);
        }
    }
    let ended = scanner.finish(&mut hits);
    if ended.is_ok() {
        assert_eq!(scanner.settled(), body.len() as u64);
    }
    (hits, ended)
}

fn forms() -> impl Strategy<Value = Form> {
    let json = || paths(&["a.b", "items[*].p", "subject"]);
    let plain = prop_oneof![Just(Form::Text), Just(Form::Json(json())), Just(Form::Lines(json())), Just(Form::Fhir),];
    (plain, any::<bool>()).prop_map(|(form, events)| if events { Form::Events(Box::new(form)) } else { form })
}

fn valid_id() -> impl Strategy<Value = String> {
    (1900_u16..2026, 1_u8..=12, 1_u8..=28, 980_u16..1000, any::<bool>()).prop_map(
        |(year, month, day, serial, hyphen)| {
            let fits = |id: &String| contract::identity::parse(id, READING.year).is_ok();
            let id = (0..10).map(|check| format!("{year:04}{month:02}{day:02}{serial:03}{check}")).find(fits);
            let id = id.expect("one fits");
            if hyphen { format!("{}-{}", &id[..8], &id[8..]) } else { id }
        },
    )
}

/// Pieces of texts that look like identities.
fn atom() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"191212121212",
        b"19121212",
        b"121212",
        b"1212",
        b"1212121212",
        b"1",
        b"12",
        b"-",
        b"+",
        b" ",
        b"\xa0",
        b"\xc2",
        b"\xc2\xa0",
        b"\xe2\x80\x91",
        b"\xe2\x80",
        b"\xe2\x88\x92",
        b"&nbsp;",
        b"&nbsp",
        b"&#160;",
        b"&#xA0;",
        b"&#",
        b"&shy;",
        b"&amp;",
        b"\\u2011",
        b"\\u00a0",
        b"\\u00",
        b"\\xa0",
        b"\\n",
        b"%20",
        b"%2D",
        b"%C2%A0",
        b"%",
        b".",
        b",",
        b"0.",
        b"a",
        b"T",
        b"x",
        b"id",
        b"M071",
        b"19810829",
        b"-4000-8000-0123456789ab",
        b"0123456789ab-4000-8000-",
        b"deadbeefdead",
        b"\n",
        b"\"",
        b"<td>",
        b"\\",
        b"data: ",
        b"\n\n",
        b":",
        b"1912-12-12",
        b"12-12-",
        b"\t",
        b"\r\n    ",
        b"\\t",
        b"&Tab;",
        b"&emsp",
        b"14;",
        b"&#000045;",
        b"&#45",
        b"<wbr>",
        b"<br /",
        b">",
        b"%0D%0A",
        b"\x1e",
    ];
    prop_oneof![
        6 => proptest::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => "[0-9]{1,14}".prop_map(String::into_bytes),
        1 => valid_id().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..4),
        1 => "[a-z ]{0,40}".prop_map(String::into_bytes),
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(atom(), 0..24).prop_map(|atoms| atoms.concat())
}

/// Any JSON, with keys and values that are looked for here and there.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,12}".prop_map(Into::into),
        valid_id().prop_map(Into::into),
        valid_id().prop_map(|id| format!("Patient/{id}").into()),
        proptest::sample::select(vec![
            "Patient",
            "Bundle",
            "x",
            "urn:oid:1.2.752.129.2.1.3.1",
            "Patient/7",
            "7",
            "191212121213",
            "\"\\é"
        ])
        .prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 48, 5, |inner| {
        let key = prop_oneof![
            "\\PC{0,6}",
            proptest::sample::select(vec![
                "a",
                "B",
                "b",
                "items",
                "P",
                "p",
                "subject",
                "value",
                "system",
                "reference",
                "identifier",
                "entry",
                "resource",
                "resourceType",
                "id",
                "contained",
                "fullUrl",
                "patient",
            ])
            .prop_map(str::to_owned),
        ];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn json_text() -> impl Strategy<Value = Vec<u8>> {
    (json(), any::<bool>()).prop_map(|(value, pretty)| {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
        text.expect("writes")
    })
}

/// A change somewhere in a body.
fn change() -> impl Strategy<Value = (Index, u8, Vec<u8>)> {
    (
        any::<Index>(),
        0_u8..3,
        prop_oneof![
            atom(),
            proptest::sample::select(vec!["{", "}", "[", "]", "\"", "\\", ",", ":"])
                .prop_map(|text| text.as_bytes().to_vec())
        ],
    )
}

fn changed(mut body: Vec<u8>, changes: &[(Index, u8, Vec<u8>)]) -> Vec<u8> {
    for (at, kind, bytes) in changes {
        let at = at.index(body.len() + 1);
        match kind {
            0 => body.truncate(at.max(body.len() / 2)),
            1 => {
                body.splice(at..at, bytes.iter().copied());
            }
            _ => {
                body.splice(at..(at + 1).min(body.len()), bytes.iter().copied());
            }
        }
    }
    body
}

/// The fields that the paths lead to, as the walk over the whole value finds them.
fn walked(value: &Value, paths: &[FieldPath]) -> Vec<(String, u32)> {
    let mut all = Vec::new();
    let cursors: Vec<(usize, usize)> = (0..paths.len()).map(|path| (path, 0)).collect();
    walk(value, &cursors, paths, None, &mut all);
    let mut once: Vec<(String, u32)> = Vec::new();
    for found in all {
        if !once.iter().any(|(id, _)| *id == found.0) {
            once.push(found);
        }
    }
    once
}

fn walk(
    value: &Value,
    cursors: &[(usize, usize)],
    paths: &[FieldPath],
    index: Option<u32>,
    all: &mut Vec<(String, u32)>,
) {
    let ended = cursors.iter().any(|(path, depth)| *depth == paths[*path].keys().len());
    let mut read = |text: &str| {
        crate::patient::identities(text, READING, &mut |said| {
            if let crate::patient::Said::Patient(id) = said {
                all.push((id.expose().to_owned(), index.unwrap_or(0)));
            }
        });
    };
    match value {
        _ if cursors.is_empty() => {}
        Value::String(text) if ended => read(text),
        Value::Number(number) if ended => read(&number.to_string()),
        Value::Array(values) => {
            for (position, value) in values.iter().enumerate() {
                walk(value, cursors, paths, index.or(u32::try_from(position).ok()), all);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                let next: Vec<(usize, usize)> = cursors
                    .iter()
                    .filter_map(|(path, depth)| match paths[*path].keys().get(*depth) {
                        Some(name) => name.eq_ignore_ascii_case(key).then_some((*path, depth + 1)),
                        None => ["value", "reference", "identifier"]
                            .iter()
                            .any(|name| name.eq_ignore_ascii_case(key))
                            .then_some((*path, *depth)),
                    })
                    .collect();
                walk(value, &next, paths, index, all);
            }
        }
        _ => {}
    }
}

/// Arrays are entered by themselves.
fn says_type(value: &Value) -> bool {
    match value {
        Value::String(name) => !name.trim_ascii().is_empty(),
        Value::Array(values) => values.iter().any(says_type),
        _ => false,
    }
}

fn once(hits: &[Hit]) -> Vec<(String, u32)> {
    let mut once: Vec<(String, u32)> = Vec::new();
    for hit in hits {
        if let Hit::Patient { id, position } = hit
            && !once.iter().any(|(known, _)| known == id.expose())
        {
            once.push((id.expose().to_owned(), *position));
        }
    }
    once
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn cuts_change_nothing(
        form in forms(),
        body in prop_oneof![text(), json_text(), vec(json_text(), 0..4).prop_map(|lines| lines.join(&b'\n')),
            vec((atom(), json_text()), 0..4).prop_map(|events| events.into_iter().map(|(other, data)| [b"event: ", other.as_slice(), b"\ndata: ", &data, b"\n\n"].concat()).collect::<Vec<_>>().concat())],
        changes in vec(change(), 0..3),
        cuts in vec(any::<Index>(), 0..8),
    ) {
        let body = changed(body, &changes);
        let whole = watched(&form, &body, &[]);
        prop_assert_eq!(&watched(&form, &body, &cuts), &whole);
        prop_assert_eq!(&scan(&form, body.chunks(1)), &whole);
        prop_assert!(!format!("{whole:?}").contains("1212"), "nothing shows who was found");
    }

    #[test]
    fn text_is_read_as_by_the_slow_reader(text in text(), cuts in vec(any::<Index>(), 0..4)) {
        let (hits, ended) = watched(&Form::Text, &text, &cuts);
        // The slow reader reads what stands before a byte that no text has.
        let foreign = text.iter().position(|byte| matches!(byte, 0..=8 | 0x0e..=0x1a | 0x1c | 0x1d | 0x1f));
        prop_assert_eq!(ended.is_err(), foreign.is_some() || [b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| text.starts_with(*mark)));
        let text = text.get(..foreign.unwrap_or(text.len())).unwrap_or_default();
        let mut fast: Vec<String> = Vec::new();
        for id in told(&hits).0 {
            if !fast.contains(&id) {
                fast.push(id);
            }
        }
        prop_assert_eq!(fast, slow::read(text), "{}", text.escape_ascii());
    }

    #[test]
    fn json_is_read_as_by_serde(value in json(), pretty in any::<bool>(), cuts in vec(any::<Index>(), 0..4)) {
        let names = ["a.b", "items[*].p", "subject", "a.identifier.value"];
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.expect("writes");
        let (hits, ended) = watched(&Form::Json(paths(&names)), &text, &cuts);
        prop_assert_eq!(ended, Ok(()));
        prop_assert_eq!(once(&hits), walked(&value, &paths(&names)));
    }

    #[test]
    fn what_serde_reads_is_no_fault(body in json_text(), changes in vec(change(), 0..3)) {
        let body = changed(body, &changes);
        let typed = |value: &Value| {
            let Some(object) = value.as_object() else { return false };
            let mut types = object.iter().filter(|(key, _)| key.eq_ignore_ascii_case("resourceType"));
            types.any(|(_, name)| says_type(name))
        };
        let (_, ended) = scan(&Form::Fhir, [body.as_slice()]);
        if let Ok(value) = serde_json::from_slice::<Value>(&body) {
            // A list of resources may pass, and of types said twice serde has the last.
            let lenient = value.is_array() || body.escape_ascii().to_string().matches("resourceType").count() > 1;
            let wanted = if typed(&value) { Ok(()) } else { Err(Fault::Type) };
            prop_assert!(ended == wanted || lenient && ended != Err(Fault::Syntax), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn no_identity_leaves_before_it_is_told(
        before in json(), after in json(), id in valid_id(), cuts in vec(any::<Index>(), 0..12), lines in 0_usize..3, kind in 0_u8..4, filler in prop_oneof![Just(0_usize), 60_000_usize..70_000, 125_000_usize..145_000],
    ) {
        let filler = "x".repeat(filler);
        let (form, text) = match kind {
            0 => (Form::Json(paths(&["list.p"])), format!("{{\"k\":{before},\"list\":[{{\"q\":1}},{{\"f\":\"{filler}\",\"p\":\"{id}\",\"y\":{after}}}]}}")),
            1 => (Form::Text, format!("{filler} {id} {after}")),
            2 => (Form::Fhir, format!("{{\"resourceType\":\"Bundle\",\"entry\":[{{\"resource\":{{\"f\":\"{filler}\",\"identifier\":[{{\"value\":\"{id}\"}}],\"z\":{after},\"resourceType\":\"Patient\"}}}}]}}")),
            _ => (Form::Lines(paths(&["p"])), format!("{before}\n{{\"f\":\"{filler}\",\"p\":\"{id}\"}}\n{after}")),
        };
        let text = format!("{}{text}", " ".repeat(lines));
        let first = text.find(&id).expect("planted");
        let want = id.replace('-', "");
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).chain([first + 3, first + id.len(), text.len()]).collect();
        ends.sort_unstable();
        let mut scanner = Scanner::new(form, READING);
        let (mut hits, mut start) = (Vec::new(), 0);
        for end in ends {
            let settled = scanner.settled();
            let known = told(&hits).0.contains(&want);
            prop_assert!(known || settled <= first as u64);
            let pushed = scanner.push(&text.as_bytes()[start..end], &mut hits);
            if pushed == Err(Fault::Nameless) {
                prop_assert!(kind != 1 && filler.len() > 100_000, "{}", filler.len());
                prop_assert!(scanner.settled() <= (first - filler.len()) as u64, "nothing of it leaves");
                return Ok(());
            }
            prop_assert_eq!(pushed, Ok(()));
            start = end;
        }
        prop_assert_eq!(scanner.finish(&mut hits), Ok(()));
        prop_assert!(kind == 1 || filler.len() < 140_000, "it is too long");
        prop_assert!(told(&hits).0.contains(&want), "{}", text);
    }
}

#[test]
fn endless_bodies_are_no_flood_of_hits() {
    for form in [Form::Text, Form::Json(paths(&["p"])), Form::Fhir, Form::Events(Box::new(Form::Json(paths(&["p"]))))] {
        for unit in
            ["1", "[\"1\"],", "\"", "{\"p\":\"", "\\", "&#", "19121212-", "data: [1,\n", "data:\n", "19121212\u{a0}"]
        {
            let mut scanner = Scanner::new(form.clone(), READING);
            let piece = unit.repeat(4096);
            let mut hits = Vec::new();
            for _ in 0..64 {
                if scanner.push(piece.as_bytes(), &mut hits).is_err() {
                    break;
                }
            }
            assert!(hits.len() < 4, "{form:?} {unit}");
        }
    }
}
