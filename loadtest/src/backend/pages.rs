//! The registry's pages, in Swedish: readable without scripts, printable, and usable from the keyboard.

use super::store::{Entry, NotFound, Store};
use crate::patients::{Patient, UNITS, Visit};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use std::sync::Arc;

/// How many patients a unit's list shows.
pub(super) const LIST_MAX: usize = 50;

/// The list of a unit's patients.
pub(super) fn unit_routes() -> Router<Arc<Store>> {
    Router::new().route("/units/{unit}/patients", get(unit))
}

pub(super) fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/", get(start))
        .route("/about", get(about))
        .route("/static/style.css", get(style))
        .route("/patients", get(search_by_query))
        .route("/search", post(search_by_form))
        .route("/patients/{patient}", get(patient))
        .route("/patients/{patient}/notes", post(add_note))
        .route("/healthz", get(|| async { "ok\n" }))
}

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage {
    units: [(&'static str, &'static str); 4],
}

#[derive(Template)]
#[template(path = "about.html")]
struct AboutPage;

#[derive(Template)]
#[template(path = "patient.html")]
struct PatientPage<'a> {
    name: &'a str,
    number: String,
    plain: &'a str,
    unit: &'static str,
    visits: &'a [Visit],
    entries: Vec<Entry>,
}

#[derive(Template)]
#[template(path = "unit.html")]
struct UnitPage<'a> {
    unit: &'static str,
    patients: Vec<(String, &'a str, &'a str)>,
    most: usize,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    heading: &'static str,
    text: &'static str,
}

fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn start() -> Response {
    page(&StartPage { units: UNITS })
}

async fn about() -> Response {
    page(&AboutPage)
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../templates/style.css"))
}

#[derive(serde::Deserialize)]
struct Search {
    personnummer: String,
}

async fn search_by_query(State(store): State<Arc<Store>>, Query(search): Query<Search>) -> Response {
    show(&store, &search.personnummer)
}

async fn search_by_form(State(store): State<Arc<Store>>, Form(search): Form<Search>) -> Response {
    show(&store, &search.personnummer)
}

async fn patient(State(store): State<Arc<Store>>, Path(patient): Path<String>) -> Response {
    show(&store, &patient)
}

fn show(store: &Store, number: &str) -> Response {
    match store.patient(number) {
        Ok(patient) => page(&patient_page(store, patient)),
        Err(problem) => refuse(problem),
    }
}

fn refuse(problem: NotFound) -> Response {
    let (status, heading, text) = match problem {
        NotFound::Form => (
            StatusCode::BAD_REQUEST,
            "Ogiltigt personnummer",
            "Skriv tolv siffror, till exempel ÅÅÅÅMMDD-NNNN, och sök igen.",
        ),
        NotFound::Absent => (StatusCode::NOT_FOUND, "Ingen träff", "Patienten finns inte i Exempelregistret."),
    };
    (status, page(&MessagePage { heading, text })).into_response()
}

fn patient_page<'a>(store: &Store, patient: &'a Patient) -> PatientPage<'a> {
    PatientPage {
        name: &patient.name,
        number: spaced(patient.id.expose()),
        plain: patient.id.expose(),
        unit: unit_name(patient.unit),
        visits: &patient.visits,
        entries: store.entries(patient),
    }
}

/// A number as people read it: `ÅÅÅÅMMDD-NNNN`.
fn spaced(number: &str) -> String {
    number.split_at_checked(8).map_or_else(|| number.to_owned(), |(date, serial)| format!("{date}-{serial}"))
}

/// The name of the unit at this position of [`UNITS`].
pub(super) fn unit_name(unit: usize) -> &'static str {
    UNITS.get(unit).map_or("", |(_, name)| name)
}

/// The position of the unit with this HSA-id.
pub(super) fn unit_position(hsa: &str) -> Option<usize> {
    UNITS.iter().position(|(known, _)| known.eq_ignore_ascii_case(hsa))
}

async fn unit(State(store): State<Arc<Store>>, Path(unit): Path<String>) -> Response {
    let Some(position) = unit_position(&unit) else {
        let text = "Enheten finns inte i Exempelregistret.";
        return (StatusCode::NOT_FOUND, page(&MessagePage { heading: "Ingen sådan enhet", text })).into_response();
    };
    let patients = store.of_unit(position, LIST_MAX);
    let patients = patients.into_iter().map(|p| (spaced(p.id.expose()), p.id.expose(), p.name.as_str())).collect();
    page(&UnitPage { unit: unit_name(position), patients, most: LIST_MAX })
}

#[derive(serde::Deserialize)]
struct Note {
    text: String,
}

async fn add_note(State(store): State<Arc<Store>>, Path(patient): Path<String>, Form(note): Form<Note>) -> Response {
    match store.patient(&patient) {
        Ok(found) => {
            store.add(found, "anteckning", &note.text);
            Redirect::to(&format!("/patients/{}", found.id.expose())).into_response()
        }
        Err(problem) => refuse(problem),
    }
}
