//! One-time codes that devices are enrolled by.
//!
//! A code is five groups of five letters and digits, 125 random bits. The first group is kept as it is: by it the code is
//! found, and tries at it are counted. The whole is kept as a keyed hash only, so that who reads the table can make no
//! code that fits. Its secret part has 100 bits.

use aws_lc_rs::hmac;
use contract::Micros;
use contract::id::{AccountId, DeviceCodeId, DeviceId, HsaId};
use contract::record::Reason;
use zeroize::Zeroizing;

/// So many wrong tries at a code's first group use it up.
pub const CODE_TRIES_MAX: u32 = 5;

const GROUPS: usize = 5;
const GROUP: usize = 5;
/// Without letters and digits that look alike: as in pass phrases.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Longer texts are not looked at.
const TEXT_BYTES_MAX: usize = 64;

/// A code, in the clear: on its way to whoever was given it, or from them.
pub struct Code(Zeroizing<String>);

/// A text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code is five groups of five letters and digits")]
pub struct CodeError;

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(hidden)")
    }
}

impl Code {
    /// Of random bytes.
    pub fn new(random: &[u8; GROUPS * GROUP]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(GROUPS * GROUP));
        for byte in random {
            text.push(char::from(LETTERS.get(usize::from(byte & 31)).copied().unwrap_or(b'a')));
        }
        Self(text)
    }

    /// Reads one as somebody typed it: hyphens, blanks and case do not count.
    pub fn parse(typed: &str) -> Result<Self, CodeError> {
        if typed.len() > TEXT_BYTES_MAX {
            return Err(CodeError);
        }
        let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES_MAX));
        for letter in typed.chars().filter(|letter| !matches!(letter, '-' | ' ')) {
            text.push(letter.to_ascii_lowercase());
        }
        let fits = text.len() == GROUPS * GROUP && text.bytes().all(|letter| LETTERS.contains(&letter));
        if fits { Ok(Self(text)) } else { Err(CodeError) }
    }

    /// The part that it is found by. No secret: it opens nothing.
    pub fn prefix(&self) -> &str {
        self.0.get(..GROUP).unwrap_or_default()
    }

    /// As it is shown, once: `abcde-fghij-…`.
    pub fn shown(&self) -> Zeroizing<String> {
        let mut shown = Zeroizing::new(String::with_capacity(GROUPS * (GROUP + 1)));
        for (at, letter) in self.0.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                shown.push('-');
            }
            shown.push(letter);
        }
        shown
    }
}

/// A code's keyed hash.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeHash(pub [u8; 32]);

impl std::fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeHash(hidden)")
    }
}

/// The key that codes are hashed with.
pub struct CodeKey(hmac::Key);

impl std::fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeKey(hidden)")
    }
}

impl CodeKey {
    /// A key of its own, made from a secret that serves other purposes, too.
    pub fn new(secret: &[u8; 32]) -> Self {
        let parent = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&parent, b"grindvakt device codes v1").as_ref()))
    }

    /// A code's hash.
    pub fn hash(&self, code: &Code) -> CodeHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.0, code.0.as_bytes()).as_ref());
        CodeHash(hash)
    }

    /// Whether a code has this hash; it takes the same time however much of it fits.
    pub fn fits(&self, code: &Code, hash: &CodeHash) -> bool {
        hmac::verify(&self.0, code.0.as_bytes(), &hash.0).is_ok()
    }
}

/// A code as it is kept, for one device of one organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCode {
    /// Its id.
    pub id: DeviceCodeId,
    /// Its first group.
    pub prefix: String,
    /// The organisation that the device is enrolled for.
    pub organisation: HsaId,
    /// The device's name.
    pub name: String,
    /// When it was made.
    pub issued: Micros,
    /// Who made it; [`AccountId::NONE`] on the command line.
    pub issued_by: AccountId,
    /// Until when it is good.
    pub expires: Micros,
    /// How often somebody had its first group and not the rest.
    pub tries: u32,
    /// When a device was enrolled by it, or it was withdrawn.
    pub ended: Option<Micros>,
    /// The device.
    pub device: Option<DeviceId>,
}

impl DeviceCode {
    /// Whether it is good at `now` for somebody whose code fits it or not; or why it is not.
    pub fn judge(&self, fits: bool, now: Micros) -> Result<(), Reason> {
        // Who does not have the whole code is not told how it stands with it.
        if !fits {
            return Err(Reason::CodeUnknown);
        }
        if self.ended.is_some() || self.tries >= CODE_TRIES_MAX {
            return Err(Reason::CodeSpent);
        }
        if now >= self.expires { Err(Reason::CodeExpired) } else { Ok(()) }
    }

    /// Whether a device could be enrolled by it at `now`.
    pub fn open(&self, now: Micros) -> bool {
        self.judge(true, now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_code_comes_back_however_it_is_typed() {
        let code = Code::new(&std::array::from_fn(|at| at as u8 * 7));
        let shown = code.shown();
        assert_eq!(shown.len(), 29);
        let key = CodeKey::new(&[5; 32]);
        let hash = key.hash(&code);
        for typed in [shown.to_string(), shown.to_uppercase(), shown.replace('-', " "), shown.replace('-', "")] {
            let read = Code::parse(&typed).expect("a code");
            assert!(key.fits(&read, &hash), "{typed}");
            assert_eq!(read.prefix(), code.prefix());
        }
        assert!(!CodeKey::new(&[6; 32]).fits(&code, &hash), "another installation's key");
        let other = Code::new(&std::array::from_fn(|at| at as u8 * 7 + u8::from(at == 24)));
        assert!(!key.fits(&other, &hash), "one letter is another");
        for bad in ["", "abcde", &"a".repeat(26), &"l".repeat(25), &"-".repeat(65), "å"] {
            assert_eq!(Code::parse(bad).map(|_| ()), Err(CodeError), "{bad}");
        }
        assert_eq!(format!("{code:?} {hash:?} {key:?}"), "Code(hidden) CodeHash(hidden) CodeKey(hidden)");
    }

    #[test]
    fn a_code_is_good_once_for_a_while_and_for_few_tries() {
        let code = DeviceCode {
            id: DeviceCodeId::new(Uuid::from_u128(1)),
            prefix: "abcde".to_owned(),
            organisation: HsaId::parse("SE2321000016-39KJ").expect("valid"),
            name: "ward 3".to_owned(),
            issued: 0,
            issued_by: AccountId::NONE,
            expires: 10,
            tries: 0,
            ended: None,
            device: None,
        };
        assert_eq!(code.judge(true, 9), Ok(()));
        assert_eq!(code.judge(true, 10), Err(Reason::CodeExpired));
        assert_eq!(code.judge(false, 9), Err(Reason::CodeUnknown));
        let spent = DeviceCode { tries: CODE_TRIES_MAX, ..code.clone() };
        assert_eq!((spent.judge(true, 9), spent.judge(false, 9)), (Err(Reason::CodeSpent), Err(Reason::CodeUnknown)));
        let used = DeviceCode { ended: Some(3), ..code };
        assert_eq!(used.judge(true, 9), Err(Reason::CodeSpent));
        assert!(!used.open(9));
    }
}
