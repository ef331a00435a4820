//! ClickHouse's RowBinary: the one form of a row, on the way to a table and under a seal.
//!
//! Values stand one after the other in the order of the table's columns: numbers little-endian, texts and lists with
//! their length in front as LEB128, a UUID as two 64-bit words with the high one first, an enum as its number. Because a
//! row has one form only, whoever can read the table can check a seal: `SELECT … FORMAT RowBinary` gives the bytes that
//! were hashed.
//!
//! Source: ClickHouse's documentation, "Formats for input and output data", RowBinary.

use crate::record::{
    Activity, AuthEventKind, AuthMethod, Decision, Initiator, OutcomeKind, Phase, Protection, Purpose, Reason,
    Relation, Sensitivity, Source,
};
use crate::seal::Stream;
use crate::wire::{COUNT_MAX, Input, LENGTH_MAX, WireError};
use crate::{Micros, Text};
use std::net::Ipv6Addr;
use uuid::Uuid;

/// A value of a column.
pub trait Column: Sized {
    /// Whether a column of this type (as ClickHouse names it, without `LowCardinality`) takes such values as they are.
    fn fits(kind: &str) -> bool;
    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads a value.
    fn take(input: &mut Input<'_>) -> Result<Self, WireError>;
}

/// A row of a table.
pub trait Record: Sized {
    /// The table.
    const TABLE: &'static str;
    /// The columns, in the order of the fields.
    const COLUMNS: &'static [&'static str];
    /// For each column, whether a type fits: [`Column::fits`].
    const FITS: &'static [fn(&str) -> bool];

    /// Appends the row.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads a row.
    fn take(input: &mut Input<'_>) -> Result<Self, WireError>;
}

/// A row that a node numbers: its first columns are `record_id` or `event_id`, `node`, `seq`, `batch`, `ts`.
pub trait Numbered: Record {}

/// Writes number and batch into a numbered row's bytes, and says when the row came to be. Nothing if they are not the
/// bytes of such a row.
pub(super) fn number(row: &mut [u8], seq: u64, batch: u64) -> Option<Micros> {
    const ID: usize = size_of::<Uuid>();
    let mut input = Input::new(row.get(ID..)?);
    let name = length(&mut input, LENGTH_MAX).ok()?;
    let start = row.len() - input.remaining() + name;
    let (numbers, rest) = row.get_mut(start..)?.split_at_mut_checked(2 * size_of::<u64>())?;
    let (first, second) = numbers.split_at_mut(size_of::<u64>());
    first.copy_from_slice(&seq.to_le_bytes());
    second.copy_from_slice(&batch.to_le_bytes());
    Micros::take(&mut Input::new(rest)).ok()
}

/// Appends a number as LEB128.
pub(super) fn put_length(mut length: usize, out: &mut Vec<u8>) {
    while length > 0x7f {
        out.push(0x80 | u8::try_from(length & 0x7f).unwrap_or(0));
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap_or(0));
}

fn length(input: &mut Input<'_>, most: usize) -> Result<usize, WireError> {
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21] {
        let byte = *input.take(1)?.first().ok_or(WireError::Short)?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return if length > most { Err(WireError::Long(length)) } else { Ok(length) };
        }
    }
    Err(WireError::Long(length))
}

macro_rules! integers {
    ($($type:ty = $kind:literal),*) => {$(
        impl Column for $type {
            fn fits(kind: &str) -> bool { kind.starts_with($kind) }
            fn put(&self, out: &mut Vec<u8>) { out.extend_from_slice(&self.to_le_bytes()); }
            fn take(input: &mut Input<'_>) -> Result<Self, WireError> {
                Ok(Self::from_le_bytes(input.take(size_of::<Self>())?.try_into().map_err(|_| WireError::Short)?))
            }
        }
    )*};
}
// A signed 64-bit number is a time everywhere: microseconds since 1970.
integers!(u8 = "UInt8", u16 = "UInt16", u32 = "UInt32", u64 = "UInt64", i64 = "DateTime64(6");

impl<const N: usize> Column for [u8; N] {
    fn fits(kind: &str) -> bool {
        kind == format!("FixedString({N})")
    }
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn take(input: &mut Input<'_>) -> Result<Self, WireError> {
        input.take(N)?.try_into().map_err(|_| WireError::Short)
    }
}

impl Column for Uuid {
    fn fits(kind: &str) -> bool {
        kind == "UUID"
    }
    fn put(&self, out: &mut Vec<u8>) {
        let (high, low) = self.as_u64_pair();
        high.put(out);
        low.put(out);
    }
    fn take(input: &mut Input<'_>) -> Result<Self, WireError> {
        Ok(Self::from_u64_pair(u64::take(input)?, u64::take(input)?))
    }
}

