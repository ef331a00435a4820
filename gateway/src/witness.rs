//! Copies of this node's seals for a witness outside: a file, an HTTP endpoint, or both.
//!
//! Whoever holds a node's key and the database can seal a changed log anew. Copies that neither of the two can reach tell:
//! `auditor verify --witness FILE` holds the seals against them.
//!
//! ```text
//! seal is in ClickHouse ─▶ spool (synced) ─▶ book: settled ─▶ journal: ack
//!                            ├─▶ file: append, sync ─▶ mark
//!                            └─▶ url: POST, 2xx ─────▶ mark
//! ```
//! The shipper waits for the disk, never for a witness. Each witness has a mark in the spool, which moves when it has
//! taken a line; one that is away is tried again for as long as it takes, and gets what it has missed, in order. A crash
//! between taking and marking gives a line twice, never a line too few. Only when a witness has been away for so long
//! that the spool is full does shipping wait; records are safe in the journal meanwhile.
//!
//! The spool holds what this node has sealed itself: what a witness gets does not come back from the database.

mod file;
mod metrics;
mod spool;
mod url;

pub use metrics::Metrics;
pub use spool::{Spool, SpoolError};
pub use url::SetupError;

use crate::clock;
use crate::config;
use crate::journal::storage::Disk;
use file::FileWitness;
use spool::Chunk;
pub(crate) use spool::Limits;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::UrlWitness;

/// Which witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// The file.
    File = 0,
    /// The HTTP endpoint.
    Url = 1,
}

/// Why the witnesses cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The spool is of no use.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The endpoint cannot be set up.
    #[error("the witness' url cannot be used")]
    Url(#[from] SetupError),
}

/// Why a witness has not taken lines.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("the file cannot be written")]
    File(#[source] std::io::Error),
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    #[error("the exchange broke")]
    Http(#[from] hyper::Error),
    #[error("the request could not be formed")]
    Request(#[from] http::Error),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("no answer within {} ms", .0.as_millis())]
    Silent(Duration),
    #[error("its thread has ended")]
    Ended,
}

/// The witnesses of this node, ready to run.
pub struct Witnesses {
    spool: Spool,
    file: Option<FileWitness>,
    url: Option<UrlWitness>,
    metrics: Metrics,
}

impl Witnesses {
    /// Opens the spool under this folder. `None` if the settings name no witness.
    pub fn open(dir: &Path, settings: &config::Witness, metrics: Metrics) -> Result<Option<Self>, OpenError> {
        if settings.file.is_none() && settings.url.is_none() {
            return Ok(None);
        }
        let url = settings.url.as_ref().map(|url| UrlWitness::new(url, settings.timeout)).transpose()?;
        let file = settings.file.clone().map(FileWitness::new);
        let limits = Limits { bytes_max: settings.spool_bytes_max, tidy_bytes: TIDY_BYTES };
        let spool = Spool::open(&Disk::storage(), dir, [file.is_some(), url.is_some()], limits)?;
        Ok(Some(Self { spool, file, url, metrics }))
    }

    /// Where the shipper puts copies.
    pub fn spool(&self) -> Spool {
        self.spool.clone()
    }

    /// Brings copies to the witnesses until told to stop; then each is tried once more.
    pub fn run(self, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        let Self { spool, file, url, metrics } = self;
        let mut tasks = Vec::new();
        if let Some(file) = file {
            let way = Way { spool: spool.clone(), to: To::File, metrics: metrics.clone(), stop: stop.clone() };
            tasks.push(crate::task::vital("witness file", way.follow(file)));
        }
        if let Some(url) = url {
            let way = Way { spool, to: To::Url, metrics, stop: stop.clone() };
            tasks.push(crate::task::vital("witness url", way.follow(url)));
        }
        tasks
    }
}

/// Somebody who takes copies.
trait Witness {
    /// Takes lines, in order; says how many bytes of them it has taken for certain, and why not all.
    async fn take(&mut self, chunk: &Chunk) -> (u64, Result<(), SendError>);
}

/// The way to one witness.
struct Way {
    spool: Spool,
    to: To,
    metrics: Metrics,
    stop: CancellationToken,
}

impl Way {
    async fn follow(self, mut witness: impl Witness) {
        let mut grown = self.spool.grown();
        let mut failures = 0_u32;
        loop {
            let stopping = self.stop.is_cancelled();
            grown.mark_unchanged();
            let failed = self.bring(&mut witness).await;
            if failed {
                failures = failures.saturating_add(1);
                if stopping {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(backoff(failures)) => {}
                    () = self.stop.cancelled() => {}
                }
                continue;
            }
            failures = 0;
            if stopping {
                return;
            }
            tokio::select! {
                told = grown.changed() => if told.is_err() { return },
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Brings what is there. True if something failed.
    async fn bring(&self, witness: &mut impl Witness) -> bool {
        loop {
            let chunk = match self.next().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => {
                    self.metrics.idle(self.to);
                    return false;
                }
                Err(error) => {
                    self.metrics.failed(self.to);
                    tracing::error!(error = &error as &dyn std::error::Error, "the witness' spool cannot be read");
                    return true;
                }
            };
            let oldest = chunk.lines().find_map(|(_, copy)| copy).map_or_else(clock::now, |copy| copy.at);
            self.metrics.waits(self.to, chunk.waiting_bytes, oldest);
            let (taken, result) = witness.take(&chunk).await;
            if taken > 0 {
                self.metrics.taken(self.to);
                self.taken(chunk.start + taken).await;
            }
            if let Err(error) = result {
                self.metrics.failed(self.to);
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, to = self.to.as_str(), "the witness has not taken seals; it is tried again");
                return true;
            }
        }
    }

    /// The disk may be slow, and others wait for this thread.
    async fn next(&self) -> Result<Option<Chunk>, SpoolError> {
        let (spool, to) = (self.spool.clone(), self.to);
        let work = tokio::task::spawn_blocking(move || spool.next(to)).await;
        work.unwrap_or(Err(SpoolError::Ended))
    }

    async fn taken(&self, end: u64) {
        let (spool, to) = (self.spool.clone(), self.to);
        let work = tokio::task::spawn_blocking(move || spool.taken(to, end)).await;
        if let Ok(Err(error)) = work {
            // The mark moves all the same: it is only after a crash that these lines come once more.
            tracing::warn!(error = &error as &dyn std::error::Error, "the witness' mark cannot be written");
        }
    }
}

impl To {
    pub(crate) const NAMES: [&'static str; 2] = ["file", "url"];

    fn as_str(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or_default()
    }
}

/// Twice as long after each failure, from 0.5 s to a minute.
fn backoff(failures: u32) -> Duration {
    Duration::from_millis((500 << failures.saturating_sub(1).min(7)).min(60_000))
}

/// A spool that all have read to its end is emptied when it is so large.
const TIDY_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests;
