//! What the users do: a seeded mixture of reads, searches, writes, transfers, sockets and things that must be refused.
//!
//! Pure: a draw gives an [`Action`], which says what to send and what it should come to.

use super::ledger::{Expect, PatientIndex, Patients};
use crate::client::coding::ACCEPTED;
use crate::patients::{Patient, UNITS};
use crate::rng::Rng;
use contract::pseudonym::PatientRef;
use http::Method;

/// A patient as the traffic knows them: the number to ask with, and how many encounters there are.
#[derive(Debug, Clone)]
pub struct Known {
    /// The personnummer.
    pub number: String,
    /// Its pseudonym in this installation.
    pub reference: PatientRef,
    visits: u64,
}

impl Known {
    /// A patient of the population.
    pub fn new(patient: &Patient, reference: PatientRef) -> Self {
        Self { number: patient.id.expose().to_owned(), reference, visits: patient.visits.len() as u64 }
    }
}

/// What a user may do in the sample registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Read and write.
    Writer,
    /// Read only.
    Reader,
    /// Nothing: logged in, without a grant.
    Outsider,
    /// Not logged in, or with a session of another device.
    Stranger,
}

/// A body to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// None.
    Empty,
    /// `application/x-www-form-urlencoded`.
    Form(String),
    /// JSON, with its content type.
    Json(&'static str, String),
    /// So many bytes in chunks.
    Upload(u64),
}

/// How the answer is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Read to its end.
    Whole,
    /// Broken off after the first piece.
    First,
    /// A WebSocket: opened, one question, closed.
    Socket,
}

/// More than any list here has, decoded.
pub const LIST_BYTES_MAX: usize = 4 << 20;

/// What the answer's body must be, so that no answer is taken for another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Anything.
    Any,
    /// It holds this text.
    Text(String),
    /// It is the document of so many bytes of this patient ([`crate::backend::document_byte`]).
    Document(PatientIndex, u64),
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// An additional header.
    pub header: Option<(&'static str, String)>,
    /// The body.
    pub payload: Payload,
    /// What codings the client takes.
    pub codings: Option<&'static str>,
    /// How the answer is taken.
    pub take: Take,
    /// What it should come to for somebody who may do it.
    pub expect: Expect,
    /// What the answer to somebody who may do it holds.
    pub content: Content,
}

impl Action {
    fn get(path: String, expect: Expect) -> Self {
        Self {
            method: Method::GET,
            path,
            header: None,
            payload: Payload::Empty,
            codings: None,
            take: Take::Whole,
            expect,
            content: Content::Any,
        }
    }

    fn send(method: Method, path: String, payload: Payload, expect: Expect) -> Self {
        Self { method, path, header: None, payload, codings: None, take: Take::Whole, expect, content: Content::Any }
    }

    fn holding(mut self, text: impl Into<String>) -> Self {
        self.content = Content::Text(text.into());
        self
    }
}

/// The kinds of traffic, as a report counts them.
pub const KINDS: [&str; 15] = [
    "reads",
    "html",
    "searches",
    "html_lists",
    "lists",
    "exports",
    "events",
    "bundles",
    "headers",
    "writes",
    "transactions",
    "uploads",
    "documents",
    "sockets",
    "plain",
];

impl Action {
    /// What kind of traffic it is: one of [`KINDS`].
    pub fn kind(&self) -> &'static str {
        let path = self.path.as_str();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let get = self.method == Method::GET;
        match path {
            _ if self.take == Take::Socket => "sockets",
            "/search" | "/api/search" => "searches",
            "/patients" | "/fhir/Patient" if !query.is_empty() => "searches",
            "/fhir/Encounter" => "bundles",
            "/fhir" => "transactions",
            _ if path.ends_with("/export") => "exports",
            _ if path.ends_with("/events") => "events",
            _ if path.ends_with("/next") => "headers",
            _ if path.starts_with("/units/") => "html_lists",
            _ if path.starts_with("/api/units/") => "lists",
            _ if path.ends_with("/documents") => "uploads",
            _ if path.contains("/documents/") => "documents",
            _ if !get => "writes",
            _ if path.starts_with("/patients/") => "html",
            _ if path.starts_with("/api/") || path.starts_with("/fhir/") => "reads",
            _ => "plain",
        }
    }
}

