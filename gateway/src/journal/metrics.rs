//! The journal's figures for Prometheus, registered in the registry they are given.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::frame::FrameKind;

/// All metrics of one journal. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Bytes of frames and headers that the journal's segments hold.
    pub(super) bytes: IntGauge,
    /// Size above which new requests are refused.
    pub(super) high_water_bytes: IntGauge,
    /// Segments on disk.
    pub(super) segments: IntGauge,
    /// Frames made durable, by kind.
    frames: [IntCounter; 5],
    /// Time to write and sync one batch.
    pub(super) commit_seconds: Histogram,
    /// Frames in one batch.
    pub(super) commit_batch_frames: Histogram,
    /// Commits that failed and were begun anew in another segment.
    pub(super) write_failures: IntCounter,
    /// 0 healthy, 1 failing, 2 full.
    pub(super) state: IntGauge,
    /// Tickets' groups that were given up because the disk took too long.
    pub(super) timeouts: IntCounter,
    /// Sequence of the last durable frame.
    pub(super) durable_sequence: IntGauge,
    /// All frames below this sequence were acknowledged by the shipper.
    pub(super) acked_sequence: IntGauge,
    /// Frames that recovery found missing or damaged.
    pub(super) lost_frames: IntCounter,
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let frames =
            IntCounterVec::new(Opts::new("audit_journal_frames_total", "Frames made durable, by kind."), &["kind"])?;
        registry.register(Box::new(frames.clone()))?;
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
        let histogram = |name: &str, help: &str, buckets: Vec<f64>| -> Result<Histogram, prometheus::Error> {
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        Ok(Self {
            bytes: gauge("audit_journal_bytes", "Bytes of frames and headers that the journal's segments hold.")?,
            high_water_bytes: gauge("audit_journal_high_water_bytes", "Size above which new requests are refused.")?,
            segments: gauge("audit_journal_segments", "Segments on disk.")?,
            frames: FrameKind::ALL.map(|kind| frames.with_label_values(&[kind.name()])),
            commit_seconds: histogram(
                "audit_commit_seconds",
                "Time to write and sync one batch.",
                prometheus::exponential_buckets(50e-6, 2.0, 16)?,
            )?,
            commit_batch_frames: histogram(
                "audit_commit_batch_frames",
                "Frames in one batch.",
                prometheus::exponential_buckets(1.0, 2.0, 13)?,
            )?,
            write_failures: counter(
                "audit_write_failures_total",
                "Commits that failed and were begun anew in another segment.",
            )?,
            state: gauge("audit_journal_state", "0 healthy, 1 failing, 2 full.")?,
            timeouts: counter(
                "audit_commit_timeouts_total",
                "Times that waiting requests were given up because the disk took too long.",
            )?,
            durable_sequence: gauge("audit_journal_durable_sequence", "Sequence of the last durable frame.")?,
            acked_sequence: gauge(
                "audit_journal_acked_sequence",
                "All frames below this sequence were acknowledged by the shipper.",
            )?,
            lost_frames: counter("audit_journal_lost_frames_total", "Frames that recovery found missing or damaged.")?,
        })
    }

    /// Counts a committed batch's frames.
    pub(super) fn count_frames(&self, kinds: [u64; 5]) {
        for (counter, count) in self.frames.iter().zip(kinds) {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }
}