impl Column for Ipv6Addr {
    fn fits(kind: &str) -> bool {
        kind == "IPv6"
    }
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets());
    }
    fn take(input: &mut Input<'_>) -> Result<Self, WireError> {
        Ok(Self::from(<[u8; 16]>::take(input)?))
    }
}

impl Column for Text {
    fn fits(kind: &str) -> bool {
        kind == "String"
    }
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
    fn take(input: &mut Input<'_>) -> Result<Self, WireError> {
        let length = length(input, LENGTH_MAX)?;
        std::str::from_utf8(input.take(length)?).map(Self::from).map_err(|_| WireError::Text)
    }
}

impl<T: Column> Column for Vec<T> {
    fn fits(kind: &str) -> bool {
        kind.strip_prefix("Array(").and_then(|kind| kind.strip_suffix(')')).is_some_and(T::fits)
    }
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        for item in self {
            item.put(out);
        }
    }
    fn take(input: &mut Input<'_>) -> Result<Self, WireError> {
        let count = length(input, COUNT_MAX)?;
        (0..count).map(|_| T::take(input)).collect()
    }
}

/// An enum's column must have each of our names under our number; it may have more.
macro_rules! enums {
    ($($name:ty),*) => {$(
        impl Column for $name {
            fn fits(kind: &str) -> bool {
                let names = kind.strip_prefix("Enum8(").and_then(|names| names.strip_suffix(')')).unwrap_or_default();
                let has = |wanted: &str| names.split(',').any(|name| name.trim() == wanted);
                Self::ALL.iter().all(|value| has(&format!("'{value}' = {}", value.tag())))
            }
            fn put(&self, out: &mut Vec<u8>) { out.push(self.tag()); }
            fn take(input: &mut Input<'_>) -> Result<Self, WireError> {
                let tag = u8::take(input)?;
                Self::from_tag(tag).ok_or(WireError::Tag(tag))
            }
        }
    )*};
}
enums!(
    Activity,
    AuthEventKind,
    AuthMethod,
    Decision,
    Initiator,
    OutcomeKind,
    Phase,
    Protection,
    Purpose,
    Reason,
    Relation,
    Sensitivity,
    Source,
    Stream
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(value: &impl Column) -> Vec<u8> {
        let mut out = Vec::new();
        value.put(&mut out);
        out
    }

    #[test]
    fn values_are_written_as_clickhouse_documents_them() {
        assert_eq!(bytes(&0x0102_u16), [2, 1]);
        assert_eq!(bytes(&Text::from("å")), [2, 0xc3, 0xa5]);
        assert_eq!(bytes(&Text::from("x".repeat(300)))[..3], [0xac, 2, b'x']);
        let id = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
        assert_eq!(bytes(&id)[..8], [0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x00]);
        assert_eq!(bytes(&id)[8..], [0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88]);
        assert_eq!(bytes(&vec![[7_u8; 2], [8; 2]]), [2, 7, 7, 8, 8]);
    }

    #[test]
    fn a_type_fits_or_does_not() {
        assert!(Text::fits("String") && !Text::fits("FixedString(2)"));
        assert!(<[u8; 2]>::fits("FixedString(2)") && !<[u8; 2]>::fits("FixedString(20)"));
        assert!(Micros::fits("DateTime64(6, 'UTC')") && !Micros::fits("DateTime64(3, 'UTC')"));
        assert!(Vec::<[u8; 16]>::fits("Array(FixedString(16))") && !Vec::<[u8; 16]>::fits("Array(String)"));
        assert!(Stream::fits("Enum8('access' = 1, 'auth' = 2, 'later' = 3)"));
        assert!(!Stream::fits("Enum8('access' = 1, 'auth' = 20)"));
        assert!(!Stream::fits("Enum16('access' = 1, 'auth' = 2)"));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(texts in proptest::collection::vec(".{0,200}", 0..300), at: i64, id: u128) {
            let texts: Vec<Text> = texts.into_iter().map(Text::from).collect();
            let mut out = bytes(&texts);
            at.put(&mut out);
            Uuid::from_u128(id).put(&mut out);
            let mut input = Input::new(&out);
            prop_assert_eq!(Vec::<Text>::take(&mut input), Ok(texts));
            prop_assert_eq!(i64::take(&mut input), Ok(at));
            prop_assert_eq!(Uuid::take(&mut input), Ok(Uuid::from_u128(id)));
            prop_assert_eq!(input.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _any = Vec::<Text>::take(&mut Input::new(&bytes));
        }
    }
}
