//! The registry's JSON interface.

use super::pages::{LIST_MAX, unit_name, unit_position};
use super::store::{NotFound, Store};
use crate::patients::{Patient, UNITS};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

/// The list of a unit's patients.
pub(super) fn unit_routes() -> Router<Arc<Store>> {
    Router::new().route("/api/units/{unit}/patients", get(unit))
}

pub(super) fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/api/patients/{patient}", get(read).put(change))
        .route("/api/search", post(search))
        .route("/api/patients/{patient}/withdrawals", post(withdraw))
        .route("/api/patients/{patient}/signatures", post(sign))
        .route("/whoami", get(whoami))
}

/// A patient as JSON, filled up to `size` bytes.
pub(super) fn patient_json(store: &Store, patient: &Patient, size: usize) -> Value {
    let mut value = json!({
        "personnummer": patient.id.expose(),
        "name": patient.name,
        "unit": {"hsa": UNITS.get(patient.unit).map(|(hsa, _)| hsa), "name": unit_name(patient.unit)},
        "visits": patient.visits,
        "entries": store.entries(patient),
        "synthetic": true,
    });
    let short = size.saturating_sub(value.to_string().len() + FILLER_OVERHEAD);
    if let (true, Some(fields)) = (short > 0, value.as_object_mut()) {
        fields.insert("filler".to_owned(), Value::String("x".repeat(short)));
    }
    value
}

/// The characters around a filler's text: `"filler":"",`.
const FILLER_OVERHEAD: usize = 12;

async fn read(State(store): State<Arc<Store>>, Path(patient): Path<String>) -> Result<Json<Value>, NotFound> {
    Ok(Json(patient_json(&store, store.patient(&patient)?, store.size)))
}

#[derive(serde::Deserialize)]
struct Search {
    personnummer: String,
}

async fn search(State(store): State<Arc<Store>>, Json(search): Json<Search>) -> Result<Json<Value>, NotFound> {
    match store.patient(&search.personnummer) {
        Ok(patient) => Ok(Json(json!({"hits": [patient_json(&store, patient, 0)]}))),
        Err(NotFound::Absent) => Ok(Json(json!({"hits": []}))),
        Err(problem) => Err(problem),
    }
}

async fn unit(State(store): State<Arc<Store>>, Path(unit): Path<String>) -> Response {
    let Some(position) = unit_position(&unit) else {
        return (StatusCode::NOT_FOUND, Json(json!({"error": "no such unit"}))).into_response();
    };
    let row = |p: &Patient| json!({"personnummer": p.id.expose(), "name": p.name});
    let rows: Vec<Value> = store.of_unit(position, LIST_MAX).into_iter().map(row).collect();
    Json(json!({"unit": unit_name(position), "patients": rows})).into_response()
}

async fn change(
    State(store): State<Arc<Store>>,
    Path(patient): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, NotFound> {
    write(&store, &patient, "ändring", &body)
}

async fn withdraw(
    State(store): State<Arc<Store>>,
    Path(patient): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, NotFound> {
    write(&store, &patient, "läkemedelsuttag", &body)
}

async fn sign(
    State(store): State<Arc<Store>>,
    Path(patient): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, NotFound> {
    write(&store, &patient, "signering", &body)
}

fn write(store: &Store, patient: &str, kind: &'static str, body: &Value) -> Result<Json<Value>, NotFound> {
    let patient = store.patient(patient)?;
    store.add(patient, kind, &body.to_string());
    Ok(Json(json!({"saved": kind, "personnummer": patient.id.expose()})))
}

/// HTTP's version and the headers that arrived: shows what the gateway added, kept and took away.
async fn whoami(version: Version, headers: HeaderMap) -> Json<Value> {
    let mut seen = serde_json::Map::new();
    for (name, value) in &headers {
        let text = Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned());
        match seen.get_mut(name.as_str()).and_then(Value::as_array_mut) {
            Some(values) => values.push(text),
            None => {
                seen.insert(name.to_string(), Value::Array(vec![text]));
            }
        }
    }
    Json(json!({"version": format!("{version:?}"), "headers": seen}))
}
