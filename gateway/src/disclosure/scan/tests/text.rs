//! Tests of texts.

use super::*;

fn found(text: impl AsRef<[u8]>) -> Vec<String> {
    let (hits, ended) = scan(&Form::Text, [text.as_ref()]);
    assert_eq!(ended, Ok(()));
    told(&hits).0
}

#[test]
fn identities_are_found() {
    for (text, id) in [
        ("191212121212", "191212121212"),
        ("19121212-1212", "191212121212"),
        ("121212+1212", "191212121212"),
        ("121212-1212", "201212121212"),
        ("1212121212", "201212121212"),
        ("19121212 1212", "191212121212"),
        ("19121212- 1212", "191212121212"),
        ("19121212 - 1212", "191212121212"),
        ("19121212\u{a0}1212", "191212121212"),
        ("19121212\u{202f}1212", "191212121212"),
        ("19121212\u{2009}1212", "191212121212"),
        ("19121212\u{2011}1212", "191212121212"),
        ("19121212\u{2013}1212", "191212121212"),
        ("19121212\u{2212}1212", "191212121212"),
        ("19121212\u{ad}1212", "191212121212"),
        ("19121212&nbsp;1212", "191212121212"),
        ("19121212&nbsp1212", "191212121212"),
        ("19121212&#160;1212", "191212121212"),
        ("19121212&#xA0;1212", "191212121212"),
        ("19121212&#45;1212", "191212121212"),
        ("19121212&#x2d;1212", "191212121212"),
        ("19121212&ndash;1212", "191212121212"),
        ("19121212&minus;1212", "191212121212"),
        ("19121212&hyphen;1212", "191212121212"),
        ("19121212&NonBreakingSpace;&NonBreakingSpace;&NonBreakingSpace;1212", "191212121212"),
        ("121212&plus;1212", "191212121212"),
        ("19121212&shy;1212", "191212121212"),
        ("19121212\\u20111212", "191212121212"),
        ("19121212\\u00a01212", "191212121212"),
        ("19121212\\xa01212", "191212121212"),
        ("19121212%2D1212", "191212121212"),
        ("121212%2B1212", "191212121212"),
        ("19121212%E2%80%911212", "191212121212"),
        ("19121212%c2%a01212", "191212121212"),
        ("19121212+1212", "191212121212"),
        ("id=\"p191212121212\"", "191212121212"),
        ("/patients/191212121212/visits", "191212121212"),
        ("?q=%20191212121212&x", "191212121212"),
        ("%22191212121212%22", "191212121212"),
        ("\\u003ctd\\u003e191212121212\\u003c/td\\u003e", "191212121212"),
        ("\\u0022191212121212\\u0022", "191212121212"),
        ("\\u00a0191212121212", "191212121212"),
        ("\\x22191212121212\\x22", "191212121212"),
        ("urn:oid:1.2.752.129.2.1.3.1.191212121212", "191212121212"),
        ("nr.191212121212.", "191212121212"),
        ("1.19121212-1212", "191212121212"),
        ("12.121212-1212", "201212121212"),
        ("3.1912-12-12-1212", "191212121212"),
        ("1.19121212 1212", "191212121212"),
        ("1,191212121212,0", "191212121212"),
        ("född 191212121212å", "191212121212"),
        ("19810829M071", "19810829M071"),
        ("19810829-M071", "19810829M071"),
        ("991981000010", "991981000010"),
        ("198108320014", "198108320014"),
        ("22810829AB12", "22810829AB12"),
        ("19121272-1219", "191212721219"),
        ("19121212\t1212", "191212121212"),
        ("19121212\n1212", "191212121212"),
        ("19121212-\n1212", "191212121212"),
        ("19121212-\r\n                        1212", "191212121212"),
        ("121212-\r\n\t\t\t1212", "201212121212"),
        ("19121212\r\n\t - \r\n\t1212", "191212121212"),
        ("19121212--  1212", "191212121212"),
        ("19121212\u{b}1212", "191212121212"),
        ("19121212\u{1e}1212", "191212121212"),
        ("19121212-\\r\\n   1212", "191212121212"),
        ("19121212\\t1212", "191212121212"),
        ("19121212\\u001e1212", "191212121212"),
        ("19121212%0D%0A1212", "191212121212"),
        ("19121212%091212", "191212121212"),
        ("19121212&Tab;1212", "191212121212"),
        ("19121212-&NewLine;1212", "191212121212"),
        ("19121212-&#13;&#10;1212", "191212121212"),
        ("19121212&zwnj;-&zwnj;1212", "191212121212"),
        ("19121212&NoBreak;-&NoBreak;1212", "191212121212"),
        ("19121212&emsp;1212", "191212121212"),
        ("19121212&emsp13;1212", "191212121212"),
        ("19121212&emsp14;1212", "191212121212"),
        ("19121212&#000000045;1212", "191212121212"),
        ("19121212&#x00000000000002D;1212", "191212121212"),
        ("19121212&#45 1212", "191212121212"),
        ("19121212&shy;-&shy;1212", "191212121212"),
        ("19121212-<wbr>1212", "191212121212"),
        ("19121212<WBR/>-1212", "191212121212"),
        ("19121212-<br />\n      1212", "191212121212"),
        ("1912-12-12-1212", "191212121212"),
        ("1912-12-12 1212", "191212121212"),
        ("1912-12-12&nbsp;-&nbsp;1212", "191212121212"),
        ("1912-12-12\t1212", "191212121212"),
        ("1981-08-29-M071", "19810829M071"),
        ("?d=%201912-12-12-1212", "191212121212"),
        ("%e21912-12-12-1212", "191212121212"),
        ("\\u00221912-12-12-1212", "191212121212"),
        ("2012-1912-12-12-1212", "191212121212"),
        ("2012-12-1912-12-12-1212", "191212121212"),
    ] {
        for (before, after) in [("", ""), ("<td>", "</td>"), ("x ", " y"), ("\"", "\",\"n\":1"), ("12,", ",34")] {
            let whole = format!("{before}{text}{after}");
            assert_eq!(found(&whole), [id], "{whole}");
        }
    }
    assert_eq!(found(b"19121212\xa01212 \xe5"), ["191212121212"], "Latin-1");
    assert_eq!(found(b"19121212\x961212"), ["191212121212"], "Windows-1252");
}

