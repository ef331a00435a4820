//! Ends what time has ended: sessions past their limits, locks that ran out, accounts that nobody uses or collects, and
//! what the account procedure has; and forgets old history.

mod devices;
mod each;
mod procedure;

pub use devices::{DeviceCare, DeviceMetrics};

use crate::clock::{self, DAY};
use crate::config::{Accounts, Session};
use crate::lease::Lease;
use crate::store::{Change, Store, StoreError};
use contract::Micros;
use contract::id::{AccountId, SessionKey};
use contract::record::{AuthEventKind, Reason};
use each::{Due, each};
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
    unseen: IntGauge,
}

impl SweepMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            live: IntGauge::new("auditor_sessions", "Sessions that have not ended")?,
            ended: IntCounter::new("auditor_sessions_swept_total", "Sessions ended because their time was over")?,
            unseen: IntGauge::new("auditor_emergencies_unseen", "Emergency openings that no reviewer has seen yet")?,
        };
        registry.register(Box::new(metrics.unseen.clone()))?;
        registry.register(Box::new(metrics.live.clone()))?;
        registry.register(Box::new(metrics.ended.clone()))?;
        Ok(metrics)
    }
}

/// When what ends.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Sessions.
    pub session: Session,
    /// Accounts.
    pub accounts: Accounts,
}

/// Sweeps until `stop`, while it holds the lease.
pub async fn run(store: Store, times: Times, lease: Lease, metrics: SweepMetrics, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(times.session.sweep_every) => {}
        }
        let done = if lease.held() {
            sweep(&store, times, &metrics, clock::now()).await
        } else {
            store.sessions_live().await.map(|live| metrics.live.set(live))
        };
        let counted = store.emergencies_unseen(None).await.map(|(unseen, _)| metrics.unseen.set(unseen));
        if let Err(error) = done.and(counted) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the sweeper could not do its work");
        }
    }
}

/// One round. Each part does again without harm what it has done, and none holds up another.
///
/// # Errors
/// The first, after all parts were tried.
pub async fn sweep(store: &Store, times: Times, metrics: &SweepMetrics, now: Micros) -> Result<(), StoreError> {
    let parts = [
        sessions(store, times.session, metrics, now).await,
        locks(store, now).await,
        idle(store, times.accounts, now).await,
        procedure::sweep(store, times.accounts, now).await,
        store.forget(now - HISTORY, HISTORY_LINES).await.map(drop),
        store.sessions_live().await.map(|live| metrics.live.set(live)),
    ];
    parts.into_iter().collect()
}

/// Sessions end.
async fn sessions(store: &Store, times: Session, metrics: &SweepMetrics, now: Micros) -> Result<(), StoreError> {
    let grace = Micros::try_from(times.report_grace.as_micros()).unwrap_or(Micros::MAX);
    let over = store.sessions_over(now, grace, AT_ONCE).await?;
    let ended = each(store, now, over.into_iter().map(|key| Over { key, grace }).collect()).await?;
    metrics.ended.inc_by(ended);
    Ok(())
}

#[derive(Clone, Copy)]
struct Over {
    key: SessionKey,
    grace: Micros,
}

impl Due for Over {
    async fn done(self, change: &mut Change) -> Result<u64, StoreError> {
        change.end_session_if_over(self.key, self.grace).await.map(u64::from)
    }
}

/// Locks run out.
async fn locks(store: &Store, now: Micros) -> Result<(), StoreError> {
    let over = store.locks_over(now, AT_ONCE).await?;
    each(store, now, over.into_iter().map(|account| Unlock { account, now }).collect()).await.map(drop)
}

#[derive(Clone, Copy)]
struct Unlock {
    account: AccountId,
    now: Micros,
}

impl Due for Unlock {
    async fn done(self, change: &mut Change) -> Result<u64, StoreError> {
        let mut account = change.account(self.account).await?;
        let state = account.state.at(self.now);
        if state == account.state {
            return Ok(0);
        }
        account.state = state;
        change.move_account(&account, AuthEventKind::AccountUnlocked, Reason::None).await?;
        Ok(1)
    }
}

