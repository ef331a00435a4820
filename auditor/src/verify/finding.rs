//! What is wrong with the log, in words that name the place.

use crate::clock;
use contract::Micros;
use contract::seal::{HandOver, Stream, key_id};
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
    /// Rows have waited for their seal for too long, or claim a time that has not come.
    Unsealed,
    /// There is no seal: for these numbers, in this time. With a key: from this number on, before it was handed over.
    SealMissing,
    /// A seal's signature does not hold for what it says.
    SealBroken,
    /// A seal is signed with a key that is not known to be its node's.
    SealForeign,
    /// A seal does not follow on the one before: by its numbers, or by its chain.
    OutOfSequence,
    /// A seal is signed with a key of its node's that did not hold for it: it had been handed over, or was not yet.
    SealOutOfTerm,
    /// A witness has the copy of a seal that is not there.
    SealGone,
    /// A seal is another than the one that a witness has the copy of.
    SealReplaced,
    /// The signature of a key's hand-over does not hold.
    HandOverBroken,
    /// A hand-over comes from a key that is not known to be its node's.
    HandOverForeign,
    /// A key was handed over more than once: neither is believed.
    HandOverForked,
    /// A hand-over does not fit where it stands: the seals before are others than those that it was made after.
    HandOverMisplaced,
    /// The data key of patients' numbers in these rows is not there: nobody can read them any more.
    DataKeyMissing,
    /// A node's newest seal is older than was asked for, or it has none: it is silent, or what came later was taken away.
    SealOld,
}

impl Kind {
    /// Whether it concerns a key's hand-over, and no rows.
    fn of_hand_over(self) -> bool {
        matches!(self, Self::HandOverBroken | Self::HandOverForeign | Self::HandOverForked | Self::HandOverMisplaced)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
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
    /// Which key, or which hand-over, by the keys' short names; of a data key the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
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
        Self {
            kind,
            node,
            stream: stream.as_str(),
            batch,
            first,
            last,
            key: None,
            from: None,
            to: None,
            records: Vec::new(),
        }
    }

    /// Something about a hand-over.
    pub(super) fn of_hand_over(kind: Kind, said: &HandOver) -> Self {
        let key = Some(format!("{} to {}", key_id(&said.old), key_id(&said.new)));
        let (node, to) = (said.node.clone(), Some(clock::rfc3339(said.at)));
        let stream = "seal_key";
        Self { kind, node, stream, batch: None, first: 0, last: 0, key, from: None, to, records: Vec::new() }
    }

    /// By this key.
    pub(super) fn by(mut self, key: &[u8; 32]) -> Self {
        self.key = Some(key_id(key));
        self
    }

    /// In this time.
    pub(super) fn between(mut self, from: Option<Micros>, to: Option<Micros>) -> Self {
        (self.from, self.to) = (from.map(clock::rfc3339), to.map(clock::rfc3339));
        self
    }

    /// It for people.
    pub fn text(&self) -> String {
        let key = self.key.as_deref().unwrap_or("?");
        if self.kind.of_hand_over() {
            return match self.kind {
                Kind::HandOverBroken => format!("the hand-over of key {key} is not signed by the key that hands over"),
                Kind::HandOverForeign => format!("the hand-over of key {key} comes from a key that is not this node's"),
                Kind::HandOverForked => format!("the hand-over of key {key} is one of several: none is believed"),
                _ => format!("the hand-over of key {key} was made after other seals than those before it"),
            };
        }
        if self.kind == Kind::SealOld {
            return match &self.to {
                Some(to) => {
                    format!("the newest seal, over row {}, is of {to}: silent since, or cut off there", self.last)
                }
                None => "there is no seal of this node: it has never worked, or all was taken away".to_owned(),
            };
        }
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
            Kind::SealMissing if self.key.is_some() => {
                format!("{numbers} and more: there were seals when key {key} was handed over, and they are gone")
            }
            Kind::SealMissing => format!("{numbers}: there is no seal"),
            Kind::DataKeyMissing => {
                format!("{numbers}: patients' numbers cannot be read any more: data key {key} is not there")
            }
            Kind::SealBroken => format!("{numbers}: the seal's signature does not hold"),
            Kind::SealForeign => format!("{numbers}: the seal is signed with a key that is not this node's ({key})"),
            Kind::OutOfSequence => format!("{numbers}: the seal does not follow on the one before"),
            Kind::SealOutOfTerm => format!("{numbers}: the seal is signed with key {key}, which did not hold then"),
            Kind::SealGone => format!("{numbers}: there was a seal, of which the witness has a copy"),
            _ => format!("{numbers}: the seal is another than the one that the witness has a copy of"),
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
