//! Bytes as lower-case hexadecimal digits, where people read them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes that stand in JSON as hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits<const N: usize>(pub [u8; N]);

impl<const N: usize> Serialize for Digits<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Digits<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let mut bytes = [0; N];
        hex::decode_to_slice(text.as_ref(), &mut bytes)
            .map_err(|_| de::Error::custom(format_args!("expected {} hexadecimal digits", N * 2)))?;
        Ok(Self(bytes))
    }
}
