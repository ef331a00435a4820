//! One pass over the tables: seals in the order of their batches, and the rows that they cover.

use super::check::{Before, Checker, Window, is_whole};
use super::data_keys::DataKeys;
use super::finding::{Finding, Findings, Kind};
use super::read::{self, Outline};
use super::rings::Rings;
use super::until::SealedUntil;
use super::witness::{Copies, Witness};
use super::{FADING, Report, VerifyError};
use clickhouse::Client;
use contract::Micros;
use contract::row::{AccessRow, AuthRow};
use contract::seal::Stream;
use indicatif::ProgressBar;

/// Rows that are looked at in one pass over the tables.
pub(super) const WINDOW_ROWS: u64 = 8 << 20;

/// What stays the same throughout.
pub(super) struct Pass {
    pub(super) client: Client,
    pub(super) since: Micros,
    /// What was sealed before may be gone.
    pub(super) fading: Micros,
    pub(super) witness: Witness,
    pub(super) bar: ProgressBar,
}

/// One table of one node, as far as it has been looked at.
pub(super) struct Walk<'p> {
    pub(super) pass: &'p Pass,
    pub(super) stream: Stream,
    pub(super) node: &'p str,
    pub(super) checker: Checker<'p>,
    copies: Copies<'p>,
    data_keys: DataKeys,
    /// The highest batch of the seals that were met.
    met: u64,
    /// The first number that they do not cover.
    pub(super) from: u64,
}

impl Pass {
    /// One table's rows of one node.
    pub(super) async fn stream(
        &self,
        stream: Stream,
        node: &str,
        rings: &mut Rings,
        report: &mut Report,
        findings: &mut Findings,
    ) -> Result<(), VerifyError> {
        let (outlines, broken) = self.outlines(stream, node, 0).await?;
        for seal in broken {
            let broken = Finding::new(Kind::SealBroken, node, stream, Some(seal.batch), seal.first, seal.last);
            findings.note(broken.between(None, Some(seal.at)));
        }
        let before = self.before(stream, node, outlines.first()).await?;
        // The rows that the first seal should begin with: those before it belong to seals that are not looked at.
        let from = match &before {
            Some(before) => before.last.saturating_add(1),
            None => outlines.first().map_or(1, |seal| seal.first),
        };
        self.bar.inc_length(read::count(&self.client, stream, node, from).await?);
        let mut walk = Walk {
            pass: self,
            stream,
            node,
            checker: Checker::new(node, stream, before),
            copies: self.witness.of(stream, node),
            data_keys: DataKeys::default(),
            met: before.map_or(0, |before| before.batch),
            from,
        };
        walk.seals(&outlines, rings, report, findings).await?;
        walk.end(rings, report, findings).await?;
        let Walk { copies, data_keys, checker, .. } = walk;
        report.sealed_until.extend(SealedUntil::new(node, stream, checker.before));
        copies.finish(stream, node, self.start(), findings);
        data_keys.finish(&self.client, node, findings).await
    }

    /// What was sealed before is not looked at.
    pub(super) fn start(&self) -> Micros {
        self.since.max(self.fading)
    }

    /// The outlines of seals from this batch on: and those that do not say for how many rows they are, which cover none.
    async fn outlines(
        &self,
        stream: Stream,
        node: &str,
        batch: u64,
    ) -> Result<(Vec<Outline>, Vec<Outline>), VerifyError> {
        let mut outlines = read::outlines(&self.client, stream, node, self.start(), batch..=u64::MAX).await?;
        // Doubles of one seal.
        outlines.dedup();
        Ok(outlines.into_iter().partition(|seal| is_whole(seal.first, seal.last, seal.leaves)))
    }

    /// The seal before the first that is looked at; `None` if there was one that may be gone by now.
    async fn before(&self, stream: Stream, node: &str, first: Option<&Outline>) -> Result<Option<Before>, VerifyError> {
        if let Some(seal) = read::seal_before(&self.client, stream, node, self.start()).await? {
            return Ok(Some(Before::after(&seal)));
        }
        // With the first seals gone, a log that has come of age begins somewhere.
        let aged = first.is_some_and(|seal| seal.batch > 1 && seal.at < self.fading + FADING);
        Ok((!aged).then_some(Before::NOTHING))
    }

