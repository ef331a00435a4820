//! What the database has lost comes back, to the byte, and nothing else does.

use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use contract::Micros;
use contract::id::NodeName;
use contract::record::OutcomeKind;
use contract::seal::Stream;

use super::super::ClickHouse;
use super::super::resend::{self, Range, ResendError, Resent, Source};
use super::super::worker::Step;
use super::database::Fake;
use super::frames::Kind;
use super::{BOOK, DIR, REFUSED, STATE, TENANT, World, seal_keys, step};
use crate::journal::OpenError;
use crate::journal::sim::Faults;
use crate::keys::SealKeys;

pub(super) const ALL: Range = Range { from: Micros::MIN, to: Micros::MAX, look_only: false };

impl World {
    pub(super) fn resend(&self, range: Range) -> Resent {
        self.resend_for(range, TENANT)
    }

    fn resend_for(&self, range: Range, tenant: &str) -> Resent {
        self.try_resend(range, (tenant, "gw1", [9; 16]), |_| ()).unwrap()
    }

    /// For a care provider, a node and what its segments call it. `meanwhile` is told how many batches are done.
    fn try_resend(
        &self,
        range: Range,
        (tenant, node, id): (&str, &str, [u8; 16]),
        meanwhile: impl Fn(u64),
    ) -> Result<Resent, ResendError> {
        let clickhouse =
            ClickHouse { url: String::new(), database: String::new(), user: String::new(), key: String::new().into() };
        let source = Source {
            dir: DIR.into(),
            ledger: BOOK.into(),
            id,
            node: NodeName::parse(node).unwrap(),
            tenant: tenant.into(),
            clickhouse,
            hand_overs: seal_keys(&self.sim).unwrap().history().to_vec(),
        };
        let (storage, mut sink) = (self.sim.storage(), Fake::new(&self.database, &self.sim));
        let mut work = pin!(resend::run(&mut sink, &storage, &source, range, |done, _| meanwhile(done)));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
                return done;
            }
        }
    }

    /// Ships what is there, a batch at each of these times.
    pub(super) fn ship(&mut self, batches: &[&[Kind]], first: Micros) {
        let mut parts = self.open();
        let mut worker = self.worker(&parts);
        for (at, kinds) in (first..).zip(batches) {
            self.append(&mut parts, kinds);
            while step(&mut worker, at).unwrap() != Step::Idle {}
        }
        drop(worker);
        self.kill(parts);
    }

    /// Five batches, exchanges across them, two keys.
    pub(super) fn shipped() -> Self {
        let mut world = Self::new();
        world.ship(&[&[Kind::Key, Kind::Intent(2), Kind::Auth, REFUSED], &[Kind::Auth, Kind::Auth]], 10);
        SealKeys::prepare(&world.sim.storage(), Path::new(STATE)).unwrap();
        let last: &[_] = &[Kind::Started, REFUSED, Kind::Intent(1), Kind::Intent(3)];
        let ended = Kind::Outcome(OutcomeKind::Complete);
        world.ship(&[last, &[ended, Kind::Auth, REFUSED], &[Kind::Outcome(OutcomeKind::Aborted)]], 20);
        world.database.check_seals();
        world
    }
}

