//! What logins at identity providers count.

use crate::config::ProviderName;
use prometheus::{IntCounterVec, Opts, Registry};

/// What logins at identity providers count. Both labels are of closed lists: the settings' providers, the program's words.
#[derive(Debug, Clone)]
pub struct OidcMetrics {
    answers: IntCounterVec,
    logouts: IntCounterVec,
}

impl OidcMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let answers = Opts::new("auditor_oidc_logins_total", "Logins at identity providers, by what became of them");
        let logouts =
            Opts::new("auditor_oidc_logouts_total", "Logout tokens of identity providers, by what became of them");
        let metrics = Self {
            answers: IntCounterVec::new(answers, &["provider", "result"])?,
            logouts: IntCounterVec::new(logouts, &["provider", "result"])?,
        };
        registry.register(Box::new(metrics.answers.clone()))?;
        registry.register(Box::new(metrics.logouts.clone()))?;
        Ok(metrics)
    }

    pub(super) fn answer(&self, provider: &ProviderName, result: &'static str) {
        self.answers.with_label_values(&[provider.as_str(), result]).inc();
    }

    pub(super) fn logout(&self, provider: &ProviderName, result: &'static str) {
        self.logouts.with_label_values(&[provider.as_str(), result]).inc();
    }
}
