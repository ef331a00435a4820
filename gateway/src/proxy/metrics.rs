//! What operators see of requests. Every end is counted: received = refused + answered + ended + abandoned.

use crate::disclosure::Unscannable;
use crate::route::{RouteId, Routes};
use contract::Micros;
use contract::record::OutcomeKind;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts};

/// Metrics of the proxy.
#[derive(Debug)]
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
    /// Answers on marked routes that could not be looked into, by cause and what became of them.
    unscanned: IntCounterVec,
    /// How long responses waited for their record.
    pub hold_seconds: Histogram,
    /// By the route's number: looked up once, not on each request.
    routes: Vec<OfRoute>,
}

/// The metrics of one route.
#[derive(Debug)]
struct OfRoute {
    /// By outcome.
    ended: Vec<(OutcomeKind, IntCounter)>,
    /// The registry's.
    seconds: Histogram,
}

const FATES: [&str; 2] = ["refused", "passed"];
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

impl Metrics {
    /// Registers them, for these routes.
    pub fn register(registry: &prometheus::Registry, routes: &Routes) -> prometheus::Result<Self> {
        let buckets = BUCKETS.to_vec();
        let ended = IntCounterVec::new(
            Opts::new("requests_ended_total", "Admitted requests that have ended, by registry, route and outcome"),
            &["registry", "route", "outcome"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new("request_seconds", "From a request's head to its end, by registry")
                .buckets(buckets.clone()),
            &["registry"],
        )?;
        registry.register(Box::new(ended.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        let of_route = |route: &std::sync::Arc<crate::route::Route>| {
            let name = routes.registries().get(route.registry.index()).map_or("", |registry| registry.name.as_str());
            let counter =
                |kind: &OutcomeKind| (*kind, ended.with_label_values(&[name, route.name.as_str(), kind.as_str()]));
            OfRoute {
                ended: OutcomeKind::ALL.iter().map(counter).collect(),
                seconds: seconds.with_label_values(&[name]),
            }
        };
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
            unscanned: IntCounterVec::new(
                Opts::new(
                    "disclosure_unscanned_total",
                    "Answers on marked routes that could not be looked into, by cause and what became of them",
                ),
                &["cause", "fate"],
            )?,
            hold_seconds: Histogram::with_opts(
                HistogramOpts::new("hold_seconds", "How long a response waited for its record to be durable")
                    .buckets(buckets),
            )?,
            routes: routes.routes().iter().map(of_route).collect(),
        };
        registry.register(Box::new(metrics.received.clone()))?;
        registry.register(Box::new(metrics.abandoned.clone()))?;
        registry.register(Box::new(metrics.answered.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.upstream_failures.clone()))?;
        for (cause, fate) in Unscannable::ALL.iter().flat_map(|cause| FATES.map(|fate| (cause, fate))) {
            // There from the start, for alerts that look at what has grown.
            metrics.unscanned.with_label_values(&[cause.as_str(), fate]);
        }
        registry.register(Box::new(metrics.unscanned.clone()))?;
        registry.register(Box::new(metrics.hold_seconds.clone()))?;
        Ok(metrics)
    }

    pub(super) fn not_looked_into(&self, cause: Unscannable, passes: bool) {
        let [refused, not_refused] = FATES;
        self.unscanned.with_label_values(&[cause.as_str(), if passes { not_refused } else { refused }]).inc();
    }

    pub(super) fn ended(&self, route: RouteId, kind: OutcomeKind, micros: Micros) {
        let Some(of_route) = self.routes.get(route.index()) else { return };
        if let Some((_, counter)) = of_route.ended.iter().find(|(of, _)| *of == kind) {
            counter.inc();
        }
        #[expect(clippy::cast_precision_loss, reason = "a request's microseconds are far below 2^52")]
        of_route.seconds.observe(micros.max(0) as f64 / 1e6);
    }
}
