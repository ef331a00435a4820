//! The one place where the wall clock is read. Everything below web, job and main takes time as an argument.

use contract::Micros;

/// Microseconds in a second.
pub const SECOND: Micros = 1_000_000;
/// Microseconds in a day.
pub const DAY: Micros = 86_400 * SECOND;

/// Now, as microseconds since the Unix epoch.
pub fn now() -> Micros {
    Micros::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000).unwrap_or(Micros::MAX)
}

/// A time for people and programs: RFC 3339, UTC, whole seconds.
pub fn rfc3339(at: Micros) -> String {
    contract::instant::text(at.div_euclid(SECOND).saturating_mul(SECOND))
}
