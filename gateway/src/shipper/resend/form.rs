//! Forms a batch once more, from the frames that the journal has kept.

use std::io;
use std::sync::Arc;

use contract::row::{Fold, KeyRow, Packed, Row};

use super::{ResendError, Source};
use crate::journal::storage::Storage;
use crate::journal::{self, FrameKind, Item, Position, Reader};
use crate::shipper::batch::Batch;
use crate::shipper::carried;
use crate::shipper::collect::Collector;
use crate::shipper::history::{Past, Signer};
use crate::shipper::metrics::Metrics;

/// The journal, as far as it was written when it was opened. Its segments are looked for once.
pub(super) struct Log<'a> {
    storage: &'a Arc<dyn Storage>,
    source: &'a Source,
    reader: Reader,
    /// Behind the batch that was formed last.
    collector: Option<Collector>,
}

impl<'a> Log<'a> {
    /// An error if another node has written it.
    pub(super) fn open(storage: &'a Arc<dyn Storage>, source: &'a Source) -> Result<Self, ResendError> {
        let reader = journal::offline_reader_of(storage, &source.dir, source.id, Position::OLDEST)?;
        Ok(Self { storage, source, reader, collector: None })
    }

    /// The data keys of all frames that are kept. They cannot be asked for, and rows of any batch may be sealed under them;
    /// the table keeps one of each.
    pub(super) fn data_keys(&mut self) -> Result<Packed<KeyRow>, ResendError> {
        self.as_it_is_now(|log| log.try_data_keys())
    }

    /// The batch as it was shipped; `None` if the journal does not give it any more.
    pub(super) fn form(&mut self, past: &Past) -> Result<Option<Batch>, ResendError> {
        self.as_it_is_now(|log| log.try_form(past))
    }

    /// A gateway may delete a segment meanwhile. Then it is not known any more at the next look.
    fn as_it_is_now<T>(&mut self, work: impl Fn(&mut Self) -> Result<T, ResendError>) -> Result<T, ResendError> {
        for _ in 1..LOOKS_MAX {
            match work(self) {
                Err(ResendError::Read(error)) if error.source.kind() == io::ErrorKind::NotFound => {
                    *self = Self::open(self.storage, self.source)?;
                }
                done => return done,
            }
        }
        work(self)
    }

    fn try_data_keys(&self) -> Result<Packed<KeyRow>, ResendError> {
        let mut reader = self.reader.another(Position::OLDEST);
        let mut fold = Fold::new(&self.source.node, &self.source.tenant);
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

    fn try_form(&mut self, past: &Past) -> Result<Option<Batch>, ResendError> {
        let Past { mark, opened, .. } = past;
        if self.reader.oldest() > Position::new(mark.resume) {
            return Ok(None);
        }
        let mut collector = match self.collector.take() {
            // It has read what this batch needs, and may have to read on to where it begins.
            Some(collector) if (mark.resume..=mark.end).contains(&collector.position()) => collector,
            _ => {
                let Source { dir, node, tenant, .. } = self.source;
                let (from, fold) = carried::begin_again(&**self.storage, dir, mark, (node, tenant))
                    .map_err(|source| ResendError::Carried { dir: dir.clone(), source })?;
                Collector::new(self.reader.another(Position::new(from)), fold, mark.end)
            }
        };
        collector.skip_below(mark.end);
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
        self.collector = Some(collector);
        Ok(Some(batch))
    }
}

/// More often than this no gateway deletes while one batch is read.
const LOOKS_MAX: usize = 4;
