//! Write, crash, recover, again and again, against a model of what must hold. One seed decides everything; a seed that
//! fails is printed and can be replayed with `GRINDVAKT_JOURNAL_SEED`.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::journal::sim::Faults;

type Content = (FrameKind, Vec<u8>);

/// What the outside world has seen and may rely on.
struct Model {
    sim: SimStorage,
    config: Config,
    metrics: Metrics,
    /// Frames with a receipt, or that a reader handed out: they must be there for ever, until acknowledged.
    proven: BTreeMap<u64, Content>,
    /// All that was ever appended under a sequence.
    appended: BTreeMap<u64, Vec<Content>>,
    acked: u64,
    ack_tried: u64,
    waiting: Vec<Ticket>,
}

#[test]
fn every_receipt_survives_every_crash() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("GRINDVAKT_JOURNAL_SEED") {
        run(seed, &metrics());
        return;
    }
    let seeds = number("GRINDVAKT_JOURNAL_SEEDS").unwrap_or(100_000);
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let metrics = metrics();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed, &metrics))) {
                        next.store(seeds, Ordering::Relaxed);
                        eprintln!("failed with GRINDVAKT_JOURNAL_SEED={seed}");
                        std::panic::resume_unwind(panic);
                    }
                }
            });
        }
    });
}

fn run(seed: u64, metrics: &Metrics) {
    let sim = SimStorage::new(seed);
    let tight = sim.below(4) == 0;
    let config = Config {
        segment_bytes: 16 << 10,
        pending_bytes_max: 6 << 10,
        budget_bytes: if tight { 80 << 10 } else { 1 << 20 },
        high_water_bytes: if tight { 40 << 10 } else { 1 << 19 },
        grace_s: sim.below(2) * 10,
        ..Config::new(DIR, NODE)
    };
    let mut model = Model {
        sim,
        config,
        metrics: metrics.clone(),
        proven: BTreeMap::new(),
        appended: BTreeMap::new(),
        acked: 1,
        ack_tried: 1,
        waiting: Vec::new(),
    };
    for _ in 0..=model.sim.below(4) {
        model.live();
    }
    model.finish();
}

impl Model {
    /// One life of the process, mostly with a violent end.
    fn live(&mut self) {
        let below = |bound| self.sim.below(bound);
        let mut faults = Faults { crash_after: Some(below(90)), ..Faults::NONE };
        match below(5) {
            0 => faults.sync_fails = 100,
            1 => (faults.sync_fails, faults.write_fails, faults.name_fails) = (50, 50, 30),
            2 => faults.capacity_bytes = (24 << 10) + below(64 << 10),
            _ => {}
        }
        if below(8) == 0 {
            faults.crash_after = None;
        }
        self.sim.set_faults(faults);
        if let Ok(mut parts) = self.open() {
            for _ in 0..8 + self.sim.below(24) {
                if self.sim.crashed() {
                    break;
                }
                self.act(&mut parts);
            }
        }
        self.waiting.clear();
        if self.sim.below(3) == 0 { self.sim.kill() } else { self.sim.power_cut() }
    }

    fn open(&mut self) -> Result<Parts, OpenError> {
        let parts = Journal::open_parts(self.config.clone(), self.sim.storage(), self.metrics.clone())?;
        assert_eq!(parts.recovery.gaps, [], "nothing that was durable may be missing");
        let acked = parts.journal.acked().sequence();
        assert!(acked >= self.acked, "the ack mark went back from {} to {acked}", self.acked);
        assert!(acked <= self.ack_tried, "the ack mark {acked} is ahead of {}", self.ack_tried);
        self.acked = acked;
        let last = self.proven.keys().next_back().copied().unwrap_or(0);
        assert!(parts.recovery.next > last, "recovery would give sequence {} again", parts.recovery.next);
        if self.sim.below(8) == 0 && !self.sim.crashed() {
            let second = Journal::open_parts(self.config.clone(), self.sim.storage(), self.metrics.clone());
            assert!(
                matches!(second, Err(OpenError::Locked { .. } | OpenError::Io { .. })),
                "two at the same directory"
            );
        }
        Ok(parts)
    }

    fn act(&mut self, parts: &mut Parts) {
        match self.sim.below(16) {
            0..=4 => self.append(&parts.journal, true),
            5..=6 => self.append(&parts.journal, false),
            7..=11 => self.step(parts),
            12 => self.ack(&parts.journal),
            13 => {
                // What it cannot do now it does later.
                let _later = parts.keeper.step(self.sim.storage().monotonic());
            }
            14 => {
                self.sim.advance(Duration::from_millis(self.sim.below(12_000)));
                parts.journal.expire(self.sim.storage().monotonic());
            }
            _ => self.read(&parts.journal, false),
        }
    }

    fn append(&mut self, journal: &Journal, urgent: bool) {
        let payload = self.payload();
        let kind = FrameKind::ALL[self.sim.below(5) as usize];
        let fill = |out: &mut Vec<u8>| out.extend_from_slice(&payload);
        let position = if urgent {
            journal.append(kind, fill).map(|ticket| {
                let position = ticket.position();
                self.waiting.push(ticket);
                position
            })
        } else {
            journal.append_lazy(kind, fill)
        };
        if let Ok(position) = position {
            let sequence = position.sequence();
            assert!(!self.proven.contains_key(&sequence), "sequence {sequence} was given twice");
            self.appended.entry(sequence).or_default().push((kind, payload));
        }
    }

