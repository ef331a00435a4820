//! Whether seals hold over rows. Knows no database: seals and rows' hashes come in, findings go out.

use super::finding::{Finding, Findings, Kind};
use super::keys::{Keyring, Standing};
use contract::Micros;
use contract::row::SealRow;
use contract::seal::{HandOver, Root, Stream, key_id, leaf, verify};
use contract::wire::COUNT_MAX;
use std::collections::BTreeSet;

/// BLAKE3 gives no such hash.
const ABSENT: [u8; 32] = [0; 32];
/// Rows that nobody sealed and that are held, of each sort: more are only counted. Somebody may put in millions.
const STRAYS_MAX: usize = 100_000;

/// The hashes of rows that some seals cover: 32 bytes each.
pub(super) struct Window {
    /// The first number of each seal's rows, and their hashes. In the order of numbers.
    covered: Vec<(u64, Vec<[u8; 32]>)>,
    /// Other rows under numbers that are taken, and rows that nothing covers: [`STRAYS_MAX`] of each.
    others: BTreeSet<(u64, [u8; 32])>,
    strays: BTreeSet<u64>,
    /// How many more there were.
    more: u64,
}

impl Window {
    /// Room for the rows of these seals: first number and count of each.
    pub(super) fn new(seals: impl IntoIterator<Item = (u64, usize)>) -> Self {
        let mut covered: Vec<_> = seals.into_iter().map(|(first, count)| (first, vec![ABSENT; count])).collect();
        covered.sort_by_key(|(first, _)| *first);
        Self { covered, others: BTreeSet::new(), strays: BTreeSet::new(), more: 0 }
    }

    /// A row that is there. The same row again says nothing new.
    pub(super) fn add(&mut self, number: u64, row: &[u8]) {
        let hash = *blake3::hash(row).as_bytes();
        let Some(place) = self.place(number) else {
            self.more += u64::from(!hold(&mut self.strays, number));
            return;
        };
        if *place == ABSENT {
            *place = hash;
        } else if *place != hash {
            self.more += u64::from(!hold(&mut self.others, (number, hash)));
        }
    }

    fn place(&mut self, number: u64) -> Option<&mut [u8; 32]> {
        let after = self.covered.partition_point(|(first, _)| *first <= number);
        let (first, hashes) = self.covered.get_mut(after.checked_sub(1)?)?;
        hashes.get_mut(usize::try_from(number - *first).ok()?)
    }
}

/// Puts one into a set that grows to [`STRAYS_MAX`]. False if there is no room for it.
fn hold<T: Ord>(set: &mut BTreeSet<T>, one: T) -> bool {
    let room = set.len() < STRAYS_MAX || set.contains(&one);
    if room {
        set.insert(one);
    }
    room
}

/// What is known of the seal before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    /// Its batch.
    pub(super) batch: u64,
    /// Its last row.
    pub(super) last: u64,
    /// Its chain.
    pub(super) chain: [u8; 32],
    /// When it was sealed.
    pub(super) at: Option<Micros>,
}

impl Before {
    /// Before the first seal of all.
    pub(super) const NOTHING: Self = Self { batch: 0, last: 0, chain: [0; 32], at: None };

    /// After this seal.
    pub(super) fn after(seal: &SealRow) -> Self {
        Self { batch: seal.batch, last: seal.last, chain: seal.statement().chain(), at: Some(seal.ts) }
    }
}

/// One stream of one node.
pub(super) struct Checker<'a> {
    node: &'a str,
    stream: Stream,
    /// The seal before; `None` if what came before is not to be looked at.
    pub(super) before: Option<Before>,
}

impl<'a> Checker<'a> {
    /// Begins.
    pub(super) fn new(node: &'a str, stream: Stream, before: Option<Before>) -> Self {
        Self { node, stream, before }
    }

    /// Checks these seals, in the order of their batches, with the rows they cover and any others between them. `keys` are
    /// those that are known to be the node's.
    pub(super) fn window(&mut self, seals: &[SealRow], keys: &Keyring, mut window: Window, findings: &mut Findings) {
        for seal in seals {
            self.sequence(seal, keys, findings);
            self.signature(seal, keys, findings);
            self.rows(seal, &mut window, findings);
            self.before = Some(Before::after(seal));
        }
        let mut by_number: Vec<_> = seals.iter().map(|seal| (seal.first, seal.last, seal.batch)).collect();
        by_number.sort_unstable();
        let batch_of = |number| {
            let after = by_number.partition_point(|(first, ..)| *first <= number);
            let (_, last, batch) = by_number.get(after.checked_sub(1)?)?;
            (number <= *last).then_some(*batch)
        };
        for (number, _) in &window.others {
            findings.note(self.finding(Kind::Added, batch_of(*number), *number, *number));
        }
        for number in window.strays {
            findings.note(self.finding(Kind::Added, None, number, number));
        }
        findings.count += window.more;
    }

