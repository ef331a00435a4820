//! Sends batches again that ClickHouse had and has lost: a disk that died, a backup put back, a partition dropped by
//! mistake.
//!
//! What was shipped is noted ([`super::history`]), and the journal keeps its frames for a while (`grace_s`). A batch is
//! asked for, and formed again from the same frames; only if something of it is absent it is sent. It must be the same batch,
//! to the byte, under the seal that was over it: a row that was not in it cannot be sent, nor one that was changed since.
//!
//! A batch is there if as many rows are there as were in it, and if they are the same ones: a row that somebody has put under
//! the number of a lost one is counted like that one, but has an id of its own. Ids can only be held against the frames: where
//! those are gone the rows are counted and no more, and the result says of how many batches ([`Resent::counted`]).
//!
//! Nothing on the disk is changed and no lock is taken: a gateway may run on the journal, and ships what is new meanwhile.
//! Whoever is broken off begins again: what has arrived is found.
//!
//! # What it vouches for
//! Nothing absent and nothing left over ([`Resent::is_whole`]) means: each batch of the range that the book has shipped was
//! noted, and all of it is in ClickHouse, by the numbers and ids of its rows (of those in [`Resent::counted`], by how many
//! there are). Notes may be missing ([`History`]), so they are held against each other and against the book: [`trail`]. After
//! sending it is asked once more.
//!
//! # Not done here
//! Rows that are there and are not what was sealed are not replaced: `auditor verify` names them.
//!
//! [`History`]: super::history::History

mod form;
mod trail;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use contract::id::NodeName;
use contract::row::{Packed, SealKeyRow};
use contract::seal::{SignedHandOver, Stream};
use contract::{Micros, Text};

use super::ClickHouse;
use super::batch::{self, Batch, Part};
use super::book;
use super::clickhouse::ClickHouseSink;
use super::history::{self, Past};
use super::sink::{Load, Question, Sink, SinkError};
use crate::journal::ledger::LedgerError;
use crate::journal::storage::Storage;
use crate::journal::{self, ReadError};
use form::Log;
use trail::Trail;
pub use trail::Unnoted;

