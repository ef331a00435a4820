//! An exchange that stays open does not keep the journal.

use contract::record::OutcomeKind::{self, Complete, Open, Unknown};

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contract::row::{Carry, Fold};
use contract::wire::Wire as _;

use super::super::book::{FirstRecord, Record, peek};
use super::super::carried::{CarriedSeen, peek_carried};
use super::resend::ALL;
use super::*;
use crate::journal::ledger::Ledger;
use crate::journal::sim::Faults;
use crate::journal::storage::{Storage, StorageFile, StorageLock};

/// Frames enough for some segments.
const MANY: usize = 400;

/// Many others come, and are shipped as they come.
fn go_on(world: &mut World, parts: &mut journal::Parts, worker: &mut Worker<Fake>, frames: usize) {
    for number in 0..frames {
        world.append(parts, &[REFUSED]);
        if number % 20 == 19 {
            while step(worker, 5).unwrap() != Step::Idle {}
            parts.keeper.step(Duration::from_secs(9)).unwrap();
        }
    }
}

fn started() -> (World, journal::Parts) {
    let mut world = World::new();
    let parts = world.begin(&[Kind::Started, Kind::Key, Kind::Intent(2), Kind::Outcome(OutcomeKind::Open), REFUSED]);
    (world, parts)
}

/// How many exchanges the file has.
fn carried(world: &World) -> usize {
    match peek_carried(&world.sim.storage(), Path::new(DIR)).unwrap() {
        CarriedSeen::Carried { exchanges, .. } => exchanges,
        other => panic!("{other:?}"),
    }
}

/// The rows of whoever asked for more than one, which only the long exchange did.
fn rows_of_the_long_one(world: &World) -> Vec<OutcomeKind> {
    world
        .database
        .access()
        .iter()
        .filter(|row| world.frames.sequence_of(row.request_id) == 3)
        .map(|row| row.outcome)
        .collect()
}

#[test]
fn what_is_shipped_is_let_go_behind_an_exchange_that_stays_open() {
    let (mut world, mut parts) = started();
    let mut worker = world.worker(&parts);
    go_on(&mut world, &mut parts, &mut worker, MANY);
    assert!(world.segments().len() <= 3, "{:?}", world.segments());
    assert!(parts.journal.oldest() > Position::new(4), "its own frames are gone");
    assert_eq!(carried(&world), 1);
    world.append(&mut parts, &[Kind::Outcome(OutcomeKind::Complete)]);
    while step(&mut worker, 6).unwrap() != Step::Idle {}
    assert_eq!(rows_of_the_long_one(&world), [Open, Open, Complete, Complete]);
    world.append(&mut parts, &[REFUSED]);
    while step(&mut worker, 7).unwrap() != Step::Idle {}
    assert_eq!(parts.journal.acked(), parts.journal.durable_end(), "nothing is open");
    world.database.check_seals();
}

#[test]
fn a_start_ends_what_was_carried_over() {
    for killed_twice in [false, true] {
        let (mut world, mut parts) = started();
        let mut worker = world.worker(&parts);
        go_on(&mut world, &mut parts, &mut worker, MANY);
        drop(worker);
        world.kill(parts);
        if killed_twice {
            // The next start ships a part and dies with a batch half way.
            let parts = world.begin(&[Kind::Started]);
            let mut worker = world.worker(&parts);
            world.database.fail_next(Fault::Lose, 1);
            step(&mut worker, 7).unwrap_err();
            drop(worker);
            world.kill(parts);
        }
        let parts = world.begin(&[Kind::Started]);
        let mut worker = world.worker(&parts);
        while step(&mut worker, 8).unwrap() != Step::Idle {}
        assert_eq!(rows_of_the_long_one(&world), [Open, Open, Unknown, Unknown], "{killed_twice}");
        assert_eq!(parts.journal.acked(), parts.journal.durable_end());
        world.database.check_seals();
        world.database.check_doubles();
    }
}

#[test]
fn batches_with_rows_of_a_long_exchange_are_sent_again_as_they_were() {
    let (mut world, mut parts) = started();
    let mut worker = world.worker(&parts);
    go_on(&mut world, &mut parts, &mut worker, MANY);
    world.append(&mut parts, &[REFUSED, Kind::Outcome(OutcomeKind::Complete), REFUSED]);
    while step(&mut worker, 6).unwrap() != Step::Idle {}
    let kept = |row: &contract::row::AccessRow| row.seq > 0 && row.outcome == OutcomeKind::Complete;
    let was: Vec<_> = world.database.access().into_iter().filter(kept).collect();
    assert_eq!(was.len(), 2);
    drop(worker);
    world.kill(parts);
    // What ended it is kept, what began it is not.
    assert!(world.open().journal.oldest() > Position::new(4));
    world.database.lose_batches(|_| true);
    world.resend(ALL);
    let is: Vec<_> = world.database.access().into_iter().filter(kept).collect();
    assert_eq!(is, was);
}

