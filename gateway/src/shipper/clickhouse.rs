//! Rows to ClickHouse, in the form that the seal is over, by its official client.
//!
//! Of an answer that is an error only ClickHouse's number is kept: its text may quote the row that it is about.

use std::collections::HashMap;
use std::time::Duration;

use clickhouse::error::Error;
use clickhouse::{Client, Compression};
use contract::id::NodeName;
use contract::row::{self, Packed, Record, Table};
use contract::seal::Stream;
use contract::{Micros, Text};

use super::sink::{Identity, Load, Question, Sink, SinkError, Stored};

/// The tables of one database.
pub(super) struct ClickHouseSink {
    client: Client,
    node: Text,
    /// How to insert into each, as far as they were asked.
    tables: HashMap<&'static str, Table>,
}

impl ClickHouseSink {
    pub(super) fn new(config: &super::ClickHouse, node: &NodeName) -> Self {
        let compression = if is_loopback(&config.url) { Compression::None } else { Compression::Lz4 };
        let mut client = Client::default()
            .with_url(config.url.as_str())
            .with_database(config.database.as_str())
            .with_user(config.user.as_str())
            .with_password(config.key.as_str())
            .with_compression(compression)
            // OK must mean stored, and a block must not be dropped because an equal one was seen before.
            .with_setting("async_insert", "0")
            .with_setting("insert_deduplicate", "0")
            // A batch has no doubles in it to be replaced; looking for them costs the engine a third of the insert.
            .with_setting("optimize_on_insert", "0");
        for (name, value) in row::SETTINGS {
            client.set_setting(*name, *value);
        }
        Self { client, node: node.text(), tables: HashMap::new() }
    }

    /// Inserts a batch's rows of one table: many of them in two streams, because the engine takes one stream on one core.
    /// Both end before this does, so that nothing is under way when the batch is asked for.
    async fn insert_all<R: Record>(&mut self, rows: &Packed<R>) -> Result<(), SinkError> {
        let table = self.table::<R>().await?;
        let inserted = if rows.len() < SPLIT_ROWS {
            self.insert_some(&table, rows.bytes()).await
        } else {
            let (left, right) = rows.halves();
            let (left, right) = tokio::join!(self.insert_some(&table, left), self.insert_some(&table, right));
            left.and(right)
        };
        match inserted {
            // The columns may change meanwhile: after a failure they are asked for again.
            Ok(()) => _ = self.tables.insert(R::TABLE, table),
            Err(error) => return Err(of_error(&error, END_TIMEOUT)),
        }
        Ok(())
    }

    /// How to insert into a table. Taken out of what is known: put it back after it has served.
    async fn table<R: Record>(&mut self) -> Result<Table, SinkError> {
        if let Some(table) = self.tables.remove(R::TABLE) {
            return Ok(table);
        }
        let columns = self.client.query(row::COLUMNS_OF).bind(R::TABLE).fetch_all::<(String, String)>();
        Ok(Table::of::<R>(&in_time(columns).await?)?)
    }

    async fn insert_some(&self, table: &Table, rows: &[u8]) -> Result<(), Error> {
        let insert = self.client.insert_formatted_with(table.statement());
        let mut insert = insert.with_timeouts(Some(SEND_TIMEOUT), Some(END_TIMEOUT));
        let mut head = table.head();
        for piece in rows.chunks(PIECE_BYTES) {
            insert.send([std::mem::take(&mut head), piece].concat().into()).await?;
        }
        insert.end().await
    }

    fn query(&self, question: Question) -> clickhouse::query::Query {
        match question {
            Question::Rows { stream, batch, first, last, from, to } => {
                let (table, id) = table_of(stream);
                let text = format!(
                    "SELECT uniqExact(seq), uniqExact({id}) FROM {table} WHERE node = ? AND batch = ? AND seq BETWEEN ? AND ? \
                     AND ts BETWEEN fromUnixTimestamp64Micro(toInt64(?), 'UTC') \
                     AND fromUnixTimestamp64Micro(toInt64(?), 'UTC')"
                );
                let query = self.client.query(&text).bind(self.node.as_ref()).bind(batch);
                query.bind(first).bind(last).bind(from).bind(to)
            }
            Question::Seal { stream, batch, at } => self
                .client
                .query(
                    "SELECT uniqExact(batch) AS numbers, uniqExact(batch) AS ids FROM access_seal \
                     WHERE node = ? AND stream = ? AND batch = ? \
                     AND ts = fromUnixTimestamp64Micro(toInt64(?), 'UTC')",
                )
                .bind(self.node.as_ref())
                .bind(stream.as_str())
                .bind(batch)
                .bind(at),
        }
    }