/// What there is to send from, and where to.
#[derive(Debug)]
pub struct Source {
    /// The journal's directory.
    pub dir: PathBuf,
    /// The shipper's book.
    pub ledger: PathBuf,
    /// What the journal's segments call the node.
    pub id: [u8; 16],
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
    /// What was known of open exchanges could not be read.
    #[error("what was known of open exchanges (carried-*.copy in {dir}) cannot be read", dir = .dir.display())]
    Carried {
        /// The journal's directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// How far the shipper has come could not be read.
    #[error("the shipper's book is unusable")]
    Book(#[from] LedgerError),
    /// What was shipped from here bears another name: nothing of it may be sent under this one.
    #[error("the shipper's book {path} is that of node {found}: give the node its old name, or its own files")]
    OtherNode {
        /// The book's file.
        path: PathBuf,
        /// Whose it is.
        found: String,
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
    /// Of these, such as are there by how many rows they have, while the journal has not the frames any more that would say
    /// whether they are the same rows. Only `auditor verify` can tell.
    pub counted: u64,
    /// Of these, such of which something was absent, or that had another row under the number of one of theirs.
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
    /// Batches that were sent, and of which something is absent all the same, or a row is there that is not theirs: the first
    /// thousand.
    pub unmended: Vec<Lost>,
    /// When the oldest batch was sealed that is noted; nothing is known of those before.
    pub noted_from: Option<Micros>,
    /// Batches of the range that were shipped and are not noted, so that they were not asked for: the first thousand gaps.
    pub unnoted: Vec<Unnoted>,
    /// The shipper's book is there, so that it is known what was shipped last.
    pub book: bool,
}

/// A batch that is not there as a whole.
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
    // Before the notes: what is shipped meanwhile is noted beyond it.
    let book = book::peek(storage, &source.ledger)?;
    if let Some(book) = &book
        && book.node != source.node.as_str()
    {
        return Err(ResendError::OtherNode { path: source.ledger.clone(), found: book.node.clone() });
    }
    let (mut all, mut trail) = (Vec::new(), Trail::new(range));
    history::read(&**storage, &source.dir, |past| {
        trail.note(past);
        if (range.from..range.to).contains(&past.opened.at) {
            all.push(*past);
        }
    })
    .map_err(|error| ResendError::History { dir: source.dir.clone(), source: error })?;
    let mut resent = Resent { book: book.is_some(), noted_from: trail.begin(), ..Resent::default() };
    resent.unnoted = trail.end(book.map(|book| book.mark));
    // After the notes, so that it has their frames.
    let mut log = Log::open(storage, source)?;
    if !range.look_only {
        for load in [Load::HandOvers(&hand_overs(source)), Load::Keys(&log.data_keys()?)] {
            if load.len() > 0 {
                sink.insert(load).await?;
            }
        }
    }
    for some in all.chunks(ASKED_AT_ONCE) {
        let mut sent = Vec::new();
        for (past, mut absent) in some.iter().zip(absent(sink, some).await?) {
            progress(resent.batches, all.len() as u64);
            resent.batches += 1;
            let Some(batch) = log.form(past)? else {
                if absent.is_empty() {
                    resent.counted += 1;
                } else {
                    resent.absent += 1;
                    name(&mut resent.lost, past);
                }
                continue;
            };
            add_replaced(sink, &batch, &mut absent).await?;
            if absent.is_empty() {
                continue;
            }
            resent.absent += 1;
            resent.sent += 1;
            resent.count(past, &absent);
            if !range.look_only {
                send(sink, &batch, &absent).await?;
                // Rows are never taken away: what somebody has put there is there still.
                let mut replaced = Vec::new();
                add_replaced(sink, &batch, &mut replaced).await?;
                sent.push((*past, replaced.is_empty()));
            }
        }
        let pasts: Vec<Past> = sent.iter().map(|(past, _)| *past).collect();
        for ((past, same), absent) in sent.iter().zip(absent(sink, &pasts).await?) {
            if !same || !absent.is_empty() {
                name(&mut resent.unmended, past);
            }
        }
    }
    progress(all.len() as u64, all.len() as u64);
    Ok(resent)
}

/// Of each batch the parts that are not there as a whole, in the order in which they are to be sent.
async fn absent(sink: &mut impl Sink, pasts: &[Past]) -> Result<Vec<Vec<Part>>, SinkError> {
    let mut absent = vec![Vec::new(); pasts.len()];
    for part in [Part::Rows, Part::Seal].into_iter().flat_map(|part| [Stream::Access, Stream::Auth].map(part)) {
        let (Part::Rows(stream) | Part::Seal(stream)) = part else { continue };
        let asked = |past: &Past| match past.opened.of(stream).rows {
            0 => None,
            _ => batch::question(&past.mark, &past.opened, part),
        };
        let questions: Vec<Question> = pasts.iter().filter_map(asked).collect();
        let mut there = sink.complete(&questions).await?.into_iter();
        for (past, absent) in pasts.iter().zip(&mut absent) {
            let Some(question) = asked(past) else { continue };
            let there = there.next().unwrap_or(false);
            if !there && sink.stored(question).await? != question.complete() {
                absent.push(part);
            }
        }
    }
    Ok(absent)
}

/// Adds the rows of a table where those that are there are not the batch's own, however many they are. Rows go before seals.
async fn add_replaced(sink: &mut impl Sink, batch: &Batch, absent: &mut Vec<Part>) -> Result<(), SinkError> {
    for stream in [Stream::Auth, Stream::Access] {
        let part = Part::Rows(stream);
        let own = batch.identities(stream);
        if own.is_empty() || absent.contains(&part) {
            continue;
        }
        let Some(question) = batch.question(part) else { continue };
        // One more than there should be is enough to tell.
        let most = (own.len() as u64).saturating_add(1);
        if sink.identities(question, most).await? != own {
            absent.insert(0, part);
        }
    }
    Ok(())
}

/// Which key follows which: few rows, of which the table keeps one each.
fn hand_overs(source: &Source) -> Packed<SealKeyRow> {
    let mut rows = Packed::default();
    for signed in &source.hand_overs {
        rows.push(&SealKeyRow::from(signed));
    }
    rows
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

    /// Batches of which something is absent, and that cannot be sent again.
    pub fn lost_count(&self) -> u64 {
        self.absent - self.sent
    }

    /// Whether all batches of the range that were shipped were asked for, and are there now; or, if they were only looked at,
    /// can be.
    pub fn is_whole(&self) -> bool {
        self.book && self.lost_count() == 0 && self.unmended.is_empty() && self.unnoted.is_empty()
    }
}

fn name(named: &mut Vec<Lost>, past: &Past) {
    let number = |stream| (past.opened.of(stream).rows > 0).then(|| past.mark.of(stream).batch);
    let lost = Lost { at: past.opened.at, access_batch: number(Stream::Access), auth_batch: number(Stream::Auth) };
    if named.len() < NAMED_MAX {
        named.push(lost);
    }
}

/// So many batches, or gaps, are named.
const NAMED_MAX: usize = 1000;
/// So many batches are asked for in one question.
const ASKED_AT_ONCE: usize = 64;