/// A crash has left a copy half written.
#[test]
fn a_copy_that_is_not_whole_is_made_again() {
    let (mut world, mut parts) = started();
    let mut worker = world.worker(&parts);
    go_on(&mut world, &mut parts, &mut worker, MANY);
    drop(worker);
    world.kill(parts);
    let is_copy = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "copy");
    let copies = || world.sim.names().iter().filter(is_copy).cloned().collect::<Vec<_>>();
    let (newest, mut whole) = (copies().pop().unwrap(), Vec::new());
    world.sim.corrupt(&newest, |bytes| whole = std::mem::replace(bytes, bytes[..9].to_vec()));
    let parts = world.open();
    drop(world.worker(&parts));
    world.sim.corrupt(&newest, |bytes| assert!(*bytes == whole));
    assert_eq!(copies().pop(), Some(newest));
}

/// More than the file has room for at first; and the disk has none for a larger one, for a while.
#[test]
fn many_that_stay_open_are_carried_over_as_soon_as_there_is_room() {
    let mut world = World::new();
    let mut parts = world.begin(&[Kind::Started, Kind::Key]);
    world.append(&mut parts, &[Kind::Intent(1); 60]);
    let mut worker = world.worker(&parts);
    world.append(&mut parts, &[REFUSED; 150]);
    // It has room for the notes of what is shipped.
    world.sim.set_faults(Faults { capacity_bytes: world.sim.used_bytes() + (16 << 10), ..Faults::NONE });
    let failed: Vec<_> = (0..9).filter_map(|_| step(&mut worker, 5).err()).collect();
    assert!(failed.len() > 5 && failed.iter().all(|failure| matches!(failure, Failure::Carry(_))), "{failed:?}");
    // It holds up nothing but that segments go.
    assert_eq!((world.database.access().len(), parts.journal.acked()), (150, Position::new(3)));
    world.sim.set_faults(Faults::NONE);
    assert_eq!(step(&mut worker, 6).unwrap(), Step::Idle);
    assert!(parts.journal.acked() > Position::new(62));
    go_on(&mut world, &mut parts, &mut worker, MANY);
    assert!(world.segments().len() <= 3, "{:?}", world.segments());
    assert_eq!(carried(&world), 60);
    drop(worker);
    world.kill(parts);
    let parts = world.begin(&[Kind::Started]);
    let mut worker = world.worker(&parts);
    while step(&mut worker, 8).unwrap() != Step::Idle {}
    let ended = world.database.access().iter().filter(|row| row.outcome == Unknown).count();
    assert_eq!((ended, parts.journal.acked()), (60, parts.journal.durable_end()));
    world.database.check_doubles();
}

#[test]
fn a_file_that_is_missing_is_asked_for_and_an_empty_one_begins_anew() {
    let (mut world, mut parts) = started();
    let mut worker = world.worker(&parts);
    go_on(&mut world, &mut parts, &mut worker, MANY);
    drop(worker);
    world.kill(parts);
    let file = Path::new(DIR).join("carried.ledger");
    world.sim.storage().remove(&file).unwrap();
    let parts = world.begin(&[Kind::Started]);
    let open = || super::worker(&parts, &world.sim, &world.database, TENANT, 100);
    let Err(Trouble::Open(OpenError::NotCarried { path })) = open() else { panic!("it opens") };
    assert_eq!(path, file);
    world.sim.storage().create(&file).unwrap();
    let mut worker = open().ok().unwrap();
    while step(&mut worker, 8).unwrap() != Step::Idle {}
    assert_eq!(rows_of_the_long_one(&world), [OutcomeKind::Open; 2], "nobody knows of it any more");
    assert_eq!(parts.journal.acked(), parts.journal.durable_end());
}

#[test]
fn a_damaged_file_is_found_out() {
    let (mut world, mut parts) = started();
    let mut worker = world.worker(&parts);
    go_on(&mut world, &mut parts, &mut worker, MANY);
    drop(worker);
    world.kill(parts);
    world.sim.corrupt(&Path::new(DIR).join("carried.ledger"), |bytes| bytes.fill(7));
    let parts = world.begin(&[Kind::Started]);
    let opened = super::worker(&parts, &world.sim, &world.database, TENANT, 100);
    assert!(matches!(opened.err(), Some(Trouble::Open(OpenError::Carried(_)))));
}