/// The length of a download that is broken off: more than fits into the buffers between backend and client.
const LONG_DOWNLOAD_BYTES: u64 = 64 << 20;
const SYSTEM: &str = "urn:oid:1.2.752.129.2.1.3.1";

/// Draws what somebody of this standing does next.
pub fn draw(rng: &mut Rng, standing: Standing, patients: &[Known]) -> Action {
    let mut action = match rng.below(100) {
        0..46 => read(rng, patients),
        46..60 => search(rng, patients),
        60..68 => list(rng),
        68..84 => write(rng, patients),
        84..88 => transfer(rng, patients),
        88..90 => socket(rng, patients),
        90..93 => plain(rng),
        _ => wrong(rng),
    };
    let changes = !matches!(action.method, Method::GET) && action.expect_change();
    let allowed = match standing {
        Standing::Writer => true,
        Standing::Reader => !changes,
        Standing::Outsider | Standing::Stranger => action.path.starts_with("/static/"),
    };
    if !allowed {
        action.expect = Expect::Refusal;
        action.take = if action.take == Take::First { Take::Whole } else { action.take };
    }
    action
}

impl Action {
    fn expect_change(&self) -> bool {
        !matches!(self.path.as_str(), "/search" | "/api/search")
    }
}

fn one(rng: &mut Rng, patients: &[Known]) -> (PatientIndex, Known) {
    let index = rng.below(patients.len() as u64);
    let position = usize::try_from(index).unwrap_or(0);
    let known = patients.get(position).cloned().unwrap_or(Known {
        number: String::new(),
        reference: PatientRef::NONE,
        visits: 0,
    });
    (PatientIndex::try_from(index).unwrap_or(0), known)
}

fn only(index: PatientIndex) -> Expect {
    Expect::Patients([index].into_iter().collect())
}

/// The number as people and programs write it: with and without the sign.
fn spelled(rng: &mut Rng, number: &str) -> String {
    match number.split_at_checked(8) {
        Some((date, serial)) if rng.chance(30) => format!("{date}-{serial}"),
        _ => number.to_owned(),
    }
}

fn read(rng: &mut Rng, patients: &[Known]) -> Action {
    let (index, patient) = one(rng, patients);
    let number = spelled(rng, &patient.number);
    match rng.below(10) {
        0..4 => Action::get(format!("/api/patients/{number}"), only(index)).holding(&patient.number),
        4..7 => Action::get(format!("/patients/{number}"), only(index)).holding(&patient.number),
        7 | 8 => Action::get(format!("/fhir/Patient/{}", patient.number), only(index)).holding(&patient.number),
        _ => {
            let visit = rng.below(patient.visits.max(1));
            let mut action =
                Action::get(format!("/fhir/Encounter/V{index}-{visit}"), only(index)).holding(&patient.number);
            action.header = Some(("x-patient-id", patient.number));
            action
        }
    }
}