#[test]
fn other_numbers_are_nobody() {
    for text in [
        "191212121213",
        "191313131212",
        "1912121212121",
        "0191212121212",
        "19121212/1212",
        "19121212----1212",
        "19121212<td>1212",
        "19121212<wb>1212",
        "19121212<wbr1212",
        "19121212&#00000000000000045;1212",
        "1912-12-121212",
        "1912-12-12T1212",
        "1912-12-12-12123",
        "1912-12-1-1212",
        "11912-12-12-1212",
        "1912-12-12 - 1212-12-12",
        "1912-12-12 1212-12-12T12:00",
        "1981-08-29M071",
        "19121212-12123",
        "19121212-121",
        "119121212-1212",
        "1912121212",
        "1912 1212 1212",
        "0.191212121212",
        "1.191212121212",
        "0.1212121212",
        "59.1212121212",
        "1.191212121212e+11",
        "191212121212T",
        "191212121212abcdef00",
        "0123456789abcdef0123191212121212",
        "d41d8cd98f00b204e9800998ecf1212121212",
        "01912121-2121-7000-8000-191212121212",
        "19121212-1212-4000-8000-0123456789ab",
        "ab121212-1212-4000-8000-0123456789ab",
        "01912121-2121-7000-8000-ab1212121212",
        "1732301234567",
        "20240115123000",
        "2024-01-15T12:34:56.191212Z",
        "556016-0680",
        "5560160680",
        "22810829ab12",
        "8108320014",
        "19121212&#1601212",
        "19121212&nbs;1212",
        "19121212&amp;1212",
    ] {
        for (before, after) in [("", ""), (" ", " "), ("\"", "\"")] {
            assert_eq!(found(format!("{before}{text}{after}")), [""; 0], "{text}");
        }
    }
}

#[test]
fn dates_with_dashes_are_found_wherever_the_sweep_looks() {
    for before in 0..12 {
        for gap in 1..16 {
            let (before, gap) = ("x".repeat(before), "_".repeat(gap));
            let text = format!("{before}1912-12-12-1212{gap}1-2{gap}2012-12-12 1212{gap}");
            assert_eq!(found(&text)[..1], ["191212121212"], "{text}");
            let text =
                format!("{before} 12 {gap} 123456 {gap} 1912-12-12-1212 {gap} 1234-5 {gap} 2012-12-12 1212 {gap}");
            assert_eq!(found(&text), ["191212121212", "201212121212"], "{text}");
        }
    }
}

#[test]
fn where_a_number_stands_does_not_matter() {
    let writings = ["191212121212", "1212121212", "19121212-1212", "121212-1212", "1912-12-12 1212", "1912-12-12-1212"];
    for number in writings {
        for before in 0..140 {
            // Short rows and half dates before it, so that rows begin and end at each byte of a block.
            let text = format!(
                "{}{number}.",
                "1234 123-12 2024-1 ".chars().cycle().skip(before % 19).take(before).collect::<String>() + "x"
            );
            let text = text.as_bytes();
            for cut in (before.saturating_sub(1)..text.len()).chain([0]) {
                let (mut scanner, mut hits) = (Scanner::new(Form::Text, READING), Vec::new());
                for piece in [&text[..cut], &text[cut..]] {
                    scanner.push(piece, &mut hits).unwrap();
                    let start = (text.len() - 1 - number.len()) as u64;
                    assert!(hits.len() == 1 || scanner.settled() <= start, "{number} after {before}, cut at {cut}");
                }
                scanner.finish(&mut hits).unwrap();
                assert_eq!(hits.len(), 1, "{number} after {before}, cut at {cut}");
            }
        }
    }
}

