//! Seals: each batch of rows is signed and chained, so that anyone can check the log (promise P4).
//!
//! A seal covers the rows `first..=last` of one node and stream. Its root is BLAKE3 over the rows' hashes, its
//! chain is the hash of the seal before. Leaf prefixes let `auditor verify` name the very row that was changed;
//! they are under the signature too.
//!
//! A node's key is replaced by a hand-over that the old one signs ([`SignedHandOver`]). A witness outside keeps copies
//! of seals ([`SealCopy`]).

mod copy;
mod digits;
mod hand_over;

pub use copy::SealCopy;
pub use digits::Digits;
pub use hand_over::{Edge, HandOver, SignedHandOver};

use crate::id::NodeName;
use crate::wire::Wire;
use crate::{Micros, wire_enum, wire_struct};
use aws_lc_rs::signature::{self, Ed25519KeyPair, KeyPair};

wire_enum! {
    /// Which table a batch belongs to.
    pub enum Stream {
        /// `access_log`.
        Access = 1 => "access",
        /// `auth_event`.
        Auth = 2 => "auth",
    }
}

/// The first eight bytes of a row's hash, as a number: a seal's leaf.
pub fn leaf(hash: &[u8; 32]) -> u64 {
    let (first, _) = hash.split_at(8);
    first.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The root over rows' hashes, in row order.
#[derive(Debug, Default)]
pub struct Root {
    hasher: blake3::Hasher,
    leaves: Vec<u64>,
}

impl Root {
    /// Adds the next row: its bytes in RowBinary, as its table gives them.
    pub fn add(&mut self, row: &[u8]) {
        self.add_hash(blake3::hash(row).as_bytes());
    }

    /// Adds the next row by its BLAKE3 hash.
    pub fn add_hash(&mut self, hash: &[u8; 32]) {
        self.hasher.update(hash);
        self.leaves.push(leaf(hash));
    }

    /// The root, and the leaves.
    pub fn finish(self) -> ([u8; 32], Vec<u64>) {
        (*self.hasher.finalize().as_bytes(), self.leaves)
    }
}

wire_struct! {
    /// What a seal says: the bytes under its signature.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Statement {
        /// The node that wrote the rows.
        pub node: String,
        /// The table.
        pub stream: Stream,
        /// The batch, counted per node and stream from 1.
        pub batch: u64,
        /// The first row's number.
        pub first: u64,
        /// The last row's number.
        pub last: u64,
        /// BLAKE3 over the rows' hashes.
        pub root: [u8; 32],
        /// Each row's leaf.
        pub leaves: Vec<u64>,
        /// BLAKE3 of the statement of the batch before; zeros for the first.
        pub previous: [u8; 32],
        /// When it was sealed.
        pub at: Micros,
    }
}

impl Statement {
    /// The hash that the next seal chains to.
    pub fn chain(&self) -> [u8; 32] {
        *blake3::hash(&self.to_bytes()).as_bytes()
    }
}

/// A node's signing key (Ed25519, RFC 8032).
pub struct SealKey(Ed25519KeyPair);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealKey({})", hex::encode(self.public()))
    }
}

/// The bytes are not an Ed25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 key in PKCS#8 form")]
pub struct KeyError;

impl SealKey {
    /// Reads a key in PKCS#8 DER form.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Self).map_err(|_| KeyError)
    }

    /// The public key, 32 bytes.
    pub fn public(&self) -> [u8; 32] {
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        key
    }

    /// Signs a statement.
    pub fn sign(&self, statement: &Statement) -> [u8; 64] {
        self.sign_bytes(&statement.to_bytes())
    }

    /// Signs what is no seal: its bytes must begin as no statement's do.
    fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        for (to, from) in signature.iter_mut().zip(self.0.sign(bytes).as_ref()) {
            *to = *from;
        }
        signature
    }
}

/// Whether `signature` is `key`'s over `statement`.
pub fn verify(statement: &Statement, key: &[u8; 32], signature: &[u8]) -> bool {
    verify_bytes(&statement.to_bytes(), key, signature)
}

fn verify_bytes(bytes: &[u8], key: &[u8; 32], signature: &[u8]) -> bool {
    signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(bytes, signature).is_ok()
}

/// A short name for a public key, for people: the first eight bytes of its BLAKE3 hash.
pub fn key_id(key: &[u8; 32]) -> String {
    let hash = blake3::hash(key);
    hex::encode(hash.as_bytes().split_at(8).0)
}

/// Starts a statement for a node.
pub fn statement(
    node: &NodeName,
    stream: Stream,
    batch: u64,
    first: u64,
    root: Root,
    previous: [u8; 32],
    at: Micros,
) -> Statement {
    let (root, leaves) = root.finish();
    let last = first + (leaves.len() as u64).saturating_sub(1);
    Statement { node: node.as_str().to_owned(), stream, batch, first, last, root, leaves, previous, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_statement_only() {
        let der = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).expect("generates");
        let key = SealKey::from_pkcs8(der.as_ref()).expect("reads");
        let node = NodeName::parse("gw1").expect("a name");
        let mut root = Root::default();
        root.add(b"a row");
        root.add(b"another");
        let mut said = statement(&node, Stream::Access, 1, 10, root, [0; 32], 5);
        assert_eq!((said.first, said.last), (10, 11));
        let signature = key.sign(&said);
        assert!(verify(&said, &key.public(), &signature));
        said.last += 1;
        assert!(!verify(&said, &key.public(), &signature));
    }

    #[test]
    fn the_last_leaf_of_the_largest_batch_is_under_the_signature() {
        let der = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).expect("generates");
        let key = SealKey::from_pkcs8(der.as_ref()).expect("reads");
        let mut root = Root::default();
        for _ in 0..crate::wire::COUNT_MAX {
            root.add_hash(&[7; 32]);
        }
        let node = NodeName::parse("gw1").expect("a name");
        let mut said = statement(&node, Stream::Access, 1, 1, root, [0; 32], 5);
        assert_eq!(Statement::from_bytes(&said.to_bytes()).as_ref(), Ok(&said));
        let signature = key.sign(&said);
        *said.leaves.last_mut().expect("many") ^= 1;
        assert!(!verify(&said, &key.public(), &signature));
    }
}
