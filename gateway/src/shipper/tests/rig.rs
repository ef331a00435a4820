//! The shipper in the hands of a simulation of the whole gateway.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use contract::Micros;

use super::super::backoff;
use super::super::book::Book;
use super::super::carried::Carried;
use super::super::history::History;
use super::super::metrics::Metrics;
use super::super::worker::{Parts, Step, Worker};
use super::database::{Database, Fake};
use super::{BOOK, CARRIED_ROOM, DIR, STATE, TENANT, Trouble, node};
use crate::journal::sim::SimStorage;
use crate::journal::storage::Storage;
use crate::journal::{self, State};
use crate::keys::SealKeys;

/// What to do after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Go on.
    Step,
    /// Wait until there is something to ship.
    WaitForNew,
    /// It failed: wait for so long.
    Pause(Duration),
}

/// The shipper's real worker, between a simulated disk and a simulated database.
pub(crate) struct Rig {
    worker: Worker<Fake>,
    metrics: Metrics,
    failures: u32,
}

impl Rig {
    /// Opens the book, as the program does.
    pub(crate) fn open(
        parts: &journal::Parts,
        storage: &Arc<dyn Storage>,
        (database, sim): (&Database, &SimStorage),
        rows_max: usize,
    ) -> Result<Self, Trouble> {
        let end = (parts.journal.state() == State::Healthy).then(|| parts.journal.durable_end());
        let mut book = Book::open(storage, Path::new(BOOK), &node(), parts.journal.acked(), end)?;
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let worker = Worker::new(Parts {
            journal: parts.journal.clone(),
            carried: Carried::open(storage, Path::new(DIR), &node(), &mut book, CARRIED_ROOM)?,
            book,
            sink: Fake::new(database, sim),
            seal_keys: SealKeys::open(storage, Path::new(STATE), &node())?,
            witness: None,
            history: History::new(storage, Path::new(DIR)),
            metrics: metrics.clone(),
            node: node(),
            tenant: TENANT.into(),
            rows_max,
        });
        Ok(Self { worker, metrics, failures: 0 })
    }

    /// Does the next thing.
    pub(crate) async fn step(&mut self, now: Micros) -> Next {
        let Ok(step) = self.worker.step(now).await else {
            self.failures = self.failures.saturating_add(1);
            return Next::Pause(backoff(self.failures, self.worker.random()));
        };
        self.failures = 0;
        if step == Step::Full { Next::Step } else { Next::WaitForNew }
    }

    /// Waits until there is something to ship; false if nothing will come.
    pub(crate) async fn wait_for_new(&self) -> bool {
        self.worker.wait_for_new().await
    }

    /// Whether the journal keeps more frames than it must.
    pub(crate) fn keeps_back(&self) -> bool {
        self.worker.keeps_back()
    }

    /// How often open exchanges were carried over.
    pub(crate) fn carried(&self) -> u64 {
        self.metrics.carried.get()
    }

    /// How many exchanges wait for their outcome.
    pub(crate) fn open_exchanges(&self) -> i64 {
        self.metrics.open_exchanges.get()
    }

    /// Batches whose numbers were given up, frames that were lost, frames that could not be read: on a sound disk none.
    pub(crate) fn oddities(&self) -> u64 {
        self.metrics.renumbered.get() + self.metrics.gap_frames.get() + self.metrics.undecodable_frames.get()
    }
}
