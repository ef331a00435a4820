//! `auditor verify`: whether the log is what was sealed (promise P4).
//!
//! Every row of ClickHouse is read once, in any order, and hashed; the hashes are held against the seals over them, and
//! each seal against its signature, its node's key and the seal before. Neither the database nor who administers it is
//! believed in anything.
//!
//! A node's key is one that the operator names, or one that follows from it by hand-overs, each signed by the key before.
//!
//! What it cannot see by itself: that the last rows of all have gone together with their seals, and that somebody who holds
//! a node's key has sealed a changed log anew. That takes somebody who remembers the seals: a witness, whose copies are held
//! against those that are there (`--witness`).
//!
//! Memory: [`WINDOW_ROWS`] hashes and leaves of 40 bytes each, whatever the log's length; 40 bytes for each seal of a node
//! and table, and 80 for each copy of a seal.

mod check;
mod finding;
mod keys;
mod read;
mod witness;

pub use finding::{Finding, Kind};
pub use witness::Witnessed;

use crate::clock::{self, DAY, SECOND};
use crate::config::{Config, PublicKey};
use crate::outbox::client;
use check::{Before, Checker, Window, is_whole};
use clickhouse::Client;
use contract::Micros;
use contract::row::{AccessRow, AuthRow};
use contract::seal::{SignedHandOver, Stream};
use contract::wire::WireError;
use finding::Findings;
use indicatif::{ProgressBar, ProgressStyle};
use keys::Keyring;
use read::Outline;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use witness::Witness;

/// Rows that are looked at in one pass over the tables.
const WINDOW_ROWS: u64 = 8 << 20;
/// How long rows may wait for their seal.
const SEALED_WITHIN: Micros = 10 * 60 * SECOND;
/// Rows are deleted when they are old enough, and their seals a little later: in between, nothing is held against them.
const FADING: Micros = 31 * DAY;
/// Rows without a seal that are named, for each node and table.
const BEYOND_MAX: u64 = 10_000;

/// What to verify.
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// Only what was sealed from this time on: a date (2026-11-01) or RFC 3339 (2026-11-01T12:00:00Z) [default: all].
    #[arg(long, value_parser = contract::instant::parse)]
    since: Option<Micros>,
    /// A file of seals that a witness has kept (a gateway's `[witness]`): names seals that are gone or were replaced. Several
    /// are allowed.
    #[arg(long, value_name = "FILE")]
    witness: Vec<PathBuf>,
}

/// Why the log could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// ClickHouse does not answer, or refused.
    #[error("ClickHouse did not give the log")]
    ClickHouse(#[from] clickhouse::error::Error),
    /// What it gave is no row.
    #[error("{table} in ClickHouse is not as this program knows it; run `auditor migrate`")]
    Row {
        /// The table.
        table: &'static str,
        /// Why.
        #[source]
        error: WireError,
    },
    /// There are more hand-overs than can be.
    #[error("the table seal_key has more than {} hand-overs: somebody has filled it", read::HAND_OVERS_MAX)]
    HandOvers,
    /// A witness' file cannot be read.
    #[error("{path} cannot be read", path = .path.display())]
    WitnessFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no witness' file.
    #[error("{path} has no copy of a seal: is it the file of a gateway's [witness]?", path = .0.display())]
    NoCopies(PathBuf),
    /// A key cannot be read.
    #[error("{path}: is not the public key of a node: 64 hexadecimal digits, as `gateway keys` writes to seal.pub", path = .0.display())]
    Key(PathBuf),
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether everything is as it was sealed.
    pub intact: bool,
    /// Rows looked at.
    pub rows: u64,
    /// Seals looked at.
    pub seals: u64,
    /// Rows that came so lately that their seal may still come.
    pub waiting: u64,
    /// What a witness says of it, if one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witnessed>,
    /// How many things are wrong.
    pub count: u64,
    /// What is wrong, up to ten thousand.
    pub findings: Vec<Finding>,
}

/// The keys that the operator believes, by node.
type Roots = BTreeMap<String, Vec<[u8; 32]>>;

