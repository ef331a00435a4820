//! Canonical bytes: fixed order, little-endian, length-prefixed, no padding, one encoding per value.
//!
//! Journal payloads and seals' statements use this form; rows have ClickHouse's. Because each value has exactly one
//! encoding, a hash or a signature over the bytes is one over the meaning. Fields are only ever appended to a structure
//! together with a new version number of the thing that carries it.
//!
//! Limits: a text or byte string is at most [`LENGTH_MAX`] bytes, a list at most [`COUNT_MAX`] items, so
//! decoding hostile bytes allocates no more than the input's own size allows.

use std::net::Ipv6Addr;
use std::sync::Arc;
use uuid::Uuid;

/// The longest text or byte string, in bytes.
pub const LENGTH_MAX: usize = 1 << 20;
/// The longest list, in items: a seal's leaves, one for each row of the largest batch.
pub const COUNT_MAX: usize = 1 << 20;

/// Why bytes could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The input ended inside a value.
    #[error("the input ends inside a value")]
    Short,
    /// Bytes were left over after the last field.
    #[error("{0} bytes follow the last field")]
    Trailing(usize),
    /// A length or count is over its limit.
    #[error("a length of {0} is over the limit")]
    Long(usize),
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// A tag has no meaning in this version.
    #[error("tag {0} is unknown")]
    Tag(u8),
}

/// The bytes that are still to be read.
#[derive(Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes the next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(WireError::Short)?;
        self.0 = tail;
        Ok(head)
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.0.len()
    }

    /// Succeeds if nothing is left.
    pub fn finish(self) -> Result<(), WireError> {
        if self.0.is_empty() { Ok(()) } else { Err(WireError::Trailing(self.0.len())) }
    }

    fn length(&mut self, limit: usize) -> Result<usize, WireError> {
        let length = u32::decode(self)? as usize;
        if length > limit { Err(WireError::Long(length)) } else { Ok(length) }
    }
}

/// A value with exactly one byte form.
pub trait Wire: Sized {
    /// Appends the value's bytes.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads one value.
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError>;

    /// The value's bytes in a vector of their own.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.encode(&mut out);
        out
    }

    /// Reads one value that fills `bytes` exactly.
    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let mut input = Input::new(bytes);
        let value = Self::decode(&mut input)?;
        input.finish()?;
        Ok(value)
    }
}

macro_rules! wire_integers {
    ($($t:ty),*) => {$(
        impl Wire for $t {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
                let bytes = input.take(size_of::<$t>())?;
                Ok(Self::from_le_bytes(bytes.try_into().map_err(|_| WireError::Short)?))
            }
        }
    )*};
}
wire_integers!(u8, u16, u32, u64, i64);

impl Wire for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        match u8::decode(input)? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(WireError::Tag(tag)),
        }
    }
}

impl<const N: usize> Wire for [u8; N] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        input.take(N)?.try_into().map_err(|_| WireError::Short)
    }
}

impl Wire for Uuid {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        Ok(Self::from_bytes(<[u8; 16]>::decode(input)?))
    }
}

impl Wire for Ipv6Addr {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets());
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        Ok(Self::from(<[u8; 16]>::decode(input)?))
    }
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    // A longer value would not decode again; callers bound their fields far below.
    let bytes = bytes.get(..LENGTH_MAX).unwrap_or(bytes);
    u32::try_from(bytes.len()).unwrap_or(0).encode(out);
    out.extend_from_slice(bytes);
}

impl Wire for Arc<str> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_bytes(self.as_bytes(), out);
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        let length = input.length(LENGTH_MAX)?;
        let text = std::str::from_utf8(input.take(length)?).map_err(|_| WireError::Text)?;
        Ok(Self::from(text))
    }
}

impl Wire for String {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_bytes(self.as_bytes(), out);
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        let length = input.length(LENGTH_MAX)?;
        let text = std::str::from_utf8(input.take(length)?).map_err(|_| WireError::Text)?;
        Ok(text.to_owned())
    }
}

