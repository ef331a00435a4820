//! Which key may seal which batches of a node: the keys that the operator names, and those that follow them by signed
//! hand-overs. Knows no database.

use super::finding::{Finding, Findings, Kind};
use contract::seal::{Edge, HandOver, SignedHandOver, Stream};
use std::collections::{BTreeMap, BTreeSet};

/// The keys of one node.
#[derive(Debug, Default)]
pub(super) struct Keyring {
    terms: BTreeMap<[u8; 32], Term>,
    /// The hand-overs that are believed.
    followed: Vec<HandOver>,
}

/// What a key may seal: batches from the first of the pair, and below the second, for each table.
#[derive(Debug, Clone, Copy)]
struct Term {
    access: (u64, u64),
    auth: (u64, u64),
}

impl Term {
    const ALL: Self = Self { access: (0, u64::MAX), auth: (0, u64::MAX) };

    fn of(&self, stream: Stream) -> (u64, u64) {
        match stream {
            Stream::Access => self.access,
            Stream::Auth => self.auth,
        }
    }
}

/// What a key is to a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may seal this batch.
    Holds,
    /// It is the node's, but not for this batch.
    OutOfTerm,
    /// It is not known to be the node's.
    Foreign,
}

impl Keyring {
    /// The keys that the operator believes, and those that follow from them. What is wrong with hand-overs is noted.
    pub(super) fn new(roots: &[[u8; 32]], hand_overs: &[SignedHandOver], findings: &mut Findings) -> Self {
        let mut of_key: BTreeMap<[u8; 32], Vec<&HandOver>> = BTreeMap::new();
        for signed in hand_overs {
            if signed.holds() {
                of_key.entry(signed.said.old).or_default().push(&signed.said);
            } else {
                findings.note(Finding::of_hand_over(Kind::HandOverBroken, &signed.said));
            }
        }
        let mut ring = Self { terms: roots.iter().map(|key| (*key, Term::ALL)).collect(), followed: Vec::new() };
        let entered = entered(roots, &of_key);
        let heads = roots.iter().filter(|root| !entered.contains(*root));
        let mut visited = BTreeSet::new();
        for root in heads.chain(roots) {
            ring.follow(*root, &mut of_key, &mut visited, findings);
        }
        // One from a key that nobody knows is of no use to anybody; to a key that the operator believes it does no harm.
        for said in of_key.into_values().flatten().filter(|said| !roots.contains(&said.new)) {
            findings.note(Finding::of_hand_over(Kind::HandOverForeign, said));
        }
        ring
    }

    /// Follows the hand-overs from a key on, as far as they can be believed.
    fn follow(
        &mut self,
        root: [u8; 32],
        of_key: &mut BTreeMap<[u8; 32], Vec<&HandOver>>,
        visited: &mut BTreeSet<[u8; 32]>,
        findings: &mut Findings,
    ) {
        let mut key = root;
        while visited.insert(key)
            && let Some(all) = of_key.remove(&key)
        {
            // Once it has said so a key holds no more, whichever of several is the right one.
            let start = self.terms.get(&key).copied().unwrap_or(Term::ALL);
            let end = |stream| all.iter().map(|said| said.edge(stream).batch).min().unwrap_or(u64::MAX);
            let term = Term { access: (start.access.0, end(Stream::Access)), auth: (start.auth.0, end(Stream::Auth)) };
            self.terms.insert(key, term);
            let [said] = all.as_slice() else {
                for said in all {
                    findings.note(Finding::of_hand_over(Kind::HandOverForked, said));
                }
                return;
            };
            if visited.contains(&said.new) {
                // To itself, or to a key that had its time.
                findings.note(Finding::of_hand_over(Kind::HandOverForked, said));
                return;
            }
            if said.access.batch < start.access.0 || said.auth.batch < start.auth.0 {
                // A key can give away no more than it was given.
                findings.note(Finding::of_hand_over(Kind::HandOverMisplaced, said));
                return;
            }
            // From there on only, though the operator may have named it, too.
            let term = Term { access: (said.access.batch, u64::MAX), auth: (said.auth.batch, u64::MAX) };
            self.terms.insert(said.new, term);
            self.followed.push((*said).clone());
            key = said.new;
        }
    }

    /// What a key is to a batch's seal.
    pub(super) fn standing(&self, key: &[u8; 32], stream: Stream, batch: u64) -> Standing {
        let Some(term) = self.terms.get(key) else { return Standing::Foreign };
        let (from, to) = term.of(stream);
        if (from..to).contains(&batch) { Standing::Holds } else { Standing::OutOfTerm }
    }

    /// The hand-overs that lie between two seals that follow each other: the second is the first under the new key.
    pub(super) fn between(&self, stream: Stream, before: u64, batch: u64) -> impl Iterator<Item = (&HandOver, &Edge)> {
        let edges = self.followed.iter().map(move |said| (said, said.edge(stream)));
        edges.filter(move |(_, edge)| before < edge.batch && edge.batch <= batch)
    }

    /// The hand-overs that are believed.
    pub(super) fn followed(&self) -> impl Iterator<Item = &HandOver> {
        self.followed.iter()
    }
}

/// The roots to which hand-overs lead from other roots: they are met on the way.
fn entered(roots: &[[u8; 32]], of_key: &BTreeMap<[u8; 32], Vec<&HandOver>>) -> BTreeSet<[u8; 32]> {
    let mut entered = BTreeSet::new();
    for root in roots {
        let (mut key, mut seen) = (*root, BTreeSet::new());
        while seen.insert(key)
            && let Some([said]) = of_key.get(&key).map(Vec::as_slice)
        {
            key = said.new;
            if key != *root && roots.contains(&key) {
                entered.insert(key);
                break;
            }
        }
    }
    entered
}

#[cfg(test)]
mod tests;