    /// Adds the ids of single rows that were changed or added.
    pub(super) async fn name_records(&self, findings: &mut Findings) -> Result<(), VerifyError> {
        let single = |finding: &&mut Finding| {
            finding.first == finding.last && matches!(finding.kind, Kind::Changed | Kind::Added | Kind::Unsealed)
        };
        for finding in findings.listed.iter_mut().filter(single) {
            let Some(stream) = Stream::parse(finding.stream) else { continue };
            finding.records = read::ids(&self.client, stream, &finding.node, finding.first).await?;
        }
        Ok(())
    }
}

impl Walk<'_> {
    /// Whether a seal of it was met, or there was one before.
    pub(super) fn met_any(&self) -> bool {
        self.met > 0
    }

    /// Checks the seals that have come since. False if there are none.
    pub(super) async fn newer(
        &mut self,
        rings: &mut Rings,
        report: &mut Report,
        findings: &mut Findings,
    ) -> Result<bool, VerifyError> {
        let Some(batch) = self.met.checked_add(1) else { return Ok(false) };
        // One that is broken is named by the next run.
        let (outlines, _) = self.pass.outlines(self.stream, self.node, batch).await?;
        self.seals(&outlines, rings, report, findings).await?;
        Ok(!outlines.is_empty())
    }

    /// Checks these seals and the rows they cover.
    async fn seals(
        &mut self,
        outlines: &[Outline],
        rings: &mut Rings,
        report: &mut Report,
        findings: &mut Findings,
    ) -> Result<(), VerifyError> {
        let (pass, stream, node) = (self.pass, self.stream, self.node);
        if !outlines.is_empty() {
            rings.read(&pass.client, findings).await?;
        }
        let mut rest = outlines;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(so_many(rest));
            rest = later;
            let (low, high) = (now.first().map_or(0, |seal| seal.batch), now.last().map_or(0, |seal| seal.batch));
            let mut seals = read::seals(&pass.client, stream, node, (low, high)).await?;
            let unmet = seals.iter().filter(|seal| !self.copies.meet(seal, findings)).count() as u64;
            if let Some(witnessed) = &mut report.witness {
                witnessed.without_copy += unmet;
            }
            seals.retain(|seal| is_whole(seal.first, seal.last, seal.leaves.len() as u64));
            let to = seals.iter().map(|seal| seal.last).max().unwrap_or(self.from);
            let mut window = Window::new(seals.iter().map(|seal| (seal.first, seal.leaves.len())));
            report.rows += self.fill((self.from, to), &mut window).await?;
            report.seals += seals.len() as u64;
            self.checker.window(&seals, rings.of(node), window, findings);
            self.from = self.from.max(to.saturating_add(1));
            self.met = self.met.max(high);
        }
        Ok(())
    }

    async fn fill(&mut self, numbers: (u64, u64), window: &mut Window) -> Result<u64, VerifyError> {
        let (client, bar, data_keys) = (&self.pass.client, &self.pass.bar, &mut self.data_keys);
        let mut count = 0;
        let mut add = |number: u64, bytes: &[u8]| {
            window.add(number, bytes);
            count += 1;
            if count % 4096 == 0 {
                bar.inc(4096);
            }
        };
        match self.stream {
            Stream::Access => {
                let row = |row: AccessRow, bytes: &[u8]| {
                    data_keys.see(&row);
                    add(row.seq, bytes);
                };
                read::rows(client, self.node, numbers, row).await?;
            }
            Stream::Auth => {
                read::rows(client, self.node, numbers, |row: AuthRow, bytes| add(row.seq, bytes)).await?;
            }
        }
        Ok(count)
    }
}

/// How many seals go into one window.
fn so_many(outlines: &[Outline]) -> usize {
    let mut rows = 0;
    let more = |seal: &&Outline| {
        rows += seal.leaves;
        rows <= WINDOW_ROWS
    };
    outlines.iter().take_while(more).count().max(1)
}