/// Opaque bytes with a length in front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl Wire for Blob {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_bytes(&self.0, out);
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        let length = input.length(LENGTH_MAX)?;
        Ok(Self(input.take(length)?.to_vec()))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => {
                out.push(1);
                value.encode(out);
            }
        }
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        match u8::decode(input)? {
            0 => Ok(None),
            1 => Ok(Some(T::decode(input)?)),
            tag => Err(WireError::Tag(tag)),
        }
    }
}

/// Appends a list: its count, then each item. For lists that are not held in a `Vec`.
pub fn encode_list<'a, T: Wire + 'a>(items: impl ExactSizeIterator<Item = &'a T>, out: &mut Vec<u8>) {
    u32::try_from(items.len().min(COUNT_MAX)).unwrap_or(0).encode(out);
    for item in items.take(COUNT_MAX) {
        item.encode(out);
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_list(self.iter(), out);
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        let count = input.length(COUNT_MAX)?;
        // Never reserve more than the input could hold: the count is not trusted.
        let mut items = Self::with_capacity(count.min(input.remaining()));
        for _ in 0..count {
            items.push(T::decode(input)?);
        }
        Ok(items)
    }
}

/// Defines a structure together with its canonical bytes: the fields in the order written.
#[macro_export]
macro_rules! wire_struct {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
        impl $crate::wire::Wire for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                $($crate::wire::Wire::encode(&self.$field, out);)*
            }
            fn decode(input: &mut $crate::wire::Input<'_>) -> Result<Self, $crate::wire::WireError> {
                Ok(Self { $($field: $crate::wire::Wire::decode(input)?,)* })
            }
        }
    };
}

/// Defines a closed list of names that is a byte on the wire, a snake-case text in JSON and config, and
/// the value of an `Enum8` in ClickHouse.
#[macro_export]
macro_rules! wire_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $tag:literal => $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_meta])* $variant = $tag,)* }
        impl $name {
            /// Every value, in the order of its tag.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The stable text of this value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
            /// The value with this text.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
            /// The value with this tag.
            pub const fn from_tag(tag: u8) -> Option<Self> {
                match tag { $($tag => Some(Self::$variant),)* _ => None }
            }
            /// The tag: the byte on the wire, and the number in ClickHouse's `Enum8`.
            pub const fn tag(self) -> u8 { self as u8 }
        }
        impl $crate::wire::Wire for $name {
            fn encode(&self, out: &mut Vec<u8>) { out.push(*self as u8); }
            fn decode(input: &mut $crate::wire::Input<'_>) -> Result<Self, $crate::wire::WireError> {
                let tag = <u8 as $crate::wire::Wire>::decode(input)?;
                Self::from_tag(tag).ok_or($crate::wire::WireError::Tag(tag))
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| {
                    serde::de::Error::unknown_variant(&text, &[$($text,)*])
                })
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    wire_struct! {
        #[derive(Debug, Clone, PartialEq)]
        #[expect(unreachable_pub, reason = "the macro makes public structures")]
        pub struct Sample { pub a: u8, pub b: Option<i64>, pub c: Vec<String>, pub d: [u8; 3], pub e: bool, }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(a: u8, b: Option<i64>, c: Vec<String>, d: [u8; 3], e: bool) {
            let sample = Sample { a, b, c, d, e };
            prop_assert_eq!(Sample::from_bytes(&sample.to_bytes()), Ok(sample));
        }

        #[test]
        fn any_bytes_decode_or_fail_and_a_success_has_one_form(bytes: Vec<u8>) {
            if let Ok(sample) = Sample::from_bytes(&bytes) {
                prop_assert_eq!(sample.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn hostile_counts_are_refused() {
        assert_eq!(Vec::<u64>::from_bytes(&[255, 255, 255, 255]), Err(WireError::Long(u32::MAX as usize)));
        assert_eq!(Vec::<u64>::from_bytes(&[2, 0, 0, 0, 1]), Err(WireError::Short));
        assert_eq!(bool::from_bytes(&[2]), Err(WireError::Tag(2)));
        assert_eq!(u8::from_bytes(&[1, 2]), Err(WireError::Trailing(1)));
    }
}
