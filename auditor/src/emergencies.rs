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

/// Whether a word, or two that stand side by side, is an identity number.
fn names_somebody(text: &str) -> bool {
    let trimmed = |word: &'_ str| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
    let words: Vec<String> = text.split_whitespace().map(trimmed).collect();
    // The century of a short number does not matter here.
    let is_number = |word: &str| parse_with(word, Year(2000), Series::default()).is_ok();
    let pairs = words.iter().zip(words.iter().skip(1)).map(|(first, second)| format!("{first}{second}"));
    words.iter().any(|word| is_number(word)) || pairs.into_iter().any(|pair| is_number(&pair))
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
        for bad in ["", "akut", "          ", "Medvetslös\u{7} på akuten", &"å".repeat(WORDS_MAX + 1)] {
            assert_eq!(Words::parse(bad), Err(WordsError::Length), "{bad}");
        }
        for named in [
            "Medvetslös 191212121212 akut",
            "Medvetslös (19121212-1212).",
            "Medvetslös 121212-1212 akut",
            "Medvetslös 19121212 1212 akut",
        ] {
            assert_eq!(Words::parse(named), Err(WordsError::Identity), "{named}");
        }
        assert!(!format!("{:?}", Words::parse("Medvetslös på akuten")).contains("akuten"));
    }
}
