//! Seals and rows out of ClickHouse, as they are stored: `FINAL` would hide the row that a later one replaces.

use super::VerifyError;
use bytes::Bytes;
use clickhouse::Client;
use contract::row::{KeyRow, Record, SealKeyRow, SealRow};
use contract::seal::{SignedHandOver, Stream};
use contract::wire::{Input, WireError};
use std::ops::RangeInclusive;
use uuid::Uuid;

/// The longest row that is believed to be one.
const ROW_BYTES_MAX: usize = 8 << 20;

/// More hand-overs than any installation has: somebody has filled the table.
pub(super) const HAND_OVERS_MAX: usize = 100_000;

/// What a seal says of its rows, without their leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clickhouse::Row, serde::Deserialize)]
pub(super) struct Outline {
    pub(super) batch: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) leaves: u64,
    pub(super) at: i64,
}

/// The nodes that have rows or seals of a stream.
pub(super) async fn nodes(client: &Client, stream: Stream) -> Result<Vec<String>, VerifyError> {
    let sql = format!(
        "SELECT DISTINCT node FROM (SELECT node FROM {} UNION ALL SELECT node FROM access_seal WHERE stream = ?) ORDER BY node",
        table(stream)
    );
    Ok(client.query(&sql).bind(stream.as_str()).fetch_all().await?)
}

/// Every hand-over of every node, each once, in any order; [`HAND_OVERS_MAX`] and one more at the most.
pub(super) async fn hand_overs(client: &Client) -> Result<Vec<SignedHandOver>, VerifyError> {
    let columns = SealKeyRow::COLUMNS.join(", ");
    let sql = format!("SELECT DISTINCT {columns} FROM seal_key LIMIT ?");
    let mut all = Vec::new();
    each(client.query(&sql).bind(HAND_OVERS_MAX + 1), |row: SealKeyRow, _| all.push(SignedHandOver::from(&row)))
        .await?;
    Ok(all)
}

/// The outlines of a node's seals from a time on, of these batches, in order.
pub(super) async fn outlines(
    client: &Client,
    stream: Stream,
    node: &str,
    since: i64,
    batches: RangeInclusive<u64>,
) -> Result<Vec<Outline>, VerifyError> {
    let sql = "SELECT batch, first, last, length(leaves) AS leaves, toUnixTimestamp64Micro(ts) AS at FROM access_seal \
               WHERE node = ? AND stream = ? AND at >= ? AND batch BETWEEN ? AND ? ORDER BY batch, at";
    let query = client.query(sql).bind(node).bind(stream.as_str()).bind(since);
    Ok(query.bind(batches.start()).bind(batches.end()).fetch_all().await?)
}

/// Gives each data key that is there, in any order, and perhaps more than once.
pub(super) async fn data_keys(client: &Client, mut key: impl FnMut(Uuid)) -> Result<(), VerifyError> {
    let sql = format!("SELECT {} FROM data_key", KeyRow::COLUMNS.join(", "));
    each(client.query(&sql), |row: KeyRow, _| key(row.key_id)).await
}

/// The seals of these batches, each once, in order.
pub(super) async fn seals(
    client: &Client,
    stream: Stream,
    node: &str,
    batches: (u64, u64),
) -> Result<Vec<SealRow>, VerifyError> {
    let sql = format!(
        "SELECT {} FROM access_seal WHERE node = ? AND stream = ? AND batch BETWEEN ? AND ? ORDER BY batch, ts",
        SealRow::COLUMNS.join(", ")
    );
    let query = client.query(&sql).bind(node).bind(stream.as_str()).bind(batches.0).bind(batches.1);
    let mut seals: Vec<SealRow> = Vec::new();
    each(query, |seal: SealRow, _| {
        if seals.last() != Some(&seal) {
            seals.push(seal);
        }
    })
    .await?;
    Ok(seals)
}

/// The last seal that was made before a time.
pub(super) async fn seal_before(
    client: &Client,
    stream: Stream,
    node: &str,
    time: i64,
) -> Result<Option<SealRow>, VerifyError> {
    let sql = "SELECT max(batch) FROM access_seal WHERE node = ? AND stream = ? AND toUnixTimestamp64Micro(ts) < ?";
    let batch: u64 = client.query(sql).bind(node).bind(stream.as_str()).bind(time).fetch_one().await?;
    Ok(seals(client, stream, node, (batch, batch)).await?.pop())
}

/// Gives each row of a node's whose number lies between these, with its bytes, in any order.
pub(super) async fn rows<R: Record>(
    client: &Client,
    node: &str,
    numbers: (u64, u64),
    row: impl FnMut(R, &[u8]),
) -> Result<(), VerifyError> {
    let sql = format!("SELECT {} FROM {} PREWHERE node = ? AND seq BETWEEN ? AND ?", R::COLUMNS.join(", "), R::TABLE);
    each(client.query(&sql).bind(node).bind(numbers.0).bind(numbers.1), row).await
}

