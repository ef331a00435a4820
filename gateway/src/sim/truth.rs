//! What the world has seen and may rely on, and the comparison with what the database holds in the end.

use std::collections::{BTreeMap, BTreeSet};

use contract::id::{DataKeyId, RecordId, RequestId};
use contract::pseudonym::{AuditorPrivateKey, DataKey, PatientRef, SealedIdentity, WrappedKey};
use contract::record::{AuthEventKind, OutcomeKind, PatientEntry, Phase, Reason};
use contract::row::AccessRow;
use contract::wire::Blob;
use uuid::Uuid;

use super::people::Patients;
use crate::shipper::tests::database::Database;

/// What was said and done, in all lives.
#[derive(Default)]
pub(super) struct Truth {
    exchanges: BTreeMap<Uuid, Exchange>,
    /// Whose data left towards a client, or were changed at a registry.
    released: BTreeSet<(Uuid, PatientRef)>,
    /// Events: whether they were reported durable.
    events: BTreeMap<Uuid, bool>,
}

/// An exchange that the journal took.
struct Exchange {
    /// Those whom its intent names, then those whom its answer disclosed, in order.
    entries: Vec<Entry>,
    /// How many its intent names.
    asked: usize,
    outcome: Option<Outcome>,
}

struct Entry {
    reference: PatientRef,
    key: DataKeyId,
    kind: u8,
    problem: Reason,
    proven: bool,
}

/// How an exchange ended, as it was told to the journal.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    status: u16,
    bytes: u64,
    kind: OutcomeKind,
    proven: bool,
}

/// Something that the journal took, and has not said to be durable.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item {
    /// Entries of an exchange, from the first to before the last.
    Entries(RequestId, usize, usize),
    /// An exchange's outcome.
    Outcome(RequestId),
    /// An event.
    Event(RequestId),
}

impl Truth {
    /// The journal took an intent.
    pub(super) fn intended(
        &mut self,
        request: RequestId,
        key: DataKeyId,
        patients: &[PatientEntry],
        answered: Option<(OutcomeKind, u16)>,
    ) -> Item {
        let outcome = answered.map(|(kind, status)| Outcome { status, bytes: 0, kind, proven: true });
        let exchange = Exchange { entries: Vec::new(), asked: patients.len(), outcome };
        assert!(self.exchanges.insert(request.uuid(), exchange).is_none(), "each request has its own id");
        self.more(request, key, patients)
    }

    /// The journal took entries of an exchange.
    pub(super) fn more(&mut self, request: RequestId, key: DataKeyId, patients: &[PatientEntry]) -> Item {
        let entries = &mut self.exchanges.get_mut(&request.uuid()).expect("it was intended").entries;
        let first = entries.len();
        entries.extend(patients.iter().map(|patient| Entry {
            reference: patient.reference,
            key,
            kind: patient.kind,
            problem: patient.problem,
            proven: false,
        }));
        Item::Entries(request, first, entries.len())
    }

    /// The journal took an outcome.
    pub(super) fn ended(&mut self, request: RequestId, kind: OutcomeKind, status: u16, bytes: u64) -> Item {
        let exchange = self.exchanges.get_mut(&request.uuid()).expect("it was intended");
        exchange.outcome = Some(Outcome { status, bytes, kind, proven: false });
        Item::Outcome(request)
    }

    /// The journal took an event.
    pub(super) fn happened(&mut self, id: RequestId) -> Item {
        self.events.insert(id.uuid(), false);
        Item::Event(id)
    }

    /// The journal said that this is durable.
    pub(super) fn prove(&mut self, item: Item) {
        match item {
            Item::Entries(request, first, end) => {
                let exchange = self.exchanges.get_mut(&request.uuid()).expect("it was intended");
                exchange.entries[first..end].iter_mut().for_each(|entry| entry.proven = true);
            }
            Item::Outcome(request) => {
                let exchange = self.exchanges.get_mut(&request.uuid()).expect("it was intended");
                exchange.outcome.as_mut().expect("it has ended").proven = true;
            }
            Item::Event(id) => {
                self.events.insert(id.uuid(), true);
            }
        }
    }

    /// Bytes of this patient's leave.
    pub(super) fn release(&mut self, request: RequestId, patient: PatientRef) {
        let exchange = self.exchanges.get(&request.uuid());
        let entry = exchange.and_then(|exchange| exchange.entries.iter().find(|entry| entry.reference == patient));
        assert!(entry.is_some_and(|entry| entry.proven), "P1: a patient's data leave whose record is not durable");
        self.released.insert((request.uuid(), patient));
    }

    /// How much there is to compare.
    pub(super) fn released(&self) -> usize {
        self.released.len()
    }

