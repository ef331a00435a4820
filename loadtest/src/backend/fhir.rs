//! A small FHIR R4 side: read, search by identifier, writes whose body names the patient.

use super::store::{NotFound, Store};
use crate::patients::{Patient, UNITS};
use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::sync::Arc;

/// The identifier system of personnummer.
pub(super) const PERSONNUMMER_SYSTEM: &str = "urn:oid:1.2.752.129.2.1.3.1";
/// The header that names the patient where nothing else does: of a request, and of some answers.
pub const PATIENT_HEADER: &str = "x-patient-id";
const BODY_BYTES_MAX: usize = 1 << 20;

pub(super) fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/fhir", post(transaction))
        .route("/fhir/Patient", get(search))
        .route("/fhir/Patient/{id}", get(read))
        .route("/fhir/Encounter/{id}", get(encounter))
        .route("/fhir/Observation", post(observe))
}

fn fhir(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/fhir+json; charset=utf-8")], body.to_string()).into_response()
}

fn outcome(status: StatusCode, code: &str, text: &str) -> Response {
    let issue = json!({"severity": "error", "code": code, "diagnostics": text});
    fhir(status, &json!({"resourceType": "OperationOutcome", "issue": [issue]}))
}

fn missing(problem: NotFound) -> Response {
    match problem {
        NotFound::Form => outcome(StatusCode::BAD_REQUEST, "value", "not a valid identity number"),
        NotFound::Absent => outcome(StatusCode::NOT_FOUND, "not-found", "no such patient"),
    }
}

fn patient_resource(patient: &Patient) -> Value {
    let (family, given) =
        patient.name.split_once(' ').map_or(("", patient.name.as_str()), |(given, family)| (family, given));
    json!({
        "resourceType": "Patient",
        "id": patient.id.expose(),
        "identifier": [{"system": PERSONNUMMER_SYSTEM, "value": patient.id.expose()}],
        "name": [{"use": "official", "family": family, "given": [given]}],
        "managingOrganization": {"display": UNITS.get(patient.unit).map(|(_, name)| name)},
        "meta": {"tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]},
    })
}

#[derive(serde::Deserialize)]
struct Search {
    identifier: String,
}

async fn search(State(store): State<Arc<Store>>, Query(search): Query<Search>) -> Response {
    let (system, value) = search.identifier.split_once('|').unwrap_or(("", &search.identifier));
    if !(system.is_empty() || system == PERSONNUMMER_SYSTEM) {
        return outcome(StatusCode::BAD_REQUEST, "value", "unknown identifier system");
    }
    let entries = match store.patient(value) {
        Ok(patient) => vec![json!({"resource": patient_resource(patient), "search": {"mode": "match"}})],
        Err(NotFound::Absent) => vec![],
        Err(problem) => return missing(problem),
    };
    fhir(
        StatusCode::OK,
        &json!({"resourceType": "Bundle", "type": "searchset", "total": entries.len(), "entry": entries}),
    )
}

/// The patient by logical id, which is the personnummer.
async fn read(State(store): State<Arc<Store>>, Path(id): Path<String>) -> Response {
    match store.patient(&id) {
        Ok(patient) => fhir(StatusCode::OK, &patient_resource(patient)),
        Err(problem) => missing(problem),
    }
}

/// An encounter: its id `V<patient>-<visit>` says nothing of the patient, so the header must, and rightly.
async fn encounter(State(store): State<Arc<Store>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let place = id.strip_prefix('V').and_then(|rest| rest.split_once('-'));
    let place = place.and_then(|(p, v)| Some((p.parse::<usize>().ok()?, v.parse::<usize>().ok()?)));
    let named = headers.get(PATIENT_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let found = place.and_then(|(p, v)| {
        let patient = store.patient_at(p)?;
        Some((patient, patient.visits.get(v)?))
    });
    match (found, store.patient(named)) {
        (Some((patient, visit)), Ok(claimed)) if patient.index == claimed.index => fhir(
            StatusCode::OK,
            &json!({
                "resourceType": "Encounter", "id": id, "status": "finished",
                "subject": {"identifier": {"system": PERSONNUMMER_SYSTEM, "value": patient.id.expose()}},
                "period": {"start": visit.date}, "reasonCode": [{"text": visit.examination}],
            }),
        ),
        (_, Err(problem)) => missing(problem),
        _ => outcome(StatusCode::NOT_FOUND, "not-found", "this patient has no such encounter"),
    }
}

fn subject(resource: &Value) -> Option<&str> {
    resource.pointer("/subject/identifier/value").and_then(Value::as_str)
}

async fn body(request: Request) -> Result<Value, Response> {
    let bad = || outcome(StatusCode::BAD_REQUEST, "structure", "the body is not a JSON resource");
    let bytes = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|_| bad())?;
    serde_json::from_slice(&bytes).map_err(|_| bad())
}

async fn observe(State(store): State<Arc<Store>>, request: Request) -> Response {
    let resource = match body(request).await {
        Ok(resource) => resource,
        Err(answer) => return answer,
    };
    match store.patient(subject(&resource).unwrap_or_default()) {
        Ok(patient) => {
            store.add(patient, "observation", &resource.to_string());
            fhir(StatusCode::CREATED, &resource)
        }
        Err(problem) => missing(problem),
    }
}

/// A transaction: a Bundle whose entries each have a subject. All or nothing.
async fn transaction(State(store): State<Arc<Store>>, request: Request) -> Response {
    let bundle = match body(request).await {
        Ok(bundle) => bundle,
        Err(answer) => return answer,
    };
    let entries = bundle.get("entry").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut patients = Vec::with_capacity(entries.len());
    for entry in entries {
        match store.patient(entry.get("resource").and_then(subject).unwrap_or_default()) {
            Ok(patient) => patients.push((patient, entry.to_string())),
            Err(problem) => return missing(problem),
        }
    }
    for (patient, text) in &patients {
        store.add(patient, "observation", text);
    }
    let answers: Vec<Value> = patients.iter().map(|_| json!({"response": {"status": "201 Created"}})).collect();
    fhir(StatusCode::OK, &json!({"resourceType": "Bundle", "type": "transaction-response", "entry": answers}))
}
