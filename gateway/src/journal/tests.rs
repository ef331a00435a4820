//! Tests of the journal. `model` drives it through crashes on the simulated disk; `disk` uses a real one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test stops at the first surprise and says what it saw"
)]

mod damage;
mod disk;
mod model;

use std::sync::Arc;
use std::time::Duration;

use super::sim::SimStorage;
use super::*;

const NODE: [u8; 16] = *b"node-for-testing";
const DIR: &str = "/journal";

fn metrics() -> Metrics {
    Metrics::new(&prometheus::Registry::new()).unwrap()
}

fn small_config(dir: impl Into<PathBuf>) -> Config {
    Config {
        segment_bytes: 16 << 10,
        pending_bytes_max: 16 << 10,
        budget_bytes: 1 << 20,
        high_water_bytes: 1 << 19,
        grace_s: 0,
        ..Config::new(dir, NODE)
    }
}

fn open(sim: &SimStorage) -> Parts {
    Journal::open_parts(small_config(DIR), sim.storage(), metrics()).unwrap()
}

/// Appends a frame and commits it.
fn commit(parts: &mut Parts, payload: &[u8]) -> Position {
    let ticket = parts.journal.append(FrameKind::Intent, |out| out.extend_from_slice(payload)).unwrap();
    assert_eq!(parts.committer.step(Duration::ZERO), Step::Committed);
    ticket.try_receipt().ok().unwrap().position()
}

fn read_all(reader: &mut Reader) -> Vec<Item> {
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

fn payloads(items: &[Item]) -> Vec<String> {
    let text = |item: &Item| match item {
        Item::Frame(frame) => String::from_utf8(frame.payload.clone()).unwrap(),
        Item::Gap(gap) => format!("gap {}..={}", gap.first, gap.last),
    };
    items.iter().map(text).collect()
}

fn shared(sim: &SimStorage) -> Arc<dyn Storage> {
    sim.storage()
}
