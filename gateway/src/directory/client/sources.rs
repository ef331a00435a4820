//! The auditors that share one database: whose turn it is, and how long to wait before the next try.

use super::transport::{Transport, TransportError};
use crate::config::InternalAddress;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The pause after a feed that ended, and from one auditor to the next.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause, when all of them are away.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// An auditor that is late has caught up after so long.
const BEHIND_MAX: Duration = Duration::from_secs(10);

/// The auditors in the order of the settings, and which of them is followed.
pub(super) struct Sources {
    first: Transport,
    others: Vec<Transport>,
    followed: AtomicUsize,
}

impl Sources {
    /// Prepares the ways; reads certificates.
    pub(super) fn new(addresses: &[InternalAddress]) -> Result<Self, TransportError> {
        let [first, others @ ..] = addresses else { return Err(TransportError::Nowhere) };
        let others = others.iter().map(Transport::new).collect::<Result<_, _>>()?;
        Ok(Self { first: Transport::new(first)?, others, followed: AtomicUsize::new(0) })
    }

    /// How many there are: at least one.
    pub(super) fn count(&self) -> usize {
        self.others.len().saturating_add(1)
    }

    /// The auditor that is followed, or that is tried now; with its index.
    pub(super) fn followed(&self) -> (usize, &Transport) {
        let index = self.followed.load(Ordering::Relaxed);
        (index, self.at(index))
    }

    /// Turns to the next auditor; after the last comes the first.
    pub(super) fn turn(&self) {
        let next = self.followed().0.saturating_add(1);
        self.followed.store(if next < self.count() { next } else { 0 }, Ordering::Relaxed);
    }

    /// Each auditor once, the followed one first; with how many are left, itself among them.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = (u32, &Transport)> {
        let (start, count) = (self.followed().0, self.count());
        let indices = (start..count).chain(0..start);
        indices
            .map(move |index| self.at(index))
            .zip((1..=count).rev())
            .map(|(auditor, left)| (u32::try_from(left).unwrap_or(u32::MAX), auditor))
    }

    fn at(&self, index: usize) -> &Transport {
        index.checked_sub(1).and_then(|index| self.others.get(index)).unwrap_or(&self.first)
    }
}

/// What came of an auditor's feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It told something before it ended.
    Followed,
    /// It told nothing.
    Failed,
    /// It told of a state that is older than the copy's.
    Behind,
}

/// What came of the tries so far: how long to wait before the next one, and whether the copy may go back.
pub(super) struct Tries {
    count: usize,
    failed: usize,
    pause: Duration,
    behind_since: Option<Instant>,
}

impl Tries {
    /// Of so many auditors.
    pub(super) fn new(count: usize) -> Self {
        Self { count, failed: 0, pause: PAUSE_MIN, behind_since: None }
    }

    /// Whether the copy may take an older state than it has. One auditor alone cannot be late. Of several, one may be
    /// late for a moment; if nothing newer is to be had for longer, then the database was put back to an older state.
    pub(super) fn may_go_back(&self, now: Instant) -> bool {
        self.count == 1 || self.behind_since.is_some_and(|since| now.saturating_duration_since(since) >= BEHIND_MAX)
    }

    /// The pause after a try. It grows with each round in which all have failed: until then another may do.
    pub(super) fn after(&mut self, outcome: Outcome, now: Instant) -> Duration {
        match outcome {
            Outcome::Followed => {
                *self = Self::new(self.count);
                return PAUSE_MIN;
            }
            Outcome::Failed => {}
            Outcome::Behind => self.behind_since = self.behind_since.or(Some(now)),
        }
        self.failed = self.failed.saturating_add(1);
        if self.failed < self.count {
            return PAUSE_MIN;
        }
        self.failed = 0;
        self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_when_all_have_failed() {
        let now = Instant::now();
        let millis = |tries: &mut Tries, outcome| tries.after(outcome, now).as_millis();
        let in_a_row =
            |tries: &mut Tries, times| (0..times).map(|_| millis(tries, Outcome::Failed)).collect::<Vec<_>>();
        let mut one = Tries::new(1);
        assert_eq!(in_a_row(&mut one, 7), [100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!((millis(&mut one, Outcome::Followed), millis(&mut one, Outcome::Failed)), (50, 100));
        let mut three = Tries::new(3);
        assert_eq!(in_a_row(&mut three, 7), [50, 50, 100, 50, 50, 200, 50]);
        assert_eq!(millis(&mut three, Outcome::Followed), 50);
        assert_eq!(in_a_row(&mut three, 3), [50, 50, 100]);
    }

    #[test]
    fn the_copy_goes_back_when_nothing_newer_is_to_be_had() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        assert!(Tries::new(1).may_go_back(start), "one alone is believed at once");
        let mut two = Tries::new(2);
        two.after(Outcome::Failed, start);
        assert!(!two.may_go_back(later(60)), "none was behind");
        two.after(Outcome::Behind, start);
        two.after(Outcome::Failed, later(1));
        two.after(Outcome::Behind, later(9));
        assert_eq!((two.may_go_back(later(9)), two.may_go_back(later(10))), (false, true));
        two.after(Outcome::Followed, later(9));
        assert!(!two.may_go_back(later(60)), "it has caught up");
    }

    #[test]
    fn each_has_its_turn_and_the_followed_one_is_first() {
        let addresses: Vec<_> = ["a", "b", "c"].map(|path| InternalAddress::Unix(path.into())).into();
        let sources = Sources::new(&addresses).unwrap();
        let order = || sources.in_turn().map(|(left, to)| format!("{left} {to}")).collect::<Vec<_>>();
        assert_eq!(order(), ["3 unix:a", "2 unix:b", "1 unix:c"]);
        sources.turn();
        assert_eq!(order(), ["3 unix:b", "2 unix:c", "1 unix:a"]);
        sources.turn();
        sources.turn();
        assert_eq!(order(), ["3 unix:a", "2 unix:b", "1 unix:c"]);
        assert!(matches!(Sources::new(&[]), Err(TransportError::Nowhere)));
    }
}
