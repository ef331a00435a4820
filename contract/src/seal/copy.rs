//! The copy of a seal that a witness keeps: a line of JSON, a few hundred bytes whatever the batch's size.
//!
//! It holds all that the seal says but the leaves, of which there is one a row; `hash` is over the whole statement, leaves
//! included. A seal is the one that was witnessed if its statement has this hash.

use super::digits::Digits;
use super::{Statement, Stream};
use crate::Micros;
use serde::{Deserialize, Serialize};

/// A seal as a witness keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealCopy {
    /// The form of the line: 1.
    pub v: u8,
    /// The node that wrote the rows.
    pub node: String,
    /// The table: `access` or `auth`.
    #[serde(with = "stream")]
    pub stream: Stream,
    /// The batch.
    pub batch: u64,
    /// The first row's number.
    pub first: u64,
    /// The last row's number.
    pub last: u64,
    /// When it was sealed, microseconds since 1970.
    pub at: Micros,
    /// The hash that it chains to.
    pub previous: Digits<32>,
    /// BLAKE3 over the whole statement: what the next seal chains to.
    pub hash: Digits<32>,
    /// BLAKE3 over the rows' hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Digits<32>>,
    /// The public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Digits<32>>,
    /// The signature over the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Digits<64>>,
}

impl SealCopy {
    /// The longest line that is believed to be one, in bytes.
    pub const BYTES_MAX: usize = 4096;
    /// The form that this version writes and reads.
    pub const VERSION: u8 = 1;

    /// The copy of a seal.
    pub fn new(said: &Statement, key: [u8; 32], signature: [u8; 64]) -> Self {
        Self {
            v: Self::VERSION,
            node: said.node.clone(),
            stream: said.stream,
            batch: said.batch,
            first: said.first,
            last: said.last,
            at: said.at,
            previous: Digits(said.previous),
            hash: Digits(said.chain()),
            root: Some(Digits(said.root)),
            key: Some(Digits(key)),
            signature: Some(Digits(signature)),
        }
    }

    /// The line, with its end. `None` if it could not be written: nothing in it allows that.
    pub fn line(&self) -> Option<Vec<u8>> {
        let mut line = serde_json::to_vec(self).ok()?;
        line.push(b'\n');
        Some(line)
    }

    /// Reads a line, with or without its end. `None` if it is no copy of a seal in a form that this version knows.
    pub fn read(line: &[u8]) -> Option<Self> {
        if line.len() > Self::BYTES_MAX {
            return None;
        }
        serde_json::from_slice(line).ok().filter(|copy: &Self| copy.v == Self::VERSION)
    }
}

mod stream {
    use super::Stream;
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(stream: &Stream, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(stream.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stream, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Stream::parse(&text).ok_or_else(|| de::Error::custom("expected access or auth"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeName;
    use crate::seal::{Root, statement};

    #[test]
    fn a_line_reads_back_and_other_lines_are_none() {
        let mut root = Root::default();
        root.add(b"a row");
        let node = NodeName::parse("gw1").expect("a name");
        let said = statement(&node, Stream::Auth, 3, 10, root, [9; 32], 77);
        let copy = SealCopy::new(&said, [1; 32], [2; 64]);
        let line = copy.line().expect("writes");
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        assert_eq!(SealCopy::read(&line), Some(copy.clone()));
        assert_eq!(copy.hash.0, said.chain());
        let short = SealCopy { root: None, key: None, signature: None, ..copy.clone() };
        assert_eq!(SealCopy::read(&short.line().expect("writes")), Some(short));
        for wrong in [&line[..line.len() / 2], b"", b"{}", &[0; 600], &[b' '; SealCopy::BYTES_MAX + 1]] {
            assert_eq!(SealCopy::read(wrong), None);
        }
        assert_eq!(SealCopy::read(&SealCopy { v: 2, ..copy }.line().expect("writes")), None);
    }

    #[test]
    fn the_longest_line_is_within_its_bound() {
        let node = NodeName::parse(&"a".repeat(63)).expect("a name");
        let said = statement(&node, Stream::Access, u64::MAX, u64::MAX, Root::default(), [255; 32], Micros::MIN);
        let line = SealCopy::new(&said, [255; 32], [255; 64]).line().expect("writes");
        assert!(line.len() < SealCopy::BYTES_MAX / 2, "{}", line.len());
    }
}
