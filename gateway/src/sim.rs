//! Deterministic simulation of the gateway's core: journal, recorder, hold, directory, policy, watch and shipper as they
//! are in the program, on a disk, a clock, an auditor and a ClickHouse that are not. One seed decides everything.
//!
//! A seed is some lives of one gateway. In each, clients come and go, read and change, are disclosed to by the hundred,
//! leave in the middle; the auditor changes who belongs, and its feed lags, breaks off and begins anew; the disk tears,
//! loses, refuses, fills up and takes its time; ClickHouse loses questions and answers, stores late, in part or twice,
//! refuses, and is away; the machine goes down at any operation of the disk, or between any two steps of anybody. Then it
//! is all opened again. At last nothing goes wrong any more, everything drains, and is compared:
//!
//! - P1: whoever's data left, or were changed, in a request has one row for it, under a data key that is there and opens.
//! - P2: whatever was reported durable is in the database once; the rest of it are rows of what did happen; numbers have no
//!   gaps; seals cover, chain and verify; nothing was sent again without asking.
//! - P3: nobody is admitted whose right ended before the last news, and no piece of a watched exchange leaves after it.
//! - What is kept in memory for open exchanges is no more than they are, and on disk no more than the last two segments
//!   that were shipped; and everything ends.
//!
//! `GRINDVAKT_SIM_SEED` runs one seed, with its trace; `GRINDVAKT_SIM_SEEDS` so many, from `GRINDVAKT_SIM_FIRST` on. A seed
//! that fails is printed, with the shortest beginning of it that fails as well.
//!
//! Not simulated: HTTP, TLS, finding patients in bytes, the files of keys and of the directory's copy.

mod auditor;
mod disk;
mod exchange;
mod life;
mod people;
mod truth;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use world::{Metrics, World};

/// How long the gateway decides by a directory that it has no news of.
const STALE_AFTER: Duration = Duration::from_secs(20);

/// How often something happened.
type Coverage = BTreeMap<&'static str, u64>;

/// What must have happened in a run of many seeds, for it to say anything.
const WANTED: [&str; 14] = [
    "admitted",
    "refused",
    "pieces",
    "disclosed",
    "spilled",
    "long",
    "cut",
    "right ended",
    "not taken",
    "not durable in time",
    "power cuts",
    "kills",
    "outcome owed",
    "carried over",
];

#[test]
fn simulation() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("GRINDVAKT_SIM_SEED") {
        let turns = number("GRINDVAKT_SIM_TURNS").unwrap_or(u64::MAX);
        World::new(seed, turns, true, &Metrics::new()).run();
        return;
    }
    let first = number("GRINDVAKT_SIM_FIRST").unwrap_or(0);
    let seeds = number("GRINDVAKT_SIM_SEEDS").unwrap_or(SEEDS);
    let (next, failed) = (AtomicU64::new(0), Mutex::new(None));
    let coverage = Mutex::new(Coverage::new());
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let metrics = Metrics::new();
                let mut seen = Coverage::new();
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= seeds {
                        break;
                    }
                    let world = World::new(first + nth, u64::MAX, false, &metrics);
                    let Ok(covered) = catch_unwind(AssertUnwindSafe(|| world.run())) else {
                        next.store(seeds, Ordering::Relaxed);
                        failed.lock().get_or_insert(first + nth);
                        continue;
                    };
                    add(&mut seen, covered);
                }
                add(&mut coverage.lock(), seen);
            });
        }
    });
    if let Some(seed) = failed.into_inner() {
        explain(seed);
    }
    let seconds = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = seeds as f64 / seconds;
    let coverage = coverage.into_inner();
    println!("{seeds} seeds from {first} in {seconds:.1} s, {rate:.0} a second; {coverage:?}");
    if seeds >= SEEDS {
        for what in WANTED {
            assert!(coverage.get(what).is_some_and(|count| *count > 0), "in all these seeds nothing was {what}");
        }
    }
}

fn add(all: &mut Coverage, more: Coverage) {
    for (what, count) in more {
        *all.entry(what).or_default() += count;
    }
}

#[test]
fn a_seed_is_the_same_each_time() {
    let metrics = Metrics::new();
    for seed in 0..5 {
        let trace = || {
            let world = World::new(seed, u64::MAX, true, &metrics);
            world.quiet();
            world.run();
            world.told()
        };
        assert_eq!(trace(), trace(), "seed {seed}");
    }
}

/// Finds the shortest beginning of a seed that fails, and runs it again for all to see.
fn explain(seed: u64) {
    let fails = |turns| {
        let world = World::new(seed, turns, false, &Metrics::new());
        catch_unwind(AssertUnwindSafe(|| world.run())).is_err()
    };
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (mut enough, mut short) = (TURNS_MAX, 0);
    while short + 1 < enough {
        let middle = u64::midpoint(short, enough);
        if fails(middle) { enough = middle } else { short = middle }
    }
    std::panic::set_hook(silent);
    eprintln!("failed with GRINDVAKT_SIM_SEED={seed}, and GRINDVAKT_SIM_TURNS={enough} is enough. To run it again:");
    eprintln!(
        "  GRINDVAKT_SIM_SEED={seed} GRINDVAKT_SIM_TURNS={enough} cargo nextest run -p gateway -E 'test(simulation)'"
    );
    World::new(seed, enough, true, &Metrics::new()).run();
    panic!("seed {seed} failed, and does not fail again: something in it is not decided by the seed");
}

/// Seeds in each run of the tests.
const SEEDS: u64 = 1_500;
/// More turns than a seed has.
const TURNS_MAX: u64 = 1 << 16;