/// Accounts that nobody uses or collects rest or lapse.
async fn idle(store: &Store, times: Accounts, now: Micros) -> Result<(), StoreError> {
    let unused = clock::months_before(now, times.dormant_months);
    let uncollected = clock::months_before(now, times.lapse_months);
    let idle = store.idle(unused, uncollected, AT_ONCE).await?;
    let due = idle.into_iter().map(|account| Idle { account, now, unused, uncollected }).collect();
    each(store, now, due).await.map(drop)
}

#[derive(Clone, Copy)]
struct Idle {
    account: AccountId,
    now: Micros,
    unused: Micros,
    uncollected: Micros,
}

impl Due for Idle {
    async fn done(self, change: &mut Change) -> Result<u64, StoreError> {
        let mut account = change.account(self.account).await?;
        let Some(state) = account.by_time(self.now, self.unused, self.uncollected) else { return Ok(0) };
        account.state = state;
        let (kind, reason) = if state.is_final() {
            (AuthEventKind::AccountClosed, Reason::Uncollected)
        } else {
            (AuthEventKind::AccountChanged, Reason::Unused)
        };
        change.stop_account_by(&account, kind, reason).await?;
        Ok(1)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::accounts::{Account, Review, State, Tries, UserName};
    use crate::sessions::Limits;
    use crate::store::{By, Place};
    use contract::id::AccountId;
    use std::time::Duration;
    use uuid::Uuid;

    /// The months of the examples, and a minute for sessions.
    pub(crate) fn times() -> Times {
        Times {
            session: Session {
                limits: Limits { idle_s: 60, absolute_s: 60, emergency_s: 60 },
                report_grace: Duration::ZERO,
                sweep_every: Duration::from_secs(1),
            },
            accounts: Accounts {
                dormant_months: 9,
                lapse_months: 3,
                request_life_days: 30,
                review: Review { months: 12, notice_days: 30, grace_days: 30 },
            },
        }
    }

    #[tokio::test]
    async fn accounts_rest_and_lapse_with_time_and_each_is_on_record() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(&Place::Sqlite(dir.path().join("a.db"))).await.expect("opens");
        let now = clock::now();
        let made = |number: u128, name: &str, state| Account {
            id: AccountId::new(Uuid::from_u128(number)),
            user_name: UserName::parse(name).expect("a name"),
            hsa: None,
            name: "Test Testsson".to_owned(),
            title: String::new(),
            state,
            tries: Tries::default(),
            last_login: None,
            created: 1,
        };
        let before = |months| clock::months_before(now, months);
        let guessed = |held, unused| {
            let (since, until) = (before(1), Some(before(1) + 900 * clock::SECOND));
            State::Locked { since, until, unused, held }
        };
        let accounts = [
            (made(1, "unused", State::Active { since: before(9) - 1 }), "dormant"),
            (made(2, "newer", State::Active { since: before(9) + clock::SECOND }), "active"),
            (made(3, "waits", State::HandedOut { at: before(3) - 1 }), "lapsed"),
            (made(4, "fresh", State::Created { at: before(3) + clock::SECOND }), "created"),
            // Somebody has guessed at them a while ago, and they were locked for a quarter of an hour.
            (made(5, "guessed", guessed(before(9) - 1, false)), "dormant"),
            (made(6, "guessed-first", guessed(before(3) - 1, true)), "lapsed"),
        ];
        let mut change = store.change(1, By::program("test")).await.expect("begins");
        for (account, _) in &accounts {
            change.create_account(account).await.expect("creates");
        }
        change.commit().await.expect("commits");
        let told = store.waiting().await.expect("reads").events;
        let times = times();
        let metrics = SweepMetrics::register(&Registry::new()).expect("registers");
        for _again in 0..2 {
            sweep(&store, times, &metrics, now).await.expect("sweeps");
            for (account, expected) in &accounts {
                let state = store.account(account.id).await.expect("reads").expect("is there").state;
                assert_eq!(state.parts().0, *expected, "{}", account.user_name.as_str());
            }
            assert_eq!(store.waiting().await.expect("reads").events, told + 6);
        }
    }
}
