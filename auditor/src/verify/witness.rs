//! Copies of seals that a witness kept, held against the seals that are there.
//!
//! Whoever holds a node's key and the database can seal a changed log anew, and everything fits. A copy outside does not
//! change with it.
//!
//! Memory: some 80 bytes for each copy.

use super::finding::{Finding, Findings, Kind};
use super::{Report, VerifyError};
use contract::Micros;
use contract::row::SealRow;
use contract::seal::{SealCopy, Stream};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::PathBuf;

/// What came of the comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Witnessed {
    /// Copies of seals, each counted once.
    pub copies: u64,
    /// Lines that are no copy: a crash may cut one off.
    pub unreadable: u64,
    /// Seals that are there, and of which there is no copy (yet).
    pub without_copy: u64,
}

/// All copies, by table and node.
#[derive(Debug, Default)]
pub(super) struct Witness {
    copies: BTreeMap<(Stream, String), Vec<Copy>>,
    unreadable: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Copy {
    batch: u64,
    hash: [u8; 32],
    first: u64,
    last: u64,
    at: Micros,
}

impl Witness {
    /// Reads the files.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, VerifyError> {
        let mut witness = Self::default();
        for path in files {
            let failed = |source| VerifyError::WitnessFile { path: path.clone(), source };
            let before = witness.len();
            witness.add(BufReader::new(File::open(path).map_err(failed)?)).map_err(failed)?;
            if witness.len() == before {
                return Err(VerifyError::NoCopies(path.clone()));
            }
        }
        for copies in witness.copies.values_mut() {
            copies.sort_unstable();
            copies.dedup();
        }
        Ok(witness)
    }

    fn len(&self) -> usize {
        self.copies.values().map(Vec::len).sum()
    }

    fn add(&mut self, mut lines: impl BufRead) -> std::io::Result<()> {
        let mut line = Vec::with_capacity(1024);
        loop {
            line.clear();
            let most = SealCopy::BYTES_MAX as u64 + 1;
            if lines.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let Some(copy) = SealCopy::read(&line) else {
                // What is left of a line that is too long is no copy either.
                self.unreadable += u64::from(line.iter().any(|byte| !byte.is_ascii_whitespace()));
                continue;
            };
            let SealCopy { node, stream, batch, first, last, at, hash, .. } = copy;
            self.copies.entry((stream, node)).or_default().push(Copy { batch, hash: hash.0, first, last, at });
        }
    }

    /// The nodes of which there are copies.
    pub(super) fn nodes(&self, stream: Stream) -> impl Iterator<Item = &str> {
        self.copies.keys().filter(move |(of, _)| *of == stream).map(|(_, node)| node.as_str())
    }

    /// What it has of one table of a node.
    pub(super) fn of(&self, stream: Stream, node: &str) -> Copies<'_> {
        let copies = self.copies.get(&(stream, node.to_owned())).map_or(&[][..], Vec::as_slice);
        Copies { copies, met: vec![false; copies.len()] }
    }

    /// What it holds in all.
    pub(super) fn count(&self, report: &mut Report) {
        let witnessed = report.witness.get_or_insert_default();
        (witnessed.copies, witnessed.unreadable) = (self.len() as u64, self.unreadable);
    }
}

/// The copies of one table of one node, in the order of their batches.
pub(super) struct Copies<'a> {
    copies: &'a [Copy],
    /// Of which of them there is a seal.
    met: Vec<bool>,
}

impl Copies<'_> {
    /// A seal that is there. False if there is no copy of it.
    pub(super) fn meet(&mut self, seal: &SealRow, findings: &mut Findings) -> bool {
        let from = self.copies.partition_point(|copy| copy.batch < seal.batch);
        let same = self.copies.iter().zip(&mut self.met).skip(from).take_while(|(copy, _)| copy.batch == seal.batch);
        let (mut any, mut other) = (false, false);
        let mut hash = None;
        for (copy, met) in same {
            (any, *met) = (true, true);
            other |= copy.hash != *hash.get_or_insert_with(|| seal.statement().chain());
        }
        if other {
            let finding =
                Finding::new(Kind::SealReplaced, &seal.node, seal.stream, Some(seal.batch), seal.first, seal.last);
            findings.note(finding.by(&seal.key).between(None, Some(seal.ts)));
        }
        any
    }

    /// When all seals from a time on have been met: those that are not there.
    pub(super) fn finish(self, stream: Stream, node: &str, since: Micros, findings: &mut Findings) {
        for (copy, met) in self.copies.iter().zip(self.met) {
            if !met && copy.at >= since {
                let finding = Finding::new(Kind::SealGone, node, stream, Some(copy.batch), copy.first, copy.last);
                findings.note(finding.between(None, Some(copy.at)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
