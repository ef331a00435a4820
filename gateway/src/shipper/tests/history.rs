//! Notes that are missing, damaged or in excess: what is missing is told, and what is needed stays.

use std::path::Path;

use super::super::history::read;
use super::super::resend::Unnoted;
use super::super::worker::Step;
use super::database::Fault;
use super::frames::Kind;
use super::resend::ALL;
use super::{BOOK, DIR, REFUSED, World, step};

const HISTORY: &str = "/journal/shipper.history";
const NOTE_BYTES: usize = 413;

impl World {
    /// Does something to the notes, each by itself.
    fn change_notes(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        self.sim.corrupt(Path::new(HISTORY), |bytes| {
            let mut notes = bytes.chunks(NOTE_BYTES).map(<[u8]>::to_vec).collect();
            change(&mut notes);
            *bytes = notes.concat();
        });
    }

    fn noted(&self) -> usize {
        let mut notes = 0;
        read(&*self.sim.storage(), Path::new(DIR), |_| notes += 1).unwrap();
        notes
    }
}

type Change = fn(&mut Vec<Vec<u8>>);

fn gap(table: &'static str, (first, last): (u64, u64), from: Option<i64>, to: Option<i64>) -> Unnoted {
    Unnoted { table, first, last, from, to }
}

#[test]
fn a_batch_without_a_note_is_told_wherever_its_note_was() {
    // Sealed at 10, 11, 20, 21 and 22: access 1, -, 2, 3, 4; auth 1, 2, -, 3, -.
    let (access, auth) = ("access_log", "auth_event");
    let cases: [(&str, Change, usize, Vec<Unnoted>); 7] = [
        ("all are there", |_| (), 5, vec![]),
        (
            "the first is gone",
            |notes| _ = notes.remove(0),
            4,
            vec![gap(access, (1, 1), None, Some(11)), gap(auth, (1, 1), None, Some(11))],
        ),
        ("one is damaged", |notes| notes[2][100] ^= 1, 4, vec![gap(access, (2, 2), Some(11), Some(21))]),
        (
            "two are gone",
            |notes| _ = notes.drain(1..3),
            3,
            vec![gap(access, (2, 2), Some(10), Some(21)), gap(auth, (2, 2), Some(10), Some(21))],
        ),
        ("the last is gone", |notes| _ = notes.pop(), 4, vec![gap(access, (4, 4), Some(21), None)]),
        ("none is there", Vec::clear, 0, vec![gap(access, (1, 4), None, None), gap(auth, (1, 3), None, None)]),
        ("one is there twice", |notes| notes.insert(1, notes[1].clone()), 5, vec![]),
    ];
    for (case, change, left, unnoted) in cases {
        let world = World::shipped();
        world.change_notes(change);
        assert_eq!(world.noted(), left, "{case}");
        world.database.lose(|_| true);
        let resent = world.resend(ALL);
        assert_eq!((resent.sent, resent.lost_count()), (left as u64, 0), "{case}");
        assert_eq!(resent.unnoted, unnoted, "{case}");
        assert_eq!(resent.is_whole(), unnoted.is_empty(), "{case}");
    }
    // The whole file.
    let world = World::shipped();
    world.sim.storage().remove(Path::new(HISTORY)).unwrap();
    let resent = world.resend(ALL);
    assert_eq!((resent.batches, resent.noted_from, resent.unnoted.len(), resent.is_whole()), (0, None, 2, false));
}

#[test]
fn what_is_missing_counts_only_in_the_range() {
    let world = World::shipped();
    world.change_notes(|notes| {
        notes[3][100] ^= 1;
        notes.remove(0);
    });
    // Left are the notes of 11, 20 and 22.
    let told = |from, to| {
        let resent = world.resend(super::super::resend::Range { from, to, look_only: true });
        assert_eq!(resent.is_whole(), resent.unnoted.is_empty());
        resent.unnoted.len()
    };
    assert_eq!([told(i64::MIN, i64::MAX), told(i64::MIN, 5), told(5, 9), told(10, 11)], [4, 2, 2, 2]);
    assert_eq!([told(11, 20), told(11, 21), told(21, 22), told(22, i64::MAX)], [0, 2, 2, 0]);
}

#[test]
fn a_batch_that_was_given_up_is_not_taken_for_one_whose_note_is_gone() {
    let mut world = World::new();
    world.ship(&[&[REFUSED]], 4);
    let parts = world.begin(&[REFUSED, Kind::Auth]);
    let mut worker = world.worker(&parts);
    world.database.fail_next(Fault::Lose, 1);
    step(&mut worker, 5).unwrap_err();
    drop(worker);
    world.kill(parts);
    // Another care provider in the settings: the same frames give other rows.
    let parts = world.open();
    let mut worker = world.worker_for(&parts, "SE2321000016-U");
    while step(&mut worker, 9).unwrap() != Step::Idle {}
    drop(worker);
    world.kill(parts);
    let numbers: Vec<_> = world.database.seals().iter().map(|seal| seal.batch).collect();
    assert_eq!(numbers, [1, 3, 2]);
    let resent = world.resend(ALL);
    assert_eq!((resent.batches, resent.absent, resent.unnoted.len(), resent.is_whole()), (2, 0, 0, true));
    // With a note gone beside it, both are told.
    world.change_notes(|notes| _ = notes.pop());
    let resent = world.resend(ALL);
    let unnoted = [gap("access_log", (2, 3), Some(4), None), gap("auth_event", (1, 2), Some(4), None)];
    assert_eq!((&resent.unnoted[..], resent.is_whole()), (&unnoted[..], false));
}

#[test]
fn without_a_book_it_is_not_known_what_was_shipped_last() {
    let world = World::shipped();
    world.sim.storage().remove(Path::new(BOOK)).unwrap();
    world.database.lose(|_| true);
    let resent = world.resend(ALL);
    assert_eq!((resent.sent, resent.book, resent.is_whole()), (5, false, false));
}
