//! Fingerprints, session keys, and the short names that config gives to nodes, registries and routes.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

macro_rules! digest_id {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; 32]);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&hex::encode(self.0)) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // A prefix tells two apart; the whole is of no use in a log.
                let [a, b, c, d, ..] = self.0;
                write!(f, "{}({})", stringify!($name), hex::encode([a, b, c, d]))
            }
        }
        impl TryFrom<String> for $name {
            type Error = hex::FromHexError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self { hex::encode(id.0) }
        }
        impl $crate::wire::Wire for $name {
            fn encode(&self, out: &mut Vec<u8>) { self.0.encode(out); }
            fn decode(input: &mut $crate::wire::Input<'_>) -> Result<Self, $crate::wire::WireError> {
                <[u8; 32]>::decode(input).map(Self)
            }
        }
    )*};
}

digest_id! {
    /// SHA-256 over a client certificate's DER bytes.
    CertFingerprint;
    /// SHA-256 over a session token. Tables, feeds and disks hold this, never the token: who reads them
    /// cannot use a session.
    SessionKey;
}

impl SessionKey {
    /// The key of a session token, as the browser or program sends it.
    pub fn of_token(token: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token);
        let mut key = [0; 32];
        key.copy_from_slice(digest.as_ref());
        Self(key)
    }

    /// The first eight bytes: what records hold, enough to group a session's requests and useless as a key.
    pub fn reference(self) -> u64 {
        let (first, _) = self.0.split_at(8);
        first.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl CertFingerprint {
    /// No certificate: all zeros.
    pub const NONE: Self = Self([0; 32]);

    /// The fingerprint of a certificate in DER form.
    pub fn of_der(der: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest.as_ref());
        Self(fingerprint)
    }
}

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 63 lower-case letters, digits, '-' or '_', and begins with a letter")]
pub struct NameError;

macro_rules! name_id {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);
        impl $name {
            /// Parses a name: 1 to 63 lower-case letters, digits, `-` or `_`, a letter first.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let form = text.len() <= 63
                    && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
                    && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
                if form { Ok(Self(text.into())) } else { Err(NameError) }
            }
            /// The name's text.
            pub fn as_str(&self) -> &str { &self.0 }
            /// The name's text, shared.
            pub fn text(&self) -> $crate::Text { Arc::clone(&self.0) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, Self::Err> { Self::parse(text) }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, Self::Error> { Self::parse(&text) }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self { name.0.as_ref().to_owned() }
        }
    )*};
}

name_id! {
    /// A gateway node: the name under which its journal's records are numbered and sealed.
    NodeName;
    /// A registry: one backend application with its own grants, and the audience of assertions to it.
    RegistryName;
    /// A route of the routes config: a label in metrics, so its text is bounded and never holds request data.
    RouteName;
}
