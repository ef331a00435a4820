//! How fast a client's body must come. A body that dribbles in holds a place at its registry for as long as it likes:
//! pingora's read time-out begins anew with each byte, and HTTP/2 has none.

use bytes::Bytes;
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorType};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What must come of a body on average, once it has lasted for longer than a client may be silent.
const BYTES_PER_S_MIN: u64 = 1024;

/// Watches one body.
pub(super) struct Pace {
    silence_max: Duration,
    /// When it began. Moved on by what others took: a backend that is slow to take is not the client's fault.
    began: Instant,
    bytes: u64,
    due: Instant,
}

impl Pace {
    /// Begins now.
    pub(super) fn new(silence_max: Duration) -> Self {
        let began = Instant::now();
        Self { silence_max, began, bytes: 0, due: began + silence_max }
    }

    /// It begins now.
    pub(super) fn begins(&mut self) {
        *self = Self::new(self.silence_max);
    }

    /// So many bytes came, and the next are waited for again, after somebody else took this long with them.
    pub(super) fn came(&mut self, bytes: u64, held: Duration) {
        self.began += held;
        self.bytes += bytes;
        let earned = Duration::from_millis(self.bytes.saturating_mul(1000) / BYTES_PER_S_MIN);
        // Nobody earns more than a day.
        let in_all = self.began + self.silence_max + earned.min(Duration::from_hours(24));
        self.due = in_all.min(Instant::now() + self.silence_max);
    }
}

/// Waits for the next piece of a body, or for the client to leave once its body is over. Without a pace, for ever.
pub(super) async fn next(
    session: &mut ServerSession,
    over: bool,
    pace: Option<&Pace>,
) -> pingora::Result<Option<Bytes>> {
    let piece = session.read_body_or_idle(over);
    let Some(pace) = pace else { return piece.await };
    let late = |_| Err(Error::explain(ErrorType::ReadTimedout, "a body that does not come"));
    timeout_at(pace.due, piece).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_so_does_dribbling_but_neither_speed_nor_a_slow_backend() {
        let mut pace = Pace::new(LIMIT);
        let begin = Instant::now();
        assert_eq!(pace.due, begin + LIMIT);
        // Two bytes a second: after a minute there is no more time, however often they come.
        for _ in 0..6 {
            tokio::time::advance(Duration::from_secs(10)).await;
            pace.came(20, Duration::ZERO);
        }
        assert!(pace.due < begin + LIMIT + Duration::from_secs(1), "{:?}", pace.due - begin);

        let mut pace = Pace::new(LIMIT);
        for _ in 0..60 {
            tokio::time::advance(Duration::from_secs(10)).await;
            pace.came(100 << 10, Duration::ZERO);
            assert_eq!(pace.due, Instant::now() + LIMIT);
        }

        let mut pace = Pace::new(LIMIT);
        for _ in 0..60 {
            tokio::time::advance(Duration::from_secs(50)).await;
            pace.came(1, Duration::from_secs(50));
            assert!(pace.due >= Instant::now() + LIMIT - Duration::from_secs(1));
        }
    }
}