/// Verifies the log.
pub async fn verify(
    config: &Config,
    settings: &crate::config::ClickHouse,
    args: &VerifyArgs,
) -> Result<Report, VerifyError> {
    let roots = roots(config)?;
    let retention = i64::from(settings.target.retention_years) * 365 * DAY;
    let pass = Pass {
        client: client(settings),
        now: clock::now(),
        since: args.since.unwrap_or(Micros::MIN),
        fading: clock::now() - retention + FADING,
        witness: Witness::read(&args.witness)?,
        bar: bar(),
    };
    let mut report =
        Report { intact: false, rows: 0, seals: 0, waiting: 0, witness: None, count: 0, findings: Vec::new() };
    if !args.witness.is_empty() {
        pass.witness.count(&mut report);
    }
    let mut findings = Findings::default();
    let rings = rings(&roots, read::hand_overs(&pass.client).await?, &mut findings)?;
    let nobody = Keyring::default();
    for stream in [Stream::Access, Stream::Auth] {
        let mut nodes: BTreeSet<String> = read::nodes(&pass.client, stream).await?.into_iter().collect();
        nodes.extend(pass.witness.nodes(stream).map(str::to_owned));
        for node in nodes {
            let keys = rings.get(&node).unwrap_or(&nobody);
            pass.stream(stream, &node, keys, &mut report, &mut findings).await?;
        }
    }
    pass.bar.finish_and_clear();
    pass.name_records(&mut findings).await?;
    (report.intact, report.count, report.findings) = (findings.count == 0, findings.count, findings.listed);
    Ok(report)
}

fn roots(config: &Config) -> Result<Roots, VerifyError> {
    let mut roots = Roots::from([(config.node.as_str().to_owned(), vec![config.seal.public()])]);
    for known in &config.seal_keys {
        let key = match &known.key {
            PublicKey::Here(key) => *key,
            PublicKey::File(path) => {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                let mut bytes = [0; 32];
                hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| VerifyError::Key(path.clone()))?;
                bytes
            }
        };
        let of_node = roots.entry(known.node.as_str().to_owned()).or_default();
        if !of_node.contains(&key) {
            of_node.push(key);
        }
    }
    Ok(roots)
}

/// Each node's keys, and what is wrong with their hand-overs.
fn rings(
    roots: &Roots,
    hand_overs: Vec<SignedHandOver>,
    findings: &mut Findings,
) -> Result<BTreeMap<String, Keyring>, VerifyError> {
    if hand_overs.len() > read::HAND_OVERS_MAX {
        return Err(VerifyError::HandOvers);
    }
    let mut of_node: BTreeMap<String, Vec<SignedHandOver>> = BTreeMap::new();
    for signed in hand_overs {
        of_node.entry(signed.said.node.clone()).or_default().push(signed);
    }
    let nodes: BTreeSet<String> = roots.keys().chain(of_node.keys()).cloned().collect();
    let ring = |node: String| {
        let known = roots.get(&node).map_or(&[][..], Vec::as_slice);
        let said = of_node.get(&node).map_or(&[][..], Vec::as_slice);
        let ring = Keyring::new(known, said, findings);
        (node, ring)
    };
    Ok(nodes.into_iter().map(ring).collect())
}

struct Pass {
    client: Client,
    now: Micros,
    since: Micros,
    /// What was sealed before may be gone.
    fading: Micros,
    witness: Witness,
    bar: ProgressBar,
}

