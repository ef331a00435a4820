//! Ships events from the store to ClickHouse: each exactly once, however often either side dies.
//!
//! - A batch's rows are fixed in the store before the first send, and each row carries its batch.
//! - After an outcome that is not sure (a broken connection, a time-out, a start of this program) ClickHouse is
//!   asked for the batch, and it is sent again only if rows are missing. What still doubles is absorbed by the
//!   table, whose sort key ends in the event's own id.
//! - Then the batch is sealed: signed, and chained to the seal before. Only then does the store forget it.
//! - Of several auditors over one database the one with the lease ships. Should two meet at a batch, both send the same
//!   rows and the same seal.
//! - ClickHouse away: events stay, tries come at growing distances, and a metric tells how old the oldest is.

use crate::clock;
use crate::config::ClickHouse;
use crate::lease::Lease;
use crate::store::{Batch, Store, StoreError};
use clickhouse::Client;
use contract::id::NodeName;
use contract::row::{self, AuthRow, Mismatch, Packed, Record, SealRow, Table};
use contract::seal::{self, Root, SealKey, Stream};
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const BATCH_EVENTS_MAX: u32 = 5_000;
const LOOK_EVERY: Duration = Duration::from_millis(500);
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LONGEST: Duration = Duration::from_secs(30);
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const END_TIMEOUT: Duration = Duration::from_mins(1);

/// Why a batch has not arrived.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// ClickHouse does not answer, or refused.
    #[error("ClickHouse did not take the events")]
    ClickHouse(#[from] clickhouse::error::Error),
    /// The table is not the one that rows are made for.
    #[error("run `auditor migrate`")]
    Table(#[from] Mismatch),
    /// ClickHouse does not answer in time.
    #[error("ClickHouse did not answer in time")]
    Slow,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the shipper counts.
#[derive(Debug, Clone)]
pub struct OutboxMetrics {
    waiting: IntGauge,
    oldest: Gauge,
    shipped: IntCounter,
    tries: IntCounterVec,
}

impl OutboxMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            waiting: IntGauge::new("auditor_outbox_events", "Events that are not in ClickHouse yet")?,
            oldest: Gauge::new(
                "auditor_outbox_oldest_seconds",
                "Age of the oldest event that is not in ClickHouse yet",
            )?,
            shipped: IntCounter::new("auditor_outbox_shipped_total", "Events that have arrived in ClickHouse")?,
            tries: IntCounterVec::new(
                Opts::new("auditor_outbox_tries_total", "Tries to ship a batch, by result"),
                &["result"],
            )?,
        };
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.oldest.clone()))?;
        registry.register(Box::new(metrics.shipped.clone()))?;
        registry.register(Box::new(metrics.tries.clone()))?;
        for result in ["arrived", "failed"] {
            metrics.tries.with_label_values(&[result]);
        }
        Ok(metrics)
    }
}

/// Ships a store's events.
pub struct Shipper {
    store: Store,
    client: Option<Client>,
    node: NodeName,
    tenant: contract::Text,
    key: SealKey,
    lease: Lease,
    metrics: OutboxMetrics,
}

/// A client for ClickHouse as the settings name it.
pub fn client(settings: &ClickHouse) -> Client {
    Client::default()
        .with_url(&settings.url)
        .with_user(&settings.user)
        .with_password(settings.password.as_str())
        .with_database(&settings.target.database)
        .with_product_info("grindvakt-auditor", env!("CARGO_PKG_VERSION"))
}

impl Shipper {
    /// A shipper; without ClickHouse it only counts what waits.
    pub fn new(
        store: Store,
        settings: Option<&ClickHouse>,
        node: NodeName,
        tenant: contract::Text,
        key: SealKey,
        lease: Lease,
        metrics: OutboxMetrics,
    ) -> Self {
        Self { store, client: settings.map(client), node, tenant, key, lease, metrics }
    }

