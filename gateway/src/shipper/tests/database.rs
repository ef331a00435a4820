//! A ClickHouse that fails: it loses inserts, answers, and parts of inserts, stores them late, refuses them, and dies
//! with the gateway in the middle of one. What was stored stays stored.
//!
//! It also watches: that nothing is sent that it had said it has, that keys come before rows and rows before seals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::row::{AccessRow, AuthRow, KeyRow, Record, SealKeyRow, SealRow};
use contract::seal::{Root, SignedHandOver, Stream, verify};
use parking_lot::Mutex;
use uuid::Uuid;

use super::super::sink::{Identity, Load, Question, Sink, SinkError, Stored as There};
use crate::journal::sim::{Faults, SimStorage};

/// What goes wrong with an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It never arrives.
    Lose,
    /// It is stored, the answer is lost.
    Answer,
    /// Some of it is stored, the answer is lost.
    Part,
    /// It is stored some time later, after the connection was given up.
    Late,
    /// It is refused.
    Refuse,
    /// The gateway dies while it is under way, in one of the ways above.
    Crash,
}

/// The database. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Database(Arc<Mutex<Tables>>);

#[derive(Default)]
struct Tables {
    /// In the order in which they were stored, doubles included.
    access: Vec<AccessRow>,
    auth: Vec<AuthRow>,
    keys: Vec<KeyRow>,
    seals: Vec<SealRow>,
    hand_overs: Vec<SealKeyRow>,
    late: Vec<Stored>,
    /// 1/1000 of inserts and of questions.
    odds: u64,
    pass: u64,
    planned: Vec<Fault>,
    questions: u64,
    /// Nothing gets through, for now.
    down: bool,
    /// Somebody has added rows, so that no answer can be trusted to mean the gateway's.
    strangers: bool,
}

/// A load of its own.
#[derive(Clone)]
enum Stored {
    Keys(Vec<KeyRow>),
    Access(Vec<AccessRow>),
    Auth(Vec<AuthRow>),
    Seal(Box<SealRow>),
    HandOvers(Vec<SealKeyRow>),
}

impl Database {
    /// From now on, so many inserts in a thousand go wrong.
    pub(crate) fn set_odds(&self, odds: u64) {
        self.0.lock().odds = odds;
    }

    /// From now on nothing gets through, or everything does again.
    pub(crate) fn set_down(&self, down: bool) {
        self.0.lock().down = down;
    }

    /// The next inserts go wrong in this way.
    pub(super) fn fail_next(&self, fault: Fault, times: usize) {
        self.0.lock().planned.extend(std::iter::repeat_n(fault, times));
    }

    /// Nothing that was planned goes wrong.
    pub(crate) fn forgive(&self) {
        self.0.lock().planned.clear();
    }

    /// Before planned faults, so many inserts go well.
    pub(crate) fn pass_next(&self, times: u64) {
        self.0.lock().pass = times;
    }

    /// Stores what was on its way, or some of it.
    pub(crate) fn land(&self, sim: &SimStorage, all: bool) {
        let mut tables = self.0.lock();
        for late in std::mem::take(&mut tables.late) {
            if all || sim.below(2) == 0 { tables.store(late) } else { tables.late.push(late) }
        }
    }

    /// What `FINAL` shows, in the order of the rows' numbers. Doubles must be equal to the byte.
    pub(crate) fn access(&self) -> Vec<AccessRow> {
        let tables = self.0.lock();
        let mut rows: Vec<_> = last_of_each(&tables.access, |row| row.record_id).into_values().collect();
        rows.sort_by_key(|row| row.seq);
        rows
    }

    pub(crate) fn auth(&self) -> Vec<AuthRow> {
        let tables = self.0.lock();
        let mut rows: Vec<_> = last_of_each(&tables.auth, |row| row.event_id).into_values().collect();
        rows.sort_by_key(|row| row.seq);
        rows
    }

    pub(crate) fn keys(&self) -> BTreeSet<Uuid> {
        self.0.lock().keys.iter().map(|key| key.key_id).collect()
    }

    /// The data keys, as they were sealed to the auditor.
    pub(crate) fn wrapped_keys(&self) -> BTreeMap<Uuid, KeyRow> {
        last_of_each(&self.0.lock().keys, |key| key.key_id)
    }

    pub(crate) fn seals(&self) -> Vec<SealRow> {
        last_of_each(&self.0.lock().seals, |seal| (seal.stream.tag(), seal.batch)).into_values().collect()
    }

