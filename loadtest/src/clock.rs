//! The one place of this crate that reads the clock.

use contract::Micros;
use contract::identity::Year;
use time::OffsetDateTime;

/// Now, UTC.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Now, in microseconds since the epoch.
pub fn now_micros() -> Micros {
    Micros::try_from(now().unix_timestamp_nanos() / 1000).unwrap_or(Micros::MAX)
}

/// Now, in whole seconds since the epoch.
pub fn now_seconds() -> u64 {
    u64::try_from(now().unix_timestamp()).unwrap_or(0)
}

/// This year, for ten-digit identity numbers.
pub fn this_year() -> Year {
    Year(u16::try_from(now().year()).unwrap_or(2000))
}
