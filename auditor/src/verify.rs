//! `auditor verify`: whether the log is what was sealed (promise P4).
//!
//! Every row of ClickHouse is read once, in any order, and hashed; the hashes are held against the seals over them, and
//! each seal against its signature, its node's key and the seal before. Neither the database nor who administers it is
//! believed in anything.
//!
//! A node's key is one that the operator names, or one that follows from it by hand-overs, each signed by the key before.
//!
//! Gateways go on shipping meanwhile: what has only just come is no finding, but is counted as waiting ([`end`]).
//!
//! What it cannot see by itself: that the last rows of all have gone together with their seals (but for those before a
//! hand-over, which tells of them), and that somebody who holds a node's key has sealed a changed log anew. A tail that was
//! cut off so **cannot be proven without a witness**: somebody who remembers the seals, and whose copies are held against those
//! that are there (`--witness`). Without one it says where the log ends, so that people can judge ([`until`]): `--max-age`
//! names nodes whose newest seal is older than they may be silent. Nor is it seen whether a data key opens anything: only that
//! it is there ([`data_keys`]).
//!
//! Memory: [`pass::WINDOW_ROWS`] hashes and leaves of 40 bytes each, whatever the log's length; of rows that nobody sealed
//! 100,000 of each sort; 40 bytes for each seal of a node and table, and 80 for each copy of a seal; and the names of a
//! node's data keys, of which it has one an hour.
//!
//! # The report in JSON
//! `intact`; `rows` and `seals`, how many were looked at; `waiting`, rows whose seal may still come, and `waiting_of`, a list of
//! `node`, `stream` and `rows`; `sealed_until`, the newest seal of each node and table ([`SealedUntil`]); `never_sealed`, a list
//! of `node` and `stream`: tables in which a node whose key is known has no seal, which is no finding, for a new one has none;
//! `witness`; `count`, and `findings` ([`Finding`]), whose `kind` is one of [`Kind`]: `seal_old` has batch and row of the newest
//! seal, and its time as `to`; nothing of these, and the row 0, if the node has no seal at all; `data_key_missing` has the data key's id as `key`, and the lowest and the highest number of the rows under it; `seal_missing`
//! with a `key` means that this hand-over was made after more seals than are there.

mod check;
mod data_keys;
mod end;
mod finding;
mod keys;
mod pass;
mod read;
mod rings;
mod until;
mod witness;

pub use finding::{Finding, Kind};
pub use until::{AgeError, NeverSealed, SealedUntil};
pub use witness::Witnessed;

use crate::clock::{self, DAY};
use crate::config::Config;
use crate::outbox::client;
use contract::Micros;
use contract::seal::Stream;
use contract::wire::WireError;
use finding::Findings;
use indicatif::{ProgressBar, ProgressStyle};
use pass::Pass;
use rings::Rings;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use witness::Witness;

/// Rows are deleted when they are old enough, and their seals a little later: in between, nothing is held against them.
const FADING: Micros = 31 * DAY;

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
    /// How old a node's newest seal may be (90s, 15m, 2h, 1d), in whichever table: older, or none at all, is a finding. So a cut
    /// tail shows, and so does a node that is just silent; only a witness can tell which. This auditor itself, which seals
    /// only when people log in or are managed, is left out [default: any].
    #[arg(long, value_name = "DURATION", value_parser = until::age)]
    max_age: Option<Micros>,
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

/// Rows of one table of one node that may still get their seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The node.
    pub node: String,
    /// The table.
    pub stream: &'static str,
    /// How many.
    pub rows: u64,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Whether everything is as it was sealed.
    pub intact: bool,
    /// Rows looked at.
    pub rows: u64,
    /// Seals looked at.
    pub seals: u64,
    /// Rows that came so lately that their seal may still come.
    pub waiting: u64,
    /// Whose rows these are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting_of: Vec<Waiting>,
    /// The newest seal of each node and table. Whether there ever was a newer one, only a witness can tell.
    pub sealed_until: Vec<SealedUntil>,
    /// Tables in which a node whose key is known has no seal. That is right for one that has shipped nothing of it yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub never_sealed: Vec<NeverSealed>,
    /// What a witness says of it, if one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witnessed>,
    /// How many things are wrong.
    pub count: u64,
    /// What is wrong, up to ten thousand.
    pub findings: Vec<Finding>,
}

/// Verifies the log.
pub async fn verify(
    config: &Config,
    settings: &crate::config::ClickHouse,
    args: &VerifyArgs,
) -> Result<Report, VerifyError> {
    let mut rings = Rings::new(config)?;
    let begun = clock::now();
    let retention = i64::from(settings.target.retention_years) * 365 * DAY;
    let pass = Pass {
        client: client(settings),
        since: args.since.unwrap_or(Micros::MIN),
        fading: begun - retention + FADING,
        witness: Witness::read(&args.witness)?,
        bar: bar(),
    };
    let mut report = Report::default();
    if !args.witness.is_empty() {
        pass.witness.count(&mut report);
    }
    let mut findings = Findings::default();
    rings.read(&pass.client, &mut findings).await?;
    for stream in [Stream::Access, Stream::Auth] {
        let mut nodes: BTreeSet<String> = read::nodes(&pass.client, stream).await?.into_iter().collect();
        nodes.extend(pass.witness.nodes(stream).map(str::to_owned));
        // Also those of which nothing is there: their hand-overs may tell that there was.
        nodes.extend(rings.known().map(str::to_owned));
        for node in nodes {
            pass.stream(stream, &node, &mut rings, &mut report, &mut findings).await?;
        }
    }
    let own = config.node.as_str();
    report.never_sealed = never_sealed(&rings, own, &report.sealed_until);
    if let Some(age) = args.max_age {
        // Seals are followed until after this began: only an older end is the end.
        let since = begun.saturating_sub(age);
        until::old_ends(rings.known().filter(|node| *node != own), &report.sealed_until, since, &mut findings);
    }
    pass.bar.finish_and_clear();
    pass.name_records(&mut findings).await?;
    (report.intact, report.count, report.findings) = (findings.count == 0, findings.count, findings.listed);
    Ok(report)
}

/// The tables in which a known node has no seal. The auditor itself has rows in one alone.
fn never_sealed(rings: &Rings, own: &str, sealed: &[SealedUntil]) -> Vec<NeverSealed> {
    let tables = |node| {
        let (access, auth) = (Stream::Access.as_str(), Stream::Auth.as_str());
        [access, auth].map(|stream| (node, stream)).into_iter().filter(move |of| *of != (own, access))
    };
    let unsealed = |(node, stream): &(&str, &str)| !sealed.iter().any(|end| end.node == *node && end.stream == *stream);
    let never = rings.known().flat_map(tables).filter(unsealed);
    never.map(|(node, stream)| NeverSealed { node: node.to_owned(), stream }).collect()
}

fn bar() -> ProgressBar {
    let style = "{bar:40} {human_pos} of {human_len} rows, {per_sec}, {eta} left";
    ProgressBar::new(0).with_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
