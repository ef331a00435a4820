//! The contract's rows, as the ClickHouse client wants them: the orphan rule asks for types of our own.

use clickhouse::_priv::RowKind;
use clickhouse::Row;
use contract::Micros;
use contract::row::AuthRow;
use contract::seal::Statement;
use serde::ser::SerializeTuple as _;
use serde::{Serialize, Serializer};

/// A row of `auth_event`.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct EventRow(pub(super) AuthRow);

impl Row for EventRow {
    const NAME: &'static str = "AuthRow";
    const COLUMN_NAMES: &'static [&'static str] = AuthRow::COLUMNS;
    const COLUMN_COUNT: usize = AuthRow::COLUMNS.len();
    const KIND: RowKind = RowKind::Struct;
    type Value<'a> = Self;
}

/// A row of `access_seal`.
#[derive(Serialize, Row)]
pub(super) struct SealRow {
    node: String,
    stream: i8,
    batch: u64,
    first: u64,
    last: u64,
    root: [u8; 32],
    leaves: Vec<u64>,
    previous: [u8; 32],
    ts: Micros,
    key: [u8; 32],
    #[serde(serialize_with = "bytes")]
    signature: [u8; 64],
}

impl SealRow {
    pub(super) fn new(statement: Statement, key: [u8; 32], signature: [u8; 64]) -> Self {
        Self {
            node: statement.node,
            stream: i8::try_from(statement.stream.tag()).unwrap_or(i8::MAX),
            batch: statement.batch,
            first: statement.first,
            last: statement.last,
            root: statement.root,
            leaves: statement.leaves,
            previous: statement.previous,
            ts: statement.at,
            key,
            signature,
        }
    }
}

fn bytes<S: Serializer>(bytes: &[u8; 64], serializer: S) -> Result<S::Ok, S::Error> {
    let mut tuple = serializer.serialize_tuple(bytes.len())?;
    for byte in bytes {
        tuple.serialize_element(byte)?;
    }
    tuple.end()
}