    /// Which rows there are of what [`Self::query`] counts.
    fn rows(&self, question: Question, most: u64) -> Option<clickhouse::query::Query> {
        let Question::Rows { stream, batch, first, last, from, to } = question else { return None };
        let (table, id) = table_of(stream);
        let text = format!(
            "SELECT DISTINCT seq, {id} AS id FROM {table} WHERE node = ? AND batch = ? AND seq BETWEEN ? AND ? \
             AND ts BETWEEN fromUnixTimestamp64Micro(toInt64(?), 'UTC') \
             AND fromUnixTimestamp64Micro(toInt64(?), 'UTC') ORDER BY seq, id LIMIT ?"
        );
        let query = self.client.query(&text).bind(self.node.as_ref()).bind(batch).bind(first).bind(last);
        Some(query.bind(from).bind(to).bind(most))
    }

    /// What there is of these batches' rows.
    fn extents(&self, stream: Stream, questions: &[Question]) -> clickhouse::query::Query {
        let (table, id) = table_of(stream);
        let text = format!(
            "SELECT batch, uniqExact(seq), uniqExact({id}), min(seq), max(seq), toUnixTimestamp64Micro(min(ts)), \
             toUnixTimestamp64Micro(max(ts)) FROM {table} WHERE node = ? AND {AMONG} GROUP BY batch"
        );
        among(self.client.query(&text).bind(self.node.as_ref()), questions)
    }

    /// Which seals of these batches there are, and of what time.
    fn seals(&self, stream: Stream, questions: &[Question]) -> clickhouse::query::Query {
        let text = format!(
            "SELECT DISTINCT batch, toUnixTimestamp64Micro(ts) AS at FROM access_seal \
             WHERE node = ? AND stream = ? AND {AMONG} AND at IN ?"
        );
        let at: Vec<Micros> = questions.iter().map(|question| question.times().0).collect();
        among(self.client.query(&text).bind(self.node.as_ref()).bind(stream.as_str()), questions).bind(at)
    }
}

/// Of these batches, and of the months of their rows.
const AMONG: &str = "batch IN ? AND ts BETWEEN fromUnixTimestamp64Micro(toInt64(?), 'UTC') \
                     AND fromUnixTimestamp64Micro(toInt64(?), 'UTC')";

fn among(query: clickhouse::query::Query, questions: &[Question]) -> clickhouse::query::Query {
    let batches: Vec<u64> = questions.iter().map(Question::batch).collect();
    let from = questions.iter().map(|question| question.times().0).min().unwrap_or_default();
    let to = questions.iter().map(|question| question.times().1).max().unwrap_or_default();
    query.bind(batches).bind(from).bind(to)
}

impl Sink for ClickHouseSink {
    async fn insert(&mut self, load: Load<'_>) -> Result<(), SinkError> {
        match load {
            Load::Keys(rows) => self.insert_all(rows).await,
            Load::Access(rows) => self.insert_all(rows).await,
            Load::Auth(rows) => self.insert_all(rows).await,
            Load::HandOvers(rows) => self.insert_all(rows).await,
            Load::Seal(row) => {
                let mut rows = Packed::default();
                rows.push(row);
                self.insert_all(&rows).await
            }
        }
    }

    async fn stored(&mut self, question: Question) -> Result<Stored, SinkError> {
        let (numbers, ids) = in_time(self.query(question).fetch_one::<(u64, u64)>()).await?;
        Ok(Stored { numbers, ids })
    }

    async fn complete(&mut self, questions: &[Question]) -> Result<Vec<bool>, SinkError> {
        match questions.first() {
            None => Ok(Vec::new()),
            Some(Question::Rows { stream, .. }) => {
                let found = in_time(self.extents(*stream, questions).fetch_all::<Extent>()).await?;
                Ok(questions.iter().map(|question| found.iter().any(|extent| is_all(question, extent))).collect())
            }
            Some(Question::Seal { stream, .. }) => {
                let found = in_time(self.seals(*stream, questions).fetch_all::<(u64, Micros)>()).await?;
                Ok(questions.iter().map(|question| found.contains(&(question.batch(), question.times().0))).collect())
            }
        }
    }

    async fn identities(&mut self, question: Question, most: u64) -> Result<Vec<Identity>, SinkError> {
        let Some(query) = self.rows(question, most) else { return Ok(Vec::new()) };
        let bytes = in_time(async { query.fetch_bytes("RowBinary")?.collect().await }).await?;
        identities(&bytes).ok_or(SinkError::Unreachable("the answer makes no sense"))
    }
}

/// Rows of a number and an id, as they were sent; nothing if they are something else.
fn identities(bytes: &[u8]) -> Option<Vec<Identity>> {
    let (rows, []) = bytes.as_chunks::<IDENTITY_BYTES>() else { return None };
    let one = |row: &[u8; IDENTITY_BYTES]| {
        let (number, id) = row.split_first_chunk::<8>()?;
        Some((u64::from_le_bytes(*number), id.try_into().ok()?))
    };
    rows.iter().map(one).collect()
}

