//! Text in the letters that the standard fonts have: Windows' code page 1252.

/// Letters beyond Latin-1 that the code page has.
const BEYOND: [(char, u8); 19] = [
    ('€', 0x80),
    ('‚', 0x82),
    ('„', 0x84),
    ('…', 0x85),
    ('Š', 0x8A),
    ('Œ', 0x8C),
    ('Ž', 0x8E),
    ('‘', 0x91),
    ('’', 0x92),
    ('“', 0x93),
    ('”', 0x94),
    ('•', 0x95),
    ('–', 0x96),
    ('—', 0x97),
    ('™', 0x99),
    ('š', 0x9A),
    ('œ', 0x9C),
    ('ž', 0x9E),
    ('Ÿ', 0x9F),
];

/// Letters of names that it has not, by those without their marks.
const PLAIN: [(&str, u8); 27] = [
    ("ĀĂĄ", b'A'),
    ("āăą", b'a'),
    ("ĆĈĊČ", b'C'),
    ("ćĉċč", b'c'),
    ("ĎĐ", b'D'),
    ("ďđ", b'd'),
    ("ĒĖĘĚ", b'E'),
    ("ēėęě", b'e'),
    ("ĞĢ", b'G'),
    ("ğģ", b'g'),
    ("ĪĮİ", b'I'),
    ("īįı", b'i'),
    ("Ķ", b'K'),
    ("ķ", b'k'),
    ("ĹĻĽŁ", b'L'),
    ("ĺļľł", b'l'),
    ("ŃŅŇ", b'N'),
    ("ńņň", b'n'),
    ("ŌŐ", b'O'),
    ("ōő", b'o'),
    ("ŔŘ", b'R'),
    ("ŕř", b'r'),
    ("ŚŞȘ", b'S'),
    ("śşș", b's'),
    ("ŢŤȚ", b'T'),
    ("ţťț", b't'),
    ("ŪŮŰŲ", b'U'),
];
const MORE: [(&str, u8); 3] = [("ūůűų", b'u'), ("ŹŻ", b'Z'), ("źż", b'z')];

/// A text's bytes. A letter that is not there loses its marks; what is none at all is a question mark.
pub(super) fn win_ansi(text: &str) -> Vec<u8> {
    text.chars().map(byte).collect()
}

fn byte(c: char) -> u8 {
    match c {
        ' '..='~' | '\u{a0}'..='\u{ff}' => u8::try_from(c).unwrap_or(b'?'),
        _ => {
            let beyond = BEYOND.iter().find(|(known, _)| *known == c).map(|(_, byte)| *byte);
            let plain = || PLAIN.iter().chain(&MORE).find(|(marked, _)| marked.contains(c)).map(|(_, byte)| *byte);
            beyond.or_else(plain).unwrap_or(b'?')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::win_ansi;

    #[test]
    fn names_keep_their_letters_or_lose_only_the_marks() {
        assert_eq!(win_ansi("Åsa Öberg é"), b"\xc5sa \xd6berg \xe9");
        assert_eq!(win_ansi("Kovač Łukasz – Šimić"), b"Kovac Lukasz \x96 \x8aimic");
        assert_eq!(win_ansi("a\nb\u{7}中"), b"a?b??");
    }
}
