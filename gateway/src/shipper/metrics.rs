//! The shipper's figures for Prometheus, registered in the registry they are given.

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use contract::seal::Stream;

/// All metrics of the shipper. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Age of the oldest row that is known not to have arrived.
    pub(super) oldest_unshipped_seconds: Gauge,
    /// Durable frames whose rows have not arrived.
    pub(super) backlog_frames: IntGauge,
    /// Age of the oldest exchange whose outcome is not known yet.
    pub(super) oldest_exchange_seconds: Gauge,
    /// Exchanges whose outcome is not known yet.
    pub(super) open_exchanges: IntGauge,
    access_rows: IntCounter,
    auth_rows: IntCounter,
    /// Batches that have arrived as a whole.
    pub(super) batches: IntCounter,
    /// Tries that failed, by what failed.
    failures: [IntCounter; 7],
    /// From the first send of a batch to its last answer.
    pub(super) ship_seconds: Histogram,
    /// Loads found to be there when ClickHouse was asked after a failure.
    pub(super) found: IntCounter,
    /// Frames that say nothing to this version.
    pub(super) undecodable_frames: IntCounter,
    /// Frames that the journal lost.
    pub(super) gap_frames: IntCounter,
    /// Batches that could not be formed again as they had been sent.
    pub(super) renumbered: IntCounter,
    /// How often what is known of open exchanges was written down.
    pub(super) carried: IntCounter,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// No answer from ClickHouse.
    Unreachable = 0,
    /// ClickHouse answered with an exception.
    Refused = 1,
    /// The tables are not this version's.
    Schema = 2,
    /// The journal could not be read or acknowledged.
    Journal = 3,
    /// The book could not be written.
    Book = 4,
    /// The seal key could not be handed over.
    Keys = 5,
    /// Copies of seals could not be kept for the witness.
    Witness = 6,
}

impl FailureKind {
    const NAMES: [&'static str; 7] = ["unreachable", "refused", "schema", "journal", "book", "keys", "witness"];
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let oldest_unshipped_seconds = Gauge::new(
            "audit_oldest_unshipped_seconds",
            "Age of the oldest row that is known not to be in ClickHouse yet.",
        )?;
        registry.register(Box::new(oldest_unshipped_seconds.clone()))?;
        let oldest_exchange_seconds = Gauge::new(
            "audit_oldest_exchange_seconds",
            "Age of the oldest exchange that the shipper has not seen the end of.",
        )?;
        registry.register(Box::new(oldest_exchange_seconds.clone()))?;
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let counters = |name: &str, help: &str, label: &str| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let rows = counters("audit_rows_shipped_total", "Rows that have arrived, by table.", "stream")?;
        let failures = counters("audit_ship_failures_total", "Tries that failed, by what failed.", "kind")?;
        let ship_seconds = Histogram::with_opts(
            HistogramOpts::new("audit_ship_seconds", "From the first send of a batch to its last answer.")
                .buckets(prometheus::exponential_buckets(0.002, 2.0, 14)?),
        )?;
        registry.register(Box::new(ship_seconds.clone()))?;
        Ok(Self {
            oldest_unshipped_seconds,
            oldest_exchange_seconds,
            backlog_frames: gauge("audit_backlog_frames", "Durable frames whose rows are not in ClickHouse yet.")?,
            open_exchanges: gauge("audit_open_exchanges", "Exchanges that the shipper has not seen the end of.")?,
            access_rows: rows.with_label_values(&[Stream::Access.as_str()]),
            auth_rows: rows.with_label_values(&[Stream::Auth.as_str()]),
            batches: counter("audit_batches_total", "Batches that have arrived as a whole.")?,
            failures: FailureKind::NAMES.map(|name| failures.with_label_values(&[name])),
            ship_seconds,
            found: counter(
                "audit_ship_found_total",
                "Loads that turned out to be in ClickHouse when it was asked after a failure.",
            )?,
            undecodable_frames: counter(
                "audit_ship_undecodable_frames_total",
                "Frames of the journal that this version cannot decode; they give no rows.",
            )?,
            gap_frames: counter("audit_ship_gap_frames_total", "Frames that the journal lost; they give no rows.")?,
            renumbered: counter(
                "audit_ship_renumbered_total",
                "Batches that could not be formed again as they had been sent, and went under a new number.",
            )?,
            carried: counter(
                "audit_carried_over_total",
                "How often what is known of exchanges that stay open was written down, so that the journal can let their first \
                 frames go.",
            )?,
        })
    }

    /// Counts rows that have arrived.
    pub(super) fn count_rows(&self, stream: Stream, rows: u64) {
        match stream {
            Stream::Access => self.access_rows.inc_by(rows),
            Stream::Auth => self.auth_rows.inc_by(rows),
        }
    }

    /// Counts a failure.
    pub(super) fn count_failure(&self, kind: FailureKind) {
        if let Some(counter) = self.failures.get(kind as usize) {
            counter.inc();
        }
    }
}