    /// Ships until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        // What an earlier run of this program did with a begun batch is not known.
        let mut sure = false;
        let mut retry = RETRY_FIRST;
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let shipped = tokio::select! {
                () = stop.cancelled() => return,
                shipped = self.round(sure) => shipped,
            };
            match shipped {
                Ok(more) => {
                    // Another may have begun a batch while it was its turn.
                    sure = self.lease.held();
                    retry = RETRY_FIRST;
                    pause = if more { Duration::ZERO } else { LOOK_EVERY };
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "events cannot be shipped; they wait");
                    self.metrics.tries.with_label_values(&["failed"]).inc();
                    sure = false;
                    pause = retry;
                    retry = (retry * 2).min(RETRY_LONGEST);
                }
            }
        }
    }

    /// Ships one batch if events wait. Returns whether more may wait.
    async fn round(&self, sure: bool) -> Result<bool, ShipError> {
        let waiting = self.store.waiting().await?;
        self.metrics.waiting.set(i64::try_from(waiting.events).unwrap_or(i64::MAX));
        let age = waiting.oldest.map_or(0, |oldest| (clock::now() - oldest).max(0));
        self.metrics.oldest.set(Duration::from_micros(age.unsigned_abs()).as_secs_f64());
        let Some(client) = &self.client else { return Ok(false) };
        if waiting.events == 0 || !self.lease.held() {
            return Ok(false);
        }
        let Some(batch) = self.store.batch(BATCH_EVENTS_MAX).await? else { return Ok(false) };
        let shipping = self.ship(client, &batch, sure);
        let chain =
            tokio::time::timeout(SEND_TIMEOUT + END_TIMEOUT * 2, shipping).await.map_err(|_| ShipError::Slow)??;
        self.store.batch_arrived(batch.number, &chain).await?;
        self.metrics.tries.with_label_values(&["arrived"]).inc();
        self.metrics.shipped.inc_by(batch.events.len() as u64);
        Ok(batch.events.len() == BATCH_EVENTS_MAX as usize)
    }

    async fn ship(&self, client: &Client, batch: &Batch, sure: bool) -> Result<[u8; 32], ShipError> {
        let mut rows = Packed::default();
        for (_, event) in &batch.events {
            rows.push(&AuthRow::of(event.clone(), &self.node.text(), &self.tenant));
        }
        let mut root = Root::default();
        let first = batch.events.first().map_or(0, |(number, _)| *number);
        rows.numbered(first, batch.number, |row, _| root.add(row));
        let arrived = !sure && self.arrived(client, batch).await? == rows.len() as u64;
        if !arrived {
            insert(client, &rows).await?;
        }
        self.seal(client, batch, first, root).await
    }

    /// How many of the batch's events ClickHouse has.
    async fn arrived(&self, client: &Client, batch: &Batch) -> Result<u64, ShipError> {
        let sql = "SELECT uniqExact(event_id) FROM auth_event WHERE node = ? AND batch = ?";
        Ok(client.query(sql).bind(self.node.as_str()).bind(batch.number).fetch_one().await?)
    }

    /// Seals the batch. Signing again gives the same seal, so sending it again changes nothing.
    async fn seal(&self, client: &Client, batch: &Batch, first: u64, root: Root) -> Result<[u8; 32], ShipError> {
        let at = batch.events.last().map_or(0, |(_, event)| event.at);
        let statement = seal::statement(&self.node, Stream::Auth, batch.number, first, root, batch.previous, at);
        let chain = statement.chain();
        let mut rows = Packed::default();
        rows.push(&SealRow::new(statement, &self.key));
        insert(client, &rows).await?;
        Ok(chain)
    }
}

/// Inserts rows into their table.
async fn insert<R: Record>(client: &Client, rows: &Packed<R>) -> Result<(), ShipError> {
    let columns = client.query(row::COLUMNS_OF).bind(R::TABLE).fetch_all::<(String, String)>().await?;
    let table = Table::of::<R>(&columns)?;
    let mut insert = client.insert_formatted_with(table.statement());
    for (name, value) in row::SETTINGS {
        insert = insert.with_setting(*name, *value);
    }
    let mut insert = insert.with_timeouts(Some(SEND_TIMEOUT), Some(END_TIMEOUT));
    insert.send([table.head(), rows.bytes()].concat().into()).await?;
    Ok(insert.end().await?)
}