fn search(rng: &mut Rng, patients: &[Known]) -> Action {
    let (index, patient) = one(rng, patients);
    let number = spelled(rng, &patient.number);
    let action = match rng.below(8) {
        0..2 => Action::get(format!("/patients?personnummer={number}"), only(index)),
        2..4 => Action::send(
            Method::POST,
            "/search".to_owned(),
            Payload::Form(format!("personnummer={number}")),
            only(index),
        ),
        4..6 => {
            let body = format!(r#"{{"personnummer":"{number}"}}"#);
            Action::send(Method::POST, "/api/search".to_owned(), Payload::Json("application/json", body), only(index))
        }
        6 => Action::get(format!("/fhir/Patient?identifier={SYSTEM}|{}", patient.number), only(index)),
        _ => Action::get(
            format!("/fhir/Patient?identifier=urn%3Aoid%3A1.2.752.129.2.1.3.1%7C{}", patient.number),
            only(index),
        ),
    };
    action.holding(patient.number)
}

/// Something whose answer says who: a list in each of its forms, or whose turn it is.
fn list(rng: &mut Rng) -> Action {
    let unit = rng.pick(&UNITS).map_or("", |(hsa, _)| hsa);
    let path = match rng.below(6) {
        0 => format!("/units/{unit}/patients"),
        1 => format!("/api/units/{unit}/patients"),
        2 => format!("/api/units/{unit}/export"),
        3 => format!("/api/units/{unit}/events"),
        4 => format!("/fhir/Encounter?location={unit}"),
        _ => format!("/api/units/{unit}/next?turn={}", rng.below(1000)),
    };
    let mut action = Action::get(path, Expect::Listed(Patients::new()));
    if rng.chance(15) {
        action.take = Take::First;
    } else {
        action.codings = rng.pick(&ACCEPTED).copied().flatten();
    }
    action
}

fn write(rng: &mut Rng, patients: &[Known]) -> Action {
    let (index, patient) = one(rng, patients);
    let number = &patient.number;
    let json = |text: &str| Payload::Json("application/json", text.to_owned());
    match rng.below(6) {
        0 => Action::send(Method::PUT, format!("/api/patients/{number}"), json(r#"{"phone":"000"}"#), only(index))
            .holding(number),
        1 => Action::send(
            Method::POST,
            format!("/patients/{number}/notes"),
            Payload::Form("text=Provanteckning".to_owned()),
            only(index),
        ),
        2 => Action::send(
            Method::POST,
            format!("/api/patients/{number}/withdrawals"),
            json(r#"{"drug":"prov","amount":1}"#),
            only(index),
        )
        .holding(number),
        3 => Action::send(
            Method::POST,
            format!("/api/patients/{number}/signatures"),
            json(r#"{"signed":true}"#),
            only(index),
        )
        .holding(number),
        4 => Action::send(
            Method::POST,
            "/fhir/Observation".to_owned(),
            Payload::Json("application/fhir+json", observation(number)),
            only(index),
        )
        .holding(number),
        _ => transaction(rng, patients),
    }
}

fn observation(number: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"text":"prov"}},"subject":{{"identifier":{{"system":"{SYSTEM}","value":"{number}"}}}}}}"#
    )
}

/// A transaction about several patients, each once.
fn transaction(rng: &mut Rng, patients: &[Known]) -> Action {
    let (mut chosen, mut entries) = (Patients::new(), Vec::new());
    for _ in 0..rng.between(1, 5) {
        let (index, patient) = one(rng, patients);
        if !chosen.contains(&index) {
            chosen.push(index);
            entries.push(format!(
                r#"{{"resource":{},"request":{{"method":"POST","url":"Observation"}}}}"#,
                observation(&patient.number)
            ));
        }
    }
    let body = format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#, entries.join(","));
    Action::send(
        Method::POST,
        "/fhir".to_owned(),
        Payload::Json("application/fhir+json", body),
        Expect::Patients(chosen),
    )
}

fn transfer(rng: &mut Rng, patients: &[Known]) -> Action {
    let (index, patient) = one(rng, patients);
    let path = format!("/api/patients/{}/documents", patient.number);
    match rng.below(3) {
        0 => {
            let size = rng.between(1, 300_000);
            Action::send(Method::POST, path, Payload::Upload(size), only(index)).holding(format!("\"size\":{size}}}"))
        }
        1 => {
            let size = rng.between(0, 300_000);
            let mut action = Action::get(format!("{path}/{size}"), only(index));
            action.content = Content::Document(index, size);
            action
        }
        _ => {
            let mut action = Action::get(format!("{path}/{LONG_DOWNLOAD_BYTES}"), only(index));
            action.take = Take::First;
            action
        }
    }
}

