//! Ends what time has ended: sessions past their limits, locks that ran out; and forgets old history.

use crate::clock::{self, DAY};
use crate::config::Session;
use crate::lease::Lease;
use crate::store::{By, Store, StoreError};
use contract::Micros;
use contract::record::{AuthEventKind, Reason};
use prometheus::{IntCounter, IntGauge, Registry};
use tokio_util::sync::CancellationToken;

const AT_ONCE: u32 = 500;
/// How long changes and ended sessions are kept for gateways that were away.
const HISTORY: Micros = 7 * DAY;
const HISTORY_LINES: u32 = crate::feed::RING_LINES_MAX;

/// What the sweeper counts.
#[derive(Debug, Clone)]
pub struct SweepMetrics {
    live: IntGauge,
    ended: IntCounter,
}

impl SweepMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            live: IntGauge::new("auditor_sessions", "Sessions that have not ended")?,
            ended: IntCounter::new("auditor_sessions_swept_total", "Sessions ended because their time was over")?,
        };
        registry.register(Box::new(metrics.live.clone()))?;
        registry.register(Box::new(metrics.ended.clone()))?;
        Ok(metrics)
    }
}

/// Sweeps until `stop`, while it holds the lease.
pub async fn run(store: Store, session: Session, lease: Lease, metrics: SweepMetrics, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(session.sweep_every) => {}
        }
        let done = if lease.held() {
            sweep(&store, session, &metrics, clock::now()).await
        } else {
            store.sessions_live().await.map(|live| metrics.live.set(live))
        };
        if let Err(error) = done {
            tracing::warn!(error = &error as &dyn std::error::Error, "the sweeper could not do its work");
        }
    }
}

/// One round.
pub async fn sweep(store: &Store, session: Session, metrics: &SweepMetrics, now: Micros) -> Result<(), StoreError> {
    let grace = Micros::try_from(session.report_grace.as_micros()).unwrap_or(Micros::MAX);
    let over = store.sessions_over(now, grace, AT_ONCE).await?;
    if !over.is_empty() {
        let mut change = store.change(now, By::program("sweeper")).await?;
        let mut ended = 0;
        for key in over {
            ended += u64::from(change.end_session_if_over(key, grace).await?);
        }
        change.commit().await?;
        metrics.ended.inc_by(ended);
    }
    let unlocked = store.locks_over(now, AT_ONCE).await?;
    if !unlocked.is_empty() {
        let mut change = store.change(now, By::program("sweeper")).await?;
        for id in unlocked {
            let mut account = change.account(id).await?;
            let state = account.state.at(now);
            if state != account.state {
                account.state = state;
                change.move_account(&account, AuthEventKind::AccountUnlocked, Reason::None).await?;
            }
        }
        change.commit().await?;
    }
    store.forget(now - HISTORY, HISTORY_LINES).await?;
    metrics.live.set(store.sessions_live().await?);
    Ok(())
}
