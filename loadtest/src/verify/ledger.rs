//! The ledger: what was answered, by request id. What ClickHouse holds is compared with this, and with nothing that
//! came from the gateway's own records.
//!
//! A request whose answer's head never came has no id here: it is «lost», and may have a row or not, but not two.
//! Memory is bounded by [`ENTRIES_MAX`]; the traffic stops when it is reached.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// The most requests that one run keeps account of.
pub const ENTRIES_MAX: usize = 3_000_000;

/// Position of a patient in the population.
pub type PatientIndex = u32;

/// The patients that a request names; most name one.
pub type Patients = smallvec::SmallVec<[PatientIndex; 1]>;

/// What a request should come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Allowed: one row for each of these patients.
    Patients(Patients),
    /// Allowed, and the answer says who: a row for each of these, whom the client saw in it. Of an answer that broke off, and
    /// of one whose head only came, more may be on record: they were about to leave.
    Listed(Patients),
    /// The same on a connection that stays, which has a row of its own.
    Heard(Patients),
    /// Allowed, and no patient can be told: one row without a patient.
    Unidentified,
    /// Allowed, and no patient data: at most one row, without a patient.
    Nothing,
    /// Refused by the gateway: recorded with decision deny.
    Refusal,
}

/// How an exchange ended, as the client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The whole answer came.
    Complete,
    /// The head came, the rest not: broken off by either side.
    Aborted,
    /// The gateway refused.
    Refused,
    /// The gateway could not: its own 5xx, nothing disclosed.
    Unavailable,
}

/// Who asks: what a row must say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The user's HSA-id; empty for nobody, none if the request's own rows may say either.
    pub user: Option<String>,
    /// The device.
    pub device: Uuid,
}

impl Asker {
    /// Whether a row that names this user and this device is of this asker.
    pub fn is(&self, user: &str, device: Uuid) -> bool {
        self.device == device && self.user.as_ref().is_none_or(|own| own == user)
    }
}

/// One request whose answer's head came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who asked.
    pub asker: Arc<Asker>,
    /// What it should come to.
    pub expect: Expect,
    /// What it came to.
    pub end: End,
}

/// The account of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<State>,
    requests: AtomicU64,
}

/// The ledger's contents.
#[derive(Debug, Default)]
pub struct State {
    /// By request id.
    pub entries: HashMap<Uuid, Entry>,
    /// Who sent requests that got no answer, by the patients they named, sorted.
    pub lost: HashMap<Patients, Vec<Arc<Asker>>>,
    /// Who sent requests that got no answer, which would have said who.
    pub lost_lists: Vec<Arc<Asker>>,
    /// Answers that should not have been, at most [`ODDITIES_MAX`] of them in words, and of which request.
    pub oddities: Vec<(String, Option<Uuid>)>,
    /// How many such answers.
    pub odd: u64,
}

const ODDITIES_MAX: usize = 20;

impl Ledger {
    /// A request is about to be sent.
    pub fn sent(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were sent.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// An answer came.
    pub fn answered(&self, id: Uuid, entry: Entry) {
        let mut state = self.state.lock();
        if state.entries.insert(id, entry).is_some() {
            state.note_odd("the request's id was given twice".to_owned(), Some(id));
        }
    }

    /// No answer came.
    pub fn lost(&self, asker: &Arc<Asker>, expect: &Expect) {
        let patients = match expect {
            Expect::Patients(patients) => sorted(patients.clone()),
            Expect::Listed(_) | Expect::Heard(_) => {
                return self.state.lock().lost_lists.push(Arc::clone(asker));
            }
            Expect::Unidentified | Expect::Nothing | Expect::Refusal => Patients::new(),
        };
        self.state.lock().lost.entry(patients).or_default().push(Arc::clone(asker));
    }

    /// An answer came that should not have.
    pub fn odd(&self, what: String, request: Option<Uuid>) {
        self.state.lock().note_odd(what, request);
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        self.state.lock().entries.len() < ENTRIES_MAX
    }

    /// How many requests have an entry.
    pub fn len(&self) -> usize {
        self.state.lock().entries.len()
    }

    /// Whether nothing was answered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The contents, at the end.
    pub fn into_state(self) -> State {
        self.state.into_inner()
    }
}

impl State {
    fn note_odd(&mut self, what: String, request: Option<Uuid>) {
        self.odd += 1;
        if self.oddities.len() < ODDITIES_MAX {
            self.oddities.push((what, request));
        }
    }
}

/// The patients in the order that lists are compared in.
pub fn sorted(mut patients: Patients) -> Patients {
    patients.sort_unstable();
    patients
}