fn socket(rng: &mut Rng, patients: &[Known]) -> Action {
    let (index, patient) = one(rng, patients);
    let mut action = match rng.below(2) {
        0 => Action::get(format!("/ws/patients/{}", patient.number), only(index)),
        _ => Action::get("/ws".to_owned(), Expect::Heard(Patients::new())),
    };
    action.take = Take::Socket;
    action
}

fn plain(rng: &mut Rng) -> Action {
    let path = rng.pick(&["/", "/about", "/whoami", "/static/style.css"]).copied().unwrap_or("/");
    Action::get(path.to_owned(), Expect::Nothing)
}

/// Requests that nobody may make, and patients that nobody is.
fn wrong(rng: &mut Rng) -> Action {
    match rng.below(5) {
        0 => Action::get("/nowhere".to_owned(), Expect::Refusal),
        1 => Action::send(Method::DELETE, "/patients/191212121212".to_owned(), Payload::Empty, Expect::Refusal),
        2 => Action::get("/patients/191212121213".to_owned(), Expect::Unidentified),
        3 => Action::get("/api/patients/inget-nummer".to_owned(), Expect::Unidentified),
        _ => {
            let body = r#"{"personnummer":"191302301212"}"#.to_owned();
            Action::send(
                Method::POST,
                "/api/search".to_owned(),
                Payload::Json("application/json", body),
                Expect::Unidentified,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patients::Population;
    use std::collections::HashSet;

    fn known() -> Vec<Known> {
        Population { seed: 1, count: 20 }.patients().iter().map(|p| Known::new(p, PatientRef::NONE)).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_actions() {
        let list = |seed| {
            let mut rng = Rng::new(seed);
            (0..200).map(|_| draw(&mut rng, Standing::Writer, &known())).collect::<Vec<_>>()
        };
        assert_eq!(list(5), list(5));
        assert_ne!(list(5), list(6));
    }

    #[test]
    fn a_reader_may_not_change_and_an_outsider_may_do_nothing_with_patients() {
        let mut rng = Rng::new(3);
        for _ in 0..2000 {
            let action = draw(&mut rng, Standing::Reader, &known());
            let searches = matches!(action.path.as_str(), "/search" | "/api/search");
            assert_eq!(
                action.expect == Expect::Refusal,
                !(action.method == Method::GET || searches) || action.path == "/nowhere",
                "{action:?}"
            );
            assert!(!matches!(
                draw(&mut rng, Standing::Outsider, &known()).expect,
                Expect::Patients(_) | Expect::Listed(_) | Expect::Heard(_) | Expect::Unidentified
            ));
        }
    }

    #[test]
    fn every_kind_is_drawn_and_of_what_names_patients_in_its_answer_some_is_broken_off() {
        let mut rng = Rng::new(9);
        let drawn: Vec<_> = (0..20_000).map(|_| draw(&mut rng, Standing::Writer, &known())).collect();
        let kinds: HashSet<_> = drawn.iter().map(Action::kind).collect();
        assert_eq!(kinds, KINDS.into_iter().collect());
        for (action, kind) in drawn.iter().map(|action| (action, action.kind())) {
            let listed = ["html_lists", "lists", "exports", "events", "bundles", "headers"].contains(&kind);
            assert_eq!(listed, matches!(action.expect, Expect::Listed(_)), "{action:?}");
            assert!(action.take != Take::First || listed || kind == "documents", "{action:?}");
        }
    }

    #[test]
    fn a_transaction_names_each_patient_once() {
        let mut rng = Rng::new(4);
        for _ in 0..500 {
            let Expect::Patients(patients) = transaction(&mut rng, &known()).expect else { continue };
            assert_eq!(patients.iter().collect::<HashSet<_>>().len(), patients.len());
        }
    }
}
