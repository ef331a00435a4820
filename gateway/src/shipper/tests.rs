//! The shipper against a disk and a database that fail in every way: `model` for all that can happen by chance, and
//! single cases here.

pub(crate) mod database;
pub(crate) mod frames;
mod history;
mod long;
mod model;
mod resend;
pub(crate) mod rig;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use contract::id::NodeName;
use contract::record::{AuthEventKind, OutcomeKind};

use super::book::{Book, Mark, peek_book};
use super::carried::Carried;
use super::history::History;
use super::metrics::Metrics;
use super::sink::SinkError;
use super::worker::{Failure, Parts, Step, Worker};
use super::{OpenError, backoff};
use crate::journal::sim::SimStorage;
use crate::journal::{self, Config, Journal, Position};
use crate::keys::{KeysError, SealKeys};
use crate::witness::{Limits, Spool, SpoolError, To};
use database::{Database, Fake, Fault};
use frames::{Frames, Kind};

const DIR: &str = "/journal";
const TENANT: &str = "SE2321000016-T";
const BOOK: &str = "/journal/shipper.ledger";
const STATE: &str = "/state";
/// Little, so that it has to grow now and then.
const CARRIED_ROOM: usize = 4 << 10;

fn node() -> NodeName {
    NodeName::parse("gw1").unwrap()
}

fn seal_keys(sim: &SimStorage) -> Result<SealKeys, KeysError> {
    SealKeys::open(&sim.storage(), Path::new(STATE), &node())
}

fn journal_metrics() -> journal::Metrics {
    journal::Metrics::new(&prometheus::Registry::new()).unwrap()
}

fn config() -> Config {
    Config {
        segment_bytes: 16 << 10,
        budget_bytes: 1 << 20,
        high_water_bytes: 1 << 19,
        grace_s: 0,
        ..Config::new(DIR, [9; 16])
    }
}

/// Why a worker could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

fn spool(sim: &SimStorage) -> Result<Spool, SpoolError> {
    let limits = Limits { bytes_max: 1 << 20, tidy_bytes: 1 << 20 };
    Spool::open(&sim.storage(), Path::new(DIR), [true, false], limits)
}

/// Every seal that was made is in the spool.
fn check_copies(sim: &SimStorage, database: &Database) {
    let (spool, mut copies) = (spool(sim).unwrap(), std::collections::BTreeSet::new());
    while let Some(chunk) = spool.next(To::File).unwrap() {
        copies.extend(chunk.lines().filter_map(|(_, copy)| copy).map(|copy| (copy.stream, copy.batch, copy.hash.0)));
        spool.taken(To::File, chunk.start + chunk.bytes.len() as u64).unwrap();
    }
    for seal in database.seals() {
        let copy = (seal.stream, seal.batch, seal.statement().chain());
        assert!(copies.contains(&copy), "there is no copy of the seal of batch {}", seal.batch);
    }
}

fn worker(
    parts: &journal::Parts,
    sim: &SimStorage,
    database: &Database,
    tenant: &str,
    rows_max: usize,
) -> Result<Worker<Fake>, Trouble> {
    let seal_keys = seal_keys(sim)?;
    let next = Some(Position::new(parts.recovery.next));
    let mut book = Book::open(&sim.storage(), Path::new(BOOK), &node(), parts.journal.acked(), next)?;
    Ok(Worker::new(Parts {
        journal: parts.journal.clone(),
        carried: Carried::open(&sim.storage(), Path::new(DIR), &node(), &mut book, CARRIED_ROOM)?,
        book,
        sink: Fake::new(database, sim),
        seal_keys,
        witness: Some(spool(sim)?),
        history: History::new(&sim.storage(), Path::new(DIR)),
        metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
        node: node(),
        tenant: tenant.into(),
        rows_max,
    }))
}

