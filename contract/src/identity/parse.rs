//! From text to [`PatientId`]: every series, twelve or ten characters, with or without the separator.

use super::{IdentityKind, PatientId, Series, Year, luhn_holds};

/// Why a text is not a patient's identity. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum IdentityError {
    /// Not ten or twelve characters (without the separator), or a character that no series has.
    #[error("not the form of an identity number")]
    Form,
    /// The date does not exist.
    #[error("the date in the identity number does not exist")]
    Date,
    /// The check digit is wrong.
    #[error("the identity number's check digit is wrong")]
    CheckDigit,
}

/// Parses an identity with the default series.
pub fn parse(text: &str, this_year: Year) -> Result<PatientId, IdentityError> {
    parse_with(text, this_year, Series::default())
}

/// Parses an identity: `YYYYMMDDNNNC`, `YYYYMMDD-NNNC`, and where `series.short` the ten-digit forms `YYMMDDNNNC`,
/// `YYMMDD-NNNC`, and `YYMMDD+NNNC` for who turns 100 this year or is older. White space around is ignored.
pub fn parse_with(text: &str, this_year: Year, series: Series) -> Result<PatientId, IdentityError> {
    let (head, plus, tail) = match text.trim().as_bytes() {
        [head @ .., sign @ (b'-' | b'+'), a, b, c, d] => (head, *sign == b'+', [*a, *b, *c, *d]),
        [head @ .., a, b, c, d] => (head, false, [*a, *b, *c, *d]),
        _ => return Err(IdentityError::Form),
    };
    let mut id = [0; 12];
    match head.len() {
        8 if !plus => id.split_at_mut(8).0.copy_from_slice(head),
        6 if series.short => {
            let [y1, y2, ..] = *head else { return Err(IdentityError::Form) };
            let century = century_of(digit(y1)? * 10 + digit(y2)?, plus, this_year);
            let [c1, c2, rest @ ..] = &mut id;
            *c1 = b'0' + u8::try_from(century / 10 % 10).unwrap_or(0);
            *c2 = b'0' + u8::try_from(century % 10).unwrap_or(0);
            rest.split_at_mut(6).0.copy_from_slice(head);
        }
        _ => return Err(IdentityError::Form),
    }
    id.split_at_mut(8).1.copy_from_slice(&tail);
    id.make_ascii_uppercase();
    let kind = classify(id, series)?;
    Ok(PatientId { kind, characters: id })
}

fn digit(byte: u8) -> Result<u16, IdentityError> {
    if byte.is_ascii_digit() { Ok(u16::from(byte - b'0')) } else { Err(IdentityError::Form) }
}

/// The century (19, 20, …) of a two-digit year: the latest that is not in the future, one less with `+`.
fn century_of(year: u16, plus: bool, this_year: Year) -> u16 {
    let (this_century, this_short) = (this_year.0 / 100, this_year.0 % 100);
    let century = if year > this_short { this_century.saturating_sub(1) } else { this_century };
    if plus { century.saturating_sub(1) } else { century }
}

fn number(bytes: &[u8]) -> Option<u16> {
    bytes
        .iter()
        .try_fold(0u16, |n, b| b.is_ascii_digit().then(|| n.saturating_mul(10).saturating_add(u16::from(b - b'0'))))
}

fn date_exists(year: u16, month: u16, day: u16) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u16::from(leap),
        _ => return false,
    };
    (1..=days).contains(&day)
}

fn classify(id: [u8; 12], series: Series) -> Result<IdentityKind, IdentityError> {
    let [c1, c2, y1, y2, m1, m2, d1, d2, serial @ ..] = id;
    let (Some(year), Some(month), Some(day)) = (number(&[c1, c2, y1, y2]), number(&[m1, m2]), number(&[d1, d2])) else {
        return Err(IdentityError::Form);
    };
    let date = Date { year, month, day, born: (1800..2100).contains(&year) };
    // Luhn runs over positions 3 to 11 and the check digit.
    let checked = |kind, [a, b, c, d]: [u8; 4]| {
        let digits = [y1, y2, m1, m2, d1, d2, a, b, c, d].into_iter().map(|b| b.wrapping_sub(b'0'));
        if luhn_holds(digits) { Ok(kind) } else { Err(IdentityError::CheckDigit) }
    };
    if serial.iter().all(u8::is_ascii_digit) {
        if (c1, c2) == (b'9', b'9') {
            // Positions 5 to 11: a year and a serial number stand in the date's place.
            let [n1, n2, n3, n4] = serial;
            let digits = [m1, m2, d1, d2, n1, n2, n3, n4].into_iter().map(|b| b - b'0');
            return if luhn_holds(digits) {
                Ok(IdentityKind::ReserveStockholm)
            } else {
                Err(IdentityError::CheckDigit)
            };
        }
        return match day {
            _ if !date.born => Err(IdentityError::Date),
            61..=91 if date_exists(year, month, day - 60) => checked(IdentityKind::Samordningsnummer, serial),
            32..=59 if (1..=12).contains(&month) => checked(IdentityKind::ReserveClnk, serial),
            _ if date.exists() => checked(IdentityKind::Personnummer, serial),
            _ => Err(IdentityError::Date),
        };
    }
    if national(number(&[c1, c2]), date, serial) {
        return Ok(IdentityKind::ReserveNational);
    }
    if !date.born || !date.exists() {
        return Err(IdentityError::Date);
    }
    match serial {
        [sex @ (b'K' | b'M' | b'X'), a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            let sex = match sex {
                b'K' => b'5',
                b'M' => b'7',
                _ => b'8',
            };
            checked(IdentityKind::ReserveVastraGotaland, [sex, a, b, c])
        }
        [b'S', b'F' | b'U' | b'X' | b'P' | b'L', b'0'..=b'9', last @ b'A'..=b'Z'] if last != b'V' => {
            Ok(IdentityKind::ReserveVarmland)
        }
        _ if series.skane && serial.iter().all(u8::is_ascii_alphanumeric) => Ok(IdentityKind::ReserveSkane),
        _ => Err(IdentityError::Form),
    }
}