#[test]
fn a_file_of_another_time_is_found_out() {
    let (mut world, mut parts) = started();
    let mut worker = world.worker(&parts);
    go_on(&mut world, &mut parts, &mut worker, MANY);
    let (file, mut older) = (Path::new(DIR).join("carried.ledger"), Vec::new());
    world.sim.corrupt(&file, |bytes| older = bytes.clone());
    go_on(&mut world, &mut parts, &mut worker, MANY);
    drop(worker);
    world.kill(parts);
    world.sim.corrupt(&file, |bytes| bytes.clone_from(&older));
    let parts = world.begin(&[Kind::Started]);
    let opened = super::worker(&parts, &world.sim, &world.database, TENANT, 100);
    let Some(Trouble::Open(OpenError::NotItsCarried { path })) = opened.err() else { panic!("it is taken") };
    assert_eq!(path, file);
}

/// The version before carried nothing over, and its book says so.
#[test]
fn a_journal_of_the_version_before_goes_on() {
    let (mut world, parts) = started();
    let mut worker = world.worker(&parts);
    while step(&mut worker, 5).unwrap() != Step::Idle {}
    drop(worker);
    world.kill(parts);
    let storage = world.sim.storage();
    let Record { node, mark, opened, .. } = peek(&storage, Path::new(BOOK)).unwrap().unwrap();
    let (mut ledger, _) = Ledger::open(&storage, Path::new(BOOK), 1024).unwrap();
    ledger.store(&FirstRecord { version: 1, node, mark, opened }.to_bytes()).unwrap();
    storage.remove(&Path::new(DIR).join("carried.ledger")).unwrap();
    let mut parts = world.begin(&[Kind::Started]);
    let mut worker = world.worker(&parts);
    go_on(&mut world, &mut parts, &mut worker, MANY);
    assert_eq!(rows_of_the_long_one(&world), [Open, Open, Unknown, Unknown]);
    assert_eq!(parts.journal.acked(), parts.journal.durable_end());
    assert_eq!(peek(&storage, Path::new(BOOK)).unwrap().map(|record| record.version), Some(2));
    world.database.check_doubles();
}

/// A disk on which, once, a folder's changes cannot be made durable.
struct FolderFails(Arc<dyn Storage>, AtomicBool);

impl Storage for FolderFails {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn StorageLock>>> {
        self.0.lock(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.0.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.0.open(path)
    }
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.0.open_read(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.link(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.1.swap(false, Ordering::SeqCst) { Err(io::Error::other("no")) } else { self.0.sync_dir(dir) }
    }
    fn now_us(&self) -> u64 {
        self.0.now_us()
    }
    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
    fn salt(&self) -> u64 {
        self.0.salt()
    }
}

/// The exchanges of intents from this frame on.
fn carry(frames: &mut Frames, from: u64, count: u64) -> Carry {
    let mut fold = Fold::new(&node(), &TENANT.into());
    for sequence in from..from + count {
        let (kind, payload) = frames.make(Kind::Intent(1));
        fold.apply(sequence, kind as u8, &payload, &mut Vec::new()).unwrap();
    }
    fold.carry(from + count, from + count)
}

#[test]
fn after_a_growth_that_failed_half_way_the_file_of_that_name_counts() {
    let sim = SimStorage::new(7);
    sim.storage().create_dir(Path::new(DIR)).unwrap();
    let disk = Arc::new(FolderFails(sim.storage(), AtomicBool::new(false)));
    let storage: Arc<dyn Storage> = Arc::clone(&disk) as _;
    let mut book = Book::open(&storage, Path::new(BOOK), &node(), Position::FIRST, None).unwrap();
    let mut file = Carried::open(&storage, Path::new(DIR), &node(), &mut book, CARRIED_ROOM).unwrap();
    let mut frames = Frames::default();
    file.store(carry(&mut frames, 1, 3), 1).unwrap();
    disk.1.store(true, Ordering::SeqCst);
    file.store(carry(&mut frames, 10, 90), 1).unwrap_err();
    file.store(carry(&mut frames, 600, 5), 1).unwrap();
    drop(file);
    sim.kill();
    let seen = peek_carried(&sim.storage(), Path::new(DIR)).unwrap();
    assert!(matches!(seen, CarriedSeen::Carried { at: 605, exchanges: 5, .. }), "{seen:?}");
}
