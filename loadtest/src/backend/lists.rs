//! Answers that name patients whom nobody asked for: an export by lines, a FHIR search, events, whose turn it is.

use super::api::patient_json;
use super::fhir::{PATIENT_HEADER, PERSONNUMMER_SYSTEM};
use super::pages::unit_position;
use super::store::{NotFound, Store};
use crate::patients::Patient;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

/// How many patients an export has.
const EXPORT_MAX: usize = 400;
/// How many a search finds.
const FOUND_MAX: usize = 40;
/// How many events a stream has.
const EVENTS_MAX: usize = 20;
const FHIR_TYPE: &str = "application/fhir+json; charset=utf-8";
/// So many lines leave together.
const LINES_TOGETHER: usize = 16;

pub(super) fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/api/units/{unit}/export", get(export))
        .route("/api/units/{unit}/events", get(events))
        .route("/api/units/{unit}/next", get(next))
        .route("/fhir/Encounter", get(encounters))
        .route("/api/patients/{patient}/record", get(record_of))
        .route("/api/records/{number}", get(record))
        .route("/api/texts/{number}", get(record))
        .route("/fhir/records/{number}", get(fhir_record))
}

fn unknown() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"error": "no such unit"}))).into_response()
}

fn row(patient: &Patient) -> Value {
    json!({"patient": {"name": patient.name, "id": patient.id.expose()}, "visits": patient.visits.len()})
}

/// Sends these pieces one after the other, each as soon as the client takes it.
fn streamed(kind: &'static str, pieces: Vec<String>) -> Response {
    let pieces = pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(futures_util::stream::iter(pieces))).into_response()
}

/// All of a unit, a line of JSON each.
async fn export(State(store): State<Arc<Store>>, Path(unit): Path<String>) -> Response {
    let Some(position) = unit_position(&unit) else { return unknown() };
    let patients = store.of_unit(position, EXPORT_MAX);
    let lines = |some: &[&Patient]| {
        let lines: Vec<String> = some.iter().map(|patient| row(patient).to_string()).collect();
        lines.join("\n") + "\n"
    };
    streamed("application/x-ndjson", patients.chunks(LINES_TOGETHER).map(lines).collect())
}

/// What happens at a unit, as server-sent events: for this registry, all at once.
async fn events(State(store): State<Arc<Store>>, Path(unit): Path<String>) -> Response {
    let Some(position) = unit_position(&unit) else { return unknown() };
    let event = |(number, patient): (usize, &Patient)| {
        format!("id: {number}\nevent: arrival\ndata: {}\n\n", patient_json(&store, patient, 0))
    };
    let events = (0..).zip(store.of_unit(position, EVENTS_MAX)).map(event);
    streamed("text/event-stream", std::iter::once(": open\n\n".to_owned()).chain(events).collect())
}

#[derive(serde::Deserialize)]
struct Turn {
    #[serde(default)]
    turn: usize,
}

/// Whose turn it is: in a header, as some registries have it, and not in the body.
async fn next(State(store): State<Arc<Store>>, Path(unit): Path<String>, Query(turn): Query<Turn>) -> Response {
    let Some(position) = unit_position(&unit) else { return unknown() };
    let waiting = store.of_unit(position, EXPORT_MAX);
    let Some(patient) = waiting.get(turn.turn % waiting.len().max(1)) else {
        return Json(json!({"waiting": 0})).into_response();
    };
    ([(PATIENT_HEADER, patient.id.expose().to_owned())], Json(json!({"waiting": waiting.len()}))).into_response()
}

/// A patient's record, by the patient.
async fn record_of(State(store): State<Arc<Store>>, Path(patient): Path<String>) -> Result<Response, NotFound> {
    Ok(whole_record(&store, store.patient(&patient)?))
}

/// The same by a number of the registry's own, so that only the answer says whose it is.
async fn record(State(store): State<Arc<Store>>, Path(number): Path<usize>) -> Result<Response, NotFound> {
    Ok(whole_record(&store, store.patient_at(number).ok_or(NotFound::Absent)?))
}

fn whole_record(store: &Store, patient: &Patient) -> Response {
    let body = format!(
        r#"{{"patient":{{"name":"{}","id":"{}"}},"entries":{}}}"#,
        patient.name,
        patient.id.expose(),
        store.record
    );
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A record of the same length as a FHIR Bundle: the Patient, and so many observations of them.
async fn fhir_record(State(store): State<Arc<Store>>, Path(number): Path<usize>) -> Result<Response, NotFound> {
    let patient = store.patient_at(number).ok_or(NotFound::Absent)?;
    let of = format!("Patient/p{}", patient.index);
    let mut entries = vec![json!({"resource": fhir_patient(patient)}).to_string()];
    let mut length = entries.iter().map(String::len).sum::<usize>();
    while length < store.record.len() {
        let entry = json!({"resource": {
            "resourceType": "Observation", "id": format!("o{}", entries.len()), "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9", "display": "Blood pressure panel"}]},
            "subject": {"reference": of}, "effectiveDateTime": "2026-03-02T10:15:00+01:00",
            "component": [
                {"code": {"text": "Systolic"}, "valueQuantity": {"value": 128, "unit": "mmHg", "code": "mm[Hg]"}},
                {"code": {"text": "Diastolic"}, "valueQuantity": {"value": 82, "unit": "mmHg", "code": "mm[Hg]"}},
            ],
        }})
        .to_string();
        length += entry.len();
        entries.push(entry);
    }
    let bundle = format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{}]}}"#, entries.join(","));
    Ok(([(header::CONTENT_TYPE, FHIR_TYPE)], bundle).into_response())
}

fn fhir_patient(patient: &Patient) -> Value {
    json!({
        "id": format!("p{}", patient.index), "name": [{"text": patient.name}],
        "identifier": [{"value": patient.id.expose(), "system": PERSONNUMMER_SYSTEM}],
        "resourceType": "Patient",
    })
}

#[derive(serde::Deserialize)]
struct At {
    location: String,
}

/// Encounters at a unit with the patients they are about, whom they name by logical id only.
async fn encounters(State(store): State<Arc<Store>>, Query(at): Query<At>) -> Response {
    let Some(position) = unit_position(&at.location) else { return unknown() };
    let mut entries = Vec::new();
    for patient in store.of_unit(position, FOUND_MAX) {
        let id = format!("p{}", patient.index);
        for (number, visit) in patient.visits.iter().enumerate() {
            entries.push(json!({"search": {"mode": "match"}, "resource": {
                "resourceType": "Encounter", "id": format!("V{}-{number}", patient.index), "status": "finished",
                "subject": {"reference": format!("Patient/{id}")},
                "period": {"start": visit.date}, "reasonCode": [{"text": visit.examination}],
            }}));
        }
        entries.push(json!({"search": {"mode": "include"}, "resource": fhir_patient(patient)}));
    }
    let bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": entries.len(), "entry": entries});
    ([(header::CONTENT_TYPE, FHIR_TYPE)], bundle.to_string()).into_response()
}
