//! A letter has what it must, where the window is.

use super::Letter;
use crate::config::Handout;
use crate::forms::Application;
use crate::handout::{Delivery, Part, Purpose, Rule};
use crate::store::Printed;
use contract::id::HsaId;
use contract::record::Right;
use zeroize::Zeroizing;

fn printed(name: &str) -> Printed {
    let form = Application {
        name: name.to_owned(),
        title: "sjuksköterska".to_owned(),
        unit: ("Ortopedkliniken".to_owned(), HsaId::parse("SE2321000016-P001").expect("valid")),
        address: vec!["Barngatan 4".to_owned(), "221 00 Lund".to_owned()],
        telephone: "046-10 00 00".to_owned(),
        mobile: Some("070-000 00 00".to_owned()),
        email: Some("anna@example.org".to_owned()),
        right: Right::Read,
        valid_from: 1,
        valid_to: None,
        purpose: "Registrering".to_owned(),
    };
    let clear = Zeroizing::new("ABCD-EFGH-JKMN".to_owned());
    Printed { delivery: Delivery::from(&form), part: Part::Id, clear, purpose: Purpose::First }
}

/// The texts of a page with the places where they begin, in millimetres from the left and from the top.
fn texts(pdf: &[u8]) -> Vec<(f32, f32, Vec<u8>)> {
    let text = pdf.iter().map(|byte| char::from(*byte)).collect::<String>();
    let mut found = Vec::new();
    for block in text.split("BT\n").skip(1) {
        let block = block.split("ET").next().expect("an end");
        let place = block.lines().find_map(|line| line.strip_suffix(" Td")).expect("a place");
        let mut numbers = place.split(' ').map(|number| number.parse::<f32>().expect("a number"));
        let (x, y) = (numbers.next().expect("x"), numbers.next().expect("y"));
        let shown = block.lines().find_map(|line| line.strip_suffix(" Tj")).expect("a text");
        let bytes = if let Some(hex) = shown.strip_prefix('<') {
            hex::decode(hex.trim_end_matches('>')).expect("hexadecimal")
        } else {
            let inner = shown.trim_start_matches('(').trim_end_matches(')');
            inner.chars().map(|c| u8::try_from(c).expect("a byte")).collect()
        };
        found.push((x * 25.4 / 72.0, (841.89 - y) * 25.4 / 72.0, bytes));
    }
    found
}

#[test]
fn the_address_is_behind_the_window_and_the_half_is_there_once() {
    let settings = Handout {
        rule: Rule::default(),
        english: false,
        address: "https://portal.example.se/auth/collect".to_owned(),
        sender: vec!["Registercentrum Syd".to_owned(), "Box 1".to_owned()],
    };
    let pdf =
        Letter::new(&settings, "Ring 010-000 00 00", "Grindvakt", 1_790_000_000_000_000).pdf(&printed("Anna Åkesson"));
    assert!(pdf.starts_with(b"%PDF-1."));
    let texts = texts(&pdf);
    let at = |text: &[u8]| {
        let mut found = texts.iter().filter(|(_, _, shown)| shown.windows(text.len()).any(|part| part == text));
        let (x, y, _) = found.next().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(text)));
        assert!(found.next().is_none(), "once");
        (*x, *y)
    };
    for line in [b"Anna \xc5kesson".as_slice(), b"Ortopedkliniken", b"Barngatan 4", b"221 00 Lund"] {
        let (x, y) = at(line);
        assert!((110.0..115.0).contains(&x) && (48.0..85.0).contains(&y), "{x} {y}");
    }
    let (_, half) = at(b"ABCD-EFGH-JKMN");
    assert!((90.0..280.0).contains(&half), "below the fold: it does not show through the window");
    for line in [b"Registercentrum Syd".as_slice(), b"portal.example.se", b"010-000 00 00", b"14 dagar"] {
        at(line);
    }
    let whole: Vec<u8> = texts.iter().flat_map(|(_, _, text)| text.clone()).collect();
    for absent in [b"070".as_slice(), b"anna@example.org", b"046-10"] {
        assert!(!whole.windows(absent.len()).any(|part| part == absent), "what the letter does not need");
    }
    assert!(texts.iter().all(|(x, y, _)| *x > 10.0 && *y > 10.0 && *y < 287.0), "on the page");
}
