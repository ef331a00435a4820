//! The one place where the gateway reads the wall clock.

use contract::Micros;
use contract::identity::Year;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in microseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The calendar year of a time (UTC): what the century of a short personnummer hangs on.
pub fn year_of(at: Micros) -> Year {
    let date = time::OffsetDateTime::from_unix_timestamp(at / 1_000_000).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    Year(u16::try_from(date.year()).unwrap_or(1970))
}