fn step(worker: &mut Worker<Fake>, now: i64) -> Result<Step, Failure> {
    let mut work = pin!(worker.step(now));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

/// One gateway on a simulated disk, with a database.
struct World {
    sim: SimStorage,
    database: Database,
    frames: Frames,
}

impl World {
    fn new() -> Self {
        Self { sim: SimStorage::new(1), database: Database::default(), frames: Frames::default() }
    }

    fn open(&self) -> journal::Parts {
        Journal::open_parts(config(), self.sim.storage(), journal_metrics()).unwrap()
    }

    /// Appends these and makes each durable before the next.
    fn append(&mut self, parts: &mut journal::Parts, kinds: &[Kind]) {
        for kind in kinds {
            let (kind, payload) = self.frames.make(*kind);
            parts.journal.append_lazy(kind, |out| out.extend_from_slice(&payload)).unwrap();
            parts.committer.step(Duration::from_secs(9));
        }
    }

    /// Opens the journal and appends these.
    fn begin(&mut self, kinds: &[Kind]) -> journal::Parts {
        let mut parts = self.open();
        self.append(&mut parts, kinds);
        parts
    }

    /// The segments, oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        let mut segments = self.sim.names();
        segments.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
        segments.sort();
        segments
    }

    /// One bit of the frame turns, on the disk.
    fn rot(&self, sequence: usize) {
        let payload = self.frames.made(sequence);
        for segment in self.segments() {
            self.sim.corrupt(&segment, |bytes| {
                if let Some(at) = bytes.windows(payload.len()).position(|window| window == payload) {
                    bytes[at + 3] ^= 1;
                }
            });
        }
    }

    fn worker(&self, parts: &journal::Parts) -> Worker<Fake> {
        self.worker_for(parts, TENANT)
    }

    fn worker_for(&self, parts: &journal::Parts, tenant: &str) -> Worker<Fake> {
        worker(parts, &self.sim, &self.database, tenant, 100).unwrap()
    }

    /// The process dies; the disk stays as it was seen.
    fn kill(&self, parts: journal::Parts) {
        self.sim.kill();
        drop(parts);
    }
}

const REFUSED: Kind = Kind::Refused(1);

#[test]
fn a_batch_that_is_refused_stays_and_is_tried_again() {
    let mut world = World::new();
    let parts = world.begin(&[REFUSED, Kind::Auth]);
    let mut worker = world.worker(&parts);
    world.database.fail_next(Fault::Refuse, 3);
    for _ in 0..3 {
        let failure = step(&mut worker, 5).unwrap_err();
        assert!(matches!(failure, Failure::Sink(SinkError::Exception { code: 16 })), "{failure:?}");
        worker.report(&failure);
        assert_eq!(parts.journal.acked(), Position::FIRST);
    }
    assert_eq!(step(&mut worker, 6).unwrap(), Step::Partial);
    // At once, and not only when there is something new to ship.
    assert_eq!(parts.journal.acked(), parts.journal.durable_end());
    assert_eq!(step(&mut worker, 7).unwrap(), Step::Idle);
    assert_eq!((world.database.access().len(), world.database.auth().len(), world.database.seals().len()), (1, 1, 2));
}

#[test]
fn another_key_seals_from_the_next_batch_on_and_the_open_one_stays_with_the_old() {
    let mut world = World::new();
    let parts = world.begin(&[REFUSED, Kind::Auth]);
    let mut worker = world.worker(&parts);
    let first = seal_keys(&world.sim).unwrap().current().public();
    // The seal of the access rows has arrived, the events' has not.
    world.database.pass_next(3);
    world.database.fail_next(Fault::Lose, 1);
    step(&mut worker, 5).unwrap_err();
    drop(worker);
    world.kill(parts);
    let (second, _) = SealKeys::prepare(&world.sim.storage(), Path::new(STATE)).unwrap();
    let parts = world.begin(&[REFUSED]);
    let mut worker = world.worker(&parts);
    while step(&mut worker, 9).unwrap() != Step::Idle {}
    let keys: Vec<_> = world.database.seals().iter().map(|seal| (seal.batch, seal.key)).collect();
    assert_eq!(keys, [(1, first), (2, second), (1, first)]);
    let keys = seal_keys(&world.sim).unwrap();
    let said = &keys.history()[0].said;
    assert_eq!((said.access.batch, said.auth.batch, said.at), (2, 2, 9));
    world.database.check_keys(first);
    // And without a row to ship.
    drop(worker);
    world.kill(parts);
    let (third, _) = SealKeys::prepare(&world.sim.storage(), Path::new(STATE)).unwrap();
    let parts = world.open();
    let mut worker = world.worker(&parts);
    assert_eq!(step(&mut worker, 11).unwrap(), Step::Idle);
    assert_eq!(seal_keys(&world.sim).unwrap().current().public(), third);
    world.database.check_keys(first);
}

#[test]
fn an_open_exchange_holds_the_acknowledgement_until_its_row_has_arrived() {
    let mut world = World::new();
    let mut parts = world.begin(&[REFUSED, Kind::Intent(1), REFUSED, Kind::Auth]);
    let mut worker = world.worker(&parts);
    while step(&mut worker, 5).unwrap() != Step::Idle {}
    assert_eq!(parts.journal.acked(), Position::new(2), "the open intent is frame 2");
    world.append(&mut parts, &[Kind::Outcome(OutcomeKind::Complete)]);
    while step(&mut worker, 6).unwrap() != Step::Idle {}
    assert_eq!(parts.journal.acked(), Position::new(6));
    assert_eq!(world.database.access().len(), 3);
}

#[test]
fn frames_that_cannot_be_decoded_are_passed_over_and_do_not_stay_for_ever() {
    let mut world = World::new();
    let parts = world.begin(&[Kind::Garbage, Kind::Garbage]);
    let mut worker = world.worker(&parts);
    assert_eq!(step(&mut worker, 5).unwrap(), Step::Idle);
    assert_eq!(parts.journal.acked(), Position::new(3));
    assert_eq!(world.database.access().len(), 0);
}

