//! What operators see of connections.

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

/// Metrics of the listener.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Open connections.
    pub connections: IntGauge,
    /// Handshakes that did not become connections.
    pub handshakes: IntCounterVec,
    /// How long handshakes took.
    pub handshake_seconds: Histogram,
    shed: IntCounterVec,
    /// Connections that were cut.
    pub cut: IntCounterVec,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            connections: IntGauge::new("connections_open", "Open client connections")?,
            handshakes: IntCounterVec::new(
                Opts::new("handshakes_refused_total", "TLS handshakes that did not become connections, by reason"),
                &["reason"],
            )?,
            handshake_seconds: Histogram::with_opts(HistogramOpts::new(
                "handshake_seconds",
                "Time that successful TLS handshakes took",
            ))?,
            shed: IntCounterVec::new(
                Opts::new("connections_shed_total", "Connections refused before their handshake, by the limit reached"),
                &["limit"],
            )?,
            cut: IntCounterVec::new(
                Opts::new("connections_cut_total", "Connections that the gateway cut, by cause"),
                &["cause"],
            )?,
        };
        registry.register(Box::new(metrics.connections.clone()))?;
        registry.register(Box::new(metrics.handshakes.clone()))?;
        registry.register(Box::new(metrics.handshake_seconds.clone()))?;
        registry.register(Box::new(metrics.shed.clone()))?;
        registry.register(Box::new(metrics.cut.clone()))?;
        Ok(metrics)
    }

    pub(super) fn shed(&self, limit: &str) {
        self.shed.with_label_values(&[limit]).inc();
    }
}
