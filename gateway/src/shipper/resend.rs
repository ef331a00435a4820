//! Sends batches again that ClickHouse had and has lost: a disk that died, a backup put back, a partition dropped by
//! mistake.
//!
//! What was shipped is noted ([`super::history`]), and the journal keeps its frames for a while (`grace_s`). A batch is
//! asked for; only if something of it is absent it is formed again from the same frames. It must be the same batch, to the
//! byte, under the seal that was over it: a row that was not in it cannot be sent, nor one that was changed since.
//!
//! Nothing on the disk is changed and no lock is taken: a gateway may run on the journal, and ships what is new meanwhile.
//! Whoever is broken off begins again: what has arrived is found.
//!
//! # Not done here
//! Rows that are there and are not what was sealed are not replaced: `auditor verify` names them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use contract::id::NodeName;
use contract::row::{Fold, KeyRow, Packed, Row, SealKeyRow};
use contract::seal::{SignedHandOver, Stream};
use contract::{Micros, Text};

use super::ClickHouse;
use super::batch::{self, Batch, Part};
use super::clickhouse::ClickHouseSink;
use super::collect::Collector;
use super::history::{self, Past, Signer};
use super::metrics::Metrics;
use super::sink::{Load, Sink, SinkError};
use crate::journal::storage::Storage;
use crate::journal::{self, FrameKind, Item, Position, ReadError};

/// What there is to send from, and where to.
#[derive(Debug)]
pub struct Source {
    /// The journal's directory.
    pub dir: PathBuf,
    /// The node that has written it.
    pub node: NodeName,
    /// The care provider of the installation: HSA-id.
    pub tenant: Text,
    /// Where rows go.
    pub clickhouse: ClickHouse,
    /// Which seal key follows which, as this node has signed it.
    pub hand_overs: Vec<SignedHandOver>,
}

/// Which batches.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Sealed at or after this time.
    pub from: Micros,
    /// Sealed before this time.
    pub to: Micros,
    /// Only say what is absent.
    pub look_only: bool,
}