    /// Compares with the database, in which everything has arrived.
    pub(super) fn compare(&self, database: &Database, auditor: &AuditorPrivateKey, patients: &Patients) {
        database.check_doubles();
        database.check_seals();
        let rows = database.access();
        let keys = open_keys(database, auditor);
        let mut by_id: BTreeMap<Uuid, &AccessRow> = BTreeMap::new();
        let mut left: BTreeMap<(Uuid, PatientRef), usize> = BTreeMap::new();
        for (row, seq) in rows.iter().zip(1..) {
            assert_eq!(row.seq, seq, "P2: the numbers of access_log have no gaps");
            assert!(by_id.insert(row.record_id, row).is_none(), "P2: a record is there twice");
            if row.phase != Phase::End {
                *left.entry((row.request_id, PatientRef(row.patient_ref))).or_default() += 1;
            }
            if row.patient_kind != 0 {
                patients.check(row, keys.get(&row.patient_key).expect("P1: the data key of a row is missing"));
            }
        }
        for (request, patient) in &self.released {
            let count = left.get(&(*request, *patient)).copied().unwrap_or(0);
            assert_eq!(count, 1, "P1: rows of {request} for one patient whose data left");
        }
        for (request, exchange) in &self.exchanges {
            exchange.compare(RequestId::new(*request), &mut by_id);
        }
        assert_eq!(by_id.len(), 0, "P2: rows of no exchange: {:?}", by_id.values().next());
        self.compare_events(database);
    }

    fn compare_events(&self, database: &Database) {
        let rows = database.auth();
        let mut found = BTreeSet::new();
        for (row, seq) in rows.iter().zip(1..) {
            assert_eq!(row.seq, seq, "P2: the numbers of auth_event have no gaps");
            assert_ne!(row.kind, AuthEventKind::JournalGap, "P2: frames are lost");
            assert!(self.events.contains_key(&row.event_id), "P2: an event that never happened");
            assert!(found.insert(row.event_id), "P2: an event is there twice");
        }
        for (event, proven) in &self.events {
            assert!(!proven || found.contains(event), "P2: an event that was durable is lost");
        }
    }
}

impl Exchange {
    /// Takes the rows of this exchange from among all, and checks them.
    fn compare(&self, request: RequestId, rows: &mut BTreeMap<Uuid, &AccessRow>) {
        let mut disclosed_rows = 0;
        let mut hidden = None;
        for (index, entry) in self.entries.iter().enumerate() {
            let id = |end| RecordId::derive(request, u32::try_from(index).unwrap(), end).uuid();
            let (first, end) = (rows.remove(&id(false)), rows.remove(&id(true)));
            let asked = index < self.asked;
            if let Some(first) = first {
                disclosed_rows += usize::from(!asked);
                entry.check(first);
                let closed = matches!(first.phase, Phase::Whole | Phase::End);
                self.check_outcome(first, closed);
                assert!(end.is_some() || first.phase != Phase::Begin, "P2: {request} has begun, and has no end");
                assert!(first.phase != Phase::Begin || asked, "only what was asked for begins");
            } else if asked && entry.problem == Reason::PatientInResponse {
                // That nobody was named says nothing once somebody was.
                hidden = Some(index);
            } else {
                assert!(!entry.proven, "P2: entry {index} of {request} was durable and has no row");
            }
            if let Some(end) = end {
                assert!(first.is_some_and(|first| first.phase == Phase::Begin), "{request} ends, and has not begun");
                assert_eq!(end.phase, Phase::End);
                entry.check(end);
                self.check_outcome(end, true);
            }
        }
        if let Some(index) = hidden
            && self.entries[index].proven
        {
            assert!(disclosed_rows > 0, "P2: {request} is not there");
        }
    }

    fn check_outcome(&self, row: &AccessRow, closed: bool) {
        if !closed {
            assert_eq!(row.outcome, OutcomeKind::Open);
            return;
        }
        let said = self.outcome.map(|outcome| (outcome.kind, outcome.status, outcome.bytes));
        if self.outcome.is_some_and(|outcome| outcome.proven) || row.outcome != OutcomeKind::Unknown {
            assert_eq!(Some((row.outcome, row.status, row.bytes)), said, "P2: the outcome is another");
        }
    }
}

impl Entry {
    fn check(&self, row: &AccessRow) {
        assert_eq!(PatientRef(row.patient_ref), self.reference, "P2: the row is another patient's");
        assert_eq!(row.patient_kind, self.kind);
        if self.kind != 0 {
            assert_eq!(row.patient_key, self.key.uuid(), "P2: the row names another key");
        }
    }
}

/// The data keys in the database, opened as only the auditor can.
fn open_keys(database: &Database, auditor: &AuditorPrivateKey) -> BTreeMap<Uuid, DataKey> {
    let rows = database.wrapped_keys();
    let open = |row: &contract::row::KeyRow| {
        let wrapped = Blob(hex::decode(row.wrapped.as_ref()).unwrap());
        auditor.unwrap_key(&WrappedKey { id: DataKeyId::new(row.key_id), wrapped }).expect("the auditor's own")
    };
    rows.iter().map(|(id, row)| (*id, open(row))).collect()
}

impl Patients {
    /// The row tells the auditor whom it is about.
    fn check(&self, row: &AccessRow, key: &DataKey) {
        let reference = PatientRef(row.patient_ref);
        let opened = key.open(&SealedIdentity(row.patient_sealed), reference).expect("sealed under this key");
        assert_eq!(self.reference(&opened), reference, "the sealed identity is another's");
    }
}