    /// Whatever is stored twice is the same, to the byte.
    pub(crate) fn check_doubles(&self) {
        let tables = self.0.lock();
        all_equal(&tables.access, |row| row.record_id);
        all_equal(&tables.auth, |row| row.event_id);
        all_equal(&tables.keys, |row| row.key_id);
        all_equal(&tables.seals, |seal| (seal.stream.tag(), seal.batch));
    }

    /// Each seal covers the rows of its batch, is signed, and chains to the one before.
    pub(crate) fn check_seals(&self) {
        let (access, auth) = (self.access(), self.auth());
        let mut previous = BTreeMap::new();
        for seal in self.seals() {
            let mut root = Root::default();
            let numbers: Vec<u64> = match seal.stream {
                Stream::Access => {
                    let rows = access.iter().filter(|row| row.batch == seal.batch);
                    rows.inspect(|row| root.add(&bytes(*row))).map(|row| row.seq).collect()
                }
                Stream::Auth => {
                    let rows = auth.iter().filter(|row| row.batch == seal.batch);
                    rows.inspect(|row| root.add(&bytes(*row))).map(|row| row.seq).collect()
                }
            };
            if numbers.len() as u64 == seal.last - seal.first + 1 {
                assert!(numbers.iter().copied().eq(seal.first..=seal.last), "{numbers:?}");
                let (root, leaves) = root.finish();
                assert_eq!((root, &leaves), (seal.root, &seal.leaves), "batch {}", seal.batch);
            } else {
                panic!("seal of batch {} covers {}..={}, there are {numbers:?}", seal.batch, seal.first, seal.last);
            }
            let statement = seal.statement();
            assert!(verify(&statement, &seal.key, &seal.signature));
            let before = previous.insert(seal.stream.tag(), statement.chain()).unwrap_or([0; 32]);
            assert_eq!(seal.previous, before, "batch {} does not chain", seal.batch);
        }
    }
}

impl Database {
    /// Loses each row of which that is said, by its place among all. Says how many.
    pub(super) fn lose(&self, mut which: impl FnMut(u64) -> bool) -> usize {
        let mut tables = self.0.lock();
        let mut number = 0;
        let mut stays = || {
            number += 1;
            !which(number)
        };
        let count = |tables: &Tables| tables.access.len() + tables.auth.len() + tables.seals.len();
        let before = count(&tables);
        tables.access.retain(|_| stays());
        tables.auth.retain(|_| stays());
        tables.seals.retain(|_| stays());
        let lost = before - count(&tables);
        if lost > 0 {
            // Of keys and hand-overs nobody asks: they come with the rest.
            tables.keys.clear();
            tables.hand_overs.clear();
        }
        lost
    }

    /// Loses all there is of these batches.
    pub(super) fn lose_batches(&self, which: impl Fn(u64) -> bool) {
        let mut tables = self.0.lock();
        tables.access.retain(|row| !which(row.batch));
        tables.auth.retain(|row| !which(row.batch));
        tables.seals.retain(|seal| !which(seal.batch));
    }

    /// Loses one row.
    pub(super) fn lose_access(&self, seq: u64) {
        self.0.lock().access.retain(|row| row.seq != seq || row.record_id == STRANGER);
    }

    /// Loses what somebody has added.
    pub(super) fn lose_stranger(&self) {
        self.0.lock().access.retain(|row| row.record_id != STRANGER);
    }

    /// Somebody adds a row like another one, with an id of its own. Its number is another's or its own.
    pub(super) fn add_stranger(&self, like: u64, seq: u64) {
        let mut tables = self.0.lock();
        tables.strangers = true;
        let row = tables.access.iter().find(|row| row.seq == like).cloned().unwrap();
        tables.access.push(AccessRow { record_id: STRANGER, seq, ..row });
    }

    /// From the first key on, each key hands over once to the next, at the seal where it says; and each seal is by the key
    /// that held for it.
    pub(super) fn check_keys(&self, first: [u8; 32]) {
        let hand_overs: BTreeMap<_, _> =
            self.0.lock().hand_overs.iter().map(|row| (row.signature, SignedHandOver::from(row))).collect();
        let mut of_key = BTreeMap::new();
        for signed in hand_overs.values() {
            assert!(signed.holds());
            assert!(of_key.insert(signed.said.old, &signed.said).is_none(), "a key hands over twice");
        }
        for seal in self.seals() {
            let mut key = first;
            while let Some(said) = of_key.get(&key).filter(|said| said.edge(seal.stream).batch <= seal.batch) {
                if said.edge(seal.stream).batch == seal.batch {
                    assert_eq!(said.edge(seal.stream).previous, seal.previous);
                }
                key = said.new;
            }
            assert_eq!(seal.key, key, "batch {} is by another key", seal.batch);
        }
    }
}

