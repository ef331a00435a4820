//! A spool on a disk that dies at every operation: each witness gets every line that the shipper was told is safe.

use super::{Limits, Spool, SpoolError};
use crate::journal::sim::{Faults, SimStorage};
use crate::witness::To;
use contract::id::NodeName;
use contract::seal::{Root, SealCopy, Stream, statement};
use std::path::Path;

const DIR: &str = "/journal";
const LIMITS: Limits = Limits { bytes_max: 1 << 20, tidy_bytes: 3_000 };

fn open(sim: &SimStorage, there: [bool; 2]) -> Result<Spool, SpoolError> {
    Spool::open(&sim.storage(), Path::new(DIR), there, LIMITS)
}

fn line(batch: u64) -> Vec<u8> {
    let mut root = Root::default();
    root.add(&batch.to_le_bytes());
    let node = NodeName::parse("gw1").unwrap();
    let said = statement(&node, Stream::Access, batch, batch, root, [0; 32], 5);
    SealCopy::new(&said, [1; 32], [2; 64]).line().unwrap()
}

/// Takes what there is, or half of it; the batches are noted in the order of their coming.
fn take(spool: &Spool, to: To, sim: &SimStorage, got: &mut Vec<u64>) -> bool {
    let Ok(Some(chunk)) = spool.next(to) else { return false };
    let mut end = chunk.start;
    for (line, copy) in chunk.lines() {
        if end > chunk.start && sim.below(4) == 0 {
            break;
        }
        end += line.len() as u64;
        got.extend(copy.map(|copy| copy.batch));
    }
    spool.taken(to, end).is_ok() || !sim.crashed()
}

/// Each batch is there, and none came before the one ahead of it.
fn check(got: &[u64], safe: &[u64]) {
    let mut first = Vec::new();
    for batch in got {
        if !first.contains(batch) {
            first.push(*batch);
        }
    }
    assert!(first.is_sorted(), "{first:?}");
    for batch in safe {
        assert!(first.contains(batch), "batch {batch} is missing among {first:?}");
    }
}

#[test]
fn every_line_reaches_every_witness_whatever_crashes() {
    for seed in 0..1_000 {
        let sim = SimStorage::new(seed);
        let (mut safe, mut got) = (Vec::new(), [Vec::new(), Vec::new()]);
        let mut batch = 0;
        for _life in 0..5 {
            let mut faults = Faults { crash_after: (sim.below(3) > 0).then(|| sim.below(120)), ..Faults::NONE };
            if sim.below(3) == 0 {
                (faults.sync_fails, faults.write_fails) = (100, 100);
            }
            sim.set_faults(faults);
            if let Ok(spool) = open(&sim, [true, true]) {
                let mut next = batch + 1;
                for _ in 0..sim.below(60) {
                    match sim.below(4) {
                        0 | 1 => {
                            // The shipper does not go on before it is safe.
                            if spool.append(&line(next)).is_ok() {
                                safe.push(next);
                                batch = next;
                                next += 1;
                            }
                        }
                        2 => _ = take(&spool, To::File, &sim, &mut got[0]),
                        _ => _ = take(&spool, To::Url, &sim, &mut got[1]),
                    }
                }
            }
            if sim.below(2) == 0 { sim.kill() } else { sim.power_cut() }
        }
        sim.set_faults(Faults::NONE);
        let spool = open(&sim, [true, true]).unwrap();
        for (to, got) in [To::File, To::Url].into_iter().zip(&mut got) {
            while take(&spool, to, &sim, got) {}
            let result = std::panic::catch_unwind(|| check(got, &safe));
            assert!(result.is_ok(), "seed {seed}");
        }
    }
}

#[test]
fn it_is_emptied_when_all_have_taken_all_and_only_then() {
    let sim = SimStorage::new(1);
    let spool = open(&sim, [true, true]).unwrap();
    let mut wanted = Vec::new();
    for batch in 1..=9 {
        spool.append(&line(batch)).unwrap();
        wanted.push(batch);
    }
    let size = |spool: &Spool| spool.state.lock().size;
    let (mut file, mut url) = (Vec::new(), Vec::new());
    while take(&spool, To::File, &sim, &mut file) {}
    assert!(size(&spool) > LIMITS.tidy_bytes, "the endpoint has not had them");
    while take(&spool, To::Url, &sim, &mut url) {}
    assert_eq!((size(&spool), &file, &url), (0, &wanted, &wanted));
    spool.append(&line(10)).unwrap();
    drop(spool);
    // A witness that was taken out of the settings holds nothing back, and begins anew when it is back.
    let spool = open(&sim, [true, false]).unwrap();
    while take(&spool, To::File, &sim, &mut file) {}
    assert!(matches!(spool.next(To::Url), Ok(None)));
    drop(spool);
    let spool = open(&sim, [true, true]).unwrap();
    while take(&spool, To::Url, &sim, &mut url) {}
    assert_eq!((file.last(), url.last(), spool.next(To::File).unwrap().is_none()), (Some(&10), Some(&10), true));
}

#[test]
fn over_its_bound_nothing_is_taken_in() {
    let sim = SimStorage::new(1);
    let limits = Limits { bytes_max: 1_500, tidy_bytes: 1 };
    let spool = Spool::open(&sim.storage(), Path::new(DIR), [true, false], limits).unwrap();
    spool.append(&line(1)).unwrap();
    spool.append(&line(2)).unwrap();
    assert!(matches!(spool.append(&line(3)), Err(SpoolError::Full(_))));
    let mut got = Vec::new();
    while take(&spool, To::File, &sim, &mut got) {}
    spool.append(&line(3)).unwrap();
    while take(&spool, To::File, &sim, &mut got) {}
    assert_eq!(got, [1, 2, 3]);
}

#[test]
fn a_torn_line_is_cut_off_and_a_damaged_one_reaches_nobody() {
    let sim = SimStorage::new(1);
    let spool = open(&sim, [true, false]).unwrap();
    for batch in 1..=3 {
        spool.append(&line(batch)).unwrap();
    }
    drop(spool);
    sim.corrupt(Path::new("/journal/witness.spool"), |bytes| {
        let second = line(1).len();
        bytes[second..second + 20].fill(0);
        bytes.extend_from_slice(b"{\"v\":1,\"no");
    });
    let spool = open(&sim, [true, false]).unwrap();
    spool.append(&line(4)).unwrap();
    let mut got = Vec::new();
    while take(&spool, To::File, &sim, &mut got) {}
    assert_eq!(got, [1, 3, 4]);
}
