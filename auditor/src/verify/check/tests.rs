//! Tampering of every kind, on random rows of a small log: each is named, and nothing else is.

use super::super::finding::{Finding, Findings, Kind};
use super::super::keys::Keyring;
use super::{Before, Checker, STRAYS_MAX, Window};
use aws_lc_rs::signature::Ed25519KeyPair;
use contract::id::NodeName;
use contract::row::SealRow;
use contract::seal::{Edge, Root, SealKey, SignedHandOver, Stream, statement};
use proptest::prelude::*;

const BATCHES: u64 = 5;
const ROWS: u64 = 7;

/// Any bytes will do as rows here.
#[derive(Clone)]
struct Log {
    rows: Vec<(u64, Vec<u8>)>,
    seals: Vec<SealRow>,
    keys: Vec<[u8; 32]>,
    hand_overs: Vec<SignedHandOver>,
}

fn key() -> SealKey {
    let der = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    SealKey::from_pkcs8(der.as_ref()).unwrap()
}

fn seal(batch: u64, rows: &[(u64, Vec<u8>)], previous: [u8; 32], key: &SealKey) -> SealRow {
    let mut root = Root::default();
    for (_, row) in rows {
        root.add(row);
    }
    let node = NodeName::parse("gw1").unwrap();
    let at = i64::try_from(batch).unwrap() * 1_000_000;
    SealRow::new(statement(&node, Stream::Access, batch, rows[0].0, root, previous, at), key)
}

impl Log {
    fn new() -> Self {
        let key = key();
        let rows: Vec<_> = (1..=BATCHES * ROWS).map(|n| (n, format!("row {n}").into_bytes())).collect();
        let mut seals: Vec<SealRow> = Vec::new();
        for (batch, rows) in (1..).zip(rows.chunks(ROWS as usize)) {
            let previous = seals.last().map_or([0; 32], |seal| Before::after(seal).chain);
            seals.push(seal(batch, rows, previous, &key));
        }
        Self { rows, seals, keys: vec![key.public()], hand_overs: Vec::new() }
    }

    fn findings(&self) -> Vec<Finding> {
        let mut window = Window::new(self.seals.iter().map(|seal| (seal.first, seal.leaves.len())));
        for (number, row) in &self.rows {
            window.add(*number, row);
        }
        let mut findings = Findings::default();
        let keys = Keyring::new(&self.keys, &self.hand_overs, &mut findings);
        let mut checker = Checker::new("gw1", Stream::Access, Some(Before::NOTHING));
        checker.window(&self.seals, &keys, window, &mut findings);
        for said in checker.lost(&keys, 0) {
            findings.note(checker.seals_before(said));
        }
        findings.listed
    }

    fn found(&self) -> Vec<(Kind, u64, u64)> {
        self.findings().into_iter().map(|finding| (finding.kind, finding.first, finding.last)).collect()
    }
}

#[test]
fn an_untouched_log_is_intact_and_doubles_do_no_harm() {
    let mut log = Log::new();
    assert_eq!(log.found(), []);
    log.rows.push(log.rows[3].clone());
    log.rows.reverse();
    assert_eq!(log.found(), []);
}

