//! What stands in a text message: a code, and what it is for. 160 characters of the GSM alphabet (3GPP TS 23.038), so that it
//! is one message.

use crate::handout::{Part, Purpose};
use zeroize::Zeroizing;

/// Most characters of one message.
const CHARACTERS_MAX: usize = 160;

/// GSM 7-bit's basic letters, besides A to Z, a to z and digits.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
/// Its extended ones, which count twice.
const EXTENDED: &str = "^{}\\[~]|€";

/// Texts in one language, for one installation.
#[derive(Debug, Clone)]
pub struct Texts {
    english: bool,
    /// Who writes, if that fits.
    title: String,
    hours: i64,
}

impl Texts {
    /// `title`: the installation's name. `hours`: how long a half is good.
    pub fn new(english: bool, title: &str, hours: i64) -> Self {
        let mut texts = Self { english, title: title.to_owned(), hours };
        // A name that is too long, or in other letters, is left out rather than the code.
        let both = [Part::Id, Part::Code];
        let all = Purpose::ALL.iter().flat_map(|purpose| both.map(|part| texts.written(part, *purpose, LONGEST)));
        if all.into_iter().any(|text| length(&text).is_none_or(|length| length > CHARACTERS_MAX)) {
            texts.title = String::new();
        }
        texts
    }

    /// The message with a half.
    pub fn written(&self, part: Part, purpose: Purpose, half: &str) -> Zeroizing<String> {
        let hours = self.hours;
        let head = if self.title.is_empty() { String::new() } else { format!("{}: ", self.title) };
        let what = match (self.english, part, purpose) {
            (false, Part::Code, Purpose::First) => "Din kod för första inloggningen",
            (false, Part::Id, Purpose::First) => "Ditt id för första inloggningen",
            (false, Part::Code, Purpose::Reset) => "Din kod för ny inloggning",
            (false, Part::Id, Purpose::Reset) => "Ditt id för ny inloggning",
            (true, Part::Code, Purpose::First) => "Your code for the first login",
            (true, Part::Id, Purpose::First) => "Your id for the first login",
            (true, Part::Code, Purpose::Reset) => "Your code for a new login",
            (true, Part::Id, Purpose::Reset) => "Your id for a new login",
        };
        Zeroizing::new(if self.english {
            format!("{head}{what}: {half} It is good for {hours} hours. Never give it to anybody.")
        } else {
            format!("{head}{what}: {half} Gäller i {hours} timmar. Lämna aldrig ut den.")
        })
    }
}

const LONGEST: &str = "ABCD-EFGH-JKMN";

/// How many characters of a message a text takes; none: it has letters that GSM's alphabet has not.
pub(super) fn length(text: &str) -> Option<usize> {
    text.chars().try_fold(0, |length, c| {
        if c.is_ascii_alphanumeric() || BASIC.contains(c) {
            Some(length + 1)
        } else if EXTENDED.contains(c) {
            Some(length + 2)
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_one_message_and_has_the_half_and_no_address() {
        for title in
            ["Grindvakt", "Registret för fotled och knä i södra regionen, med ett långt namn", "Реестр", "", "[|]"]
        {
            for english in [false, true] {
                let texts = Texts::new(english, title, 336);
                for part in Part::ALL {
                    for purpose in Purpose::ALL {
                        let text = texts.written(*part, *purpose, LONGEST);
                        assert!(length(&text).is_some_and(|length| length <= CHARACTERS_MAX), "{}", *text);
                        assert!(text.contains(LONGEST) && text.contains("336"), "{}", *text);
                        assert!(!text.contains("http") && !text.contains("www"), "{}", *text);
                    }
                }
            }
        }
        assert!(Texts::new(false, "Grindvakt", 72).written(Part::Code, Purpose::First, "A").starts_with("Grindvakt: "));
    }

    #[test]
    fn letters_count_as_the_alphabet_says() {
        assert_eq!(length("åäö ÅÄÖ é"), Some(9));
        assert_eq!(length("a[b]"), Some(6));
        assert_eq!((length("ç"), length("–"), length("😀")), (None, None, None));
    }
}
