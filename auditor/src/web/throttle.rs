//! Attempts take turns. Those at one name, or one passkey, are judged one after the other, each only when the delay that the
//! wrong one before it earned is over: asking many times at once is no faster than asking once. A device from which much
//! was wrong lately, at whatever names, is slowed down as a whole: five attempts at each of a thousand names come from
//! somewhere.
//!
//! Names that no account has take turns alike: time tells nobody which names exist. Bounded memory; what is old is forgotten.
//! Each auditor counts by itself; locks, which all of them see, are counted in the store.

use contract::id::DeviceId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep_until, timeout_at};

const KEPT_MAX: usize = 10_000;
const FORGET_AFTER: Duration = Duration::from_mins(15);
/// So many attempts at one name wait for their turn, or have it.
const AT_ONCE_MAX: usize = 8;
/// An attempt waits so long for its turn.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(5);
/// So many wrong attempts from one device cost it nothing: people mistype, and share computers.
const DEVICE_FREE: u32 = 20;
/// One of them is forgotten each time.
const DEVICE_FORGETS_ONE: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Throttle {
    first: Duration,
    longest: Duration,
    tried: Mutex<HashMap<[u8; 16], Arc<tokio::sync::Mutex<Tried>>>>,
    devices: Mutex<HashMap<DeviceId, Device>>,
}

/// What was tried, a name or a passkey.
#[derive(Debug, Clone, Copy)]
struct Tried {
    /// Wrong attempts in a row.
    wrong: u32,
    at: Instant,
    /// The next is judged no sooner.
    free: Instant,
}

/// Where attempts come from.
#[derive(Debug, Clone, Copy)]
struct Device {
    wrong: u32,
    /// Up to when wrong ones are forgotten.
    at: Instant,
    /// The next is judged no sooner.
    free: Instant,
}

/// An attempt's turn. It ends with the verdict, or when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'t> {
    throttle: &'t Throttle,
    device: DeviceId,
    /// None: there was no room to keep count.
    tried: Option<OwnedMutexGuard<Tried>>,
}

impl Throttle {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, tried: Mutex::default(), devices: Mutex::default() }
    }

    /// Waits for the turn of an attempt. None: too many are waiting, or it would take too long.
    pub(super) async fn turn(&self, tried: [u8; 16], device: DeviceId) -> Option<Turn<'_>> {
        let until = Instant::now() + WAIT_MAX;
        let from_here = self.place(device, until)?;
        let tried = match self.kept(tried) {
            None => None,
            Some(kept) if Arc::strong_count(&kept) > AT_ONCE_MAX + 1 => return None,
            Some(kept) => {
                let turn = timeout_at(until, kept.lock_owned()).await.ok()?;
                if turn.free > until {
                    return None;
                }
                sleep_until(turn.free).await;
                Some(turn)
            }
        };
        sleep_until(from_here).await;
        Some(Turn { throttle: self, device, tried })
    }

    /// When an attempt from a device may be judged. From one that is slowed down the next comes a delay after it.
    fn place(&self, device: DeviceId, until: Instant) -> Option<Instant> {
        let now = Instant::now();
        let mut devices = self.devices.lock();
        let Some(known) = devices.get_mut(&device) else { return Some(now) };
        known.forget(now);
        let place = known.free.max(now);
        if place > until {
            return None;
        }
        if let Some(over) = known.wrong.checked_sub(DEVICE_FREE) {
            known.free = place + self.delay(over);
        }
        Some(place)
    }

    fn kept(&self, tried: [u8; 16]) -> Option<Arc<tokio::sync::Mutex<Tried>>> {
        let now = Instant::now();
        let mut kept = self.tried.lock();
        let idle = |tried: &Arc<tokio::sync::Mutex<Tried>>| {
            Arc::strong_count(tried) == 1 && tried.try_lock().is_ok_and(|tried| tried.wrong == 0 || tried.is_old(now))
        };
        if !make_room(&mut kept, &tried, |kept| !idle(kept)) {
            return None;
        }
        let new = || Arc::new(tokio::sync::Mutex::new(Tried { wrong: 0, at: now, free: now }));
        Some(Arc::clone(kept.entry(tried).or_insert_with(new)))
    }

    fn wrong_from(&self, device: DeviceId, now: Instant) {
        let mut devices = self.devices.lock();
        let room = make_room(&mut devices, &device, |known| {
            known.forget(now);
            known.wrong > 0
        });
        if !room {
            return;
        }
        let known = devices.entry(device).or_insert(Device { wrong: 0, at: now, free: now });
        known.forget(now);
        known.wrong = known.wrong.saturating_add(1).min(DEVICE_FREE * 2);
        if let Some(over) = known.wrong.checked_sub(DEVICE_FREE) {
            known.free = known.free.max(now + self.delay(over));
        }
    }

    /// The delay after one that was wrong after so many others.
    fn delay(&self, before: u32) -> Duration {
        self.first.saturating_mul(1_u32.checked_shl(before).unwrap_or(u32::MAX)).min(self.longest)
    }
}

impl Turn<'_> {
    /// The attempt was right: those before it are forgotten. Not those of the device: whoever guesses may have an account.
    pub(super) fn right(mut self) {
        if let Some(tried) = &mut self.tried {
            tried.wrong = 0;
        }
    }

    /// The attempt was wrong. How much later to answer.
    pub(super) fn wrong(mut self) -> Duration {
        let now = Instant::now();
        self.throttle.wrong_from(self.device, now);
        let Some(tried) = &mut self.tried else { return self.throttle.longest };
        if tried.is_old(now) {
            tried.wrong = 0;
        }
        let delay = self.throttle.delay(tried.wrong);
        **tried = Tried { wrong: tried.wrong.saturating_add(1), at: now, free: now + delay };
        delay
    }
}

