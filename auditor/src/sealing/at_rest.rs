//! What rests sealed: AES-256-GCM under a random nonce, bound to what it belongs to. Pure.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

const FORMAT: u8 = 1;

/// It cannot be sealed, or does not open: another key, damaged, or moved from somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what is stored does not open with this key")]
pub struct RestError;

/// A key that something rests under.
pub struct RestKey(LessSafeKey);

impl std::fmt::Debug for RestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RestKey(hidden)")
    }
}

impl RestKey {
    /// Takes 32 secret bytes.
    #[expect(clippy::missing_panics_doc, reason = "32 bytes are a key")]
    pub fn new(secret: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, secret).expect("invariant: 32 bytes are an AES-256 key");
        Self(LessSafeKey::new(key))
    }

    /// Seals `plain` for its `owner` under a random nonce: format, nonce, sealed bytes and tag.
    pub fn seal(&self, owner: &[u8], plain: &[u8], nonce: &[u8; 12]) -> Result<Vec<u8>, RestError> {
        let mut body = Zeroizing::new(plain.to_vec());
        let nonce_once = Nonce::assume_unique_for_key(*nonce);
        let sealed = self.0.seal_in_place_separate_tag(nonce_once, Aad::from(owner), body.as_mut_slice());
        let tag = sealed.map_err(|_| RestError)?;
        Ok([&[FORMAT], nonce.as_slice(), body.as_slice(), tag.as_ref()].concat())
    }

    /// Opens what [`Self::seal`] made for the same `owner`.
    pub fn open(&self, owner: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, RestError> {
        let (format, rest) = sealed.split_first().ok_or(RestError)?;
        let (nonce, body) = rest.split_first_chunk::<12>().ok_or(RestError)?;
        if *format != FORMAT {
            return Err(RestError);
        }
        let mut body = Zeroizing::new(body.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.0.open_in_place(nonce, Aad::from(owner), &mut body).map_err(|_| RestError)?.len();
        body.truncate(plain);
        Ok(body)
    }
}
