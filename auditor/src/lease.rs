//! Scheduled work is done by one auditor at a time, however many share a database.
//!
//! Who holds the lease renews it each [`BEAT`]. Another that has seen no renewal for [`LIFE`], by its own steady clock,
//! takes it over. A holder that could not renew for most of that time stops working before anybody may take its place;
//! what it had begun it may still end, which all work here must stand: shipping and sweeping do the same thing again
//! without harm.

use crate::store::{Held, Store, StoreError};
use prometheus::{IntGauge, Registry};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The lease of all scheduled work.
const NAME: &str = "work";
/// How often it is renewed, or looked at.
const BEAT: Duration = Duration::from_secs(1);
/// How long it must not have been renewed before another takes it.
const LIFE: Duration = Duration::from_secs(4);
/// How long the holder works without renewing.
const TRUST: Duration = Duration::from_secs(3);

/// Whether this program does the scheduled work now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lease(watch::Receiver<Option<Instant>>);

impl Lease {
    /// Whether work may be begun.
    pub fn held(&self) -> bool {
        self.0.borrow().is_some_and(|renewed| renewed.elapsed() < TRUST)
    }
}

/// Holds the lease whenever it can be had.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    me: String,
    told: watch::Sender<Option<Instant>>,
    held: IntGauge,
}

impl Keeper {
    /// A keeper of its own name, and what it keeps.
    pub fn new(store: Store, registry: &Registry) -> Result<(Self, Lease), prometheus::Error> {
        let help = "1 while this auditor does the scheduled work of all that share its database";
        let gauge = IntGauge::new("auditor_lease_held", help)?;
        registry.register(Box::new(gauge.clone()))?;
        let (told, lease) = watch::channel(None);
        let me = crate::random::uuid(crate::clock::now()).to_string();
        Ok((Self { store, me, told, held: gauge }, Lease(lease)))
    }

    /// Keeps the lease until `stop`, and gives it back then.
    pub async fn run(self, stop: CancellationToken) {
        let mut other: Option<(Held, Instant)> = None;
        loop {
            match self.turn(&mut other).await {
                Ok(Some(renewed)) => {
                    if self.told.send_replace(Some(renewed)).is_none_or(|before| before.elapsed() >= LIFE) {
                        tracing::info!("this auditor does the scheduled work now");
                    }
                }
                Ok(None) => {
                    if self.told.send_replace(None).is_some() {
                        tracing::warn!("another auditor does the scheduled work now");
                    }
                }
                // It runs out by itself.
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the lease could not be looked at");
                }
            }
            self.held.set(i64::from(self.told.borrow().is_some_and(|renewed| renewed.elapsed() < TRUST)));
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(BEAT) => {}
            }
        }
        if self.told.send_replace(None).is_some()
            && let Err(error) = self.store.leave_lease(NAME, &self.me).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "the lease could not be given back; it runs out");
        }
    }

    /// Renews it, or takes it if it can be had. When it was, if it was.
    async fn turn(&self, other: &mut Option<(Held, Instant)>) -> Result<Option<Instant>, StoreError> {
        // Others count from when they see it, which is later.
        let now = Instant::now();
        let seen = self.store.lease(NAME).await?;
        if let Some(held) = seen.as_ref().filter(|held| held.holder != self.me) {
            match other {
                Some((before, since)) if before == held && since.elapsed() >= LIFE => {}
                Some((before, _)) if before == held => return Ok(None),
                _ => {
                    *other = Some((held.clone(), Instant::now()));
                    return Ok(None);
                }
            }
        }
        let taken = self.store.take_lease(NAME, seen.as_ref(), &self.me).await?;
        if taken {
            *other = None;
        }
        Ok(taken.then_some(now))
    }
}