    /// When all seals have been checked: hand-overs that were made after more of them. They are signed, so those seals were
    /// there, whoever took them away. What was sealed before a hand-over that is older than `since` may be gone by right.
    /// (So may be what was sealed long before a newer one, in a table that has been idle for as long as rows are kept.)
    pub(super) fn lost<'k>(&self, keys: &'k Keyring, since: Micros) -> impl Iterator<Item = &'k HandOver> {
        keys.followed().filter(move |said| self.lacks(said) && said.at >= since)
    }

    /// Whether there were seals before a hand-over that have not been met.
    pub(super) fn lacks(&self, said: &HandOver) -> bool {
        said.edge(self.stream).batch.saturating_sub(1) > self.before.map_or(0, |before| before.batch)
    }

    /// What to say of one of them.
    pub(super) fn seals_before(&self, said: &HandOver) -> Finding {
        let before = self.before.unwrap_or(Before::NOTHING);
        let first = before.last.saturating_add(1);
        let missing = self.finding(Kind::SealMissing, before.batch.checked_add(1), first, first);
        let key = Some(format!("{} to {}", key_id(&said.old), key_id(&said.new)));
        Finding { key, ..missing }.between(before.at, Some(said.at))
    }

    fn finding(&self, kind: Kind, batch: Option<u64>, first: u64, last: u64) -> Finding {
        Finding::new(kind, self.node, self.stream, batch, first, last)
    }

    fn sequence(&self, seal: &SealRow, keys: &Keyring, findings: &mut Findings) {
        let Some(before) = self.before else { return };
        let finding = |kind, first, last| self.finding(kind, Some(seal.batch), first, last);
        if seal.first > before.last.saturating_add(1) || seal.batch > before.batch.saturating_add(1) {
            let first = before.last.saturating_add(1);
            let missing = self.finding(Kind::SealMissing, None, first, seal.first.saturating_sub(1).max(first));
            let missing = Finding {
                batch: (seal.batch > before.batch.saturating_add(1)).then(|| before.batch.saturating_add(1)),
                ..missing
            };
            findings.note(missing.between(before.at, Some(seal.ts)));
        } else if seal.first <= before.last || seal.batch <= before.batch || seal.previous != before.chain {
            findings.note(finding(Kind::OutOfSequence, seal.first, seal.last).between(before.at, Some(seal.ts)));
        }
        // A hand-over says what the first seal by the new key chains to.
        let misplaced = keys.between(self.stream, before.batch, seal.batch);
        for (said, _) in misplaced.filter(|(_, edge)| edge.previous != seal.previous) {
            findings.note(Finding::of_hand_over(Kind::HandOverMisplaced, said));
        }
    }

    fn signature(&self, seal: &SealRow, keys: &Keyring, findings: &mut Findings) {
        let finding = |kind| self.finding(kind, Some(seal.batch), seal.first, seal.last);
        let kind = if verify(&seal.statement(), &seal.key, &seal.signature) {
            match keys.standing(&seal.key, self.stream, seal.batch) {
                Standing::Holds => return,
                Standing::OutOfTerm => Kind::SealOutOfTerm,
                Standing::Foreign => Kind::SealForeign,
            }
        } else {
            Kind::SealBroken
        };
        findings.note(finding(kind).by(&seal.key).between(None, Some(seal.ts)));
    }

    fn rows(&self, seal: &SealRow, window: &mut Window, findings: &mut Findings) {
        let finding = |kind, number| self.finding(kind, Some(seal.batch), number, number);
        let mut root = Root::default();
        let mut whole = true;
        for (number, wanted) in (seal.first..=seal.last).zip(&seal.leaves) {
            let mut found = window.place(number).map_or(ABSENT, |place| *place);
            if found != ABSENT && leaf(&found) != *wanted {
                // The right one may be there besides.
                let mut others = window.others.range((number, ABSENT)..=(number, [u8::MAX; 32]));
                if let Some(right) = others.find(|(_, hash)| leaf(hash) == *wanted).copied() {
                    window.others.remove(&right);
                    window.others.insert((number, found));
                    found = right.1;
                }
            }
            root.add_hash(&found);
            if found == ABSENT {
                findings.note(finding(Kind::Removed, number));
            } else if leaf(&found) != *wanted {
                findings.note(finding(Kind::Changed, number));
            }
            whole &= found != ABSENT && leaf(&found) == *wanted;
        }
        if whole && root.finish().0 != seal.root {
            // All leaves fit, and the whole does not: rows were made to have the leaves of others.
            findings.note(self.finding(Kind::Changed, Some(seal.batch), seal.first, seal.last));
        }
    }
}

/// Whether a seal says for how many rows it is. One that does not covers nothing.
pub(super) fn is_whole(first: u64, last: u64, leaves: u64) -> bool {
    (1..=COUNT_MAX as u64).contains(&leaves) && last.checked_sub(first).is_some_and(|more| more + 1 == leaves)
}

#[cfg(test)]
mod tests;
