//! A provider's public keys (JWK set, RFC 7517).

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use std::str::FromStr as _;

/// How tokens may be signed: by a key pair, never by a shared secret (the public key would be one), never not at all.
pub const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::EdDSA,
];

/// At most so many keys of a set are looked at.
const KEYS_MAX: usize = 32;

/// A document is no set of keys.
#[derive(Debug, thiserror::Error)]
#[error("it is no JWK set")]
pub struct KeySetError(#[source] serde_json::Error);

/// The public keys of a provider that tokens may be signed with.
#[derive(Debug, Default)]
pub struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// What it is for, if it says so.
    algorithm: Option<Algorithm>,
    public: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a JWK set. Keys of kinds that are not known, for encryption, or for algorithms that are not allowed, are
    /// passed over.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        let document: Document = serde_json::from_slice(document).map_err(KeySetError)?;
        Ok(Self(document.keys.into_iter().take(KEYS_MAX).filter_map(Key::read).collect()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that a token names. A token that names none may be signed by the only one that fits.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut fitting = self.0.iter().filter(|key| {
            id.is_none_or(|id| key.id.as_deref() == Some(id))
                && key.public.family() == algorithm.family()
                && key.algorithm.is_none_or(|own| own == algorithm)
        });
        let found = fitting.next()?;
        fitting.next().is_none().then_some(&found.public)
    }
}

impl Key {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        if jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
            return None;
        }
        let algorithm = match &jwk.common.key_algorithm {
            // A name that is not known here is of no use here.
            Some(name) => Some(Algorithm::from_str(&name.to_string()).ok()?),
            None => None,
        };
        let public = DecodingKey::from_jwk(&jwk).ok()?;
        let allowed = ALGORITHMS.iter().any(|allowed| allowed.family() == public.family());
        (allowed && algorithm.is_none_or(|own| ALGORITHMS.contains(&own))).then_some(Self {
            id: jwk.common.key_id,
            algorithm,
            public,
        })
    }
}
