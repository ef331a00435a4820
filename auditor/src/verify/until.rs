//! Up to when the log is sealed: the newest seal of each node and table.
//!
//! With the last rows their seals may have gone, and what is left is in order by itself. No reader of the log alone can prove
//! that it was longer: a witness can. But whoever sees where it ends, and knows that the node has worked since, has cause to
//! ask; and with `--max-age` an end that is too long ago is a finding.

use super::check::Before;
use super::finding::{Finding, Findings, Kind};
use crate::clock::{self, DAY, SECOND};
use contract::Micros;
use contract::seal::Stream;
use serde::Serialize;

/// The newest seal of one node and table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SealedUntil {
    /// The node.
    pub node: String,
    /// The table.
    pub stream: &'static str,
    /// The seal's batch.
    pub batch: u64,
    /// The number of the last row under it.
    pub number: u64,
    /// When it was sealed.
    #[serde(serialize_with = "time")]
    pub at: Micros,
}

/// A table in which a node has no seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NeverSealed {
    /// The node.
    pub node: String,
    /// The table.
    pub stream: &'static str,
}

/// A text is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no length of time: a number and s, m, h or d (15m)")]
pub struct AgeError;

impl SealedUntil {
    /// The last seal that was met; nothing if there was none.
    pub(super) fn new(node: &str, stream: Stream, last: Option<Before>) -> Option<Self> {
        let last = last?;
        let (stream, at) = (stream.as_str(), last.at?);
        Some(Self { node: node.to_owned(), stream, batch: last.batch, number: last.last, at })
    }

    /// It for people.
    pub fn text(&self) -> String {
        let Self { node, stream, number, .. } = self;
        format!("{node}, {stream}: sealed until {}, row {number}", clock::rfc3339(self.at))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn time<S: serde::Serializer>(at: &Micros, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&clock::rfc3339(*at))
}

/// Reads `90s`, `15m`, `2h` or `1d`.
pub(super) fn age(text: &str) -> Result<Micros, AgeError> {
    let units = [("s", SECOND), ("m", 60 * SECOND), ("h", 3600 * SECOND), ("d", DAY)];
    let of = |(unit, length): (&str, Micros)| text.strip_suffix(unit)?.parse::<u32>().ok().map(|n| (n, length));
    let (count, length) = units.into_iter().find_map(of).filter(|(count, _)| *count > 0).ok_or(AgeError)?;
    Ok(Micros::from(count).saturating_mul(length))
}

/// Names the nodes whose newest seal, of either table, is of before this time, and those that have none.
pub(super) fn old_ends<'a>(
    nodes: impl Iterator<Item = &'a str>,
    sealed: &[SealedUntil],
    since: Micros,
    findings: &mut Findings,
) {
    for node in nodes {
        let newest = sealed.iter().filter(|end| end.node == node).max_by_key(|end| end.at);
        let finding = match newest {
            Some(newest) if newest.at >= since => continue,
            Some(newest) => {
                let stream = Stream::parse(newest.stream).unwrap_or(Stream::Access);
                Finding::new(Kind::SealOld, node, stream, Some(newest.batch), newest.number, newest.number)
                    .between(None, Some(newest.at))
            }
            None => Finding::new(Kind::SealOld, node, Stream::Access, None, 0, 0),
        };
        findings.note(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_and_a_unit() {
        let read = ["90s", "15m", "2h", "1d", "4294967295d"].map(|text| age(text).map(|age| age / SECOND));
        assert_eq!(read, [90, 900, 7_200, 86_400, i64::MAX / SECOND].map(Ok));
        for wrong in ["", "15", "m", "0m", "-1h", "1.5h", "15 m", "15min", "99999999999d", "é"] {
            assert_eq!(age(wrong), Err(AgeError), "{wrong}");
        }
    }

    #[test]
    fn the_newest_seal_of_either_table_counts() {
        let end = |node: &str, stream: Stream, at| SealedUntil {
            node: node.to_owned(),
            stream: stream.as_str(),
            batch: 3,
            number: 30,
            at,
        };
        let sealed = [
            end("gw1", Stream::Access, 99),
            end("gw1", Stream::Auth, 100),
            end("gw2", Stream::Access, 99),
            end("gw2", Stream::Auth, 98),
        ];
        let mut findings = Findings::default();
        old_ends(["gw1", "gw2", "gw3"].into_iter(), &sealed, 100, &mut findings);
        let found: Vec<_> =
            findings.listed.iter().map(|found| (found.node.as_str(), found.batch, found.last)).collect();
        assert_eq!(found, [("gw2", Some(3), 30), ("gw3", None, 0)]);
    }
}