fn last_of_each<R: Clone, K: Ord>(rows: &[R], key: impl Fn(&R) -> K) -> BTreeMap<K, R> {
    rows.iter().map(|row| (key(row), row.clone())).collect()
}

fn all_equal<R: PartialEq + std::fmt::Debug, K: Ord>(rows: &[R], key: impl Fn(&R) -> K) {
    let mut seen: BTreeMap<K, &R> = BTreeMap::new();
    for row in rows {
        let first = *seen.entry(key(row)).or_insert(row);
        assert!(first == row, "stored twice, and not the same:\n{first:?}\n{row:?}");
    }
}

impl Tables {
    fn store(&mut self, rows: Stored) {
        match rows {
            Stored::Keys(rows) => self.keys.extend(rows),
            Stored::Access(rows) => self.access.extend(rows),
            Stored::Auth(rows) => self.auth.extend(rows),
            Stored::Seal(row) => self.seals.push(*row),
            Stored::HandOvers(rows) => self.hand_overs.extend(rows),
        }
    }

    /// The numbers and ids of what is asked for.
    fn found(&self, question: Question) -> Vec<(u64, Uuid)> {
        match question {
            Question::Rows { stream: Stream::Access, batch, first, last, from, to } => self
                .access
                .iter()
                .filter(|row| row.batch == batch && (first..=last).contains(&row.seq) && (from..=to).contains(&row.ts))
                .map(|row| (row.seq, row.record_id))
                .collect(),
            Question::Rows { stream: Stream::Auth, batch, first, last, from, to } => self
                .auth
                .iter()
                .filter(|row| row.batch == batch && (first..=last).contains(&row.seq) && (from..=to).contains(&row.ts))
                .map(|row| (row.seq, row.event_id))
                .collect(),
            Question::Seal { stream, batch, at } => {
                let seal = |seal: &&SealRow| seal.stream == stream && seal.batch == batch && seal.ts == at;
                self.seals.iter().filter(seal).map(|seal| (seal.batch, Uuid::nil())).collect()
            }
        }
    }

    /// What must hold for everything that is sent.
    fn watch(&self, load: &Stored) {
        match load {
            Stored::Keys(_) | Stored::HandOvers(_) => {}
            Stored::Access(rows) => {
                assert!(self.strangers || !rows.iter().all(|row| self.access.contains(row)), "sent again without need");
                for row in rows.iter().filter(|row| !row.patient_key.is_nil()) {
                    assert!(self.keys.iter().any(|key| key.key_id == row.patient_key), "a row came before its key");
                }
            }
            Stored::Auth(rows) => {
                assert!(!rows.iter().all(|row| self.auth.contains(row)), "sent again without need");
            }
            Stored::Seal(seal) => {
                assert!(!self.seals.contains(seal), "sent again without need");
                let there = match seal.stream {
                    Stream::Access => {
                        self.access.iter().filter(|row| row.batch == seal.batch).map(|row| row.seq).collect()
                    }
                    Stream::Auth => self.auth.iter().filter(|row| row.batch == seal.batch).map(|row| row.seq).collect(),
                };
                let there: BTreeSet<u64> = there;
                assert!((seal.first..=seal.last).all(|seq| there.contains(&seq)), "a seal came before its rows");
                let known = self.hand_overs.iter().any(|row| row.new_key == seal.key || row.old_key == seal.key);
                assert!(known || self.seals.iter().all(|other| other.key == seal.key), "a seal came before its key");
            }
        }
    }
}

impl Stored {
    fn of(load: Load<'_>) -> Self {
        match load {
            Load::Keys(rows) => Self::Keys(rows.read().unwrap()),
            Load::Access(rows) => Self::Access(rows.read().unwrap()),
            Load::Auth(rows) => Self::Auth(rows.read().unwrap()),
            Load::Seal(row) => Self::Seal(Box::new(row.clone())),
            Load::HandOvers(rows) => Self::HandOvers(rows.read().unwrap()),
        }
    }

    /// Any part of it, at least one row less where there are several.
    fn part(mut self, sim: &SimStorage) -> Self {
        fn thin<R>(rows: &mut Vec<R>, sim: &SimStorage) {
            rows.retain(|_| sim.below(2) == 0);
        }
        match &mut self {
            Self::Keys(rows) => thin(rows, sim),
            Self::Access(rows) => thin(rows, sim),
            Self::Auth(rows) => thin(rows, sim),
            Self::Seal(_) => {}
            Self::HandOvers(rows) => thin(rows, sim),
        }
        self
    }
}