/// Why it broke off. What was sent until then has arrived.
#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    /// The notes could not be read.
    #[error("the notes of what was shipped (shipper.history in {dir}) cannot be read", dir = .dir.display())]
    History {
        /// The journal's directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The journal could not be opened.
    #[error("the journal cannot be looked at")]
    Open(#[from] journal::OpenError),
    /// A segment could not be read.
    #[error("the journal cannot be read to its end")]
    Read(#[from] ReadError),
    /// ClickHouse could not be asked, or did not take it. What exactly, the text says: it names no row.
    #[error("{0}")]
    ClickHouse(String),
    /// The runtime for the connection could not be made.
    #[error("the runtime for the connection to ClickHouse could not be started")]
    Runtime(#[source] io::Error),
}

impl From<SinkError> for ResendError {
    fn from(error: SinkError) -> Self {
        Self::ClickHouse(error.to_string())
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Resent {
    /// Batches that were asked for.
    pub batches: u64,
    /// Of these, such of which something was absent.
    pub absent: u64,
    /// Of these, such as were sent; with `look_only`, such as can be.
    pub sent: u64,
    /// Rows of `access_log` in what was sent; some of them may have been there.
    pub access_rows: u64,
    /// Rows of `auth_event` in what was sent.
    pub auth_rows: u64,
    /// Seals sent.
    pub seals: u64,
    /// Batches of which something is absent, and that cannot be formed again: the first thousand.
    pub lost: Vec<Lost>,
    /// When the oldest batch was sealed that is noted; nothing is known of those before.
    pub noted_from: Option<Micros>,
}

/// A batch that cannot be sent again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Lost {
    /// When it was sealed, microseconds since 1970.
    pub at: Micros,
    /// Its number in `access_log`, if it has rows there.
    pub access_batch: Option<u64>,
    /// Its number in `auth_event`, if it has rows there.
    pub auth_batch: Option<u64>,
}

/// Asks ClickHouse for the batches of a range, and sends what is absent. `progress` is told how many are done, of how
/// many.
pub fn again(
    storage: &Arc<dyn Storage>,
    source: &Source,
    range: Range,
    progress: impl FnMut(u64, u64),
) -> Result<Resent, ResendError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ResendError::Runtime)?;
    let mut sink = ClickHouseSink::new(&source.clickhouse, &source.node);
    runtime.block_on(run(&mut sink, storage, source, range, progress))
}

pub(super) async fn run(
    sink: &mut impl Sink,
    storage: &Arc<dyn Storage>,
    source: &Source,
    range: Range,
    mut progress: impl FnMut(u64, u64),
) -> Result<Resent, ResendError> {
    let mut resent = Resent::default();
    let wanted = |past: &Past| {
        resent.noted_from = resent.noted_from.or(Some(past.opened.at));
        (range.from..range.to).contains(&past.opened.at)
    };
    let all = history::read(&**storage, &source.dir, wanted)
        .map_err(|error| ResendError::History { dir: source.dir.clone(), source: error })?;
    if !range.look_only {
        for load in [Load::HandOvers(&hand_overs(source)), Load::Keys(&data_keys(storage, source)?)] {
            if load.len() > 0 {
                sink.insert(load).await?;
            }
        }
    }
    let mut again = Again { storage, source, collector: None };
    for (done, past) in (0_u64..).zip(&all) {
        progress(done, all.len() as u64);
        resent.batches += 1;
        let absent = absent(sink, past).await?;
        if absent.is_empty() {
            continue;
        }
        resent.absent += 1;
        let Some(batch) = again.form(past)? else {
            resent.lose(past);
            continue;
        };
        resent.sent += 1;
        if !range.look_only {
            send(sink, &batch, &absent).await?;
        }
        resent.count(past, &absent);
    }
    progress(all.len() as u64, all.len() as u64);
    Ok(resent)
}

/// The parts of a batch that are not there as a whole, in the order in which they are to be sent.
async fn absent(sink: &mut impl Sink, past: &Past) -> Result<Vec<Part>, SinkError> {
    let mut absent = Vec::new();
    for part in [Part::Rows, Part::Seal].into_iter().flat_map(|part| [Stream::Access, Stream::Auth].map(part)) {
        let (Part::Rows(stream) | Part::Seal(stream)) = part else { continue };
        if past.opened.of(stream).rows > 0
            && let Some(question) = batch::question(&past.mark, &past.opened, part)
            && sink.stored(question).await? != question.complete()
        {
            absent.push(part);
        }
    }
    Ok(absent)
}

/// Which key follows which: few rows, of which the table keeps one each.
fn hand_overs(source: &Source) -> Packed<SealKeyRow> {
    let mut rows = Packed::default();
    for signed in &source.hand_overs {
        rows.push(&SealKeyRow::from(signed));
    }
    rows
}

/// The data keys of all frames that are kept. They cannot be asked for, and rows of any batch may be sealed under them; the
/// table keeps one of each.
fn data_keys(storage: &Arc<dyn Storage>, source: &Source) -> Result<Packed<KeyRow>, ResendError> {
    let mut reader = journal::offline_reader(storage, &source.dir, Position::OLDEST)?;
    let mut fold = Fold::new(&source.node, &source.tenant);
    let (mut keys, mut rows) = (Packed::default(), Vec::new());
    while let Some(item) = reader.next()? {
        let Item::Frame(frame) = item else { continue };
        if frame.kind == FrameKind::Marker {
            // A later version's says nothing to this one; its batch cannot be formed either.
            let _unknown = fold.apply(frame.position.sequence(), frame.kind as u8, &frame.payload, &mut rows);
        }
        for row in rows.drain(..) {
            if let Row::Key(row) = row {
                keys.push(&row);
            }
        }
    }
    Ok(keys)
}

/// Sends what is absent. Keys have been sent.
async fn send(sink: &mut impl Sink, batch: &Batch, absent: &[Part]) -> Result<(), SinkError> {
    for part in absent {
        if let Some(load) = batch.load(*part) {
            sink.insert(load).await?;
        }
    }
    Ok(())
}

/// Forms batches once more.
struct Again<'a> {
    storage: &'a Arc<dyn Storage>,
    source: &'a Source,
    /// Behind the batch that was formed last, and where that is.
    collector: Option<(Collector, u64)>,
}

impl Again<'_> {
    /// The batch as it was shipped; `None` if the journal does not give it any more.
    fn form(&mut self, past: &Past) -> Result<Option<Batch>, ResendError> {
        let Past { mark, opened, .. } = past;
        let mut collector = match self.collector.take() {
            Some((collector, end)) if end == mark.end => collector,
            _ => {
                let reader = journal::offline_reader(self.storage, &self.source.dir, Position::new(mark.resume))?;
                if reader.oldest() > Position::new(mark.resume) {
                    return Ok(None);
                }
                Collector::over(reader, &self.source.node, &self.source.tenant, mark.end)
            }
        };
        // They are nobody's: this is not the gateway that counts.
        let Ok(metrics) = Metrics::new(&prometheus::Registry::new()) else { return Ok(None) };
        if !collector.collect_to(opened.end, &metrics)? {
            return Ok(None);
        }
        let batch = Batch::new(&self.source.node, mark, collector.take(), opened.end, opened.at, Signer::Past(past));
        // The hashes in there are over every byte of the rows.
        if batch.opened != *opened {
            return Ok(None);
        }
        self.collector = Some((collector, opened.end));
        Ok(Some(batch))
    }
}

impl Resent {
    fn count(&mut self, past: &Past, absent: &[Part]) {
        for part in absent {
            match part {
                Part::Keys => {}
                Part::Rows(Stream::Access) => self.access_rows += past.opened.access.rows,
                Part::Rows(Stream::Auth) => self.auth_rows += past.opened.auth.rows,
                Part::Seal(_) => self.seals += 1,
            }
        }
    }

    fn lose(&mut self, past: &Past) {
        let number = |stream| (past.opened.of(stream).rows > 0).then(|| past.mark.of(stream).batch);
        let lost = Lost { at: past.opened.at, access_batch: number(Stream::Access), auth_batch: number(Stream::Auth) };
        if self.lost.len() < LOST_MAX {
            self.lost.push(lost);
        }
    }

    /// Batches of which something is absent, and that cannot be sent again.
    pub fn lost_count(&self) -> u64 {
        self.absent - self.sent
    }
}

const LOST_MAX: usize = 1000;
