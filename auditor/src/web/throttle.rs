//! Growing delays after wrong attempts, by the name that was tried. Names that no account has grow the same delay:
//! time tells nobody which names exist. Bounded memory; what is old is forgotten.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

const NAMES_MAX: usize = 10_000;
const FORGET_AFTER: Duration = Duration::from_mins(15);

#[derive(Debug)]
pub(super) struct Throttle {
    first: Duration,
    longest: Duration,
    tried: Mutex<HashMap<[u8; 16], (u32, Instant)>>,
}

impl Throttle {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, tried: Mutex::default() }
    }

    /// Counts a wrong attempt at a name, and tells how much later to answer.
    pub(super) fn wrong(&self, name: [u8; 16], now: Instant) -> Duration {
        let mut tried = self.tried.lock();
        if tried.len() >= NAMES_MAX && !tried.contains_key(&name) {
            tried.retain(|_, (_, at)| now.duration_since(*at) < FORGET_AFTER);
            if tried.len() >= NAMES_MAX {
                return self.longest;
            }
        }
        let (count, at) = tried.entry(name).or_insert((0, now));
        if now.duration_since(*at) >= FORGET_AFTER {
            *count = 0;
        }
        *at = now;
        let delay = self.first.saturating_mul(1_u32.checked_shl(*count).unwrap_or(u32::MAX)).min(self.longest);
        *count = count.saturating_add(1);
        delay
    }

    /// Forgets a name after a right attempt.
    pub(super) fn right(&self, name: [u8; 16]) {
        self.tried.lock().remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_are_forgotten() {
        let throttle = Throttle::new(Duration::from_millis(250), Duration::from_secs(1));
        let now = Instant::now();
        let delays: Vec<_> = (0..5).map(|_| throttle.wrong([1; 16], now).as_millis()).collect();
        assert_eq!(delays, [250, 500, 1000, 1000, 1000]);
        assert_eq!(throttle.wrong([2; 16], now).as_millis(), 250);
        assert_eq!(throttle.wrong([1; 16], now + FORGET_AFTER).as_millis(), 250);
        throttle.right([2; 16]);
        assert_eq!(throttle.wrong([2; 16], now).as_millis(), 250);
    }

    #[test]
    fn many_names_cost_no_more_memory_and_get_the_longest_delay() {
        let throttle = Throttle::new(Duration::from_millis(1), Duration::from_secs(1));
        let now = Instant::now();
        for i in 0..NAMES_MAX as u128 {
            throttle.wrong(i.to_le_bytes(), now);
        }
        assert_eq!(throttle.wrong([0xff; 16], now), Duration::from_secs(1));
        assert_eq!(throttle.wrong([0xff; 16], now + FORGET_AFTER), Duration::from_millis(1));
    }
}
