//! The unit that a request concerns, for grants that are limited to units.

use super::{Input, form};
use crate::policy::Unit;
use crate::route::{Route, UnitPlace};
use contract::id::HsaId;

/// The unit that a request names where its route says it stands. Several different ones are no answer.
pub fn unit(route: &Route, input: &Input<'_>) -> Unit {
    let Some(place) = &route.unit else { return Unit::OfSession };
    let mut named: Option<HsaId> = None;
    let mut clear = true;
    let mut take = |bytes: &[u8]| {
        let id = std::str::from_utf8(bytes).ok().and_then(|text| HsaId::parse(text.trim()).ok());
        match (&named, id) {
            (Some(before), Some(id)) if *before == id => {}
            (None, Some(id)) => named = Some(id),
            _ => clear = false,
        }
    };
    match place {
        UnitPlace::Path(index) => {
            if let Some(raw) = input.params.get(*index, input.path) {
                form::decoded(raw, false, take);
            }
        }
        UnitPlace::Query(name) => {
            form::each(input.query.unwrap_or_default(), |key, value| {
                if form::same_name(key, name.as_str()) {
                    take(value);
                }
            });
        }
        UnitPlace::Header(name) => input.headers.get_all(name).iter().for_each(|value| take(value.as_bytes())),
    }
    match named {
        Some(id) if clear => Unit::Named(id),
        _ => Unit::Unclear,
    }
}
