//! Kills programs of the stack every few seconds and starts them again, as the seed says.

use crate::rng::Rng;
use crate::stack::{Component, Stack};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Who kills.
pub(super) struct Killer {
    rng: Rng,
    victims: Vec<Component>,
    /// How often each program was killed.
    pub(super) kills: BTreeMap<Component, u64>,
    /// The longest time from a kill until the program was ready again.
    pub(super) slowest_restart: Duration,
}

const PAUSE_MS: (u64, u64) = (2_000, 5_000);
const DOWN_MS: (u64, u64) = (0, 800);
const TICK: Duration = Duration::from_secs(1);

impl Killer {
    pub(super) fn new(rng: Rng, victims: Vec<Component>) -> Self {
        Self { rng, victims, kills: BTreeMap::new(), slowest_restart: Duration::ZERO }
    }

    /// Works until `end`; `tick` is called each second. All programs run when it returns without an error.
    pub(super) async fn work(&mut self, stack: &mut Stack, end: Instant, tick: impl Fn()) -> anyhow::Result<()> {
        let mut next = self.next(Instant::now());
        while Instant::now() < end {
            tick();
            if let Some(fallen) = stack.fallen() {
                anyhow::bail!(fallen);
            }
            let until = (Instant::now() + TICK).min(end).min(next);
            tokio::time::sleep_until(until.into()).await;
            if Instant::now() >= next && Instant::now() < end {
                self.kill_one(stack).await?;
                next = self.next(Instant::now());
            }
        }
        Ok(())
    }

    fn next(&mut self, now: Instant) -> Instant {
        // Without victims: after any end that a run can have.
        let pause = if self.victims.is_empty() { 86_400_000 } else { self.rng.between(PAUSE_MS.0, PAUSE_MS.1) };
        now + Duration::from_millis(pause)
    }

    async fn kill_one(&mut self, stack: &mut Stack) -> anyhow::Result<()> {
        let Some(victim) = self.rng.pick(&self.victims).copied() else { return Ok(()) };
        let start = Instant::now();
        stack.kill(victim);
        *self.kills.entry(victim).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(self.rng.between(DOWN_MS.0, DOWN_MS.1))).await;
        stack.restart(victim).await?;
        self.slowest_restart = self.slowest_restart.max(start.elapsed());
        Ok(())
    }
}
