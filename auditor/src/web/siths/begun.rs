//! What a login with a card began with: in a cookie, for ten minutes.

use crate::clock::SECOND;
use crate::random;
use crate::web::form::FormKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::Micros;
use contract::id::CertFingerprint;
use zeroize::Zeroizing;

/// The cookie. The gateway gives it to this application only.
pub(super) const CARD_COOKIE: &str = "__Host-grindvakt-siths";
/// How long somebody may look for their card.
const LIFE_S: i64 = 600;

/// A login that has begun: until when it may end, and a random value.
pub(super) struct Begun(Zeroizing<[u8; 40]>);

impl Begun {
    /// One that begins now.
    pub(super) fn new(now: Micros) -> Self {
        let mut bytes = Zeroizing::new([0; 40]);
        let (until, value) = bytes.split_at_mut(8);
        until.copy_from_slice(&now.saturating_add(LIFE_S * SECOND).to_be_bytes());
        value.copy_from_slice(random::secret::<32>().as_slice());
        Self(bytes)
    }

    /// One that is not over, from its cookie. Whoever makes a cookie up has no code for its state.
    pub(super) fn from_cookie(text: &str, now: Micros) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        let begun = Self(Zeroizing::new(bytes.as_slice().try_into().ok()?));
        let (until, _) = begun.0.split_first_chunk::<8>()?;
        (Micros::from_be_bytes(*until) > now).then_some(begun)
    }

    /// What goes along to where the card is shown: it says nothing of the cookie, and is of this device.
    pub(super) fn state(&self, key: &FormKey, device: CertFingerprint) -> String {
        let text = Zeroizing::new([b"login with a card\0".as_slice(), &device.0, self.0.as_slice()].concat());
        URL_SAFE_NO_PAD.encode(key.sign(&text))
    }

    /// What `Set-Cookie` says to keep it. `Lax`: a stricter one would not come back with the browser.
    pub(super) fn set(&self) -> Zeroizing<String> {
        let value = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()));
        Zeroizing::new(format!(
            "{CARD_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={LIFE_S}",
            value.as_str()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 1_790_000_000_000_000;

    #[test]
    fn a_state_is_of_one_cookie_on_one_device_for_a_while() {
        let key = FormKey::new(&[1; 32]);
        let begun = Begun::new(NOW);
        let set = begun.set();
        let cookie = set.strip_prefix("__Host-grindvakt-siths=").and_then(|rest| rest.split(';').next());
        let cookie = cookie.expect("a cookie");
        let (mine, other) = (CertFingerprint([1; 32]), CertFingerprint([2; 32]));
        let state = begun.state(&key, mine);
        let again = |at| Begun::from_cookie(cookie, at).map(|begun| begun.state(&key, mine));
        assert_eq!(again(NOW + 599 * SECOND), Some(state.clone()));
        assert_eq!(again(NOW + 600 * SECOND), None);
        assert_ne!(begun.state(&key, other), state);
        assert_ne!(Begun::new(NOW).state(&key, mine), state);
        assert_ne!(begun.state(&FormKey::new(&[2; 32]), mine), state);
        for bad in ["", "x", &cookie[1..], &format!("{cookie}AAAA")] {
            assert!(Begun::from_cookie(bad, NOW).is_none(), "{bad}");
        }
        // Who writes another end into the cookie has another state.
        let mut longer = begun;
        longer.0[..8].copy_from_slice(&i64::MAX.to_be_bytes());
        assert_ne!(longer.state(&key, mine), state);
    }
}
