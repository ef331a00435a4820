//! What operators see of the records.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// Metrics of the recorder.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Intents written.
    pub intents: IntCounter,
    /// Patients named in them.
    pub patients: IntCounter,
    /// Patients found in answers.
    pub disclosed: IntCounter,
    /// Accesses to patient data in which no patient was found.
    pub unidentified: IntCounter,
    /// Refused requests written.
    pub refusals: IntCounter,
    /// Records that the journal did not take.
    pub failures: IntCounter,
    /// Authentication events.
    pub events: IntCounterVec,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            intents: IntCounter::new("audit_intents_total", "Admitted requests written to the journal")?,
            patients: IntCounter::new("audit_patients_total", "Patients named in admitted requests")?,
            disclosed: IntCounter::new("audit_disclosed_total", "Patients found in answers, beside those asked for")?,
            unidentified: IntCounter::new(
                "audit_unidentified_total",
                "Accesses to patient data in which no patient was found",
            )?,
            refusals: IntCounter::new("audit_refusals_total", "Refused requests written to the journal")?,
            failures: IntCounter::new("audit_record_failures_total", "Records that the journal did not take")?,
            events: IntCounterVec::new(
                Opts::new("auth_events_total", "Authentication events, by kind and reason"),
                &["kind", "reason"],
            )?,
        };
        registry.register(Box::new(metrics.intents.clone()))?;
        registry.register(Box::new(metrics.patients.clone()))?;
        registry.register(Box::new(metrics.disclosed.clone()))?;
        registry.register(Box::new(metrics.unidentified.clone()))?;
        registry.register(Box::new(metrics.refusals.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.events.clone()))?;
        Ok(metrics)
    }
}
