//! The nodes' keys, as the hand-overs that are there by now tell them.

use super::finding::{Finding, Findings};
use super::keys::Keyring;
use super::{VerifyError, read};
use crate::config::{Config, PublicKey};
use clickhouse::Client;
use contract::seal::SignedHandOver;
use std::collections::{BTreeMap, HashSet};

/// The keys of all nodes.
#[derive(Debug, Default)]
pub(super) struct Rings {
    /// The keys that the operator believes.
    roots: BTreeMap<String, Vec<[u8; 32]>>,
    hand_overs: Vec<SignedHandOver>,
    of_node: BTreeMap<String, Keyring>,
    nobody: Keyring,
    /// What was found to be wrong with hand-overs. They are read several times, and what is wrong is named once.
    noted: HashSet<Finding>,
}

impl Rings {
    /// The keys that the settings name.
    pub(super) fn new(config: &Config) -> Result<Self, VerifyError> {
        let mut roots = BTreeMap::from([(config.node.as_str().to_owned(), vec![config.seal.public()])]);
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
        let mut rings = Self { roots, ..Self::default() };
        rings.build(&mut Findings::default());
        Ok(rings)
    }

    /// Reads the hand-overs. A gateway tells them before the first seal by the next key: who has read a seal, and reads
    /// these then, knows its key.
    pub(super) async fn read(&mut self, client: &Client, findings: &mut Findings) -> Result<(), VerifyError> {
        let mut hand_overs = read::hand_overs(client).await?;
        if hand_overs.len() > read::HAND_OVERS_MAX {
            return Err(VerifyError::HandOvers);
        }
        hand_overs.sort_by_key(|signed| signed.signature);
        if hand_overs != self.hand_overs {
            self.hand_overs = hand_overs;
            self.build(findings);
        }
        Ok(())
    }

    fn build(&mut self, findings: &mut Findings) {
        let mut said: BTreeMap<&str, Vec<SignedHandOver>> =
            self.roots.keys().map(|node| (node.as_str(), Vec::new())).collect();
        for signed in &self.hand_overs {
            said.entry(&signed.said.node).or_default().push(signed.clone());
        }
        let mut found = Findings::default();
        let ring = |(node, said): (&str, Vec<SignedHandOver>)| {
            let known = self.roots.get(node).map_or(&[][..], Vec::as_slice);
            (node.to_owned(), Keyring::new(known, &said, &mut found))
        };
        self.of_node = said.into_iter().map(ring).collect();
        for finding in found.listed {
            if self.noted.insert(finding.clone()) {
                findings.note(finding);
            }
        }
    }

    /// A node's keys.
    pub(super) fn of(&self, node: &str) -> &Keyring {
        self.of_node.get(node).unwrap_or(&self.nobody)
    }

    /// Whether the operator knows a key of it.
    pub(super) fn knows(&self, node: &str) -> bool {
        self.roots.contains_key(node)
    }

    /// The nodes of which the operator knows a key.
    pub(super) fn known(&self) -> impl Iterator<Item = &str> {
        self.roots.keys().map(String::as_str)
    }
}
