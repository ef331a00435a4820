//! What operators see of requests. Every end is counted: received = refused + answered + ended + abandoned.

use crate::route::{Registry, Route};
use contract::Micros;
use contract::record::OutcomeKind;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts};

/// Metrics of the proxy.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Requests whose head arrived.
    pub received: IntCounter,
    /// Requests that ended before anything was decided.
    pub abandoned: IntCounter,
    /// Requests that the gateway answered itself: keys.
    pub answered: IntCounter,
    /// Refused requests.
    pub refused: IntCounterVec,
    /// Answers of the gateway's own where a backend's was due.
    pub upstream_failures: IntCounterVec,
    /// How long responses waited for their record.
    pub hold_seconds: Histogram,
    ended: IntCounterVec,
    seconds: HistogramVec,
}

const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

impl Metrics {
    /// Registers them.
    pub fn register(registry: &prometheus::Registry) -> prometheus::Result<Self> {
        let buckets = BUCKETS.to_vec();
        let metrics = Self {
            received: IntCounter::new("requests_received_total", "Requests whose head arrived")?,
            abandoned: IntCounter::new(
                "requests_abandoned_total",
                "Requests whose client left before anything was decided",
            )?,
            answered: IntCounter::new("requests_answered_total", "Requests for the gateway's own public keys")?,
            refused: IntCounterVec::new(
                Opts::new("requests_refused_total", "Requests that the gateway refused, by reason"),
                &["reason"],
            )?,
            upstream_failures: IntCounterVec::new(
                Opts::new("upstream_failures_total", "Admitted requests that the gateway had to answer itself"),
                &["reason"],
            )?,
            hold_seconds: Histogram::with_opts(
                HistogramOpts::new("hold_seconds", "How long a response waited for its record to be durable")
                    .buckets(buckets.clone()),
            )?,
            ended: IntCounterVec::new(
                Opts::new("requests_ended_total", "Admitted requests that have ended, by registry, route and outcome"),
                &["registry", "route", "outcome"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new("request_seconds", "From a request's head to its end, by registry").buckets(buckets),
                &["registry"],
            )?,
        };
        registry.register(Box::new(metrics.received.clone()))?;
        registry.register(Box::new(metrics.abandoned.clone()))?;
        registry.register(Box::new(metrics.answered.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.upstream_failures.clone()))?;
        registry.register(Box::new(metrics.hold_seconds.clone()))?;
        registry.register(Box::new(metrics.ended.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        Ok(metrics)
    }

    pub(super) fn ended(&self, registry: &Registry, route: &Route, kind: OutcomeKind, micros: Micros) {
        let registry = registry.name.as_str();
        self.ended.with_label_values(&[registry, route.name.as_str(), kind.as_str()]).inc();
        #[expect(clippy::cast_precision_loss, reason = "a request's microseconds are far below 2^52")]
        self.seconds.with_label_values(&[registry]).observe(micros.max(0) as f64 / 1e6);
    }
}