/// A connection to the database. It is dead when the machine is.
pub(super) struct Fake {
    database: Database,
    sim: SimStorage,
}

impl Fake {
    pub(super) fn new(database: &Database, sim: &SimStorage) -> Self {
        Self { database: database.clone(), sim: sim.clone() }
    }

    fn fault(&self, tables: &mut Tables) -> Option<Fault> {
        if tables.pass > 0 {
            tables.pass -= 1;
            return None;
        }
        if !tables.planned.is_empty() {
            return Some(tables.planned.remove(0));
        }
        let odds = tables.odds;
        (self.sim.below(1000) < odds).then(|| match self.sim.below(9) {
            0 => Fault::Lose,
            1 | 2 => Fault::Answer,
            3 => Fault::Part,
            4 => Fault::Late,
            5 => Fault::Refuse,
            _ => Fault::Crash,
        })
    }
}

impl Sink for Fake {
    async fn insert(&mut self, load: Load<'_>) -> Result<(), SinkError> {
        let rows = Stored::of(load);
        if !self.sim.crashed() {
            // As it is sent: while it is under way, something sent before may be stored.
            self.database.0.lock().watch(&rows);
        }
        // The network takes its time, now and then.
        for _ in 0..self.sim.below(4) {
            tokio::task::yield_now().await;
        }
        if self.sim.crashed() {
            return Err(CUT);
        }
        let mut tables = self.database.0.lock();
        if tables.down {
            return Err(CUT);
        }
        let Some(mut fault) = self.fault(&mut tables) else {
            tables.store(rows);
            return Ok(());
        };
        if fault == Fault::Crash {
            self.sim.set_faults(Faults { crash_after: Some(0), ..Faults::NONE });
            // The first operation is still allowed: take it away as well.
            let _down = self.sim.storage().list(std::path::Path::new(super::DIR));
            fault = match self.sim.below(4) {
                0 => Fault::Lose,
                1 => Fault::Answer,
                2 => Fault::Part,
                _ => Fault::Late,
            };
        }
        match fault {
            Fault::Answer => tables.store(rows),
            Fault::Part => tables.store(rows.part(&self.sim)),
            Fault::Late => tables.late.push(rows),
            Fault::Refuse => return Err(SinkError::Exception { code: 16 }),
            Fault::Lose | Fault::Crash => {}
        }
        Err(CUT)
    }

    async fn stored(&mut self, question: Question) -> Result<There, SinkError> {
        if self.sim.crashed() {
            return Err(CUT);
        }
        self.database.land(&self.sim, false);
        let mut tables = self.database.0.lock();
        if tables.down {
            return Err(CUT);
        }
        tables.questions += 1;
        let odds = tables.odds;
        if self.sim.below(1000) < odds / 2 {
            return Err(CUT);
        }
        let found: Vec<(u64, Uuid)> = tables.found(question);
        let (numbers, ids): (BTreeSet<u64>, BTreeSet<Uuid>) = found.into_iter().unzip();
        Ok(There { numbers: numbers.len() as u64, ids: ids.len() as u64 })
    }

    async fn complete(&mut self, questions: &[Question]) -> Result<Vec<bool>, SinkError> {
        let mut there = Vec::new();
        for (number, question) in questions.iter().enumerate() {
            // Now and then it does not know.
            there.push(number % 3 != 2 && self.stored(*question).await? == question.complete());
        }
        Ok(there)
    }

    async fn identities(&mut self, question: Question, most: u64) -> Result<Vec<Identity>, SinkError> {
        if self.sim.crashed() {
            return Err(CUT);
        }
        let tables = self.database.0.lock();
        let found = tables.found(question).into_iter().map(|(number, id)| (number, id_bytes(id)));
        Ok(found.collect::<BTreeSet<_>>().into_iter().take(usize::try_from(most).unwrap()).collect())
    }
}

const STRANGER: Uuid = Uuid::from_u128(u128::MAX);
const CUT: SinkError = SinkError::Unreachable("the simulated connection was cut");

/// As it is sent: two numbers of eight bytes, each from its lowest byte on.
fn id_bytes(id: Uuid) -> [u8; 16] {
    let mut bytes = *id.as_bytes();
    bytes.chunks_mut(8).for_each(<[u8]>::reverse);
    bytes
}

fn bytes(row: &impl Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    row.put(&mut bytes);
    bytes
}
