//! What is wrong with the log, in words that name the place.

use crate::clock;
use contract::Micros;
use contract::seal::Stream;
use serde::Serialize;
use uuid::Uuid;

/// The most findings that are listed; the others are counted.
pub(super) const LISTED_MAX: usize = 10_000;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A row is not the one that was sealed.
    Changed,
    /// A row that was sealed is not there.
    Removed,
    /// A row is there that no seal covers, or besides the one that was sealed.
    Added,
    /// Rows have waited for their seal for too long.
    Unsealed,
    /// There is no seal: for these numbers, in this time.
    SealMissing,
    /// A seal's signature does not hold for what it says.
    SealBroken,
    /// A seal is signed with a key that is not known to be its node's.
    SealForeign,
    /// A seal does not follow on the one before: by its numbers, or by its chain.
    OutOfSequence,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// The node whose rows they are.
    pub node: String,
    /// The table.
    pub stream: &'static str,
    /// The batch, if it concerns one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
    /// The first row's number.
    pub first: u64,
    /// The last row's number.
    pub last: u64,
    /// From when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The ids of the rows that are there under these numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Uuid>,
}

impl Finding {
    /// Something about these rows.
    pub(super) fn new(kind: Kind, node: &str, stream: Stream, batch: Option<u64>, first: u64, last: u64) -> Self {
        let node = node.to_owned();
        Self { kind, node, stream: stream.as_str(), batch, first, last, from: None, to: None, records: Vec::new() }
    }

    /// In this time.
    pub(super) fn between(mut self, from: Option<Micros>, to: Option<Micros>) -> Self {
        (self.from, self.to) = (from.map(clock::rfc3339), to.map(clock::rfc3339));
        self
    }

    /// It for people.
    pub fn text(&self) -> String {
        let numbers = if self.first == self.last {
            format!("row {}", self.first)
        } else {
            format!("rows {} to {}", self.first, self.last)
        };
        let what = match self.kind {
            Kind::Changed => format!("{numbers} was changed after it was sealed"),
            Kind::Removed => format!("{numbers} was sealed and is not there"),
            Kind::Added => format!("{numbers}: there is one that was never sealed"),
            Kind::Unsealed => format!("{numbers} should have been sealed by now"),
            Kind::SealMissing => format!("{numbers}: there is no seal"),
            Kind::SealBroken => format!("{numbers}: the seal's signature does not hold"),
            Kind::SealForeign => format!("{numbers}: the seal is signed with a key that is not this node's"),
            Kind::OutOfSequence => format!("{numbers}: the seal does not follow on the one before"),
        };
        let time = match (&self.from, &self.to) {
            (Some(from), Some(to)) => format!(", between {from} and {to}"),
            (Some(from), None) => format!(", from {from} on"),
            (None, Some(to)) => format!(", until {to}"),
            (None, None) => String::new(),
        };
        format!("{what}{time}")
    }
}

/// What was found, up to [`LISTED_MAX`].
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Those that are listed.
    pub(super) listed: Vec<Finding>,
    /// How many there are.
    pub(super) count: u64,
}

impl Findings {
    /// Notes one. The same of the next row is one with it.
    pub(super) fn note(&mut self, finding: Finding) {
        if let Some(before) = self.listed.last_mut()
            && before.last.checked_add(1) == Some(finding.first)
            && *before == (Finding { first: before.first, last: before.last, ..finding.clone() })
            && finding.from.is_none()
            && finding.to.is_none()
        {
            before.last = finding.last;
            return;
        }
        self.count += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(finding);
        }
    }
}