#[test]
fn a_journal_damaged_between_two_tries_loses_no_row_that_can_be_read() {
    for arrived in [Fault::Lose, Fault::Part, Fault::Answer] {
        let mut world = World::new();
        let parts = world.begin(&[REFUSED, Kind::Refused(2), Kind::Auth, REFUSED, REFUSED]);
        let mut worker = world.worker(&parts);
        world.database.fail_next(arrived, 1);
        step(&mut worker, 5).unwrap_err();
        drop(worker);
        world.kill(parts);
        // Frame 2 rots; what follows proves that it had been there.
        world.rot(2);
        let parts = world.begin(&[REFUSED]);
        let mut worker = world.worker(&parts);
        while step(&mut worker, 9).unwrap() != Step::Idle {}
        // Rows 1, 4, 5 and 6 are there once, and those of frame 2 if they had arrived in time.
        let requests: std::collections::BTreeSet<_> =
            world.database.access().iter().map(|row| world.frames.sequence_of(row.request_id)).collect();
        let lost_ones = requests.contains(&2);
        assert!(requests.is_superset(&[1, 4, 5, 6].into()), "{arrived:?}: {requests:?}");
        assert!(!lost_ones || arrived != Fault::Lose);
        let gaps = world.database.auth().iter().filter(|event| event.kind == AuthEventKind::JournalGap).count();
        assert_eq!((world.database.auth().len(), gaps), (2, 1));
        // The rows that were sent anew are sealed under the next number, and the chain holds.
        let seals = world.database.seals();
        let batches: Vec<_> =
            seals.iter().filter(|s| s.stream == contract::seal::Stream::Access).map(|s| s.batch).collect();
        assert_eq!(batches, [2, 3], "{arrived:?}");
        world.database.check_seals();
        assert_eq!(parts.journal.acked(), parts.journal.durable_end());
    }
}

#[test]
fn a_batch_whose_rows_have_become_others_goes_under_the_next_number() {
    for arrived in [Fault::Lose, Fault::Part, Fault::Answer] {
        let mut world = World::new();
        let parts = world.begin(&[REFUSED, REFUSED, Kind::Auth]);
        let mut worker = world.worker(&parts);
        world.database.fail_next(arrived, 1);
        step(&mut worker, 5).unwrap_err();
        drop(worker);
        world.kill(parts);
        // The installation's care provider was changed in the settings: as many rows, with other bytes.
        let parts = world.open();
        let mut worker = world.worker_for(&parts, "SE2321000016-U");
        while step(&mut worker, 9).unwrap() != Step::Idle {}
        assert!(world.database.access().iter().all(|row| row.batch == 2 && row.tenant.ends_with('U')), "{arrived:?}");
        assert_eq!(world.database.access().len(), 2);
        world.database.check_seals();
    }
}

#[test]
fn a_damaged_batch_that_had_arrived_as_a_whole_keeps_its_numbers() {
    let mut world = World::new();
    let parts = world.begin(&[REFUSED, REFUSED, REFUSED]);
    let mut worker = world.worker(&parts);
    // The rows arrive, then the seal, whose answer is lost.
    world.database.pass_next(1);
    world.database.fail_next(Fault::Answer, 1);
    step(&mut worker, 5).unwrap_err();
    drop(worker);
    world.kill(parts);
    world.rot(2);
    let parts = world.begin(&[REFUSED]);
    let mut worker = world.worker(&parts);
    while step(&mut worker, 9).unwrap() != Step::Idle {}
    assert_eq!(world.database.access().len(), 4);
    assert_eq!(world.database.seals().iter().map(|seal| seal.batch).collect::<Vec<_>>(), [1, 2]);
    world.database.check_seals();
    check_copies(&world.sim, &world.database);
}

#[test]
fn frames_that_take_the_place_of_lost_ones_are_shipped() {
    for (rows_arrive, sent) in [(true, true), (false, true), (false, false)] {
        let mut world = World::new();
        let parts = world.begin(&[Kind::Intent(1), Kind::Auth, REFUSED]);
        if sent {
            let mut worker = world.worker(&parts);
            if !rows_arrive {
                world.database.fail_next(Fault::Lose, 9);
            }
            let _failed = step(&mut worker, 5);
        }
        world.kill(parts);
        // The very last frame rots: the journal takes it for torn, and the next frame gets its sequence.
        world.rot(3);
        let mut parts = world.open();
        assert_eq!((parts.recovery.next, parts.recovery.gaps.len()), (3, 0));
        world.database.forgive();
        let mut worker = world.worker(&parts);
        world.append(&mut parts, &[REFUSED, Kind::Auth, Kind::Outcome(OutcomeKind::Complete)]);
        while step(&mut worker, 9).unwrap() != Step::Idle {}
        let requests: Vec<_> =
            world.database.access().iter().map(|row| world.frames.sequence_of(row.request_id)).collect();
        // By the order of making: 3 is the one that rotted, 4 has its sequence.
        assert_eq!(requests, if rows_arrive { vec![3, 4, 1] } else { vec![4, 1] }, "{rows_arrive} {sent}");
        assert_eq!(world.database.auth().len(), 2);
        assert_eq!(parts.journal.acked(), parts.journal.durable_end());
        world.database.check_seals();
    }
}

