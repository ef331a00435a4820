//! Whether a table in ClickHouse is the one that rows are made for, and how to insert into it.
//!
//! RowBinary does not describe itself: a column of another type would take the bytes for something else. So the table's
//! own columns are asked for ([`COLUMNS_OF`]) and compared with the rows' before the first insert, and every insert says
//! in its head which names and types it was made for, which ClickHouse compares with what the table has by then.

use super::binary::{Record, put_length};

/// Asks ClickHouse for the names and types of a table's columns, in the database that the client is set to.
pub const COLUMNS_OF: &str =
    "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = ? ORDER BY position";

/// Settings that an insert depends on: its head is compared with the table.
pub const SETTINGS: &[(&str, &str)] =
    &[("input_format_with_names_use_header", "1"), ("input_format_with_types_use_header", "1")];

/// How to insert into a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    statement: String,
    head: Vec<u8>,
}

/// The table has no such column, or one of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("column {column} of table {table} is missing or of another type")]
pub struct Mismatch {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
}

impl Table {
    /// Compares the columns found with a row's. The table may have more: they get their defaults.
    pub fn of<R: Record>(found: &[(String, String)]) -> Result<Self, Mismatch> {
        let mut head = Vec::with_capacity(2048);
        put_length(R::COLUMNS.len(), &mut head);
        let mut kinds = Vec::with_capacity(R::COLUMNS.len());
        for (column, fits) in R::COLUMNS.iter().copied().zip(R::FITS) {
            let kind = found.iter().find(|(name, _)| name == column).map(|(_, kind)| kind.as_str());
            let kind = kind.filter(|kind| fits(plain(kind))).ok_or(Mismatch { table: R::TABLE, column })?;
            put_text(column, &mut head);
            kinds.push(kind);
        }
        for kind in kinds {
            put_text(kind, &mut head);
        }
        let statement =
            format!("INSERT INTO {} ({}) FORMAT RowBinaryWithNamesAndTypes", R::TABLE, R::COLUMNS.join(", "));
        Ok(Self { statement, head })
    }

    /// The statement, after which [`Table::head`] and rows are sent.
    pub fn statement(&self) -> &str {
        &self.statement
    }

    /// What stands before the rows.
    pub fn head(&self) -> &[u8] {
        &self.head
    }
}

/// The type without `LowCardinality`, which RowBinary does not show.
fn plain(kind: &str) -> &str {
    kind.strip_prefix("LowCardinality(").and_then(|kind| kind.strip_suffix(')')).unwrap_or(kind)
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::KeyRow;

    fn found() -> Vec<(String, String)> {
        let columns = [
            ("added_later", "UInt8"),
            ("key_id", "UUID"),
            ("node", "LowCardinality(String)"),
            ("ts", "DateTime64(6, 'UTC')"),
            ("wrapped", "String"),
        ];
        columns.map(|(name, kind)| (name.to_owned(), kind.to_owned())).to_vec()
    }

    #[test]
    fn a_table_with_the_columns_is_inserted_into_by_name_and_type() {
        let table = Table::of::<KeyRow>(&found()).expect("fits");
        assert_eq!(
            table.statement(),
            "INSERT INTO data_key (key_id, node, ts, wrapped) FORMAT RowBinaryWithNamesAndTypes"
        );
        assert!(table.head().starts_with(b"\x04\x06key_id\x04node\x02ts\x07wrapped\x04UUID\x16LowCardinality(String)"));
    }

    #[test]
    fn a_table_without_a_column_or_with_another_type_is_refused() {
        let mut changed = found();
        changed.retain(|(name, _)| name != "wrapped");
        let mismatch = Mismatch { table: "data_key", column: "wrapped" };
        assert_eq!(Table::of::<KeyRow>(&changed), Err(mismatch));
        changed.push(("wrapped".into(), "FixedString(80)".into()));
        assert_eq!(Table::of::<KeyRow>(&changed), Err(mismatch));
    }
}
