//! What a list is asked for: parameters, each at most once, and none that is not known.

use super::problem::{FieldError, Kind, Problem};
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::Micros;
use std::str::FromStr;

/// Parameters as they came, in order.
pub(in crate::web) type Asked = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// Parameters that are read by name.
#[derive(Debug)]
pub(in crate::web) struct Parameters {
    asked: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

/// Rows of a page: as many as are asked for, at most so many, usually so many.
const LIMIT_MAX: u32 = 100;
const LIMIT: u32 = 50;
const PARAMETERS_MAX: usize = 32;

impl Parameters {
    pub(in crate::web) fn new(asked: Asked) -> Result<Self, Problem> {
        match asked {
            Ok(Query(asked)) if asked.len() <= PARAMETERS_MAX => Ok(Self { asked, errors: Vec::new() }),
            _ => Err(Problem::new(Kind::Malformed, "the parameters cannot be read")),
        }
    }

    fn wrong(&mut self, name: &str, code: &'static str, detail: &str) {
        self.errors.push(FieldError { field: name.to_owned(), code, detail: detail.to_owned() });
    }

    /// A parameter that `read` reads; `what`: what it must be.
    pub(in crate::web) fn parsed<T>(
        &mut self,
        name: &'static str,
        what: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let (mine, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.asked).into_iter().partition(|(key, _)| key == name);
        self.asked = rest;
        let (_, text) = mine.first()?;
        if mine.len() > 1 {
            self.wrong(name, "form", "stands there more than once");
            return None;
        }
        let value = read(text);
        if value.is_none() {
            self.wrong(name, "form", &format!("must be {what}"));
        }
        value
    }

    /// How many rows.
    pub(in crate::web) fn limit(&mut self) -> u32 {
        let read = |text: &str| text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        self.parsed("limit", "1 to 100", read).unwrap_or(LIMIT)
    }

    /// After which row of a list in this order.
    pub(in crate::web) fn after<T: FromStr>(&mut self, order: &str) -> Option<(Micros, T)> {
        self.parsed("cursor", "that of a page before, in the same order", |text| {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            let plain = String::from_utf8(bytes).ok()?;
            let mut parts = plain.split(' ');
            let (of, at, id) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            (of == order && parts.next().is_none()).then_some((at, id))
        })
    }

    /// Whether all was well, and nothing else was asked.
    pub(in crate::web) fn finish(mut self) -> Result<(), Problem> {
        if !self.asked.is_empty() {
            self.wrong("", "unknown", "there is a parameter that is not known here");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }
}

/// A cursor that [`Parameters::after`] reads.
pub(in crate::web) fn cursor(order: &str, at: Micros, id: &impl ToString) -> String {
    URL_SAFE_NO_PAD.encode(format!("{order} {at} {}", id.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(asked: &[(&str, &str)]) -> Parameters {
        let asked = asked.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Parameters::new(Ok(Query(asked))).expect("few")
    }

    #[test]
    fn a_cursor_comes_back_in_its_own_order_only() {
        let text = cursor("waited", -7, &12_u64);
        assert_eq!(parameters(&[("cursor", &text)]).after::<u64>("waited"), Some((-7, 12)));
        for (order, text) in [("newest", text.as_str()), ("waited", "x"), ("waited", ""), ("waited", "d2FpdGVk")] {
            let mut asked = parameters(&[("cursor", text)]);
            assert_eq!(asked.after::<u64>(order), None);
            assert!(asked.finish().is_err(), "{order} {text}");
        }
    }

    #[test]
    fn parameters_are_known_and_stand_once() {
        assert_eq!(parameters(&[]).limit(), LIMIT);
        assert_eq!(parameters(&[("limit", "100")]).limit(), 100);
        for wrong in [&[("limit", "0")][..], &[("limit", "101")], &[("limit", "5"), ("limit", "5")], &[("limits", "5")]]
        {
            let mut asked = parameters(wrong);
            asked.limit();
            assert!(asked.finish().is_err(), "{wrong:?}");
        }
    }
}