impl Pass {
    /// One table's rows of one node.
    async fn stream(
        &self,
        stream: Stream,
        node: &str,
        keys: &Keyring,
        report: &mut Report,
        findings: &mut Findings,
    ) -> Result<(), VerifyError> {
        let mut outlines = read::outlines(&self.client, stream, node, self.since.max(self.fading)).await?;
        // Doubles of one seal; a seal that does not say for how many rows it is covers none.
        outlines.dedup();
        outlines.retain(|seal| {
            let whole = is_whole(seal.first, seal.last, seal.leaves);
            if !whole {
                let broken = Finding::new(Kind::SealBroken, node, stream, Some(seal.batch), seal.first, seal.last);
                findings.note(broken.between(None, Some(seal.at)));
            }
            whole
        });
        let before = self.before(stream, node, outlines.first()).await?;
        // The rows that the first seal should begin with: those before it belong to seals that are not looked at.
        let mut from = match &before {
            Some(before) => before.last.saturating_add(1),
            None => outlines.first().map_or(1, |seal| seal.first),
        };
        self.bar.inc_length(read::count(&self.client, stream, node, from).await?);
        let mut checker = Checker::new(node, stream, keys, before);
        let mut copies = self.witness.of(stream, node);
        let mut rest = outlines.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(so_many(rest));
            rest = later;
            let (low, high) = (now.first().map_or(0, |seal| seal.batch), now.last().map_or(0, |seal| seal.batch));
            let mut seals = read::seals(&self.client, stream, node, (low, high)).await?;
            let unmet = seals.iter().filter(|seal| !copies.meet(seal, findings)).count() as u64;
            if let Some(witnessed) = &mut report.witness {
                witnessed.without_copy += unmet;
            }
            seals.retain(|seal| is_whole(seal.first, seal.last, seal.leaves.len() as u64));
            let to = seals.iter().map(|seal| seal.last).max().unwrap_or(from);
            let mut window = Window::new(seals.iter().map(|seal| (seal.first, seal.leaves.len())));
            report.rows += self.fill(stream, node, (from, to), &mut window).await?;
            report.seals += seals.len() as u64;
            checker.window(&seals, window, findings);
            from = from.max(to.saturating_add(1));
        }
        copies.finish(stream, node, self.since.max(self.fading), findings);
        // No row has the number 0.
        self.beyond(stream, node, (0, 0), &checker, report, findings).await?;
        self.beyond(stream, node, (from, u64::MAX), &checker, report, findings).await
    }

    /// The seal before the first that is looked at; `None` if there was one that may be gone by now.
    async fn before(&self, stream: Stream, node: &str, first: Option<&Outline>) -> Result<Option<Before>, VerifyError> {
        let start = self.since.max(self.fading);
        if let Some(seal) = read::seal_before(&self.client, stream, node, start).await? {
            return Ok(Some(Before::after(&seal)));
        }
        // With the first seals gone, a log that has come of age begins somewhere.
        let aged = first.is_some_and(|seal| seal.batch > 1 && seal.at < self.fading + FADING);
        Ok((!aged).then_some(Before::NOTHING))
    }

    async fn fill(
        &self,
        stream: Stream,
        node: &str,
        numbers: (u64, u64),
        window: &mut Window,
    ) -> Result<u64, VerifyError> {
        let mut count = 0;
        let mut add = |number: u64, bytes: &[u8]| {
            window.add(number, bytes);
            count += 1;
            if count % 4096 == 0 {
                self.bar.inc(4096);
            }
        };
        match stream {
            Stream::Access => {
                read::rows(&self.client, node, numbers, |row: AccessRow, bytes| add(row.seq, bytes)).await?;
            }
            Stream::Auth => read::rows(&self.client, node, numbers, |row: AuthRow, bytes| add(row.seq, bytes)).await?,
        }
        Ok(count)
    }

    /// Rows under numbers that no seal speaks of.
    async fn beyond(
        &self,
        stream: Stream,
        node: &str,
        numbers: (u64, u64),
        checker: &Checker<'_>,
        report: &mut Report,
        findings: &mut Findings,
    ) -> Result<(), VerifyError> {
        let next = checker.before.map_or(0, |before| before.batch) + 1;
        for row in read::beyond(&self.client, stream, node, numbers, BEYOND_MAX).await? {
            let finding = |kind| Finding::new(kind, node, stream, Some(row.batch), row.seq, row.seq);
            if row.seq == 0 || row.batch != next {
                findings.note(finding(Kind::Added));
            } else if self.now - row.at > SEALED_WITHIN {
                findings.note(finding(Kind::Unsealed));
            } else {
                report.waiting += 1;
            }
        }
        Ok(())
    }

    /// Adds the ids of single rows that were changed or added.
    async fn name_records(&self, findings: &mut Findings) -> Result<(), VerifyError> {
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

/// How many seals go into one window.
fn so_many(outlines: &[Outline]) -> usize {
    let mut rows = 0;
    let more = |seal: &&Outline| {
        rows += seal.leaves;
        rows <= WINDOW_ROWS
    };
    outlines.iter().take_while(more).count().max(1)
}

fn bar() -> ProgressBar {
    let style = "{bar:40} {human_pos} of {human_len} rows, {per_sec}, {eta} left";
    ProgressBar::new(0).with_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