#[test]
fn white_space_is_passed_up_to_a_bound() {
    for (blanks, is_found) in [(63, true), (200, false)] {
        let text = format!("19121212-{}1212", " ".repeat(blanks));
        assert_eq!(found(&text).len(), usize::from(is_found), "{blanks}");
    }
}

#[test]
fn a_long_run_of_digits_is_nobody_however_it_is_cut() {
    let text = b"12345678901234567890191212121212 ";
    for cut in 0..text.len() {
        let (head, tail) = text.split_at(cut);
        assert_eq!(scan(&Form::Text, [head, tail]).0, [], "{cut}");
    }
}

#[test]
fn what_is_no_text_is_a_fault() {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let csv = "namn;nummer\r\nTesta;19121212-1212\r\n";
    for (name, body) in [
        ("UTF-16LE", utf16(csv, u16::to_le_bytes)),
        ("UTF-16BE", utf16(csv, u16::to_be_bytes)),
        ("UTF-16LE with its mark", utf16(&format!("\u{feff}{csv}"), u16::to_le_bytes)),
        ("UTF-16BE with its mark", utf16(&format!("\u{feff}{csv}"), u16::to_be_bytes)),
        ("a mark and no ASCII", utf16("\u{feff}\u{4e00}", u16::to_le_bytes)),
        ("UTF-32", csv.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()),
        ("XML", utf16("<?xml version=\"1.0\" encoding=\"UTF-16\"?><p>191212121212</p>", u16::to_be_bytes)),
        ("XML in EBCDIC", b"\x4c\x6f\xa7\x94\x93\x40\xf1\xf9".to_vec()),
        ("PDF", b"%PDF-1.7\n1 0 obj".to_vec()),
        ("ZIP", b"PK\x03\x04".to_vec()),
        ("gzip", b"\x1f\x8b".to_vec()),
        ("zstd", b"\x28\xb5\x2f\xfd".to_vec()),
        ("zeros between digits", b"<p>1912\x001212\x001212</p>".to_vec()),
        ("late", [csv.repeat(4000).as_bytes(), b"\x00"].concat()),
    ] {
        for form in [Form::Text, Form::Events(Box::new(Form::Text)), Form::Events(Box::new(Form::Fhir))] {
            let whole = scan(&form, [body.as_slice()]);
            assert_eq!(whole.1, Err(Fault::Binary), "{name}");
            for step in [1, 2, 3, 5, 1000] {
                assert_eq!(scan(&form, body.chunks(step)), whole, "{name} {step}");
            }
        }
    }
    for byte in 0..=255_u8 {
        let foreign = matches!(byte, 0..=8 | 0x0e..=0x1a | 0x1c | 0x1d | 0x1f);
        let ended = scan(&Form::Text, [[b"text ".as_slice(), &[byte; 3]].concat().as_slice()]).1;
        assert_eq!(ended.is_err(), foreign, "{byte}");
    }
    for text in ["\u{feff}%PDF", "%PD", "a%PDF", "<?xml version=\"1.0\" encoding=\"UTF-16\"?>", "ÿ", "\u{1e}{}\n"] {
        assert_eq!(scan(&Form::Text, [text.as_bytes()]).1, Ok(()), "{text}");
    }
}

#[test]
fn whom_a_text_names_before_it_is_none_is_told() {
    let mut scanner = Scanner::new(Form::Text, READING);
    let mut hits = Vec::new();
    assert_eq!(scanner.push(b"x 20121212", &mut hits), Ok(()));
    assert_eq!(scanner.settled(), 2);
    assert_eq!(scanner.push(b"1212\x00 191212121212", &mut hits), Err(Fault::Binary));
    assert_eq!(told(&hits).0, [B]);
    assert_eq!(scanner.settled(), 2, "what was settled before");
    assert_eq!(scanner.finish(&mut hits), Err(Fault::Binary));
}

#[test]
fn what_is_known_to_be_characters_may_have_all_of_them() {
    let mut scanner = Scanner::of_characters(READING);
    let mut hits = Vec::new();
    assert_eq!(scanner.push(b"%PDF MESSAGE\n\n191212121212\x00", &mut hits), Ok(()));
    assert_eq!(told(&hits).0, [A]);
}
