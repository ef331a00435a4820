//! Exchanges that stay open for long, without the frames they began with.

use super::Fold;
use crate::Text;
use crate::id::{DataKeyId, NodeName};
use crate::record::{Intent, PatientEntry};
use crate::wire_struct;

wire_struct! {
    /// An exchange that has not ended, as far as it was read.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Open {
        /// What it began with.
        pub intent: Intent,
        /// The frame of that.
        pub sequence: u64,
        /// It has its `begin` rows.
        pub begun: bool,
        /// Patients that the answer has disclosed and that have no row yet.
        pub disclosed: Vec<Waiting>,
        /// The number of the next one.
        pub next: u32,
    }
}

wire_struct! {
    /// A patient disclosed, whose row waits for the end of the exchange.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Waiting {
        /// Its number in the request.
        pub index: u32,
        /// Its data key.
        pub key: DataKeyId,
        /// Who it is.
        pub patient: PatientEntry,
    }
}

wire_struct! {
    /// The exchanges that began below one frame and were still open at another: with them, reading may begin at the first of
    /// the two and gives, from the second on, the rows that reading from the very beginning would give.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Carry {
        /// They are as they were when all frames below this one had been read.
        pub at: u64,
        /// They began below this frame.
        pub below: u64,
        /// Them.
        pub exchanges: Vec<Open>,
    }
}

impl Fold {
    /// What must be known of open exchanges that began below frame `below`, all frames below `at` having been read and no
    /// other.
    pub fn carry(&self, at: u64, below: u64) -> Carry {
        let old = self.oldest.range(..below).filter_map(|(_, request)| self.open.get(request));
        let aside = self.aside.iter().flat_map(|carry| &carry.exchanges);
        Carry { at, below, exchanges: aside.chain(old).cloned().collect() }
    }

    /// The exchanges that began below this frame are kept elsewhere from now on.
    pub fn carried(&mut self, below: u64) {
        self.carried_below = self.carried_below.max(below);
    }

    /// Exchanges that began below this frame are kept elsewhere.
    pub fn carried_below(&self) -> u64 {
        self.carried_below
    }

    /// Starts with what was carried over. The first frame to be read is the one at `carry.below`; rows are right from the one
    /// at `carry.at` on.
    pub fn with(node: &NodeName, tenant: &Text, carry: Carry) -> Self {
        Self { carried_below: carry.below, aside: Some(carry), ..Self::new(node, tenant) }
    }

    /// From here on they are like all others. Until here their frames said nothing new of them.
    pub(super) fn take_carried(&mut self) {
        for open in self.aside.take().into_iter().flat_map(|carry| carry.exchanges) {
            let request = open.intent.asked.request;
            let sequence = open.sequence;
            if let Some(before) = self.open.insert(request, open) {
                self.oldest.remove(&before.sequence);
            }
            self.oldest.insert(sequence, request);
        }
    }
}
