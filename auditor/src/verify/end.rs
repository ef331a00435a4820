//! Where the seals end: rows that none covers, of which some have only just come, and seals that should be there.
//!
//! A gateway goes on while the log is read. It sends a batch's rows, then its seal, then the next batch's rows, and tells of a
//! hand-over when all seals before it are there. So whatever looks wrong is held against the seals that are there **after** it
//! was read. Rows may also be older than they should be, when a gateway catches up, and their seal comes a moment later:
//! what looks wrong is looked at again, and is wrong if it still is after [`PATIENCE`].
//!
//! How long a row may wait is counted from the time that it says it ended. A row may lie about that, but not for long: a
//! time that has not come is no excuse, so each such row is named [`SEALED_WITHIN`] and [`AHEAD`] later at the latest.
//!
//! Rows that come in the last moment, more of them in a row than [`BEYOND_MAX`], are left to the next run.

use super::finding::{Finding, Findings, Kind};
use super::pass::Walk;
use super::read::{self, Beyond, Waits};
use super::rings::Rings;
use super::{Report, VerifyError, Waiting};
use crate::clock::{self, SECOND};
use contract::Micros;
use contract::seal::HandOver;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// How long rows may wait for their seal.
const SEALED_WITHIN: Micros = 10 * 60 * SECOND;
/// So far may a gateway's clock be ahead.
const AHEAD: Micros = 5 * 60 * SECOND;
/// Rows without a seal that are named, for each node and table.
const BEYOND_MAX: u64 = 10_000;
/// How long a seal may take that is on its way.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// New seals are followed so often at the most: a gateway that catches up may be as fast as this is.
const ROUNDS_MAX: u32 = 1_000;

/// What looks wrong.
#[derive(Debug, Default)]
struct Doubts {
    rows: BTreeSet<Beyond>,
    /// Hand-overs before which there were more seals.
    lost: Vec<HandOver>,
    /// There are more rows than were read.
    more: bool,
}

impl Doubts {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.lost.is_empty()
    }

    /// What looks wrong now as it did before.
    fn still(&self, now: &Self) -> Self {
        let rows = self.rows.intersection(&now.rows).copied().collect();
        let lost = self.lost.iter().filter(|said| now.lost.contains(said)).cloned().collect();
        Self { rows, lost, more: self.more }
    }
}

