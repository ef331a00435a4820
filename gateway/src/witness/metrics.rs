//! The witnesses' figures for Prometheus.

use super::To;
use contract::Micros;
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// All metrics of the witnesses. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Metrics {
    of: [OfOne; 2],
}

#[derive(Debug, Clone)]
struct OfOne {
    taken: IntCounter,
    failures: IntCounter,
    waiting_bytes: IntGauge,
    oldest_seconds: Gauge,
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), &["to"])?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let taken = counters("audit_witness_takes_total", "Times that a witness has taken copies of seals.")?;
        let failures = counters("audit_witness_failures_total", "Tries to bring copies of seals that failed.")?;
        let help = "Bytes of copies of seals that a witness has not taken yet, when it was last tried.";
        let waiting_bytes = IntGaugeVec::new(Opts::new("audit_witness_waiting_bytes", help), &["to"])?;
        registry.register(Box::new(waiting_bytes.clone()))?;
        // A time and no age: it must grow though a disk that hangs lets nobody look.
        let help = "When the oldest seal was made that a witness has not taken yet, Unix time; 0: it has all.";
        let oldest_seconds = GaugeVec::new(Opts::new("audit_witness_oldest_timestamp_seconds", help), &["to"])?;
        registry.register(Box::new(oldest_seconds.clone()))?;
        let of = To::NAMES.map(|name| OfOne {
            taken: taken.with_label_values(&[name]),
            failures: failures.with_label_values(&[name]),
            waiting_bytes: waiting_bytes.with_label_values(&[name]),
            oldest_seconds: oldest_seconds.with_label_values(&[name]),
        });
        Ok(Self { of })
    }

    pub(super) fn taken(&self, to: To) {
        self.with(to, |of| of.taken.inc());
    }

    pub(super) fn failed(&self, to: To) {
        self.with(to, |of| of.failures.inc());
    }

    pub(super) fn waits(&self, to: To, bytes: u64, oldest: Micros) {
        #[expect(clippy::cast_precision_loss, reason = "a time, in a gauge")]
        let oldest_s = oldest as f64 / 1e6;
        self.with(to, |of| {
            of.waiting_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            of.oldest_seconds.set(oldest_s);
        });
    }

    pub(super) fn idle(&self, to: To) {
        self.waits(to, 0, 0);
    }

    fn with(&self, to: To, work: impl FnOnce(&OfOne)) {
        if let Some(of) = self.of.get(to as usize) {
            work(of);
        }
    }
}