/// How many rows there are under these numbers.
pub(super) async fn count(client: &Client, stream: Stream, node: &str, from: u64) -> Result<u64, VerifyError> {
    let sql = format!("SELECT count() FROM {} WHERE node = ? AND seq >= ?", table(stream));
    Ok(client.query(&sql).bind(node).bind(from).fetch_one().await?)
}

/// A row that no seal covers (yet).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clickhouse::Row, serde::Deserialize)]
pub(super) struct Beyond {
    pub(super) seq: u64,
    pub(super) batch: u64,
    /// When it was over, by its own word: never before it began.
    pub(super) at: i64,
}

/// Which rows need not be looked at: those of this batch that say that they came in this time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waits {
    pub(super) batch: u64,
    pub(super) time: RangeInclusive<i64>,
}

/// The first rows under these numbers but those that may wait, so many at the most.
pub(super) async fn beyond(
    client: &Client,
    stream: Stream,
    node: &str,
    numbers: RangeInclusive<u64>,
    waits: &Waits,
    most: u64,
) -> Result<Vec<Beyond>, VerifyError> {
    let sql = format!(
        "SELECT DISTINCT seq, batch, {} AS at FROM {} \
         WHERE node = ? AND seq BETWEEN ? AND ? AND NOT (batch = ? AND at BETWEEN ? AND ?) ORDER BY seq, batch, at LIMIT ?",
        ended(stream),
        table(stream)
    );
    let query = client.query(&sql).bind(node).bind(numbers.start()).bind(numbers.end());
    Ok(query.bind(waits.batch).bind(waits.time.start()).bind(waits.time.end()).bind(most).fetch_all().await?)
}

/// How many rows from this number on may wait.
pub(super) async fn waiting(
    client: &Client,
    stream: Stream,
    node: &str,
    from: u64,
    waits: &Waits,
) -> Result<u64, VerifyError> {
    let sql = format!(
        "SELECT count() FROM {} WHERE node = ? AND seq >= ? AND batch = ? AND {} BETWEEN ? AND ?",
        table(stream),
        ended(stream)
    );
    let query = client.query(&sql).bind(node).bind(from).bind(waits.batch);
    Ok(query.bind(waits.time.start()).bind(waits.time.end()).fetch_one().await?)
}

/// When a row's exchange was over. A duration is cut, lest the sum runs over.
fn ended(stream: Stream) -> &'static str {
    match stream {
        Stream::Access => "toUnixTimestamp64Micro(ts) + toInt64(least(duration_us, 4611686018427387904))",
        Stream::Auth => "toUnixTimestamp64Micro(ts)",
    }
}

/// The ids of the rows under a number.
pub(super) async fn ids(client: &Client, stream: Stream, node: &str, seq: u64) -> Result<Vec<Uuid>, VerifyError> {
    let id = if stream == Stream::Access { "record_id" } else { "event_id" };
    let sql = format!(
        "SELECT DISTINCT toString({id}) AS id FROM {} WHERE node = ? AND seq = ? ORDER BY id LIMIT 16",
        table(stream)
    );
    let ids: Vec<String> = client.query(&sql).bind(node).bind(seq).fetch_all().await?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

fn table(stream: Stream) -> &'static str {
    match stream {
        Stream::Access => "access_log",
        Stream::Auth => "auth_event",
    }
}

async fn each<R: Record>(query: clickhouse::query::Query, mut row: impl FnMut(R, &[u8])) -> Result<(), VerifyError> {
    let mut cursor = query.fetch_bytes("RowBinary")?;
    let mut held: Vec<u8> = Vec::new();
    while let Some(more) = cursor.next().await? {
        // Most rows lie in one piece: only what a piece ends with is copied.
        let mut piece: Bytes = more;
        if !held.is_empty() {
            held.extend_from_slice(&piece);
            piece = std::mem::take(&mut held).into();
        }
        let mut input = Input::new(&piece);
        let mut done = 0;
        loop {
            let taken = if input.remaining() == 0 { Err(WireError::Short) } else { R::take(&mut input) };
            match taken {
                Ok(taken) => {
                    let end = piece.len() - input.remaining();
                    row(taken, piece.get(done..end).unwrap_or_default());
                    done = end;
                }
                Err(WireError::Short) => break,
                Err(error) => return Err(VerifyError::Row { table: R::TABLE, error }),
            }
        }
        held.extend_from_slice(piece.get(done..).unwrap_or_default());
        if held.len() > ROW_BYTES_MAX {
            return Err(VerifyError::Row { table: R::TABLE, error: WireError::Long(held.len()) });
        }
    }
    if held.is_empty() { Ok(()) } else { Err(VerifyError::Row { table: R::TABLE, error: WireError::Short }) }
}