#[derive(Clone, Copy)]
struct Date {
    year: u16,
    month: u16,
    day: u16,
    /// Somebody alive or recently deceased can have been born in this year.
    born: bool,
}

impl Date {
    fn exists(self) -> bool {
        date_exists(self.year, self.month, self.day)
    }
}

/// The national series begins with 00 (birth date unknown: month 20 to 99, day 40 to 59) or a century that no
/// birth year has: 22, 23, 25 and on. Two letters, a digit, a check digit; its rule is not published, so none is
/// checked.
fn national(century: Option<u16>, date: Date, serial: [u8; 4]) -> bool {
    let [n1, n2, n3, n4] = serial;
    let letter = |b: u8| b.is_ascii_uppercase() && !matches!(b, b'I' | b'O' | b'Q' | b'V' | b'W');
    letter(n1)
        && letter(n2)
        && n3.is_ascii_digit()
        && n4.is_ascii_digit()
        && match century {
            Some(0) => (20..=99).contains(&date.month) && (40..=59).contains(&date.day),
            Some(22 | 23 | 25..=98) => date_exists(2000 + date.year % 100, date.month, date.day),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Year = Year(2026);

    fn kind(text: &str) -> Result<IdentityKind, IdentityError> {
        parse(text, NOW).map(|id| id.kind())
    }

    #[test]
    fn the_published_examples_parse() {
        use IdentityKind as K;
        for (text, expected) in [
            ("191212121212", K::Personnummer),
            ("19121212-1212", K::Personnummer),
            ("121212+1212", K::Personnummer),
            ("991981000010", K::ReserveStockholm),
            ("991945000023", K::ReserveStockholm),
            ("991993000032", K::ReserveStockholm),
            ("19810829M071", K::ReserveVastraGotaland),
            ("19450829K088", K::ReserveVastraGotaland),
            ("19930829X802", K::ReserveVastraGotaland),
            ("198108320014", K::ReserveClnk),
            ("19810829SF1A", K::ReserveVarmland),
            ("22810829AB12", K::ReserveNational),
            ("00254041AB12", K::ReserveNational),
        ] {
            assert_eq!(kind(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn ten_digits_find_their_century() {
        let twelve = |text| parse(text, NOW).map(|id| id.expose().to_owned());
        assert_eq!(twelve("121212+1212"), Ok("191212121212".to_owned()));
        // The same digits without «+» are a child born in 2012; Luhn does not see the century.
        assert_eq!(twelve("121212-1212"), Ok("201212121212".to_owned()));
        assert_eq!(twelve(" 1212121212 "), Ok("201212121212".to_owned()));
        let no_short = Series { short: false, ..Series::default() };
        assert_eq!(parse_with("121212-1212", NOW, no_short).err(), Some(IdentityError::Form));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(kind("191212121213"), Err(IdentityError::CheckDigit));
        assert_eq!(kind("191302301212"), Err(IdentityError::Date));
        assert_eq!(kind("19121212+1212"), Err(IdentityError::Form));
        for bad in ["", "1", "12121212", "1912121212121", "19121212121å", "ABCDEFGHIJKL", "----------"] {
            assert_eq!(kind(bad), Err(IdentityError::Form), "{bad}");
        }
        assert_eq!(kind("19810829A1B2"), Err(IdentityError::Form));
        assert!(parse_with("19810829A1B2", NOW, Series { skane: true, short: true }).is_ok());
    }

    #[test]
    fn nothing_shows_the_number() {
        assert_eq!(format!("{:?}", parse("191212121212", NOW)), "Ok(PatientId(personnummer, hidden))");
    }

    proptest! {
        #[test]
        fn any_text_is_an_identity_or_an_error(text in "\\PC{0,16}") {
            let _ = parse(&text, NOW);
        }

        #[test]
        fn exactly_one_check_digit_fits(year in 1900u16..2026, month in 1u16..=12, day in 1u16..=28, serial in 0u16..1000) {
            let fits = (0..10).filter(|c| kind(&format!("{year:04}{month:02}{day:02}{serial:03}{c}")).is_ok()).count();
            prop_assert_eq!(fits, 1);
        }
    }
}