#[test]
fn a_book_that_does_not_belong_to_the_journal_is_refused() {
    let sim = SimStorage::new(1);
    let (storage, path) = (sim.storage(), Path::new(BOOK));
    let missing = Book::open(&storage, path, &node(), Position::new(5), None).err();
    assert!(matches!(missing, Some(OpenError::Missing { .. })), "{missing:?}");
    let mut book = Book::open(&storage, path, &node(), Position::FIRST, None).unwrap();
    let mark = Mark { acked: 5, resume: 9, end: 12, ..*book.mark() };
    book.settle(mark).unwrap();
    drop(book);
    for (acked, fits) in [(1, false), (4, false), (5, true), (9, true), (10, false)] {
        let opened = Book::open(&storage, path, &node(), Position::new(acked), None);
        assert_eq!(opened.is_ok(), fits, "{acked}");
    }
    let other = NodeName::parse("gw2").unwrap();
    let other = Book::open(&storage, path, &other, Position::new(5), None).err();
    assert!(matches!(other, Some(OpenError::OtherNode { .. })), "{other:?}");
    assert_eq!(peek_book(&storage, path).unwrap().map(|seen| (seen.resume, seen.shipped_below)), Some((9, 12)));
    sim.corrupt(path, |bytes| bytes.fill(0));
    assert!(matches!(Book::open(&storage, path, &node(), Position::new(5), None), Err(OpenError::Ledger(_))));
}

#[test]
fn the_wait_between_tries_grows_to_half_a_minute_and_is_never_the_same() {
    for (failures, longest) in [(1, 100), (2, 200), (5, 1600), (9, 25_600), (10, 30_000), (u32::MAX, 30_000)] {
        assert_eq!(backoff(failures, 0).as_millis(), longest);
        for random in [1, 77, u64::MAX] {
            let wait = backoff(failures, random).as_millis();
            assert!((longest / 2..=longest).contains(&wait), "{failures}: {wait}");
        }
    }
}

#[test]
fn the_gap_of_a_lost_segment_is_counted_and_the_rest_is_shipped() {
    let mut world = World::new();
    let mut many = world.open();
    world.append(&mut many, &[REFUSED; 200]);
    world.kill(many);
    let segments = world.segments();
    assert!(segments.len() > 2);
    world.sim.corrupt(&segments[1], |bytes| bytes.fill(0));
    let parts = world.begin(&[REFUSED]);
    let lost: u64 = parts.recovery.gaps.iter().map(journal::Gap::frames).sum();
    let mut worker = world.worker(&parts);
    while step(&mut worker, 9).unwrap() != Step::Idle {}
    assert!(lost > 0);
    assert_eq!(world.database.access().len() as u64, parts.journal.durable_end().sequence() - 1 - lost);
    assert_eq!(parts.journal.acked(), parts.journal.durable_end());
    world.database.check_seals();
    // The log says what it lacks.
    let told: Vec<_> = world.database.auth().into_iter().map(|event| (event.kind, event.count)).collect();
    assert_eq!(told, [(AuthEventKind::JournalGap, u32::try_from(lost).unwrap())]);
}

#[test]
fn damage_that_is_met_while_shipping_is_told_once_whenever_it_is_met() {
    for fault in [None, Some(Fault::Answer), Some(Fault::Lose)] {
        let mut world = World::new();
        let mut parts = world.begin(&[REFUSED; 6]);
        // The journal runs, and has the frame in no other place.
        world.rot(3);
        let mut worker = world.worker(&parts);
        world.database.fail_next(fault.unwrap_or(Fault::Lose), usize::from(fault.is_some()));
        let _failed = step(&mut worker, 9);
        drop(worker);
        world.append(&mut parts, &[REFUSED]);
        world.kill(parts);
        let parts = world.begin(&[REFUSED]);
        let mut worker = world.worker(&parts);
        while step(&mut worker, 10).unwrap() != Step::Idle {}
        let told: Vec<_> = world.database.auth().into_iter().map(|event| (event.kind, event.count)).collect();
        assert_eq!(told, [(AuthEventKind::JournalGap, 1)], "{fault:?}");
        world.database.check_doubles();
        world.database.check_seals();
    }
}
