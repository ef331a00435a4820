//! Emergency access (nödöppning): what somebody says of why they open a patient. Pure.
//!
//! The closed list of reasons is `contract::emergency::Why`; these are the words that go with it, for who reviews the
//! opening. They name nobody: whom it is about, the record knows.

use contract::identity::{Series, Year, parse_with};
use std::fmt;

/// The fewest characters that say anything.
pub const WORDS_MIN: usize = 10;
/// The most characters.
pub const WORDS_MAX: usize = 500;

/// Why a patient is opened, in words.
#[derive(Clone, PartialEq, Eq)]
pub struct Words(String);

/// A text does not say why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Too short, too long, or not text.
    #[error("the reason is {WORDS_MIN} to {WORDS_MAX} characters of text")]
    Length,
    /// An identity number stands in it.
    #[error("the reason names somebody by number: leave the number out")]
    Identity,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Words(hidden)")
    }
}

impl Words {
    /// Reads words; white space around is forgiven.
    pub fn parse(text: &str) -> Result<Self, WordsError> {
        let text = text.trim();
        let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\r');
        if !(WORDS_MIN..=WORDS_MAX).contains(&text.chars().count()) || text.chars().any(bad) {
            return Err(WordsError::Length);
        }
        if names_somebody(text) { Err(WordsError::Identity) } else { Ok(Self(text.to_owned())) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether an identity number stands in a text: as a word, or as groups of digits with blanks or dashes between, whatever
/// stands beside them.
fn names_somebody(text: &str) -> bool {
    let words = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
    words.into_iter().any(is_number) || runs(text).iter().any(|run| names_somebody_in(run))
}

/// The century of a short number does not matter here.
fn is_number(text: &str) -> bool {
    parse_with(text, Year(2000), Series::default()).is_ok()
}

/// Groups of digits that have nothing but a few blanks and dashes between them.
fn runs(text: &str) -> Vec<Vec<&str>> {
    let mut runs: Vec<Vec<&str>> = vec![Vec::new()];
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (between, digits) = rest.split_at(start);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let (group, after) = digits.split_at(end);
        let near = between.chars().count() <= BETWEEN_MAX && between.chars().all(is_gap);
        match runs.last_mut() {
            Some(run) if near => run.push(group),
            _ => runs.push(vec![group]),
        }
        rest = after;
    }
    runs
}

/// The most blanks and dashes within a number: ` - `.
const BETWEEN_MAX: usize = 3;

/// A blank, or a dash of whatever length that a keyboard or a word processor makes.
fn is_gap(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '+' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}')
}

/// Whether some of these groups, side by side, are an identity number.
fn names_somebody_in(run: &[&str]) -> bool {
    (0..run.len()).any(|first| {
        let mut number = String::new();
        // Where it is parted.
        let mut parts = Vec::new();
        run.iter().skip(first).any(|group| {
            parts.push(number.len());
            number.push_str(group);
            match number.len() {
                12 => is_number(&number),
                // Year, month, day and number may stand apart; a telephone's number is parted elsewhere.
                10 => parts.iter().all(|at| matches!(at, 0 | 2 | 4 | 6)) && is_number(&number),
                _ => false,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_something_and_name_nobody() {
        for good in ["Medvetslös på akuten", "  Trafikolycka, ambulans in 14:05\nblödning  ", &"å".repeat(WORDS_MAX)]
        {
            assert_eq!(Words::parse(good).expect("words").as_str(), good.trim());
        }
        for good in [
            "Larm 2026-11-23 14:05, in 2026-11-23 14.20",
            "Mellan 2026-11-23 - 2026-11-24, kl 10-12",
            "Ring 08-123 45 67 eller 070-123 45 67",
            "Ring 070 174 06 05 eller +46 70 174 06 05",
            "Rum 12, säng 12, sats 1234-5678-9012",
            "Tryck 120/80, puls 121212, 12 12 12",
        ] {
            assert!(Words::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "akut", "          ", "Medvetslös\u{7} på akuten", &"å".repeat(WORDS_MAX + 1)] {
            assert_eq!(Words::parse(bad), Err(WordsError::Length), "{bad}");
        }
        for named in [
            "Medvetslös 191212121212 akut",
            "Medvetslös (19121212-1212).",
            "Medvetslös 121212-1212 akut",
            "Medvetslös 19121212 1212 akut",
            "Medvetslös pnr:191212121212",
            "Medvetslös pnr=19121212-1212",
            "Medvetslös 19121212–1212 akut",
            "Medvetslös 19121212 - 1212 akut",
            "Medvetslös 1912 1212 1212 akut",
            "Medvetslös 121212−1212, 14:05",
            "Kl 14 05, 2 mg, 12 12 12 - 1212",
            "Medvetslös nr191212121212x",
        ] {
            assert_eq!(Words::parse(named), Err(WordsError::Identity), "{named}");
        }
        assert!(!format!("{:?}", Words::parse("Medvetslös på akuten")).contains("akuten"));
    }
}
