//! A point in time, as people and programs write it: RFC 3339, or a date alone.

use crate::Micros;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A text is no point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InstantError {
    /// Neither form.
    #[error("is neither a date (2026-11-01) nor a time (2026-11-01T12:00:00Z)")]
    Form,
    /// Further away than is counted.
    #[error("is out of range")]
    Range,
}

/// Reads a date, which means its first moment in UTC, or a time with its offset.
pub fn parse(text: &str) -> Result<Micros, InstantError> {
    let whole = if text.len() == "2026-11-01".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let at = OffsetDateTime::parse(&whole, &Rfc3339).map_err(|_| InstantError::Form)?;
    Micros::try_from(at.unix_timestamp_nanos().div_euclid(1_000)).map_err(|_| InstantError::Range)
}

/// The time in RFC 3339, UTC, to the microsecond; beyond the years that can be written, the number.
pub fn text(at: Micros) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_date_is_its_first_moment() {
        assert_eq!(parse("1970-01-02"), Ok(86_400_000_000));
        assert_eq!(parse("1970-01-01T01:00:00.000007+01:00"), Ok(7));
        for at in [0, 7, -1, 1_795_389_820_712_340] {
            assert_eq!(parse(&text(at)), Ok(at));
        }
        assert_eq!(text(1_795_389_820_712_340), "2026-11-22T23:23:40.71234Z");
        assert_eq!(text(Micros::MAX), Micros::MAX.to_string());
        for wrong in ["", "2026-11-31", "2026-11-01 12:00", "today", "2026-11-01T12:00:00", "åäö2026å"] {
            assert_eq!(parse(wrong), Err(InstantError::Form), "{wrong}");
        }
    }
}
