//! What the database has lost comes back, to the byte, and nothing else does.

use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use contract::Micros;
use contract::record::OutcomeKind;
use contract::seal::Stream;

use super::super::ClickHouse;
use super::super::resend::{self, Range, Resent, Source};
use super::super::worker::Step;
use super::database::Fake;
use super::frames::Kind;
use super::{BOOK, DIR, REFUSED, STATE, TENANT, World, node, seal_keys, step};
use crate::keys::SealKeys;

const ALL: Range = Range { from: Micros::MIN, to: Micros::MAX, look_only: false };

impl World {
    fn resend(&self, range: Range) -> Resent {
        self.resend_for(range, TENANT)
    }

    fn resend_for(&self, range: Range, tenant: &str) -> Resent {
        let clickhouse =
            ClickHouse { url: String::new(), database: String::new(), user: String::new(), key: String::new().into() };
        let source = Source {
            dir: DIR.into(),
            ledger: BOOK.into(),
            id: [9; 16],
            node: node(),
            tenant: tenant.into(),
            clickhouse,
            hand_overs: seal_keys(&self.sim).unwrap().history().to_vec(),
        };
        let (storage, mut sink) = (self.sim.storage(), Fake::new(&self.database, &self.sim));
        let mut work = pin!(resend::run(&mut sink, &storage, &source, range, |_, _| ()));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
                return done.unwrap();
            }
        }
    }

    /// Ships what is there, a batch at each of these times.
    fn ship(&mut self, batches: &[&[Kind]], first: Micros) {
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
    fn shipped() -> Self {
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
