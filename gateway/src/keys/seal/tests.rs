//! Keys that take each other's place, on a disk that dies at every single operation.

use super::{Places, SealKeys};
use crate::journal::sim::{Faults, SimStorage};
use crate::keys::KeysError;
use contract::id::NodeName;
use contract::seal::Edge;
use std::path::Path;

const DIR: &str = "/state";

fn node() -> NodeName {
    NodeName::parse("gw1").unwrap()
}

fn edge(batch: u64) -> Edge {
    Edge { batch, previous: [u8::try_from(batch % 250).unwrap(); 32] }
}

fn open(sim: &SimStorage) -> Result<SealKeys, KeysError> {
    SealKeys::open(&sim.storage(), Path::new(DIR), &node())
}

/// Each hand-over is signed by the key before it, and leads to the key that signs.
fn check(keys: &SealKeys) {
    let mut key = keys.root();
    for signed in keys.history() {
        assert!(signed.holds() && signed.said.old == key);
        key = signed.said.new;
    }
    assert_eq!(keys.current().public(), key);
}

#[test]
fn the_new_key_follows_the_old_one_and_the_old_one_is_gone() {
    let sim = SimStorage::new(1);
    let mut keys = open(&sim).unwrap();
    let first = keys.current().public();
    assert!(!keys.hand_over(edge(1), edge(1), 5).unwrap(), "nobody waits");
    let (second, made) = SealKeys::prepare(&sim.storage(), Path::new(DIR)).unwrap();
    assert!(made && second != first);
    assert_eq!(SealKeys::prepare(&sim.storage(), Path::new(DIR)).unwrap(), (second, false), "the one that waits stays");
    assert!(!keys.waits(), "it is seen at the next start");
    let mut keys = open(&sim).unwrap();
    assert!(keys.waits() && keys.current().public() == first);
    assert!(keys.hand_over(edge(4), edge(2), 9).unwrap());
    assert_eq!((keys.current().public(), keys.root(), keys.waits()), (second, first, false));
    check(&keys);
    let said = &keys.history()[0].said;
    assert_eq!((said.access, said.auth, said.at), (edge(4), edge(2), 9));
    let names = sim.names();
    assert!(!names.contains(&Places::new(Path::new(DIR)).next), "{names:?}");
    assert!(!names.iter().any(|name| name.extension().is_some_and(|end| end == "tmp")), "{names:?}");
    let again = open(&sim).unwrap();
    check(&again);
    let seen = SealKeys::look(&sim.storage(), Path::new(DIR), &node()).unwrap().unwrap();
    assert_eq!((seen.current, seen.root(), seen.next, seen.history.len()), (second, first, None, 1));
}

#[test]
fn wherever_the_machine_stops_one_key_is_in_force_and_what_was_in_force_stays() {
    for operation in 0..40 {
        for power in [false, true] {
            for seed in 0..8 {
                let sim = SimStorage::new(seed);
                let first = open(&sim).unwrap().current().public();
                sim.set_faults(Faults { crash_after: Some(operation), ..Faults::NONE });
                let mut in_force = first;
                let _cut = SealKeys::prepare(&sim.storage(), Path::new(DIR));
                if let Ok(mut keys) = open(&sim)
                    && keys.hand_over(edge(4), edge(2), 9).is_ok_and(|done| done)
                {
                    in_force = keys.current().public();
                }
                let finished = !sim.crashed();
                if power {
                    sim.power_cut();
                } else {
                    sim.kill();
                }
                sim.set_faults(Faults::NONE);
                let mut keys = open(&sim).unwrap_or_else(|error| panic!("{operation} {power} {seed}: {error}"));
                check(&keys);
                if in_force != first {
                    assert_eq!(keys.current().public(), in_force, "{operation} {power} {seed}");
                }
                assert!(!finished || in_force != first);
                // And the next one follows.
                SealKeys::prepare(&sim.storage(), Path::new(DIR)).unwrap();
                let _as_before = keys.hand_over(edge(7), edge(7), 11).unwrap();
                let mut keys = open(&sim).unwrap();
                let _now = keys.hand_over(edge(8), edge(8), 12).unwrap();
                check(&keys);
                assert!(keys.root() == first && !keys.history().is_empty());
            }
        }
    }
}

#[test]
fn a_disk_that_refuses_hands_over_later_and_only_once() {
    for seed in 0..200 {
        let sim = SimStorage::new(seed);
        let first = open(&sim).unwrap().current().public();
        SealKeys::prepare(&sim.storage(), Path::new(DIR)).unwrap();
        let mut keys = open(&sim).unwrap();
        sim.set_faults(Faults { sync_fails: 300, write_fails: 300, name_fails: 300, ..Faults::NONE });
        let mut tries = 0;
        while !keys.hand_over(edge(4), edge(2), 9 + tries).is_ok_and(|done| done) {
            tries += 1;
            assert!(tries < 1000, "{seed}");
        }
        assert!(keys.current().public() != first && keys.history().len() == 1);
        let said = keys.history()[0].clone();
        sim.power_cut();
        sim.set_faults(Faults::NONE);
        let keys = open(&sim).unwrap();
        check(&keys);
        assert_eq!(keys.history(), [said], "{seed}");
    }
}

#[test]
fn keys_and_history_that_do_not_belong_together_are_refused() {
    let sim = SimStorage::new(1);
    let places = Places::new(Path::new(DIR));
    open(&sim).unwrap();
    SealKeys::prepare(&sim.storage(), Path::new(DIR)).unwrap();
    open(&sim).unwrap().hand_over(edge(1), edge(1), 5).unwrap();
    // Another node's.
    let other = NodeName::parse("gw2").unwrap();
    assert!(matches!(SealKeys::open(&sim.storage(), Path::new(DIR), &other), Err(KeysError::History(_))));
    // A line that was changed.
    let mut kept = Vec::new();
    sim.corrupt(&places.history, |bytes| {
        kept.clone_from(bytes);
        let at = bytes.windows(6).position(|window| window == b"\"at\":5").unwrap();
        bytes[at + 5] = b'6';
    });
    assert!(matches!(open(&sim), Err(KeysError::History(_))));
    sim.corrupt(&places.history, |bytes| bytes.clone_from(&kept));
    // The key is gone: no other takes its place unasked.
    let gone = places.current.with_extension("away");
    sim.storage().rename(&places.current, &gone).unwrap();
    assert!(matches!(open(&sim), Err(KeysError::NotTheLast { .. })));
    SealKeys::prepare(&sim.storage(), Path::new(DIR)).unwrap();
    assert!(matches!(open(&sim), Err(KeysError::NotTheLast { .. })));
    sim.storage().rename(&gone, &places.current).unwrap();
    assert!(open(&sim).unwrap().waits());
}
