//! Hand-over of a node's seal key: the old key signs which key follows it, and from which batches on.
//!
//! Whoever knows one key of a node, and believes it, can so follow it to the next without asking the node's operator again.
//! A key hands over once. The statement names the seal that the new key's first seal chains to, so that a hand-over
//! cannot be moved to another past.

use super::digits::Digits;
use super::{SealKey, Stream, verify_bytes};
use crate::id::NodeName;
use crate::wire::Wire;
use crate::{Micros, wire_struct};
use serde::{Deserialize, Serialize};

/// Stands before what is signed: no seal's statement begins so, for there the first four bytes are the length of a
/// node's name, and these would be a length over any limit. A later form gets another number.
const DOMAIN: &[u8] = b"grindvakt seal key hand-over v1\n";

wire_struct! {
    /// From where on a key holds in one table.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Edge {
        /// The first batch that the new key may seal.
        pub batch: u64,
        /// The hash that the first seal by the new key chains to; zeros if it is the first of all.
        pub previous: [u8; 32],
    }
}

wire_struct! {
    /// What a hand-over says: the bytes under its signature, after the domain.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct HandOver {
        /// The node whose keys these are.
        pub node: String,
        /// The key that signs this, and no seal from the edges on.
        pub old: [u8; 32],
        /// The key that signs the seals from the edges on.
        pub new: [u8; 32],
        /// From where on in `access_log`.
        pub access: Edge,
        /// From where on in `auth_event`.
        pub auth: Edge,
        /// When it was signed.
        pub at: Micros,
    }
}

impl HandOver {
    /// From where on the new key holds in a table.
    pub fn edge(&self, stream: Stream) -> &Edge {
        match stream {
            Stream::Access => &self.access,
            Stream::Auth => &self.auth,
        }
    }

    fn message(&self) -> Vec<u8> {
        let mut message = DOMAIN.to_vec();
        self.encode(&mut message);
        message
    }
}

/// A hand-over with the old key's signature. In JSON, keys, hashes and signature are hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Line", into = "Line")]
pub struct SignedHandOver {
    /// What is said.
    pub said: HandOver,
    /// The old key's signature (Ed25519, RFC 8032).
    pub signature: [u8; 64],
}

impl SignedHandOver {
    /// `old` hands over to `new`.
    pub fn new(node: &NodeName, old: &SealKey, new: [u8; 32], access: Edge, auth: Edge, at: Micros) -> Self {
        let said = HandOver { node: node.as_str().to_owned(), old: old.public(), new, access, auth, at };
        let signature = old.sign_bytes(&said.message());
        Self { said, signature }
    }

    /// Whether the old key signed it.
    pub fn holds(&self) -> bool {
        verify_bytes(&self.said.message(), &self.said.old, &self.signature)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    node: String,
    old: Digits<32>,
    new: Digits<32>,
    access: LineEdge,
    auth: LineEdge,
    at: Micros,
    signature: Digits<64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineEdge {
    batch: u64,
    previous: Digits<32>,
}

impl From<Line> for SignedHandOver {
    fn from(line: Line) -> Self {
        let edge = |edge: LineEdge| Edge { batch: edge.batch, previous: edge.previous.0 };
        let said = HandOver {
            node: line.node,
            old: line.old.0,
            new: line.new.0,
            access: edge(line.access),
            auth: edge(line.auth),
            at: line.at,
        };
        Self { said, signature: line.signature.0 }
    }
}

impl From<SignedHandOver> for Line {
    fn from(SignedHandOver { said, signature }: SignedHandOver) -> Self {
        let edge = |edge: Edge| LineEdge { batch: edge.batch, previous: Digits(edge.previous) };
        Self {
            node: said.node,
            old: Digits(said.old),
            new: Digits(said.new),
            access: edge(said.access),
            auth: edge(said.auth),
            at: said.at,
            signature: Digits(signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{Root, Statement, statement};
    use crate::wire::LENGTH_MAX;
    use aws_lc_rs::signature::Ed25519KeyPair;

    fn key() -> SealKey {
        let der = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).expect("generates");
        SealKey::from_pkcs8(der.as_ref()).expect("reads")
    }

    fn signed() -> (SealKey, SignedHandOver) {
        let (old, new) = (key(), key().public());
        let node = NodeName::parse("gw1").expect("a name");
        let edge = |batch| Edge { batch, previous: [7; 32] };
        let signed = SignedHandOver::new(&node, &old, new, edge(4), edge(9), 5);
        (old, signed)
    }

    #[test]
    fn a_hand_over_holds_as_it_was_signed_and_in_no_other_way() {
        let (_, signed) = signed();
        assert!(signed.holds());
        let changes: [fn(&mut HandOver); 8] = [
            |said| said.node.push('2'),
            |said| said.old = key().public(),
            |said| said.new[0] ^= 1,
            |said| said.access.batch += 1,
            |said| said.access.previous[31] ^= 1,
            |said| said.auth.batch -= 1,
            |said| said.auth.previous[0] ^= 1,
            |said| said.at += 1,
        ];
        for change in changes {
            let mut forged = signed.clone();
            change(&mut forged.said);
            assert!(!forged.holds(), "{forged:?}");
        }
    }

    #[test]
    fn the_bytes_of_a_hand_over_are_no_statement_of_a_seal() {
        let (old, signed) = signed();
        let message = signed.said.message();
        assert!(Statement::from_bytes(&message).is_err());
        let length = u32::from_le_bytes(DOMAIN[..4].try_into().expect("four bytes"));
        assert!(length as usize > LENGTH_MAX, "no seal's statement begins so");
        // And the signature of a seal is none of a hand-over.
        let node = NodeName::parse("gw1").expect("a name");
        let seal = statement(&node, Stream::Access, 1, 1, Root::default(), [0; 32], 5);
        assert!(!SignedHandOver { signature: old.sign(&seal), ..signed }.holds());
    }

    #[test]
    fn it_reads_back_from_json() {
        let (_, signed) = signed();
        let line = serde_json::to_string(&signed).expect("writes");
        assert!(line.contains(&format!("\"old\":\"{}\"", hex::encode(signed.said.old))), "{line}");
        assert_eq!(serde_json::from_str::<SignedHandOver>(&line).expect("reads"), signed);
        assert!(serde_json::from_str::<SignedHandOver>(&line.replace("\"at\"", "\"when\"")).is_err());
    }

    #[test]
    fn its_bytes_do_not_change() {
        let edge = |batch| Edge { batch, previous: [batch as u8; 32] };
        let said = HandOver { node: "gw1".into(), old: [1; 32], new: [2; 32], access: edge(3), auth: edge(4), at: 5 };
        let hash = blake3::hash(&said.message()).to_hex().to_string();
        assert_eq!(said.message().len(), DOMAIN.len() + 4 + 3 + 64 + 2 * 40 + 8);
        insta::assert_snapshot!(hash);
    }
}
