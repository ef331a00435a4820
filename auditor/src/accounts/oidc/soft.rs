//! A provider's key for tests: signs what it is told, right or wrong.

use super::KeySet;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://idp.example";
pub(crate) const CLIENT: &str = "grindvakt";
pub(crate) const NONCE: &str = "a-nonce-of-one-question";
pub(crate) const LEVEL: &str = "http://id.sambi.se/loa/loa3";
pub(crate) const HSA: &str = "SE2321000016-39KJ";

pub(crate) struct Signer {
    secret: Vec<u8>,
    pub(crate) id: String,
    /// 0x04, x and y.
    public: Vec<u8>,
}

impl Signer {
    pub(crate) fn new(id: &str) -> Self {
        let secret =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("makes");
        let secret = secret.as_ref().to_vec();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &secret).expect("reads");
        Self { public: pair.public_key().as_ref().to_vec(), secret, id: id.to_owned() }
    }

    pub(crate) fn jwk(&self) -> Value {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = (part(&self.public[1..33]), part(&self.public[33..]));
        json!({ "kty": "EC", "crv": "P-256", "kid": self.id, "alg": "ES256", "use": "sig", "x": x, "y": y })
    }

    pub(crate) fn set(&self) -> Value {
        json!({ "keys": [self.jwk()] })
    }

    pub(crate) fn keys(&self) -> KeySet {
        KeySet::parse(self.set().to_string().as_bytes()).expect("a set")
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(claims, |_| {})
    }

    pub(crate) fn sign_as(&self, claims: &Value, change: impl FnOnce(&mut Header)) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.clone());
        change(&mut header);
        encode(&header, claims, &self.key()).expect("signs")
    }

    pub(crate) fn key(&self) -> EncodingKey {
        EncodingKey::from_ec_der(&self.secret)
    }

    /// The public key as somebody would take it for a shared secret.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }
}

/// A token that somebody writes without the library: any header.
pub(crate) fn written(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode(signature))
}

/// The claims of a good ID token made at `now` (seconds).
pub(crate) fn good(now: i64) -> Value {
    json!({
        "iss": ISSUER, "aud": CLIENT, "sub": "anna-at-the-provider", "sid": "session-1", "iat": now, "exp": now + 300,
        "auth_time": now - 5, "nonce": NONCE, "acr": LEVEL, "employeeHsaId": HSA,
    })
}