proptest! {
    #[test]
    fn a_bit_a_row_less_and_a_row_more_are_named(number in 1..=BATCHES * ROWS, bit in 0_usize..40, first: bool) {
        let place = usize::try_from(number - 1).unwrap();
        let mut changed = Log::new();
        let row = &mut changed.rows[place].1;
        let bit = bit % (row.len() * 8);
        row[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(changed.found(), [(Kind::Changed, number, number)]);

        let mut removed = Log::new();
        removed.rows.remove(place);
        prop_assert_eq!(removed.found(), [(Kind::Removed, number, number)]);

        // Whether it comes before or after the one that it should replace.
        let mut added = Log::new();
        added.rows.insert(if first { 0 } else { added.rows.len() }, (number, b"another".to_vec()));
        prop_assert_eq!(added.found(), [(Kind::Added, number, number)]);
    }

    #[test]
    fn a_seal_that_is_gone_or_touched_is_named(batch in 1..=BATCHES, leaf: bool) {
        let (place, first) = (usize::try_from(batch - 1).unwrap(), (batch - 1) * ROWS + 1);
        let last = first + ROWS - 1;
        let mut gone = Log::new();
        gone.seals.remove(place);
        let rows = (Kind::Added, first, last);
        let expected = if batch == BATCHES { vec![rows] } else { vec![(Kind::SealMissing, first, last), rows] };
        prop_assert_eq!(gone.found(), expected);

        let mut touched = Log::new();
        if leaf { touched.seals[place].leaves[2] ^= 1 } else { touched.seals[place].root[0] ^= 1 }
        let found = touched.found();
        prop_assert!(found.contains(&(Kind::SealBroken, first, last)), "{found:?}");
        prop_assert!(found.iter().all(|(_, from, _)| *from >= first), "{found:?}");
    }
}

#[test]
fn a_forged_log_is_signed_with_a_foreign_key() {
    let mut log = Log::new();
    log.keys = vec![key().public()];
    assert_eq!(log.found().len(), usize::try_from(BATCHES).unwrap());
    assert!(log.found().iter().all(|(kind, ..)| *kind == Kind::SealForeign));
}

#[test]
fn a_log_that_was_sealed_anew_from_somewhere_on_does_not_chain() {
    let mut log = Log::new();
    // Whoever has the node's own key, and leaves out a batch.
    let key = key();
    log.keys = vec![key.public()];
    let other = Log { seals: Vec::new(), ..log.clone() };
    log.seals = Vec::new();
    for (batch, rows) in (1..).zip(other.rows.chunks(ROWS as usize)) {
        log.seals.push(seal(batch, rows, [0; 32], &key));
    }
    let kinds: Vec<_> = log.found().into_iter().map(|(kind, first, _)| (kind, first)).collect();
    assert_eq!(kinds, (1..BATCHES).map(|batch| (Kind::OutOfSequence, batch * ROWS + 1)).collect::<Vec<_>>());
}

#[test]
fn many_rows_in_a_row_are_one_finding() {
    let mut log = Log::new();
    log.rows.retain(|(number, _)| !(3..=6).contains(number));
    assert_eq!(log.found(), [(Kind::Removed, 3, 6)]);
}

/// A log whose key was handed over before batch 3, and the two keys.
fn handed_over() -> (Log, SealKey, SealKey) {
    let (old, new) = (key(), key());
    let mut log = Log { seals: Vec::new(), keys: vec![old.public()], ..Log::new() };
    let rows = log.rows.clone();
    for (batch, rows) in (1..).zip(rows.chunks(ROWS as usize)) {
        let previous = log.seals.last().map_or([0; 32], |seal| Before::after(seal).chain);
        log.seals.push(seal(batch, rows, previous, if batch < 3 { &old } else { &new }));
    }
    let edge = Edge { batch: 3, previous: Before::after(&log.seals[1]).chain };
    let auth = Edge { batch: 1, previous: [0; 32] };
    log.hand_overs = vec![SignedHandOver::new(&NodeName::parse("gw1").unwrap(), &old, new.public(), edge, auth, 5)];
    (log, old, new)
}

#[test]
fn seals_after_a_hand_over_are_by_the_new_key() {
    let (log, old, new) = handed_over();
    assert_eq!(log.found(), []);
    // Without it nobody knows the new key.
    let without = Log { hand_overs: Vec::new(), ..log.clone() };
    let kinds: Vec<_> = without.found().into_iter().map(|(kind, first, _)| (kind, first)).collect();
    assert_eq!(kinds, [3, 4, 5].map(|batch| (Kind::SealForeign, (batch - 1) * ROWS + 1)));
    // The old key goes on, or the new one was there before its time.
    for (batch, key) in [(5, &old), (1, &new)] {
        let mut other = log.clone();
        let place = usize::try_from(batch - 1).unwrap();
        let said = other.seals[place].statement();
        other.seals[place] = SealRow::new(said, key);
        let (first, last) = ((batch - 1) * ROWS + 1, batch * ROWS);
        assert_eq!(other.found(), [(Kind::SealOutOfTerm, first, last)]);
        assert_eq!(other.findings()[0].key, Some(contract::seal::key_id(&key.public())));
    }
}

#[test]
fn a_past_that_was_sealed_anew_does_not_fit_the_hand_over() {
    let (mut log, old, new) = handed_over();
    // Whoever still has both keys changes a row before the hand-over, and seals all from there on anew.
    log.rows[0].1 = b"another".to_vec();
    let rows = log.rows.clone();
    log.seals.clear();
    for (batch, rows) in (1..).zip(rows.chunks(ROWS as usize)) {
        let previous = log.seals.last().map_or([0; 32], |seal| Before::after(seal).chain);
        log.seals.push(seal(batch, rows, previous, if batch < 3 { &old } else { &new }));
    }
    assert_eq!(log.found(), [(Kind::HandOverMisplaced, 0, 0)]);
}

#[test]
fn a_hand_over_tells_of_seals_that_were_taken_away_before_it() {
    let (mut log, ..) = handed_over();
    // The first under the new key is to come.
    log.seals.truncate(2);
    log.rows.truncate(usize::try_from(2 * ROWS).unwrap());
    assert_eq!(log.found(), []);
    log.seals.truncate(1);
    log.rows.truncate(usize::try_from(ROWS).unwrap());
    assert_eq!(log.found(), [(Kind::SealMissing, ROWS + 1, ROWS + 1)]);
    let finding = log.findings().remove(0);
    assert_eq!(finding.batch, Some(2));
    assert!(finding.key.is_some() && finding.from.is_some() && finding.to.is_some());
    // Everything is gone.
    (log.seals, log.rows) = (Vec::new(), Vec::new());
    assert_eq!(log.found(), [(Kind::SealMissing, 1, 1)]);
    // What is older than anything that is kept.
    let mut findings = Findings::default();
    let keys = Keyring::new(&log.keys, &log.hand_overs, &mut findings);
    assert_eq!(Checker::new("gw1", Stream::Access, Some(Before::NOTHING)).lost(&keys, 6).count(), 0);
}

#[test]
fn rows_that_somebody_has_put_in_by_the_million_take_no_more_room() {
    let mut window = Window::new([(1, 1)]);
    let more = 50;
    for number in 0..(STRAYS_MAX as u64 + more) {
        // Under a number that is taken, and under numbers that are not: the same ones twice.
        window.add(1, &number.to_le_bytes());
        window.add(10 + 2 * number, b"any");
        window.add(10 + 2 * number.min(STRAYS_MAX as u64 - 1), b"any");
    }
    assert_eq!((window.others.len(), window.strays.len()), (STRAYS_MAX, STRAYS_MAX));
    let mut findings = Findings::default();
    Checker::new("gw1", Stream::Access, Some(Before::NOTHING)).window(&[], &Keyring::default(), window, &mut findings);
    // The first under the number 1 has its place. The others are one finding for each that is held, and are counted beyond.
    assert_eq!(findings.count, 2 * STRAYS_MAX as u64 + 2 * more - 1);
}