#[test]
fn whatever_is_lost_comes_back_as_it_was() {
    for seed in 0..400 {
        let mut world = World::shipped();
        let was = (world.database.access(), world.database.auth(), world.database.seals(), world.database.keys());
        assert_eq!(was.2.len(), 7);
        let lost = world.database.lose(|number| (seed ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62 < seed % 5);
        let looked = world.resend(Range { look_only: true, ..ALL });
        let resent = world.resend(ALL);
        assert_eq!(looked, resent, "seed {seed}");
        assert_eq!((resent.batches, resent.lost_count(), resent.noted_from), (5, 0, Some(10)));
        assert_eq!(resent.sent > 0, lost > 0, "seed {seed}");
        let is = (world.database.access(), world.database.auth(), world.database.seals(), world.database.keys());
        assert_eq!(was, is, "seed {seed}");
        world.database.check_doubles();
        let again = world.resend(ALL);
        assert_eq!((again.batches, again.absent), (5, 0), "seed {seed}");
        // The gateway goes on where it was.
        world.ship(&[&[REFUSED]], 30);
        world.database.check_seals();
    }
}

#[test]
fn only_what_was_sealed_in_the_range_is_sent() {
    let world = World::shipped();
    world.database.lose(|_| true);
    let resent = world.resend(Range { from: 11, to: 21, look_only: false });
    assert_eq!((resent.batches, resent.absent, resent.sent), (2, 2, 2));
    assert!(world.database.seals().iter().all(|seal| (11..21).contains(&seal.ts)));
    assert_eq!(world.database.seals().len(), 2);
}

#[test]
fn what_cannot_be_formed_as_it_was_is_named_and_not_sent() {
    // The frames are gone; they have rotted; they give other rows.
    for (case, lost) in [("gone", 5), ("rotten", 1), ("others", 5)] {
        let world = World::shipped();
        world.database.lose(|_| true);
        match case {
            "gone" => {
                for segment in world.segments() {
                    world.sim.storage().remove(&segment).unwrap();
                }
            }
            "rotten" => world.rot(4),
            _ => {}
        }
        let tenant = if case == "others" { "SE2321000016-U" } else { TENANT };
        let resent = world.resend_for(ALL, tenant);
        assert_eq!((resent.lost_count(), resent.lost.len(), resent.sent), (lost, lost as usize, 5 - lost), "{case}");
        assert_eq!((resent.lost[0].at, resent.lost[0].access_batch, resent.lost[0].auth_batch), (10, Some(1), Some(1)));
        let there = world.database.seals().iter().filter(|seal| seal.stream == Stream::Access).count();
        assert_eq!(there as u64, (4_u64).saturating_sub(lost), "{case}");
        assert!(world.database.access().iter().all(|row| &*row.tenant == TENANT && (lost < 5 || row.seq == 0)));
    }
}

#[test]
fn what_another_node_has_shipped_is_not_sent_under_this_name() {
    let world = World::shipped();
    world.database.lose(|_| true);
    let other = world.try_resend(ALL, (TENANT, "gw2", [9; 16]), |_| ());
    assert!(matches!(&other, Err(ResendError::OtherNode { found, .. }) if found == "gw1"), "{other:?}");
    // Without a book the segments say it.
    for keep in ["book", "acked"] {
        let gone = if keep == "book" { "/journal/acked.ledger" } else { BOOK };
        let (world, other) = (World::shipped(), if keep == "book" { "gw1" } else { "gw2" });
        world.database.lose(|_| true);
        world.sim.storage().remove(Path::new(gone)).unwrap();
        let other = world.try_resend(ALL, (TENANT, other, [8; 16]), |_| ());
        assert!(matches!(other, Err(ResendError::Open(OpenError::OtherNode { .. }))), "{other:?}");
        assert!(world.database.keys().is_empty());
    }
    // Data keys cannot be asked for, and would have been the first to go.
    assert!(world.database.keys().is_empty());
}

#[test]
fn a_row_that_somebody_has_added_does_not_stand_for_one_that_is_gone() {
    // Rows 2 and 3 are a batch. The stranger has a number of its own, or that of another row.
    for (seq, numbers) in [(2, 2), (3, 3), (4, 4)] {
        let world = World::shipped();
        let row = world.database.access().into_iter().find(|row| row.seq == numbers).unwrap();
        world.database.add_stranger(numbers, seq);
        let before = world.database.access().len();
        let resent = world.resend(ALL);
        let named: Vec<_> = resent.unmended.iter().map(|lost| lost.access_batch).collect();
        assert_eq!((resent.absent, resent.sent, named), (1, 1, vec![Some(row.batch)]), "{seq}");
        assert!(!resent.is_whole());
        // Of those it is like, the next one is lost as well: as many rows as there should be.
        let next =
            world.database.access().iter().find(|other| other.batch == row.batch && other.seq != seq).map(|r| r.seq);
        if let Some(next) = next {
            world.database.lose_access(next);
            let looked = world.resend(Range { look_only: true, ..ALL });
            assert_eq!(looked.absent, 1, "{seq}");
            let resent = world.resend(ALL);
            assert_eq!((resent.absent, resent.unmended.len(), resent.is_whole()), (1, 1, false), "{seq}");
            assert_eq!(world.database.access().len(), before);
        }
    }
}

#[test]
fn a_row_under_the_number_of_a_lost_one_is_not_taken_for_it() {
    // Rows 2 and 3 are a batch.
    for seq in [2, 3] {
        let world = World::shipped();
        let was = world.database.access();
        let batch = was.iter().find(|row| row.seq == seq).map(|row| row.batch);
        world.database.add_stranger(seq, seq);
        world.database.lose_access(seq);
        assert_eq!(world.database.access().len(), was.len());
        let looked = world.resend(Range { look_only: true, ..ALL });
        assert_eq!((looked.absent, looked.sent, looked.counted), (1, 1, 0), "{seq}");
        let resent = world.resend(ALL);
        let named: Vec<_> = resent.unmended.iter().map(|lost| lost.access_batch).collect();
        assert_eq!((resent.absent, named, resent.is_whole()), (1, vec![batch], false), "{seq}");
        // The row is there again, and so is the other: nothing is deleted.
        let is = world.database.access();
        assert!(was.iter().all(|row| is.contains(row)) && is.len() == was.len() + 1, "{seq}");
        // Once somebody has taken that out, all is well.
        world.database.lose_stranger();
        let resent = world.resend(ALL);
        assert_eq!((resent.absent, resent.is_whole()), (0, true), "{seq}");
        assert_eq!(world.database.access(), was);
    }
}

#[test]
fn rows_whose_frames_are_gone_are_counted_and_it_is_said() {
    let world = World::shipped();
    assert_eq!(world.resend(ALL).counted, 0);
    for segment in world.segments() {
        world.sim.storage().remove(&segment).unwrap();
    }
    let resent = world.resend(ALL);
    assert_eq!((resent.batches, resent.counted, resent.absent, resent.is_whole()), (5, 5, 0, true));
}

impl World {
    /// Thirty batches, over more than ten segments.
    fn long() -> Self {
        let mut world = Self::new();
        world.ship(&[&[REFUSED; 15] as &[_]; 30], 10);
        assert!(world.segments().len() > 10);
        world
    }
}

#[test]
fn the_journal_is_looked_at_once_however_many_batches_are_lost() {
    let world = World::long();
    let access = world.database.access();
    // Every other batch, so that none goes on where the last one has ended.
    world.database.lose_batches(|batch| batch % 2 == 0);
    let segments = world.segments().len() as u64;
    // Reading all frames once for data keys and once for the batches, each segment's header, the notes.
    let enough = 30 * 4 + segments * 12;
    world.sim.set_faults(Faults { crash_after: Some(enough), ..Faults::NONE });
    let resent = world.resend(ALL);
    assert_eq!((resent.absent, resent.sent, resent.is_whole()), (15, 15, true));
    assert_eq!(world.database.access(), access);
}

#[test]
fn segments_that_a_gateway_deletes_meanwhile_are_lost_and_break_nothing_off() {
    for (done, sent) in [(0, 0..=9), (3, 3..=12)] {
        let world = World::long();
        world.database.lose(|_| true);
        let segments = world.segments();
        let meanwhile = |now| {
            if now == done {
                for segment in segments.iter().take(segments.len() - 2) {
                    _ = world.sim.storage().remove(segment);
                }
            }
        };
        let resent = world.try_resend(ALL, (TENANT, "gw1", [9; 16]), meanwhile).unwrap();
        assert_eq!((resent.absent, resent.sent + resent.lost_count()), (30, 30));
        assert!(sent.contains(&resent.sent) && resent.lost_count() > 15, "{done}: {}", resent.sent);
        assert_eq!(world.database.seals().len() as u64, resent.sent);
    }
}
