//! A form's own proof that it was asked for here (CSRF): a field that only this server can have made for that device
//! and, before the login, that cookie, or, within a session, that session; for an hour.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::Micros;
use contract::id::{CertFingerprint, SessionKey};

/// The form cookie's name.
pub(super) const FORM_COOKIE: &str = "__Host-grindvakt-form";
const LIFE: Micros = 60 * 60 * 1_000_000;
const COOKIE_LENGTH: usize = 43;

/// What a form is bound to, besides the device.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound<'b> {
    /// A cookie that this server set, before anybody has logged in.
    Cookie(&'b str),
    /// A session.
    Session(SessionKey),
}

impl Bound<'_> {
    /// Whether it is of any worth: a cookie has to have the form of ours.
    pub(super) fn is_one(self) -> bool {
        match self {
            Self::Cookie(cookie) => well_formed(cookie),
            Self::Session(_) => true,
        }
    }

    /// As bytes of a length of its own for each kind.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Cookie(cookie) => cookie.as_bytes(),
            Self::Session(key) => &key.0,
        }
    }
}

/// Signs forms.
pub(super) struct FormKey(hmac::Key);

impl std::fmt::Debug for FormKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormKey(hidden)")
    }
}

impl FormKey {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The field for a form shown now to the device.
    pub(super) fn field(&self, to: Bound<'_>, device: CertFingerprint, now: Micros) -> String {
        let until = (now + LIFE).to_be_bytes();
        let mut field = until.to_vec();
        field.extend_from_slice(self.sign(&text(to, device, until)).as_ref());
        URL_SAFE_NO_PAD.encode(field)
    }

    /// Whether a field was made for this device and binding, and not too long ago. Compares in constant time.
    pub(super) fn holds(&self, field: &str, to: Bound<'_>, device: CertFingerprint, now: Micros) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(field) else { return false };
        let Some((until, tag)) = bytes.split_first_chunk::<8>() else { return false };
        to.is_one() && self.signed(&text(to, device, *until), tag) && Micros::from_be_bytes(*until) > now
    }

    /// Signs a text that says by its beginning what it is for.
    pub(super) fn sign(&self, text: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, text)
    }

    /// Whether [`Self::sign`] signed the text. Compares in constant time.
    pub(super) fn signed(&self, text: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, text, tag).is_ok()
    }
}

/// Whether a cookie has the form of ours.
pub(super) fn well_formed(cookie: &str) -> bool {
    cookie.len() == COOKIE_LENGTH && cookie.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn text(to: Bound<'_>, device: CertFingerprint, until: [u8; 8]) -> Vec<u8> {
    let kind = match to {
        Bound::Cookie(_) => b"login form\0".as_slice(),
        Bound::Session(_) => b"session form\0",
    };
    [kind, &device.0, &until, to.bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_holds_for_its_cookie_device_and_hour() {
        let key = FormKey::new(&[5; 32]);
        let (cookie, other) = ("a".repeat(43), "b".repeat(43));
        let (cookie, other) = (Bound::Cookie(&cookie), Bound::Cookie(&other));
        let (device, another) = (CertFingerprint([1; 32]), CertFingerprint([2; 32]));
        let field = key.field(cookie, device, 1_000);
        assert!(key.holds(&field, cookie, device, 2_000));
        assert!(!key.holds(&field, other, device, 2_000));
        assert!(!key.holds(&field, cookie, another, 2_000));
        assert!(!key.holds(&field, cookie, device, 1_000 + LIFE));
        assert!(!FormKey::new(&[6; 32]).holds(&field, cookie, device, 2_000));
        for bad in ["", "x", "!!!", &URL_SAFE_NO_PAD.encode(i64::MAX.to_be_bytes())] {
            assert!(!key.holds(bad, cookie, device, 2_000), "{bad}");
        }
        let empty = key.field(Bound::Cookie(""), device, 1_000);
        assert!(!key.holds(&empty, Bound::Cookie(""), device, 2_000), "no cookie proves nothing");
    }

    #[test]
    fn a_sessions_form_is_of_that_session() {
        let key = FormKey::new(&[5; 32]);
        let device = CertFingerprint([1; 32]);
        let (session, other) = (SessionKey([1; 32]), SessionKey([2; 32]));
        let field = key.field(Bound::Session(session), device, 1_000);
        assert!(key.holds(&field, Bound::Session(session), device, 2_000));
        assert!(!key.holds(&field, Bound::Session(other), device, 2_000));
        assert!(!key.holds(&field, Bound::Cookie(&"a".repeat(43)), device, 2_000));
    }
}
