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

/// The same day and hour so many calendar months before, in UTC; the month's last day where that month is shorter.
pub fn months_before(at: Micros, months: u8) -> Micros {
    let (seconds, micros) = (at.div_euclid(SECOND), at.rem_euclid(SECOND));
    let Ok(time) = time::OffsetDateTime::from_unix_timestamp(seconds) else { return at };
    let count = time.year() * 12 + i32::from(u8::from(time.month())) - 1 - i32::from(months);
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) + 1);
    let Some(month) = u8::try_from(month).ok().and_then(|month| time::Month::try_from(month).ok()) else { return at };
    let day = time.day().min(month.length(year));
    time::Date::from_calendar_date(year, month, day)
        .map_or(at, |date| time.replace_date(date).unix_timestamp() * SECOND + micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        let at = |text: &str| contract::instant::parse(text).expect("a time");
        for (from, months, to) in [
            ("2026-11-23T10:00:00Z", 9, "2026-02-23T10:00:00Z"),
            ("2026-03-31T23:59:59Z", 1, "2026-02-28T23:59:59Z"),
            ("2028-05-31T00:00:00Z", 3, "2028-02-29T00:00:00Z"),
            ("2026-01-15T00:00:00Z", 1, "2025-12-15T00:00:00Z"),
            ("2026-12-15T00:00:00Z", 12, "2025-12-15T00:00:00Z"),
            ("2026-12-15T00:00:00Z", 24, "2024-12-15T00:00:00Z"),
        ] {
            assert_eq!(months_before(at(from), months), at(to), "{from} {months}");
        }
        assert_eq!(months_before(at("2026-11-23T10:00:00Z") + 7, 1), at("2026-10-23T10:00:00Z") + 7);
    }
}
