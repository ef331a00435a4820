//! Days and times as people in Sweden write them: local time, Europe/Stockholm.
//!
//! Summer time as directive 2000/84/EC has it: from the last Sunday in March to the last one in October, at 01:00 UTC.

use crate::clock::SECOND;
use contract::Micros;
use time::{Date, Month, OffsetDateTime, UtcOffset};

const HOUR_S: i64 = 3_600;

/// A time, for people and for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) exact: String,
}

impl Shown {
    /// To the minute: `2026-11-23 14:05`.
    pub(super) fn minute(at: Micros) -> Self {
        let exact = crate::clock::rfc3339(at);
        let text = local(at).map_or_else(
            || exact.clone(),
            |time| format!("{} {:02}:{:02}", written(time.date()), time.hour(), time.minute()),
        );
        Self { text, exact }
    }
}

/// The day on which something is, as a date field has it.
pub(super) fn day(at: Micros) -> String {
    local(at).map_or_else(|| crate::clock::rfc3339(at), |time| written(time.date()))
}

/// The last day of what ends at `end`.
pub(super) fn last_day(end: Micros) -> String {
    day(end.saturating_sub(1))
}

/// A day's first moment.
pub(super) fn begin(text: &str) -> Option<Micros> {
    midnight(read(text)?)
}

/// A day's end: the first moment of the next.
pub(super) fn end(text: &str) -> Option<Micros> {
    midnight(read(text)?.next_day()?)
}

fn written(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

fn read(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let mut next = |length: usize| {
        let part = parts.next()?;
        let digits = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        if digits { part.parse::<u16>().ok() } else { None }
    };
    let (year, month, day) = (next(4)?, next(2)?, next(2)?);
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()
}

fn local(at: Micros) -> Option<OffsetDateTime> {
    let seconds = at.div_euclid(SECOND);
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    let offset = UtcOffset::from_whole_seconds(i32::try_from(ahead(seconds)).ok()?).ok()?;
    time.checked_to_offset(offset)
}

/// No clock is put forward or back at midnight, so there is one.
fn midnight(date: Date) -> Option<Micros> {
    let there = date.midnight().assume_utc().unix_timestamp();
    there.checked_sub(ahead(there - HOUR_S))?.checked_mul(SECOND)
}

/// Seconds that Swedish time is ahead of UTC.
fn ahead(seconds: i64) -> i64 {
    let year = OffsetDateTime::from_unix_timestamp(seconds).map_or(1970, OffsetDateTime::year);
    let change = |month| last_sunday(year, month).map(|date| date.midnight().assume_utc().unix_timestamp() + HOUR_S);
    match (change(Month::March), change(Month::October)) {
        (Some(forward), Some(back)) if (forward..back).contains(&seconds) => 2 * HOUR_S,
        _ => HOUR_S,
    }
}

/// Of a month with 31 days.
fn last_sunday(year: i32, month: Month) -> Option<Date> {
    let last = Date::from_calendar_date(year, month, 31).ok()?;
    Date::from_calendar_date(year, month, 31 - last.weekday().number_days_from_sunday()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        contract::instant::parse(text).expect("a time")
    }

    #[test]
    fn times_are_swedish_ones() {
        for (utc, swedish) in [
            ("2026-11-23T13:05:59Z", "2026-11-23 14:05"),
            ("2026-07-01T22:30:00Z", "2026-07-02 00:30"),
            ("2026-03-29T00:59:59Z", "2026-03-29 01:59"),
            ("2026-03-29T01:00:00Z", "2026-03-29 03:00"),
            ("2026-10-25T00:59:59Z", "2026-10-25 02:59"),
            ("2026-10-25T01:00:00Z", "2026-10-25 02:00"),
            ("2026-12-31T23:00:00Z", "2027-01-01 00:00"),
        ] {
            assert_eq!(Shown::minute(at(utc)).text, swedish, "{utc}");
        }
        assert_eq!(Shown::minute(at("2026-11-23T13:05:59Z")).exact, "2026-11-23T13:05:59Z");
        assert_eq!(day(Micros::MAX), crate::clock::rfc3339(Micros::MAX), "what no calendar has stays a number");
    }

    #[test]
    fn a_day_begins_and_ends_at_midnight_there() {
        for (text, first, end_of_it) in [
            ("2026-11-23", "2026-11-22T23:00:00Z", "2026-11-23T23:00:00Z"),
            ("2026-07-01", "2026-06-30T22:00:00Z", "2026-07-01T22:00:00Z"),
            ("2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            ("2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("2028-02-29", "2028-02-28T23:00:00Z", "2028-02-29T23:00:00Z"),
        ] {
            assert_eq!((begin(text), end(text)), (Some(at(first)), Some(at(end_of_it))), "{text}");
            assert_eq!((day(at(first)), last_day(at(end_of_it))), (text.to_owned(), text.to_owned()));
        }
        for wrong in
            ["", "2026-02-29", "2026-1-1", "23/11 2026", "20261123", "2026-11-23T00:00", "2026-13-01", "+026-11-23"]
        {
            assert_eq!((begin(wrong), end(wrong)), (None, None), "{wrong}");
        }
    }
}