impl Tried {
    fn is_old(&self, now: Instant) -> bool {
        now.duration_since(self.at) >= FORGET_AFTER
    }
}

impl Device {
    fn forget(&mut self, now: Instant) {
        let minutes = now.duration_since(self.at).as_secs() / DEVICE_FORGETS_ONE.as_secs();
        let forgotten = u32::try_from(minutes).unwrap_or(u32::MAX);
        self.wrong = self.wrong.saturating_sub(forgotten);
        self.at = if self.wrong == 0 { now } else { self.at + DEVICE_FORGETS_ONE.saturating_mul(forgotten) };
    }
}

/// Whether there is room for a key, after what need not be kept has gone.
fn make_room<K: Eq + Hash, V>(kept: &mut HashMap<K, V>, key: &K, mut keep: impl FnMut(&mut V) -> bool) -> bool {
    if kept.len() >= KEPT_MAX && !kept.contains_key(key) {
        kept.retain(|_, value| keep(value));
    }
    kept.len() < KEPT_MAX || kept.contains_key(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinSet;
    use uuid::Uuid;

    const WARD: DeviceId = DeviceId::new(Uuid::from_u128(1));

    fn throttle() -> Throttle {
        Throttle::new(Duration::from_millis(250), Duration::from_secs(1))
    }

    fn device(number: u128) -> DeviceId {
        DeviceId::new(Uuid::from_u128(number))
    }

    #[tokio::test(start_paused = true)]
    async fn delays_double_up_to_the_longest_and_are_forgotten() {
        let throttle = throttle();
        let wrong = async |name: u8| throttle.turn([name; 16], WARD).await.expect("a turn").wrong().as_millis();
        let mut delays = Vec::new();
        for _ in 0..5 {
            delays.push(wrong(1).await);
        }
        assert_eq!(delays, [250, 500, 1000, 1000, 1000]);
        assert_eq!(wrong(2).await, 250);
        tokio::time::advance(FORGET_AFTER).await;
        assert_eq!(wrong(1).await, 250);
        assert_eq!(wrong(1).await, 500);
        throttle.turn([1; 16], WARD).await.expect("a turn").right();
        assert_eq!(wrong(1).await, 250);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_at_one_name_are_judged_one_after_the_other_and_after_the_delay() {
        let throttle = Arc::new(throttle());
        let begun = Instant::now();
        let mut attempts = JoinSet::new();
        for number in 0..5 {
            let throttle = Arc::clone(&throttle);
            attempts.spawn(async move {
                let turn = throttle.turn([1; 16], device(number)).await.expect("a turn");
                let at = begun.elapsed().as_millis();
                turn.wrong();
                at
            });
        }
        let mut judged = attempts.join_all().await;
        judged.sort_unstable();
        // The timer's resolution is a millisecond.
        let gaps: Vec<_> = judged.windows(2).map(|pair| (pair[1] - pair[0]) / 10 * 10).collect();
        assert_eq!(gaps, [250, 500, 1000, 1000]);
        // Somebody else has not waited.
        let begun = Instant::now();
        throttle.turn([2; 16], WARD).await.expect("a turn").right();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_at_one_name_are_sent_away() {
        let throttle = Arc::new(throttle());
        let first = throttle.turn([1; 16], WARD).await.expect("a turn");
        let mut waiting = JoinSet::new();
        for number in 0..20 {
            let throttle = Arc::clone(&throttle);
            waiting.spawn(async move { throttle.turn([1; 16], device(number)).await.is_some() });
        }
        tokio::task::yield_now().await;
        first.right();
        let judged = waiting.join_all().await.into_iter().filter(|judged| *judged).count();
        assert_eq!(judged, AT_ONCE_MAX - 1);
        // Who waits too long is sent away, too.
        let held = throttle.turn([1; 16], WARD).await.expect("a turn");
        assert!(throttle.turn([1; 16], WARD).await.is_none());
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_that_is_wrong_at_many_names_is_slowed_down_and_forgiven() {
        let throttle = throttle();
        let wrong = async |name: u8, from| {
            let begun = Instant::now();
            throttle.turn([name; 16], from).await.expect("a turn").wrong();
            begun.elapsed().as_millis() / 10 * 10
        };
        let mut waited = Vec::new();
        for name in 0..25 {
            waited.push(wrong(name, WARD).await);
        }
        assert_eq!(waited[..20], [0; 20]);
        assert_eq!(waited[20..], [250, 500, 1000, 1000, 1000]);
        assert_eq!(wrong(100, device(2)).await, 0, "another device");
        // A right one does not clear it.
        throttle.turn([101; 16], WARD).await.expect("a turn").right();
        assert!(wrong(102, WARD).await > 0);
        tokio::time::advance(DEVICE_FORGETS_ONE * 10).await;
        assert_eq!(wrong(103, WARD).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn many_names_cost_no_more_memory_and_get_the_longest_delay() {
        let throttle = throttle();
        for number in 0..KEPT_MAX as u128 {
            throttle.turn(number.to_le_bytes(), device(number)).await.expect("a turn").wrong();
        }
        assert_eq!(throttle.turn([0xff; 16], WARD).await.expect("a turn").wrong(), Duration::from_secs(1));
        tokio::time::advance(FORGET_AFTER).await;
        assert_eq!(throttle.turn([0xff; 16], WARD).await.expect("a turn").wrong(), Duration::from_millis(250));
        assert!(throttle.tried.lock().len() <= KEPT_MAX && throttle.devices.lock().len() <= KEPT_MAX);
    }
}