impl Walk<'_> {
    /// When the seals have been checked: those that came meanwhile, and what is beyond them.
    pub(super) async fn end(
        &mut self,
        rings: &mut Rings,
        report: &mut Report,
        findings: &mut Findings,
    ) -> Result<(), VerifyError> {
        self.zero(findings).await?;
        let mut rounds = 0;
        while rounds < ROUNDS_MAX && self.newer(rings, report, findings).await? {
            rounds += 1;
        }
        let mut begun = Instant::now();
        let mut now = self.look(rings, report, findings).await?;
        let mut doubts = now.still(&now);
        loop {
            if doubts.is_empty() && doubts.more && rounds < ROUNDS_MAX {
                // All that was read has its seal by now. What is behind it was not read.
                rounds += 1;
                begun = Instant::now();
                now = self.look(rings, report, findings).await?;
                doubts = now.still(&now);
                continue;
            }
            // For rows of a node that nobody knows there is nothing to wait for.
            if doubts.is_empty() || begun.elapsed() >= PATIENCE || self.is_stranger(rings) {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            now = self.look(rings, report, findings).await?;
            doubts = doubts.still(&now);
        }
        let waits = self.waits(rings);
        for row in &doubts.rows {
            if let Some(kind) = doubt(row, &waits) {
                findings.note(Finding::new(kind, self.node, self.stream, Some(row.batch), row.seq, row.seq));
            }
        }
        for said in &doubts.lost {
            findings.note(self.checker.seals_before(said));
        }
        let new = now.rows.difference(&doubts.rows).count() as u64;
        let rows = new + read::waiting(&self.pass.client, self.stream, self.node, self.from, &waits).await?;
        if rows > 0 {
            report.waiting += rows;
            report.waiting_of.push(Waiting { node: self.node.to_owned(), stream: self.stream.as_str(), rows });
        }
        Ok(())
    }

    /// Reads what looks wrong, and then whether seals have come for it.
    async fn look(
        &mut self,
        rings: &mut Rings,
        report: &mut Report,
        findings: &mut Findings,
    ) -> Result<Doubts, VerifyError> {
        let waits = self.waits(rings);
        let numbers = self.from..=u64::MAX;
        let mut rows = read::beyond(&self.pass.client, self.stream, self.node, numbers, &waits, BEYOND_MAX).await?;
        let more = rows.len() as u64 >= BEYOND_MAX;
        let mut lost: Vec<HandOver> = self.checker.lost(rings.of(self.node), self.pass.start()).cloned().collect();
        self.newer(rings, report, findings).await?;
        let waits = Waits { time: waits.time, ..self.waits(rings) };
        rows.retain(|row| row.seq >= self.from && doubt(row, &waits).is_some());
        lost.retain(|said| self.checker.lacks(said));
        Ok(Doubts { rows: rows.into_iter().collect(), lost, more })
    }

    /// Rows under the number 0, which none has.
    async fn zero(&self, findings: &mut Findings) -> Result<(), VerifyError> {
        let none = Waits { batch: 0, time: no_time() };
        for row in read::beyond(&self.pass.client, self.stream, self.node, 0..=0, &none, BEYOND_MAX).await? {
            findings.note(Finding::new(Kind::Added, self.node, self.stream, Some(row.batch), 0, 0));
        }
        Ok(())
    }

    /// Whether nobody knows a key of the node, and nothing of it was ever sealed.
    fn is_stranger(&self, rings: &Rings) -> bool {
        !rings.knows(self.node) && !self.met_any()
    }

    /// Which rows may wait for their seal just now: those of the next batch, if they have come a short time ago.
    fn waits(&self, rings: &Rings) -> Waits {
        if self.is_stranger(rings) {
            return Waits { batch: 0, time: no_time() };
        }
        let now = clock::now();
        let batch = self.checker.before.map_or(0, |before| before.batch).saturating_add(1);
        Waits { batch, time: now - SEALED_WITHIN..=now + AHEAD }
    }
}

/// What is wrong with a row that no seal covers, if anything.
fn doubt(row: &Beyond, waits: &Waits) -> Option<Kind> {
    if row.batch != waits.batch {
        Some(Kind::Added)
    } else if waits.time.contains(&row.at) {
        None
    } else {
        Some(Kind::Unsealed)
    }
}

fn no_time() -> RangeInclusive<Micros> {
    RangeInclusive::new(1, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_waits_for_the_next_seal_alone_and_not_for_long() {
        let waits = Waits { batch: 7, time: 1_000..=2_000 };
        let of = |batch, at| doubt(&Beyond { seq: 70, batch, at }, &waits);
        assert_eq!([of(7, 1_000), of(7, 2_000)], [None; 2]);
        assert_eq!([of(7, 999), of(7, i64::MIN)], [Some(Kind::Unsealed); 2]);
        // A time that has not come is no excuse.
        assert_eq!([of(7, 2_001), of(7, i64::MAX)], [Some(Kind::Unsealed); 2]);
        assert_eq!([of(6, 1_500), of(8, 1_500), of(0, 1_500), of(u64::MAX, 1_500)], [Some(Kind::Added); 4]);
    }

    #[test]
    fn only_what_looks_wrong_twice_is_wrong() {
        let row = |seq| Beyond { seq, batch: 1, at: 1 };
        let doubts = |rows: &[u64]| Doubts { rows: rows.iter().map(|seq| row(*seq)).collect(), ..Doubts::default() };
        let still = doubts(&[1, 2, 3]).still(&doubts(&[2, 3, 4]));
        assert_eq!(still.rows, doubts(&[2, 3]).rows);
        assert!(doubts(&[1]).still(&doubts(&[2])).is_empty());
    }
}