/// What is there of a batch: its number, how many different row numbers and rows, the first and the last row number, the
/// earliest and the latest time.
type Extent = (u64, u64, u64, u64, u64, Micros, Micros);

/// Whether this is what was asked for, as a whole and with nothing beyond it.
fn is_all(question: &Question, extent: &Extent) -> bool {
    let Question::Rows { batch, first, last, from, to, .. } = question else { return false };
    let (found, numbers, ids, lowest, highest, earliest, latest) = extent;
    found == batch
        && question.complete() == (Stored { numbers: *numbers, ids: *ids })
        && (first, last) == (lowest, highest)
        && from <= earliest
        && latest <= to
}

/// A table, and its rows' id.
fn table_of(stream: Stream) -> (&'static str, &'static str) {
    match stream {
        Stream::Access => ("access_log", "record_id"),
        Stream::Auth => ("auth_event", "event_id"),
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, SinkError> {
    let answer = tokio::time::timeout(ASK_TIMEOUT, answer).await.map_err(|_| SinkError::Timeout(ASK_TIMEOUT))?;
    answer.map_err(|error| of_error(&error, ASK_TIMEOUT))
}

fn of_error(error: &Error, limit: Duration) -> SinkError {
    match error {
        Error::BadResponse(text) => SinkError::Exception { code: exception_code(text).unwrap_or(0) },
        Error::TimedOut => SinkError::Timeout(limit),
        Error::Network(_) => SinkError::Unreachable("no connection, or it was cut"),
        _ => SinkError::Unreachable("the answer makes no sense"),
    }
}

/// The number in `Code: 252. DB::Exception: …`.
fn exception_code(text: &str) -> Option<u32> {
    let rest = text.strip_prefix("Code: ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// Whether packing is not worth its time: on one machine, the copy is cheaper.
fn is_loopback(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme_str() == Some("http") && (address || host == "localhost")
}

/// From so many rows on, a batch is sent in two streams; below, a second part on ClickHouse's disk costs more than it saves.
const SPLIT_ROWS: usize = 20_000;
/// What is handed to the connection at a time, and what is packed at a time.
const PIECE_BYTES: usize = 256 << 10;
/// For one part of a batch's bytes to be taken.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// For a batch to be stored, once all of it was sent.
const END_TIMEOUT: Duration = Duration::from_mins(2);
/// A number and an id.
const IDENTITY_BYTES: usize = size_of::<u64>() + size_of::<[u8; 16]>();
/// For a batch to be counted, or its rows to be named.
const ASK_TIMEOUT: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_plain_http_on_this_machine() {
        for url in ["http://127.0.0.1:8123", "http://[::1]:8123/", "http://localhost:1"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["https://127.0.0.1:8443", "http://10.0.0.1:8123", "http://localhost.example:1", "nonsense", ""] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn only_the_number_of_an_exception_is_kept() {
        assert_eq!(exception_code("Code: 252. DB::Exception: Too many parts"), Some(252));
        assert_eq!(exception_code("502 Bad Gateway"), None);
        let error = Error::BadResponse("Code: 27. DB::Exception: Cannot parse 19121212-1212".into());
        let text = of_error(&error, ASK_TIMEOUT).to_string();
        assert_eq!(text, "ClickHouse answered with exception 27");
    }

    #[test]
    fn identities_are_read_as_they_are_sent_and_nothing_else_is_one() {
        let row: Vec<u8> = (0..24).collect();
        let id = std::array::from_fn(|place| u8::try_from(place).unwrap() + 8);
        assert_eq!(identities(&row.repeat(2)), Some(vec![(0x0706_0504_0302_0100, id); 2]));
        assert_eq!(identities(&[]), Some(Vec::new()));
        assert_eq!(identities(b"Code: 252. DB::Exception: Too many parts"), None);
    }

    #[test]
    fn a_batch_is_complete_only_if_there_is_all_of_it_and_nothing_else() {
        let question = Question::Rows { stream: Stream::Access, batch: 7, first: 10, last: 19, from: 100, to: 200 };
        assert!(is_all(&question, &(7, 10, 10, 10, 19, 100, 200)));
        // Another batch, a row less, a row more, numbers and times beyond.
        for wrong in [
            (8, 10, 10, 10, 19, 100, 200),
            (7, 9, 9, 10, 19, 100, 200),
            (7, 9, 10, 10, 19, 100, 200),
            (7, 10, 11, 10, 19, 100, 200),
            (7, 10, 10, 9, 19, 100, 200),
            (7, 10, 10, 10, 20, 100, 200),
            (7, 10, 10, 10, 19, 99, 200),
            (7, 10, 10, 10, 19, 100, 201),
        ] {
            assert!(!is_all(&question, &wrong), "{wrong:?}");
        }
    }
}
