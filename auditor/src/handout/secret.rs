//! The halves themselves: for people to read, type and say, and what of them is kept.

use aws_lc_rs::hmac;
use contract::id::HandoutId;
use std::fmt;
use zeroize::Zeroizing;

/// Crockford's letters: no I, L, O or U.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// `N` letters of five bits each.
pub struct Spoken<const N: usize>(Zeroizing<[u8; N]>);

/// The first half: which handout it is. 60 bits.
pub type EnrolmentId = Spoken<12>;
/// The second half: that it is the person's. 40 bits, and few tries.
pub type Code = Spoken<8>;

impl<const N: usize> fmt::Debug for Spoken<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spoken(hidden)")
    }
}

impl<const N: usize> Spoken<N> {
    /// Of random bytes.
    pub fn new(bytes: &[u8; N]) -> Self {
        let letter = |byte: u8| LETTERS.get(usize::from(byte & 31)).copied().unwrap_or(b'0');
        Self(Zeroizing::new(bytes.map(letter)))
    }

    /// Reads what somebody typed: in either case, in groups or not, with O for 0, and I or L for 1.
    pub fn parse(text: &str) -> Option<Self> {
        let mut letters = Zeroizing::new([0; N]);
        let mut places = letters.iter_mut();
        for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let upper = match u8::try_from(c).ok()?.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            if !LETTERS.contains(&upper) {
                return None;
            }
            *places.next()? = upper;
        }
        if places.next().is_some() { None } else { Some(Self(letters)) }
    }

    /// In groups of four: `ABCD-EFGH`.
    pub fn grouped(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(N + N / 4));
        for (index, letter) in self.0.iter().enumerate() {
            if index > 0 && index % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(*letter));
        }
        text
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// What of a half is kept: 32 bytes that tell nothing without the key.
pub(super) type Kept = [u8; 32];

/// The key under which halves are kept.
pub struct HandoutKey(hmac::Key);

impl fmt::Debug for HandoutKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandoutKey(hidden)")
    }
}

impl HandoutKey {
    /// Takes 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// What a handout is found by.
    pub fn id(&self, id: &EnrolmentId) -> Kept {
        self.sign(&[b"enrolment id\0", id.bytes()])
    }

    /// What a code is compared with, for its handout alone.
    pub fn code(&self, handout: HandoutId, code: &Code) -> Kept {
        self.sign(&[b"code\0", handout.uuid().as_bytes(), code.bytes()])
    }

    fn sign(&self, parts: &[&[u8]]) -> Kept {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        let mut kept = Kept::default();
        kept.copy_from_slice(context.sign().as_ref());
        kept
    }
}
