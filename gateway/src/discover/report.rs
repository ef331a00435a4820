//! What `gateway discover` shows.

use super::{Count, Seen};
use crate::route::{Patients, Place, Route, Routes};
use serde_json::json;
use std::fmt::Write as _;

/// The routes that disclosed patients without being marked, with a piece of routes file for each. For programs as JSON.
pub(crate) fn show(seen: &Seen, routes: &Routes, as_json: bool) -> String {
    let mut found: Vec<_> = seen
        .routes
        .iter()
        .filter(|(_, count)| count.disclosing > 0)
        .filter_map(|(name, count)| {
            let route = routes.routes().iter().find(|route| route.name.as_str() == name)?;
            // Marked since.
            route.patients.in_response().is_none().then_some((route.as_ref(), *count))
        })
        .collect();
    found.sort_by_key(|(_, count)| std::cmp::Reverse(count.patients));
    if as_json {
        let routes: Vec<_> = found
            .iter()
            .map(|(route, count)| {
                json!({
                    "route": route.name.as_str(), "path": route.template.text().as_ref(), "answers": count.answers,
                    "disclosing": count.disclosing, "patients": count.patients, "config": line(route, count),
                })
            })
            .collect();
        return format!("{}\n", json!({"since": seen.since, "routes": routes}));
    }
    let looked: u64 = seen.routes.values().map(|count| count.answers).sum();
    let mut text = format!("{looked} text answers on routes that are not marked were looked at.\n");
    if found.is_empty() {
        text.push_str("None of them disclosed a patient whom its request had not named.\n");
        return text;
    }
    for (route, count) in found {
        let _written = write!(
            text,
            "\n{} {}\n  {} of {} answers disclosed patients whom the request had not named: {} in all.\n  In the routes file, this route should say:\n\n    {}\n",
            route.name.as_str(),
            route.template.text(),
            count.disclosing,
            count.answers,
            count.patients,
            line(route, &count),
        );
    }
    text.push_str("\nWith JSON that is not FHIR, name the fields (`json = [\"…\"]`): other numbers may look like a personnummer.\n");
    text
}

/// What the route should say of where patients stand.
fn line(route: &Route, count: &Count) -> String {
    let places = match &route.patients {
        Patients::None => &[][..],
        Patients::Named { places, .. } => places,
    };
    let mut all: Vec<String> = places.iter().map(|place| of_request(place, route)).collect();
    let fhir = if count.fhir > 0 { ", fhir = true" } else { "" };
    all.push(format!("{{ in = \"response\"{fhir} }}"));
    match all.as_slice() {
        [one] => format!("patient = {one}"),
        several => format!("patients = [{}]", several.join(", ")),
    }
}

fn of_request(place: &Place, route: &Route) -> String {
    let (kind, name) = match place {
        Place::Path(index) => ("path", route.template.parameters().nth(*index).unwrap_or_default().to_owned()),
        Place::Query(field) => ("query", field.as_str().to_owned()),
        Place::Form(field) => ("form", field.as_str().to_owned()),
        Place::Header(name) => ("header", name.as_str().to_owned()),
        Place::Json(field) => ("json", field.as_str().to_owned()),
    };
    format!("{{ in = \"{kind}\", name = \"{name}\" }}")
}