    fn payload(&self) -> Vec<u8> {
        let length = match self.sim.below(8) {
            0 => 0,
            1 => self.sim.below(3000),
            _ => self.sim.below(300),
        } as usize;
        let mut payload = vec![self.sim.below(256) as u8; length];
        for (place, byte) in payload.iter_mut().zip(self.sim.below(u64::MAX).to_le_bytes()) {
            *place = byte;
        }
        if self.sim.below(8) == 0 {
            // Somebody who knows the format tries to be taken for a frame.
            let sequence = 1 + self.sim.below(50);
            let mut forged = Vec::new();
            crate::journal::frame::encode(&mut forged, FrameKind::Marker, sequence, sequence, b"forged");
            crate::journal::frame::stamp(&mut forged, 0);
            // Wherever it lands, one copy lies where a frame could begin.
            for _ in 0..8 {
                payload.extend_from_slice(&forged);
                payload.push(0);
            }
        }
        payload
    }

    fn step(&mut self, parts: &mut Parts) {
        parts.committer.step(self.sim.storage().monotonic());
        for ticket in std::mem::take(&mut self.waiting) {
            match ticket.try_receipt() {
                Ok(receipt) => {
                    let sequence = receipt.position().sequence();
                    let content = self.appended[&sequence].last().unwrap().clone();
                    self.proven.insert(sequence, content);
                }
                Err(ticket) => self.waiting.push(ticket),
            }
        }
    }

    fn ack(&mut self, journal: &Journal) {
        let end = journal.durable_end().sequence();
        let position = self.acked + self.sim.below(end.saturating_sub(self.acked) + 1);
        self.ack_tried = self.ack_tried.max(position);
        if journal.ack(Position::new(position)).is_ok() {
            self.acked = self.acked.max(position);
        }
        assert!(journal.ack(Position::new(end + 1)).is_err(), "what is not durable was acknowledged");
    }

    /// Reads from the ack mark. With `all`, everything proven has to come.
    fn read(&mut self, journal: &Journal, all: bool) {
        let mut expected = journal.acked().sequence();
        let mut reader = journal.reader(Position::new(expected));
        loop {
            let frame = match reader.next() {
                Ok(Some(Item::Frame(frame))) => frame,
                Ok(Some(Item::Gap(gap))) => panic!("{gap:?} is missing"),
                Ok(None) => break,
                Err(error) => {
                    assert!(self.sim.crashed(), "{error:?}");
                    return;
                }
            };
            let sequence = frame.position.sequence();
            assert_eq!(sequence, expected, "a frame is out of order");
            let content = (frame.kind, frame.payload);
            let known = self.appended.get(&sequence).is_some_and(|contents| contents.contains(&content));
            assert!(known, "frame {sequence} was never appended");
            let proven = self.proven.entry(sequence).or_insert_with(|| content.clone());
            assert!(*proven == content, "frame {sequence} has changed");
            expected += 1;
        }
        if all {
            let last = self.proven.keys().next_back().copied().unwrap_or(0);
            assert!(expected > last, "frames {expected}..={last} had receipts and are gone");
        }
    }

    /// What is kept below the ack mark may have gaps, but nothing in it may be false.
    fn read_oldest(&self) {
        let mut offline = offline_reader(&self.sim.storage(), &self.config.dir, Position::OLDEST).unwrap();
        for item in read_all(&mut offline) {
            if let Item::Frame(frame) = item
                && let Some(proven) = self.proven.get(&frame.position.sequence())
            {
                assert!(*proven == (frame.kind, frame.payload), "frame {} is from another life", frame.position);
            }
        }
    }

    /// On a disk in good order everything is there, and the journal goes on working.
    fn finish(&mut self) {
        let mut parts = self.open().unwrap();
        self.read(&parts.journal, true);
        let offline = offline_reader(&self.sim.storage(), &self.config.dir, parts.journal.acked());
        let count = read_all(&mut offline.unwrap()).len() as u64;
        assert_eq!(count, parts.journal.durable_end().sequence() - self.acked, "off line reads as much as the journal");
        self.read_oldest();
        if parts.journal.state() != State::Healthy {
            assert_eq!(parts.journal.state(), State::Full);
        }
        // A full disk and a full journal both come back once everything is shipped.
        parts.journal.ack(parts.journal.durable_end()).unwrap();
        parts.keeper.step(self.sim.storage().monotonic()).unwrap();
        self.sim.advance(Duration::from_secs(11));
        parts.keeper.step(self.sim.storage().monotonic()).unwrap();
        assert_eq!(parts.journal.state(), State::Healthy);
        let ticket = parts.journal.append(FrameKind::Intent, |out| out.push(1)).unwrap();
        assert_eq!(parts.committer.step(Duration::ZERO), Step::Committed);
        assert!(ticket.try_receipt().is_ok());
    }
}
