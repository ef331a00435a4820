//! The rows in the form that the `clickhouse` crate takes, and the columns of `access_seal`.

use contract::Micros;
use contract::row::{AccessRow, AuthRow, KeyRow};
use contract::seal::{SealKey, Statement, Stream};
use serde::ser::SerializeTuple as _;
use serde::{Serialize, Serializer};

/// A row of `access_seal`: a statement, the key and its signature. The fields stand in the table's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct SealRow {
    pub(super) node: String,
    #[serde(serialize_with = "stream_number")]
    pub(super) stream: Stream,
    pub(super) batch: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) root: [u8; 32],
    pub(super) leaves: Vec<u64>,
    pub(super) previous: [u8; 32],
    pub(super) ts: Micros,
    pub(super) key: [u8; 32],
    #[serde(serialize_with = "fixed_string")]
    pub(super) signature: [u8; 64],
}

impl SealRow {
    pub(super) const COLUMNS: &'static [&'static str] =
        &["node", "stream", "batch", "first", "last", "root", "leaves", "previous", "ts", "key", "signature"];

    /// Signs the statement.
    pub(super) fn new(statement: &Statement, key: &SealKey) -> Self {
        Self {
            node: statement.node.clone(),
            stream: statement.stream,
            batch: statement.batch,
            first: statement.first,
            last: statement.last,
            root: statement.root,
            leaves: statement.leaves.clone(),
            previous: statement.previous,
            ts: statement.at,
            key: key.public(),
            signature: key.sign(statement),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn stream_number<S: Serializer>(stream: &Stream, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i8(i8::try_from(stream.tag()).unwrap_or(i8::MAX))
}

fn fixed_string<S: Serializer>(bytes: &[u8; 64], serializer: S) -> Result<S::Ok, S::Error> {
    let mut tuple = serializer.serialize_tuple(bytes.len())?;
    for byte in bytes {
        tuple.serialize_element(byte)?;
    }
    tuple.end()
}

/// Says to the `clickhouse` crate what its derive would say, with the column names that `contract` keeps.
macro_rules! insertable {
    ($($(#[$meta:meta])* $name:ident of $row:ty;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Serialize)]
        #[serde(transparent)]
        pub(super) struct $name<'a>(pub(super) &'a $row);

        impl clickhouse::Row for $name<'_> {
            const NAME: &'static str = stringify!($row);
            const COLUMN_NAMES: &'static [&'static str] = <$row>::COLUMNS;
            const COLUMN_COUNT: usize = <$row>::COLUMNS.len();
            const KIND: clickhouse::_priv::RowKind = clickhouse::_priv::RowKind::Struct;
            type Value<'b> = $name<'b>;
        }
    )*};
}

insertable! {
    /// A row of `access_log`.
    AccessInsert of AccessRow;
    /// A row of `auth_event`.
    AuthInsert of AuthRow;
    /// A row of `data_key`.
    KeyInsert of KeyRow;
    /// A row of `access_seal`.
    SealInsert of SealRow;
}
