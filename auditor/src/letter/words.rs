//! What a letter says.

use crate::clock::{DAY, SECOND};
use crate::handout::{Part, Purpose};
use contract::Micros;

/// The words of a letter with this half.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) english: bool,
    pub(super) part: Part,
    pub(super) purpose: Purpose,
}

impl Words {
    pub(super) fn language(self) -> &'static str {
        if self.english { "en" } else { "sv" }
    }

    pub(super) fn heading(self, title: &str) -> String {
        match (self.english, self.purpose) {
            (false, Purpose::First) => format!("Ditt konto i {title}"),
            (false, Purpose::Reset) => format!("Ny inloggning till {title}"),
            (true, Purpose::First) => format!("Your account in {title}"),
            (true, Purpose::Reset) => format!("A new login to {title}"),
        }
    }

    /// What stands before the half.
    pub(super) fn before(self) -> String {
        let (sv, en) = match self.part {
            Part::Id => (
                "Här är ditt id för inloggningen. Du behöver också en kod, som kommer till dig på annat sätt.",
                "Here is your id for the login. You also need a code, which reaches you another way.",
            ),
            Part::Code => (
                "Här är din kod för inloggningen. Du behöver också ett id, som kommer till dig på annat sätt.",
                "Here is your code for the login. You also need an id, which reaches you another way.",
            ),
        };
        if self.english { en } else { sv }.to_owned()
    }

    /// What stands after it. `address`: where both are shown.
    pub(super) fn after(self, days: i64, address: &str, help: &str) -> Vec<String> {
        let mut said = Vec::new();
        if self.english {
            if !address.is_empty() {
                said.push(format!("Go to {address} on a device that your organisation has enrolled."));
            }
            said.push(format!(
                "There you show id and code, choose a password, and set up a second factor. The letter is good for {days} days."
            ));
            said.push("Never give id and code to anybody. Nobody of us asks for them.".to_owned());
            said.push(format!("Help: {help}"));
        } else {
            if !address.is_empty() {
                said.push(format!("Gå till {address} på en enhet som din organisation har registrerat."));
            }
            said.push(format!(
                "Där visar du id och kod, väljer ett lösenord och skaffar en andra faktor. Brevet gäller i {days} dagar."
            ));
            said.push("Lämna aldrig ut id och kod till någon. Ingen av oss frågar efter dem.".to_owned());
            said.push(format!("Hjälp: {help}"));
        }
        said
    }
}

/// A text in lines of at most so many characters, broken between words.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The date in Sweden: summer time from the last Sunday of March to that of October, 01:00 UTC (directive 2000/84/EC).
pub(super) fn local_date(at: Micros) -> String {
    let hour = 3_600 * SECOND;
    let winter = at.saturating_add(hour);
    let Ok(local) = time::OffsetDateTime::from_unix_timestamp(winter.div_euclid(SECOND)) else { return String::new() };
    let summer = |month: time::Month| -> Option<Micros> {
        let last = time::Date::from_calendar_date(local.year(), month, 31).ok()?;
        let back = i64::from(last.weekday().number_days_from_sunday());
        let midnight = last.midnight().assume_utc().unix_timestamp().saturating_mul(SECOND);
        Some(midnight.saturating_sub(back.saturating_mul(DAY)).saturating_add(hour))
    };
    let is_summer = matches!(
        (summer(time::Month::March), summer(time::Month::October)),
        (Some(begins), Some(ends)) if (begins..ends).contains(&at)
    );
    let local = if is_summer { local.saturating_add(time::Duration::HOUR) } else { local };
    format!("{:04}-{:02}-{:02}", local.year(), u8::from(local.month()), local.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("en två tre", 6), ["en två", "tre"]);
        assert_eq!(wrapped("ettmycketlångtord a", 6), ["ettmycketlångtord", "a"]);
        assert!(wrapped("  ", 6).is_empty());
    }

    #[test]
    fn the_date_is_that_of_sweden() {
        for (at, date) in [
            ("2026-11-22T22:59:59Z", "2026-11-22"),
            ("2026-11-22T23:00:00Z", "2026-11-23"),
            ("2026-07-01T21:59:59Z", "2026-07-01"),
            ("2026-07-01T22:00:00Z", "2026-07-02"),
            ("2026-12-31T23:30:00Z", "2027-01-01"),
            // Summer time ends on 25 October.
            ("2026-10-24T22:30:00Z", "2026-10-25"),
            ("2026-10-25T22:30:00Z", "2026-10-25"),
        ] {
            assert_eq!(local_date(contract::instant::parse(at).expect("a time")), date, "{at}");
        }
    }
}
