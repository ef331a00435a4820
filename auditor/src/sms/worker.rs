//! Sends what is due, while this program holds the lease; and ends what nobody collects.

use super::{Client, SendError, Texts};
use crate::clock;
use crate::config::Sms;
use crate::handout::Stage;
use crate::lease::Lease;
use crate::store::{By, Counter, Message, StoreError};
use contract::Micros;
use prometheus::{IntCounterVec, Opts, Registry};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const ROUND_EVERY: Duration = Duration::from_secs(1);
const AT_ONCE: u32 = 20;
const EXPIRE_AT_ONCE: u32 = 100;
/// No message waits longer for its next try.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// What the worker counts.
#[derive(Debug, Clone)]
pub struct SmsMetrics {
    tries: IntCounterVec,
}

impl SmsMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Tries to send a text message, by what came of it: taken, unsure (tried again) or refused (not tried again)";
        let tries = IntCounterVec::new(Opts::new("auditor_sms_tries_total", help), &["result"])?;
        registry.register(Box::new(tries.clone()))?;
        for result in ["taken", "unsure", "refused"] {
            tries.with_label_values(&[result]);
        }
        Ok(Self { tries })
    }
}

/// Sends messages.
#[derive(Debug)]
pub struct Worker {
    counter: Counter,
    /// None: there are no text messages here.
    provider: Option<(Client, Sms)>,
    texts: Texts,
    metrics: SmsMetrics,
}

impl Worker {
    /// At a counter, with a provider or without.
    pub fn new(counter: Counter, provider: Option<(Client, Sms)>, texts: Texts, metrics: SmsMetrics) -> Self {
        Self { counter, provider, texts, metrics }
    }

    /// Works until `stop`, while it holds the lease.
    pub async fn run(self, lease: Lease, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROUND_EVERY) => {}
            }
            if !lease.held() {
                continue;
            }
            if let Err(error) = self.round(clock::now()).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "text messages could not be looked after");
            }
        }
    }

    /// One round: how many messages were tried.
    pub async fn round(&self, now: Micros) -> Result<usize, StoreError> {
        self.counter.expire(now, By::program("handout"), EXPIRE_AT_ONCE).await?;
        let Some((client, settings)) = &self.provider else { return Ok(0) };
        let wait = |tries| Micros::try_from(wait(settings.retry, tries).as_micros()).unwrap_or(Micros::MAX);
        let limits = (AT_ONCE, settings.tries_max);
        let due = self.counter.due_messages(now, By::program("handout"), limits, wait).await?;
        for message in &due {
            self.send(client, message, now).await?;
        }
        Ok(due.len())
    }

    async fn send(&self, client: &Client, message: &Message, now: Micros) -> Result<(), StoreError> {
        let text = self.texts.written(message.part, message.purpose, &message.clear);
        let count = |result| self.metrics.tries.with_label_values(&[result]).inc();
        let (word, provider) = match client.send(message.id, message.to.expose(), &text).await {
            Ok(provider) => {
                count("taken");
                (Stage::Sent, provider)
            }
            Err(error) if error.is_final() => {
                count("refused");
                told(&error);
                (Stage::Failed, None)
            }
            // It is tried again when its time comes.
            Err(error) => {
                count("unsure");
                told(&error);
                return Ok(());
            }
        };
        let by = By::program("handout");
        self.counter.message_told(now, by, message.id, word, provider.as_deref()).await.map(drop)
    }
}

fn told(error: &SendError) {
    tracing::warn!(error = error as &dyn std::error::Error, "a text message was not taken");
}

/// How long after the try with this number the next one comes.
fn wait(retry: Duration, tries: u32) -> Duration {
    retry.saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX)).min(WAIT_MAX)
}
