//! The login form's own proof that it was asked for here (CSRF): a cookie, and a field that only this server can
//! have made for that cookie and that device, for an hour.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::Micros;
use contract::id::CertFingerprint;

/// The form cookie's name.
pub(super) const FORM_COOKIE: &str = "__Host-grindvakt-form";
const LIFE: Micros = 60 * 60 * 1_000_000;
const COOKIE_LENGTH: usize = 43;

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

    /// The field for a form shown now to the device with this cookie.
    pub(super) fn field(&self, cookie: &str, device: CertFingerprint, now: Micros) -> String {
        let until = (now + LIFE).to_be_bytes();
        let mut field = until.to_vec();
        field.extend_from_slice(hmac::sign(&self.0, &text(cookie, device, until)).as_ref());
        URL_SAFE_NO_PAD.encode(field)
    }

    /// Whether a field was made for this cookie and device, and not too long ago. Compares in constant time.
    pub(super) fn holds(&self, field: &str, cookie: &str, device: CertFingerprint, now: Micros) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(field) else { return false };
        let Some((until, tag)) = bytes.split_first_chunk::<8>() else { return false };
        well_formed(cookie)
            && hmac::verify(&self.0, &text(cookie, device, *until), tag).is_ok()
            && Micros::from_be_bytes(*until) > now
    }
}

/// Whether a cookie has the form of ours.
pub(super) fn well_formed(cookie: &str) -> bool {
    cookie.len() == COOKIE_LENGTH && cookie.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn text(cookie: &str, device: CertFingerprint, until: [u8; 8]) -> Vec<u8> {
    let mut text = b"login form\0".to_vec();
    text.extend_from_slice(&device.0);
    text.extend_from_slice(&until);
    text.extend_from_slice(cookie.as_bytes());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_holds_for_its_cookie_device_and_hour() {
        let key = FormKey::new(&[5; 32]);
        let (cookie, other) = ("a".repeat(43), "b".repeat(43));
        let (device, another) = (CertFingerprint([1; 32]), CertFingerprint([2; 32]));
        let field = key.field(&cookie, device, 1_000);
        assert!(key.holds(&field, &cookie, device, 2_000));
        assert!(!key.holds(&field, &other, device, 2_000));
        assert!(!key.holds(&field, &cookie, another, 2_000));
        assert!(!key.holds(&field, &cookie, device, 1_000 + LIFE));
        assert!(!FormKey::new(&[6; 32]).holds(&field, &cookie, device, 2_000));
        for bad in ["", "x", "!!!", &URL_SAFE_NO_PAD.encode(i64::MAX.to_be_bytes())] {
            assert!(!key.holds(bad, &cookie, device, 2_000), "{bad}");
        }
        let empty = key.field("", device, 1_000);
        assert!(!key.holds(&empty, "", device, 2_000), "no cookie proves nothing");
    }
}
