//! What the sample registry holds: the synthetic patients, and what users added to them.

use super::Options;
use super::changes::Changes;
use crate::patients::{Patient, Population};
use crate::rng::Rng;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::identity::parse;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;

/// The registry's state, shared by all requests.
pub(super) struct Store {
    pub(super) population: Population,
    pub(super) latency_ms: u64,
    pub(super) jitter_ms: u64,
    pub(super) size: usize,
    /// Entries of a record, JSON, as many as make an answer of about `size` bytes.
    pub(super) record: String,
    pub(super) requests: AtomicU64,
    pub(super) changes: Changes,
    patients: Vec<Patient>,
    positions: HashMap<String, usize>,
    entries: Mutex<HashMap<u32, VecDeque<Entry>>>,
}

/// Something that a user wrote about a patient.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct Entry {
    /// What kind: note, withdrawal, signature, observation, document or change.
    pub(super) kind: &'static str,
    /// The text, as it came in, cut to [`TEXT_CHARACTERS_MAX`].
    pub(super) text: String,
}

const ENTRIES_PER_PATIENT_MAX: usize = 8;
const TEXT_CHARACTERS_MAX: usize = 400;

impl Store {
    pub(super) fn new(options: &Options) -> Self {
        let population = options.population();
        let patients = population.patients();
        let positions = patients.iter().enumerate().map(|(i, p)| (p.id.expose().to_owned(), i)).collect();
        let size = usize::try_from(options.size).unwrap_or(0);
        Self {
            record: record(population.seed, size),
            population,
            latency_ms: options.latency_ms,
            jitter_ms: options.latency_jitter_ms,
            size,
            requests: AtomicU64::new(0),
            changes: Changes::default(),
            patients,
            positions,
            entries: Mutex::new(HashMap::new()),
        }
    }

    /// The patient with this identity, in any of its forms; else the answer to give.
    pub(super) fn patient(&self, text: &str) -> Result<&Patient, NotFound> {
        let id = parse(text, crate::clock::this_year()).map_err(|_| NotFound::Form)?;
        let position = self.positions.get(id.expose()).ok_or(NotFound::Absent)?;
        self.patients.get(*position).ok_or(NotFound::Absent)
    }

    /// The patient at this position of the list.
    pub(super) fn patient_at(&self, index: usize) -> Option<&Patient> {
        self.patients.get(index)
    }

    /// At most `limit` patients of a unit.
    pub(super) fn of_unit(&self, unit: usize, limit: usize) -> Vec<&Patient> {
        self.patients.iter().filter(|p| p.unit == unit).take(limit).collect()
    }

    /// Keeps what a user wrote; the oldest entry gives way.
    pub(super) fn add(&self, patient: &Patient, kind: &'static str, text: &str) {
        let mut entries = self.entries.lock();
        let list = entries.entry(patient.index).or_default();
        if list.len() >= ENTRIES_PER_PATIENT_MAX {
            list.pop_front();
        }
        list.push_back(Entry { kind, text: text.chars().take(TEXT_CHARACTERS_MAX).collect() });
    }

    /// What users wrote about a patient, oldest first.
    pub(super) fn entries(&self, patient: &Patient) -> Vec<Entry> {
        self.entries.lock().get(&patient.index).map(|list| list.iter().cloned().collect()).unwrap_or_default()
    }
}

/// Entries as registries have them: dates, codes, values, references, a few words. No identity is among them.
fn record(seed: u64, size: usize) -> String {
    let mut rng = Rng::fork(seed, 1 << 40);
    let mut text = String::from("[");
    while text.len() + ENTRY_BYTES < size {
        let (month, day, hour, minute) =
            (rng.between(1, 12), rng.between(1, 28), rng.between(7, 18), rng.between(0, 59));
        let (value, tenth, code) = (rng.between(3, 240), rng.below(10), rng.between(1000, 9999));
        let id = uuid::Builder::from_random_bytes([0; 16].map(|_: u8| rng.below(256) as u8)).into_uuid();
        let comma = if text.len() > 1 { "," } else { "" };
        let _written = write!(
            text,
            r#"{comma}{{"id":"{id}","time":"2025-{month:02}-{day:02}T{hour:02}:{minute:02}:00+01:00","code":"NPU{code:05}","value":{value}.{tenth},"unit":"mmol/L","abnormal":{},"note":"Provet togs enligt rutin, inget att anmärka."}}"#,
            value > 120
        );
    }
    text.push(']');
    text
}

/// About the length of an entry.
const ENTRY_BYTES: usize = 220;

/// Why there is no such patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotFound {
    /// The text is no identity.
    Form,
    /// Nobody in this registry has it.
    Absent,
}

impl IntoResponse for NotFound {
    fn into_response(self) -> Response {
        match self {
            Self::Form => (StatusCode::BAD_REQUEST, "Numret är inget giltigt personnummer.\n"),
            Self::Absent => (StatusCode::NOT_FOUND, "Patienten finns inte i Exempelregistret.\n"),
        }
        .into_response()
    }
}
