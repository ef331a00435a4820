//! What operators see of the directory.

use contract::Micros;
use contract::directory::Epoch;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

/// Metrics of the directory's copy.
#[derive(Debug, Clone)]
pub struct Metrics {
    epoch: IntGauge,
    heard: IntGauge,
    entries: IntGaugeVec,
    propagation: Histogram,
    source: IntGauge,
    /// Connections to the auditor that were made.
    pub connects: IntCounter,
    /// Exchanges with an auditor that failed: the feed, a question, a report.
    pub failures: IntCounter,
    /// Sessions asked for because the copy did not have them.
    pub questions: IntCounter,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            epoch: IntGauge::new("directory_epoch", "State of the directory that the auditor last told")?,
            heard: IntGauge::new(
                "directory_heard_timestamp_seconds",
                "When the auditor was last heard, Unix time in seconds",
            )?,
            entries: IntGaugeVec::new(Opts::new("directory_entries", "Entries of the directory's copy"), &["kind"])?,
            propagation: Histogram::with_opts(
                HistogramOpts::new(
                    "revocation_propagation_seconds",
                    "From a change at the auditor to its being in force here",
                )
                .buckets(vec![0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0]),
            )?,
            source: IntGauge::new(
                "directory_source",
                "Place in the settings' list, from 1, of the auditor whose feed is followed; 0: none is",
            )?,
            connects: IntCounter::new("directory_connects_total", "Connections made to the auditor's feed")?,
            failures: IntCounter::new("directory_failures_total", "Failures of the connection to the auditor")?,
            questions: IntCounter::new("directory_session_questions_total", "Sessions asked for at the auditor")?,
        };
        registry.register(Box::new(metrics.epoch.clone()))?;
        registry.register(Box::new(metrics.heard.clone()))?;
        registry.register(Box::new(metrics.entries.clone()))?;
        registry.register(Box::new(metrics.propagation.clone()))?;
        registry.register(Box::new(metrics.source.clone()))?;
        registry.register(Box::new(metrics.connects.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.questions.clone()))?;
        Ok(metrics)
    }

    /// Shows which auditor's feed is followed: its index; none.
    pub(super) fn followed(&self, index: Option<usize>) {
        let place = index.map_or(0, |index| index.saturating_add(1));
        self.source.set(i64::try_from(place).unwrap_or(i64::MAX));
    }

    pub(super) fn heard(&self, epoch: Epoch, now: Micros) {
        self.epoch.set(i64::try_from(epoch.0).unwrap_or(i64::MAX));
        self.heard.set(now / 1_000_000);
    }

    #[expect(clippy::cast_precision_loss, reason = "microseconds of a propagation are far below 2^52")]
    pub(super) fn propagated(&self, micros: Micros) {
        self.propagation.observe(micros.max(0) as f64 / 1e6);
    }

    pub(super) fn sizes(&self, devices: usize, accounts: usize, sessions: usize) {
        for (kind, count) in [("device", devices), ("account", accounts), ("session", sessions)] {
            self.entries.with_label_values(&[kind]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
